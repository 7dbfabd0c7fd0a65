//! `leakprobe doctor`: what is wrong with a process, what is not, and what to do, for somebody who was just woken.

use crate::locate::{self, Named};
use crate::render::{Paint, clean, duration};
use crate::report::{kept, number, routes, sentence};
use crate::{Terminal, Unreadable, find, incidents};
use leakprobe_core::hypothesis::{Judged, State};
use leakprobe_core::report::{Leak, Verdict};
use leakprobe_core::{Capability, Report};
use serde_json::{Value, json};
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// The form of `--json`.
const SCHEMA: &str = "leakprobe.doctor/1";
/// An older report is not of now: by default one is written every ten seconds.
const OLD_MS: u64 = 60_000;
/// Leaks and slowdowns told in full.
const MOST: usize = 5;

/// What each hypothesis that is supported asks for, in one sentence.
const NEXT: [(&str, &str); 12] = [
    (
        "js-heap-leak",
        "Objects stay alive on the JS heap: see the leak above and its retaining path, or take evidence with a trigger that has \"heapSnapshot\".",
    ),
    (
        "native-leak",
        "Memory outside V8's heap grows (buffers, addons, WebAssembly): a heap snapshot will not show all of it; see `leakprobe memory-map`.",
    ),
    (
        "handle-leak",
        "Sockets, files or watchers are not closed: see `ls -l /proc/PID/fd` for what they are, and `stats().handles` for their types.",
    ),
    (
        "malloc-fragmentation",
        "malloc keeps memory that it cannot give back: MALLOC_ARENA_MAX=2 or jemalloc help; the application does not leak by this.",
    ),
    (
        "v8-fragmentation",
        "V8 holds nearly empty pages: memory is high and nothing leaks by this; a smaller --max-old-space-size makes it give them back.",
    ),
    (
        "page-faults",
        "Memory is read back from disk or swap: the machine or the container has too little of it for all that runs there.",
    ),
    (
        "gc-pressure",
        "Collections take the time: the heap is too small for what lives in it, or too much is allocated; look for a leak first.",
    ),
    (
        "heap-limit",
        "The heap is close to V8's limit and the process will be ended by it: restart it now, or raise --max-old-space-size.",
    ),
    (
        "cgroup-limit",
        "The container is close to its memory limit and will be killed: restart it now, or raise the limit.",
    ),
    (
        "cpu",
        "There is too little CPU: the app thread is saturated, or the container's CPU limit throttles it; more instances or a higher limit.",
    ),
    (
        "blocked-event-loop",
        "JavaScript blocks the event loop: the stack.txt of an incident of `loop-stalled` has the function.",
    ),
    (
        "load-increase",
        "There is simply more load than at first: that alone explains more memory and longer times.",
    ),
];

/// One service's process, as far as it is known.
struct Patient {
    report: Report,
    home: PathBuf,
    /// Of the report, ms; `None` where the clock does not say.
    age_ms: Option<u64>,
    running: bool,
    /// The process that was asked for, where the report is another one's.
    asked: Option<u32>,
}

pub(crate) fn run(word: &Path, json: bool, terminal: Terminal) -> Result<String, Unreadable> {
    let (folders, asked) = match locate::named(word)? {
        Named::Process(process) => (vec![process.home.clone()], Some(process)),
        Named::Directory(directory) => (find::folders_with(&directory, "report.json")?, None),
    };
    let mut told = Vec::new();
    for home in folders {
        let path = home.join("report.json");
        let report: Report = find::read_json(&path)?;
        let written = fs::metadata(&path).and_then(|file| file.modified()).ok();
        let age = written.and_then(|written| SystemTime::now().duration_since(written).ok());
        let own = asked
            .as_ref()
            .is_none_or(|process| process.key.split('-').next() == Some(&report.process.pid.to_string()));
        let running = asked.is_some() || Path::new(&format!("/proc/{}", report.process.pid)).exists();
        told.push(Patient {
            report,
            home,
            age_ms: age.and_then(|age| u64::try_from(age.as_millis()).ok()),
            running,
            asked: asked.as_ref().filter(|_| !own).map(|process| process.pid),
        });
    }
    if json {
        let all: Vec<Value> = told.iter().map(as_json).collect();
        let value = if let [one] = all.as_slice() { one.clone() } else { Value::Array(all) };
        return Ok(format!("{value}\n"));
    }
    let texts: Vec<String> = told.iter().map(|patient| text(patient, terminal)).collect();
    Ok(texts.join("\n"))
}

