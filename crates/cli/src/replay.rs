//! `leakprobe rules replay DIR`: how often triggers would have tripped over what a history recorded, and when.

use crate::history::span;
use crate::render::{Paint, clean};
use crate::rules_file::triggers_in;
use crate::{Output, Terminal, Unreadable, find};
use leakprobe_core::trigger::{Minute, Trigger, Trip, replay, unjudged};
use leakprobe_history::{FILE, LifeSpan, Reader};
use serde_json::{Value, json};
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// Trips shown of each trigger, the last ones.
const MOST: usize = 10;
/// Where the triggers are, unless it is said.
const CONFIG: &str = "leakprobe.config.json";

const HELP: &str = "\
usage: leakprobe rules replay DIR [--config FILE] [--since SPAN] [--json]

Runs the triggers in FILE over what was recorded by the minute, each process by itself, and says how often each would
have tripped and when. DIR is the directory of the probe or one service's folder in it. Minutes are kept for a week;
shorter times of a trigger are rounded up to a minute. Conditions that cannot be judged from what is recorded are named.

options:
  --config FILE  a config file, or an array of triggers (leakprobe.config.json)
  --since SPAN   30m, 12h, 7d: so long until now (7d)
  --json         as leakprobe.replay/1

example:
  npx leakprobe rules replay .leakprobe --config leakprobe.config.json --since 7d

exit codes: 0 done, 1 no history there, or FILE is unreadable or wrong, 2 wrong usage
";

struct Asked {
    directory: PathBuf,
    config: String,
    since_s: i64,
    json: bool,
}

/// One trigger over the recorded lives.
struct Replayed {
    name: String,
    /// When (seconds since the epoch), in which process.
    trips: Vec<(i64, u32, Trip)>,
    unjudged: Vec<(&'static str, &'static str)>,
}

/// Runs the command, when it is this one.
pub(crate) fn run(args: &[String], terminal: Terminal) -> Option<Output> {
    let mut words = args.iter().filter(|arg| !arg.starts_with('-'));
    if words.next()? != "rules" || words.next()? != "replay" {
        return None;
    }
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Some(run_at(args, terminal, i64::try_from(now.as_secs()).unwrap_or(0)))
}

fn run_at(args: &[String], terminal: Terminal, now: i64) -> Output {
    match parse(args) {
        Ok(None) => Output { stdout: HELP.to_owned(), ..Output::default() },
        Ok(Some(asked)) => match tell(&asked, terminal, now) {
            Ok(stdout) => Output { stdout, ..Output::default() },
            Err(why) => Output { code: 1, stderr: why, ..Output::default() },
        },
        Err(wrong) => {
            let stderr = format!("leakprobe: {wrong}; see leakprobe rules replay --help\n");
            Output { code: 2, stderr, ..Output::default() }
        }
    }
}

fn parse(args: &[String]) -> Result<Option<Asked>, String> {
    let (mut words, mut config, mut since_s, mut json) = (Vec::new(), CONFIG.to_owned(), 7 * 86_400, false);
    let mut rest = args.iter();
    while let Some(arg) = rest.next() {
        let mut value = || rest.next().cloned().ok_or_else(|| format!("{arg} wants a value"));
        match arg.as_str() {
            "--help" | "-h" => return Ok(None),
            "--json" => json = true,
            "--config" => config = value()?,
            "--since" => since_s = span(&value()?)?,
            option if option.starts_with('-') && option.len() > 1 => {
                return Err(format!("unknown option {}", clean(option)));
            }
            word => words.push(word),
        }
    }
    match words.as_slice() {
        [_, _, directory] => Ok(Some(Asked { directory: PathBuf::from(directory), config, since_s, json })),
        _ => Err(format!("rules replay takes one directory, received {}", words.len().saturating_sub(2))),
    }
}

