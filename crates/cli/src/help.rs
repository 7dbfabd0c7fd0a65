//! What `--help` says.

const ALL: &str = "\
leakprobe: which route leaks, how much per request, of which kind

usage: leakprobe <command> [options]

commands:
  report DIR              the report kept in DIR (what start() was given as `directory`); --html: as a page
  incidents DIR           the incidents kept in DIR, oldest first
  history DIR             what the service did over days and weeks
  top DIR|PID             what a running process does, drawn anew each second, like top
  doctor DIR|PID          what is wrong with a process, what is not, and what to do
  memory-map DIR|PID      where the process's memory is, in bars or as a picture
  analyze FILE            what a heap snapshot holds, and where it gathers
  diff FILE FILE...       what grew from one heap snapshot to the next
  path FILE --class NAME  what keeps the objects of a class
  redact IN OUT           a heap snapshot without the contents of its strings
  rules check FILE        whether triggers are right, and what they do
  rules replay DIR        how often triggers would have tripped

options:
  --json           for machines
  --help           this, or a command's own help
  --version

examples:
  npx leakprobe report .leakprobe
  npx leakprobe incidents .leakprobe --json
  npx leakprobe history .leakprobe --since 30d
  npx leakprobe analyze heap.heapsnapshot.gz
  npx leakprobe diff before.heapsnapshot after.heapsnapshot

exit codes: 0 done, 1 nothing found or unreadable, 2 wrong usage
";
const REPORT: &str = "\
usage: leakprobe report DIR [--json]
       leakprobe report DIR --html [FILE]

DIR is the directory of the probe, one service's folder in it, or an incident's. With several services, all of
them are reported; --json gives an array then.

--html writes one file with the report and the newest incidents that any browser opens, without a server and without a
network; without FILE it is named after the service, and - is standard output.

examples:
  npx leakprobe report .leakprobe
  npx leakprobe report .leakprobe/mail-api/incidents/20260102T030405.678Z-slow-route-1f3a22
  npx leakprobe report .leakprobe --json | jq '.leaks[].route'
  npx leakprobe report .leakprobe --html report.html

exit codes: 0 done, 1 no report there or unreadable, 2 wrong usage
";
const INCIDENTS: &str = "\
usage: leakprobe incidents DIR [--json]

DIR is the directory of the probe or one service's folder in it. --json gives an array of what each incident.json says.

examples:
  npx leakprobe incidents .leakprobe
  npx leakprobe incidents .leakprobe --json | jq '.[-1].directory'

exit codes: 0 done, also when there are none, 1 no such directory or unreadable, 2 wrong usage
";
const DOCTOR: &str = "\
usage: leakprobe doctor DIR|PID [--json]

The verdict, what to do, what the numbers support and what they rule out, and what cannot be measured here and why. DIR
is the directory of the probe or one service's folder in it; PID is a running process of yours. It reads the report that
the process keeps there, and says how old that is.

examples:
  npx leakprobe doctor .leakprobe
  npx leakprobe doctor 4711
  npx leakprobe doctor .leakprobe --json | jq '.hypotheses[] | select(.state == \"supported\")'

exit codes: 0 done, whatever it found, 1 no report there or unreadable, 2 wrong usage
";
const MEMORY_MAP: &str = "\
usage: leakprobe memory-map DIR|PID [--svg FILE] [--json]

Where a process's resident memory is: V8's spaces, array buffers, malloc in use and free, stacks, mapped files. DIR
is the directory of the probe or one service's folder in it, and the newest map there is shown; PID is a running
process of yours. The map of a running process is as of the last minute.

options:
  --svg FILE  a picture of all maps since the start, too: stacked areas over time
  --json      as leakprobe.memory-map/1

examples:
  npx leakprobe memory-map .leakprobe
  npx leakprobe memory-map 4711 --svg memory.svg

exit codes: 0 done, 1 no map there or unreadable, 2 wrong usage
";
const ANALYZE: &str = "\
usage: leakprobe analyze FILE [--rows N] [--json] [--output OUT]

FILE is a heap snapshot of Node or Chrome, plain, .gz or .zst; - is standard input. Says where objects gather and
of which kind of leak that would be, whose code the memory hangs on, the classes by what they retain, listeners,
timers, functions and repeated strings.

options:
  --rows N      rows of each table (10; with --json 50)
  --json        as leakprobe.heap-analysis/1
  --output OUT  into this file, which appears whole

examples:
  npx leakprobe analyze heap.heapsnapshot.gz
  npx leakprobe analyze heap.heapsnapshot --json | jq '.gathering[0].retainingPath'
  curl -s host/heap.heapsnapshot | npx leakprobe analyze -

exit codes: 0 done, 1 unreadable or damaged, 2 wrong usage
";
const DIFF: &str = "\
usage: leakprobe diff FILE FILE... [--rows N] [--json]

The files are heap snapshots of one program, oldest first. Objects are told by their retaining path and class, for
their ids differ from one process or shadow to the next. With three files or more, a row says how often it grew.

options:
  --rows N   rows of each table (10; with --json 50)
  --json     as leakprobe.diff/1

examples:
  npx leakprobe diff monday.heapsnapshot.gz tuesday.heapsnapshot.gz
  npx leakprobe diff 1.heapsnapshot 2.heapsnapshot 3.heapsnapshot --rows 3

exit codes: 0 done, 1 unreadable or damaged, 2 wrong usage
";
const PATH: &str = "\
usage: leakprobe path FILE (--class NAME | --id N | --tag [--route ROUTE]) [--rows N] [--json]

Prints the retaining paths of objects, those that are alike once with their number.

options:
  --class NAME  objects of this class, functions of this name
  --id N        the object with V8's id, which DevTools shows as @N
  --tag         requests that leakprobe watched and tagged: they have ended, and something still keeps them
  --route ROUTE of these, those of one route, as the report names it
  --rows N      paths (10; with --json 50)

examples:
  npx leakprobe path heap.heapsnapshot.gz --class IncomingMessage
  npx leakprobe path heap.heapsnapshot.gz --id @48211
  npx leakprobe path incidents/20260102T030405.678Z-leak-1f3a22/heap.heapsnapshot.gz --tag
  npx leakprobe path heap.heapsnapshot.gz --tag --route 'GET /mails/:customer'

exit codes: 0 done, 1 no such object, or the file is unreadable or damaged, 2 wrong usage
";
const REDACT: &str = "\
usage: leakprobe redact IN OUT [--numbers] [--json]

Writes IN to OUT without the contents of its strings: of each, its length and what it looked like stay. Names of
classes, functions, properties, variables and files stay, so that DevTools and `leakprobe analyze` say the same of
both. OUT is compressed when its name ends with .gz or .zst. An existing OUT is replaced.

options:
  --numbers  numbers too
  --json     as leakprobe.redaction/1: how many strings there are, and how many lost their content

example:
  npx leakprobe redact heap.heapsnapshot.gz for-the-maintainer.heapsnapshot.zst

exit codes: 0 done, 1 unreadable, damaged or unwritable, 2 wrong usage
";

/// The text for a command; of all for none.
pub(crate) fn text(command: Option<&str>) -> &'static str {
    match command {
        Some("report") => REPORT,
        Some("incidents") => INCIDENTS,
        Some("doctor") => DOCTOR,
        Some("memory-map") => MEMORY_MAP,
        Some("analyze") => ANALYZE,
        Some("diff") => DIFF,
        Some("path") => PATH,
        Some("redact") => REDACT,
        _ => ALL,
    }
}