fn text(patient: &Patient, terminal: Terminal) -> String {
    let paint = Paint::new(terminal);
    let report = &patient.report;
    let head = sentence(report);
    let urgent = matches!(report.verdict, Verdict::Leaking) || next(report).len() > 1;
    let mut text = format!("{}\n", if urgent { paint.red(&head) } else { paint.bold(&head) });
    // Writing to a String cannot fail.
    let _ = writeln!(text, "{}", paint.dim(&about(patient)));
    for warning in warnings(patient) {
        let _ = writeln!(text, "{}", paint.red(&warning));
    }
    for leak in report.leaks.iter().take(MOST) {
        let _ = writeln!(text, "\n{}", leak_text(leak, &paint));
    }
    for slowdown in report.slowdowns.iter().take(MOST) {
        let _ = writeln!(
            text,
            "\n{} gets slower: {}",
            paint.red(&clean(&slowdown.route)),
            clean(&slowdown.because)
        );
    }
    let _ = writeln!(text, "\n{}", paint.bold("What to do"));
    for (index, step) in steps(patient).iter().enumerate() {
        let _ = writeln!(text, "  {}. {step}", index + 1);
    }
    for (title, state) in [
        ("What the numbers support", State::Supported),
        ("What it is not", State::RuledOut),
        ("What cannot be said yet", State::NotEnoughData),
    ] {
        let mut of_state = report.hypotheses.iter().filter(|one| one.state == state).peekable();
        if of_state.peek().is_some() {
            let _ = writeln!(text, "\n{}", paint.bold(title));
        }
        for one in of_state {
            let name = format!("{:<20}", clean(&one.name));
            let name = if state == State::Supported { paint.red(&name) } else { name };
            let _ = writeln!(text, "  {name}  {}", clean(&one.because));
        }
    }
    let missing = missing(report);
    if !missing.is_empty() {
        let _ = writeln!(text, "\n{}", paint.bold("What is not measured here, or otherwise, and why"));
    }
    for (name, capability) in missing {
        let _ = writeln!(
            text,
            "  {:<20}  {}: {}",
            clean(name),
            clean(&capability.state),
            clean(&capability.because)
        );
    }
    text
}

fn about(patient: &Patient) -> String {
    let process = &patient.report.process;
    let age = patient.age_ms.map_or_else(String::new, |ms| format!(" · report {} old", duration(number(ms))));
    format!(
        "{} · pid {} · node {} · up {}{age}",
        clean(&process.service),
        process.pid,
        clean(&process.node),
        duration(number(process.uptime_ms)),
    )
}

/// Why the rest may not be of now.
fn warnings(patient: &Patient) -> Vec<String> {
    let pid = patient.report.process.pid;
    let mut warnings = Vec::new();
    if let Some(asked) = patient.asked {
        warnings
            .push(format!("this is the report of process {pid}, which shares the directory with {asked}"));
    }
    if !patient.running {
        warnings.push(format!("process {pid} has ended; this is its last report"));
    } else if let Some(age_ms) = patient.age_ms.filter(|ms| *ms > OLD_MS) {
        let age = duration(number(age_ms));
        warnings
            .push(format!("nothing was written for {age}: the disk may be full, or the process is stopped"));
    }
    warnings
}