fn tell(asked: &Asked, terminal: Terminal, now: i64) -> Result<String, String> {
    let triggers = triggers_in(&asked.config)?;
    let told = |why: Unreadable| format!("leakprobe: {why}\n");
    let folders = find::folders_with(&asked.directory, FILE).map_err(told)?;
    let span = (now - asked.since_s, now + 1);
    let mut text = String::new();
    let mut values = Vec::new();
    for folder in folders {
        let (lives, all) = over(&folder, &triggers, span)
            .map_err(|error| format!("leakprobe: {}: {error}\n", folder.join(FILE).display()))?;
        let service = folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if asked.json {
            values.push(value(&service, span, lives, &all));
        } else {
            text.push_str(&page(&service, lives, &all, terminal));
        }
    }
    Ok(if asked.json { format!("{}\n", Value::Array(values)) } else { text })
}

/// Replays all lives of a service.
fn over(
    folder: &Path,
    triggers: &[Trigger],
    span: (i64, i64),
) -> Result<(usize, Vec<Replayed>), leakprobe_history::Error> {
    let reader = Reader::open(folder)?;
    let mut all: Vec<Replayed> = triggers
        .iter()
        .map(|trigger| Replayed {
            name: trigger.name.clone(),
            trips: Vec::new(),
            unjudged: unjudged(trigger),
        })
        .collect();
    let lives = reader.lives(span)?;
    for life in &lives {
        let started = i64::try_from(life.started_ms / 1_000).unwrap_or(0);
        for (age_ms, trip) in replay(triggers, minutes(&reader, life, span)?) {
            let at = started + i64::try_from(age_ms / 1_000).unwrap_or(0);
            if let Some(found) = all.iter_mut().find(|one| one.name == trip.trigger) {
                found.trips.push((at, life.pid, trip));
            }
        }
    }
    for found in &mut all {
        found.trips.sort_by_key(|(at, ..)| *at);
    }
    Ok((lives.len(), all))
}

fn minutes(
    reader: &Reader,
    life: &LifeSpan,
    span: (i64, i64),
) -> Result<Vec<Minute>, leakprobe_history::Error> {
    let started = i64::try_from(life.started_ms / 1_000).unwrap_or(0);
    let age = |at: i64| u64::try_from(at + 60 - started).unwrap_or(0).saturating_mul(1_000);
    let minutes = reader.minutes(life, span)?;
    Ok(minutes.into_iter().map(|(at, slice)| Minute { age_ms: age(at), slice }).collect())
}

fn page(service: &str, lives: usize, all: &[Replayed], terminal: Terminal) -> String {
    let paint = Paint::new(terminal);
    let mut text = format!(
        "{}\n",
        paint.bold(&format!("{}: lives of processes, by the minute: {lives}", clean(service)))
    );
    for one in all {
        let times = match one.trips.len() {
            0 => "would not have tripped".to_owned(),
            1 => "would have tripped once".to_owned(),
            many => format!("would have tripped {many} times"),
        };
        // Writing to a String cannot fail, here and below.
        let _ = writeln!(text, "\n{}: {times}", paint.bold(&clean(&one.name)));
        let first = one.trips.len().saturating_sub(MOST);
        if first > 0 {
            let _ = writeln!(text, "  {}", paint.dim(&format!("{first} earlier ones, see --json")));
        }
        for (at, pid, trip) in one.trips.iter().skip(first) {
            let _ = writeln!(text, "  {}  pid {pid}  {}", time(*at), clean(&trip.because));
        }
        for (condition, why) in &one.unjudged {
            let _ = writeln!(text, "  {}", paint.dim(&format!("{condition} cannot be judged: {why}")));
        }
    }
    text
}

fn value(service: &str, (from, to): (i64, i64), lives: usize, all: &[Replayed]) -> Value {
    let trip = |(at, pid, trip): &(i64, u32, Trip)| {
        json!({
            "at": time(*at), "pid": pid, "route": trip.route, "condition": trip.condition, "value": trip.value,
            "threshold": trip.threshold, "unit": trip.unit, "because": trip.because,
        })
    };
    let unjudged = |(condition, why): &(&str, &str)| json!({ "condition": condition, "because": why });
    let triggers: Vec<Value> = all
        .iter()
        .map(|one| {
            json!({
                "trigger": one.name,
                "trips": one.trips.iter().map(trip).collect::<Vec<_>>(),
                "unjudged": one.unjudged.iter().map(unjudged).collect::<Vec<_>>(),
            })
        })
        .collect();
    json!({
        "schema": "leakprobe.replay/1", "service": service, "from": time(from), "to": time(to), "lives": lives,
        "triggers": triggers,
    })
}