fn leak_text(leak: &Leak, paint: &Paint) -> String {
    let mut text = format!("{} keeps {} per request", paint.red(&routes(leak)), kept(leak));
    let _ = write!(
        text,
        " (kind {}, confidence {:.2}, since {})",
        clean(&leak.kind),
        leak.confidence,
        clean(&leak.since)
    );
    if let Some(culprit) = &leak.culprit {
        let line = culprit.line.map(|line| format!(":{line}")).unwrap_or_default();
        let file = culprit.file.as_ref().map(|file| format!("{file}{line}"));
        let parts: Vec<String> = [&culprit.package, &culprit.function, &file]
            .into_iter()
            .flatten()
            .map(|part| clean(part))
            .collect();
        if !parts.is_empty() {
            let _ = write!(text, "\n  kept by {}", parts.join(", "));
        }
        if !culprit.retaining_path.is_empty() {
            let _ = write!(text, "\n  by {}", clean(&culprit.retaining_path.join(" → ")));
        }
    }
    if let Some(ms) = leak.time_to_limit_ms {
        let _ = write!(text, "\n  the heap limit is reached in {} at this rate", duration(number(ms)));
    }
    text
}

/// The hypotheses that are supported, with what they ask for.
fn next(report: &Report) -> Vec<(&Judged, &'static str)> {
    let supported = report.hypotheses.iter().filter(|one| one.state == State::Supported);
    supported
        .filter_map(|one| NEXT.iter().find(|(name, _)| *name == one.name).map(|(_, step)| (one, *step)))
        .collect()
}

/// In the order in which they should be done.
fn steps(patient: &Patient) -> Vec<String> {
    let report = &patient.report;
    let mut steps = Vec::new();
    if let Some(ms) = report.leaks.iter().filter_map(|leak| leak.time_to_limit_ms).min() {
        steps.push(format!("Restart within {}: until then the process lives on.", duration(number(ms))));
    }
    steps.extend(next(report).into_iter().map(|(one, step)| format!("{}: {step}", clean(&one.name))));
    match incidents::newest(&patient.home) {
        Some((count, newest)) => {
            let word = if count == 1 { "incident" } else { "incidents" };
            steps.push(format!(
                "Look at the evidence: {count} {word}, the newest in {}",
                clean(&newest.display().to_string())
            ));
        }
        None if !report.leaks.is_empty() => {
            steps.push("Keep evidence before a restart: `probe.capture({ heapSnapshot: true })`.".to_owned());
        }
        None => {}
    }
    if steps.is_empty() {
        steps.push(
            match report.verdict {
                Verdict::Learning => "Wait: there is not enough data yet for a verdict.",
                Verdict::Suspect => "Wait: something grows, and more requests tell which route it is.",
                Verdict::Leaking | Verdict::Clear => {
                    "Nothing: as far as this process is concerned, look elsewhere."
                }
            }
            .to_owned(),
        );
    }
    steps
}

fn missing(report: &Report) -> Vec<(&String, &Capability)> {
    report.process.capabilities.iter().filter(|(_, capability)| capability.state != "native").collect()
}

fn as_json(patient: &Patient) -> Value {
    let report = &patient.report;
    let newest = incidents::newest(&patient.home);
    json!({
        "schema": SCHEMA,
        "directory": patient.home,
        "process": {
            "pid": report.process.pid, "service": report.process.service, "node": report.process.node,
            "startedAt": report.process.started_at, "uptimeMs": report.process.uptime_ms,
        },
        "running": patient.running,
        "reportAgeMs": patient.age_ms,
        "warnings": warnings(patient),
        "verdict": report.verdict,
        "sentence": sentence(report),
        "leaks": report.leaks,
        "slowdowns": report.slowdowns,
        "hypotheses": report.hypotheses,
        "next": steps(patient),
        "missing": missing(report).into_iter().map(|(name, capability)| json!({
            "name": name, "state": capability.state, "because": capability.because,
        })).collect::<Vec<_>>(),
        "incidents": newest.as_ref().map_or(0, |(count, _)| *count),
        "newestIncident": newest.map(|(_, path)| path),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::REPORT;
    use crate::{Output, run};

    fn command(words: &[&str]) -> Output {
        let args: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        run(&args, Terminal { width: 100, color: false }, None)
    }

    fn written(report: &str) -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("report.json"), report).unwrap();
        directory
    }

    #[test]
    fn every_hypothesis_has_a_step_and_each_step_is_one_s() {
        let judged = leakprobe_core::hypothesis::judge(&leakprobe_core::hypothesis::History::new(1), &[]);
        let mut names: Vec<&str> = judged.iter().map(|one| one.name.as_str()).collect();
        let mut known: Vec<&str> = NEXT.iter().map(|(name, _)| *name).collect();
        names.sort_unstable();
        known.sort_unstable();
        assert_eq!(names, known);
    }

    #[test]
    fn a_leak_is_told_first_with_what_to_do_and_what_it_is_not() {
        // No process has this id: the largest there can be is 2^22.
        let directory = written(&REPORT.replace("\"pid\":7", "\"pid\":4194305"));
        let output = command(&["doctor", directory.path().to_str().unwrap()]);
        assert_eq!((output.code, output.stderr.as_str()), (0, ""));
        let order = [
            "One leak: GET /mails/:customer keeps 1.03 kB per request.",
            "process 4194305 has ended; this is its last report",
            "kept by handlebars, remember, node_modules/handlebars/lib/cache.js:12",
            "the heap limit is reached in 2.00 h",
            "What to do\n  1. Restart within 2.00 h",
            "2. js-heap-leak: Objects stay alive",
            "What the numbers support\n  js-heap-leak",
            "What it is not\n  gc-pressure           collections take 0.8 % of the time",
            "What cannot be said yet\n  cpu",
            "  freeze                absent: not built",
        ];
        let mut rest = output.stdout.as_str();
        for part in order {
            let at = rest
                .find(part)
                .unwrap_or_else(|| panic!("{part:?} is missing or early in {}", output.stdout));
            rest = &rest[at..];
        }
    }

    #[test]
    fn for_machines_it_is_json() {
        let directory = written(REPORT);
        let incidents = directory.path().join("incidents").join("20260102T030405.678Z-slow-1f");
        fs::create_dir_all(&incidents).unwrap();
        fs::write(incidents.join("incident.json"), "{}").unwrap();
        let output = command(&["doctor", directory.path().to_str().unwrap(), "--json"]);
        let value: Value = serde_json::from_str(&output.stdout).unwrap();
        assert_eq!((&value["schema"], &value["verdict"]), (&json!("leakprobe.doctor/1"), &json!("leaking")));
        assert_eq!(value["hypotheses"].as_array().map(Vec::len), Some(3));
        assert_eq!(value["missing"][0]["name"], "freeze");
        assert_eq!((&value["incidents"], &value["newestIncident"]), (&json!(1), &json!(incidents)));
    }

    #[test]
    fn a_healthy_process_needs_nothing() {
        let mut report: Value = serde_json::from_str(REPORT).unwrap();
        report["verdict"] = json!("clear");
        report["leaks"] = json!([]);
        report["hypotheses"] = json!([]);
        let directory = written(&report.to_string());
        let text = command(&["doctor", directory.path().to_str().unwrap()]).stdout;
        assert!(text.starts_with("Nothing leaks") && text.contains("1. Nothing: as far as"), "{text}");
    }

    #[test]
    fn garbage_is_told() {
        let garbage = written("\u{0}garbage");
        let output = command(&["doctor", garbage.path().to_str().unwrap()]);
        assert!(
            output.code == 1 && output.stderr.contains("report.json: expected value"),
            "{}",
            output.stderr
        );
    }
}