fn time(second: i64) -> String {
    let since = Duration::from_secs(u64::try_from(second).unwrap_or(0));
    humantime::format_rfc3339_seconds(SystemTime::UNIX_EPOCH + since).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use leakprobe_core::history::{ProcessSlice, RouteSlice, Slice};
    use leakprobe_history::{Life, Store};

    const NOON_S: i64 = 1_767_614_400;
    const PLAIN: Terminal = Terminal { width: 100, color: false };

    fn ran(directory: &Path, triggers: &str, more: &[&str]) -> Output {
        let config = directory.join("triggers.json");
        std::fs::write(&config, triggers).unwrap();
        let mut args: Vec<String> = ["rules", "replay"]
            .map(str::to_owned)
            .into_iter()
            .chain([directory.display().to_string()])
            .collect();
        args.extend(["--config".to_owned(), config.display().to_string()]);
        args.extend(more.iter().map(|arg| (*arg).to_owned()));
        run_at(&args, PLAIN, NOON_S + 7_200)
    }

    #[test]
    fn trips_are_told_with_their_time_and_what_cannot_be_judged_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let ms = |second: i64| u64::try_from(second * 1_000).unwrap();
        let life = Life { pid: 7, started_ms: ms(NOON_S), ..Life::default() };
        let mut store = Store::open(directory.path(), &life, ms(NOON_S)).unwrap().0;
        for minute in 0..100 {
            let mut route = RouteSlice { route: "GET /a".into(), requests: 30, ..RouteSlice::default() };
            route.durations.record_n(if minute > 60 { 900_000 } else { 20_000 }, 30);
            let second = NOON_S + 60 * minute;
            let slice = Slice { process: ProcessSlice::default(), routes: vec![route] };
            store.write(&[(second, slice)], &[], true, ms(second)).unwrap();
        }
        store.end(ms(NOON_S + 6_000)).unwrap();
        let triggers = r#"[{ "name": "slow", "when": { "type": "latency", "aboveMs": 500 }, "forMs": 60000 },
            { "name": "hanging", "when": { "type": "running", "aboveMs": 500 } }]"#;

        let output = ran(directory.path(), triggers, &[]);

        assert_eq!((output.code, output.stderr.as_str()), (0, ""), "{output:?}");
        assert!(output.stdout.contains("slow: would have tripped once\n  2026-01-05T13:0"), "{output:?}");
        assert!(output.stdout.contains("pid 7  GET /a: 918 ms against 500 ms"), "{output:?}");
        assert!(output.stdout.contains("running cannot be judged: requests that still run"), "{output:?}");
        let json: Value = serde_json::from_str(&ran(directory.path(), triggers, &["--json"]).stdout).unwrap();
        assert_eq!(json[0]["triggers"][0]["trips"][0]["route"], "GET /a");
        assert_eq!(json[0]["lives"], 1);
    }

    #[test]
    fn what_is_wrong_is_said() {
        let directory = tempfile::tempdir().unwrap();
        let output = ran(directory.path(), "[5]", &[]);
        assert!(output.code == 1 && output.stderr.contains("triggers[0]: expected an object"), "{output:?}");
        let output = ran(directory.path(), "{}", &[]);
        assert!(output.code == 1 && output.stderr.contains("no triggers in it"), "{output:?}");
        let output = ran(directory.path(), "[]", &[]);
        assert!(output.code == 1 && output.stderr.contains("no history.sqlite in"), "{output:?}");
        assert_eq!(ran(directory.path(), "[]", &["--since", "x"]).code, 2);
        let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        assert!(run(&words("rules check f"), PLAIN).is_none());
        assert_eq!(run(&words("rules replay --help"), PLAIN).unwrap().stdout, HELP);
        assert_eq!(run(&words("rules replay"), PLAIN).unwrap().code, 2);
    }
}
