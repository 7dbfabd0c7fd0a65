use super::*;
use leakprobe_core::history::{ProcessSlice, Slice};
use leakprobe_history::{Life, Store};
use serde_json::Value;

const NOON_S: i64 = 1_767_614_400;
const PLAIN: Terminal = Terminal { width: 100, color: false };

fn ms(second: i64) -> u64 {
    u64::try_from(second * 1_000).unwrap()
}

/// Two hours of one route that gets slower, with a finding and two incidents.
fn service() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let home = directory.path().join("mail-api");
    std::fs::create_dir(&home).unwrap();
    let life = Life {
        pid: 7,
        node: "v22".into(),
        version: "1.4.0".into(),
        revision: "0123456789abcdef".into(),
        started_ms: ms(NOON_S),
    };
    let mut store = Store::open(&home, &life, ms(NOON_S)).unwrap().0;
    for minute in 0..120 {
        let mut route =
            RouteSlice { route: "GET /mails/:customer".into(), requests: 3, ..RouteSlice::default() };
        (0..3).for_each(|_| route.durations.record(10_000 + 1_000 * minute));
        let process =
            ProcessSlice { requests: 3, rss: Some((100 + minute) << 20), ..ProcessSlice::default() };
        let second = NOON_S + 60 * i64::try_from(minute).unwrap();
        store.write(&[(second, Slice { process, routes: vec![route] })], &[], true, ms(second)).unwrap();
    }
    let finding = Finding {
        kind: "leak".into(),
        fingerprint: "abc".into(),
        route: "GET /mails/:customer".into(),
        json: r#"{"kind":"listener","perRequest":{"value":1,"unit":"listeners"}}"#.into(),
    };
    store.find(&[finding], ms(NOON_S + 600)).unwrap();
    for (id, minute) in [("i1", 20), ("i2", 90)] {
        let incident = Incident {
            id: id.into(),
            at_ms: ms(NOON_S + 60 * minute),
            reason: "leak-found\u{1b}[2J".into(),
            leaks: vec!["abc".into()],
            heap_snapshot: "not-asked".into(),
            ..Incident::default()
        };
        store.incident(&incident).unwrap();
    }
    store.end(ms(NOON_S + 7_200)).unwrap();
    directory
}

fn ran(directory: &std::path::Path, more: &[&str]) -> Output {
    let mut args = vec!["history".to_owned(), directory.display().to_string()];
    args.extend(more.iter().map(|arg| (*arg).to_owned()));
    run_at(&args, PLAIN, NOON_S + 7_200).unwrap()
}

#[test]
fn a_page_has_routes_deployments_findings_and_incidents() {
    let directory = service();

    let output = ran(directory.path(), &["--since", "3h"]);

    assert_eq!((output.code, output.stderr.as_str()), (0, ""), "{output:?}");
    let text = output.stdout;
    assert!(
        text.starts_with("mail-api\n2026-01-05 11:00 to 2026-01-05 14:00 UTC, by minutes · 1 process\n"),
        "{text}"
    );
    let row =
        text.lines().find(|line| line.contains("GET /mails/:customer") && line.contains("360")).unwrap();
    assert!(row.contains("▁") && row.contains("█"), "{text}");
    assert!(text.contains("1.4.0 (0123456789ab)"), "{text}");
    assert!(text.contains("1.00 listeners per request, listener"), "{text}");
    assert!(text.contains("i2") && text.contains("(the same as i1)"), "{text}");
    assert!(!text.contains('\u{1b}'), "a terminal obeys control characters");
}

#[test]
fn json_has_every_window() {
    let directory = service();

    let output = ran(directory.path(), &["--since", "3h", "--json", "--route", "GET /mails/:customer"]);
    let json: Value = serde_json::from_str(&output.stdout).unwrap();

    assert_eq!(json["schema"], "leakprobe.history/1");
    assert_eq!(json["routes"][0]["windows"].as_array().map(Vec::len), Some(120));
    let p95 = json["routes"][0]["windows"][100]["p95Ms"].as_f64().unwrap();
    assert!((p95 / 110.0 - 1.0).abs() < 0.07, "{p95}");
    assert_eq!(json["process"][0]["rss"], 100 << 20);
    assert_eq!((&json["lives"][0]["pid"], &json["lives"][0]["ended"]), (&Value::from(7), &Value::from(true)));
    let hours = ran(directory.path(), &["--resolution", "hour", "--json"]);
    let json: Value = serde_json::from_str(&hours.stdout).unwrap();
    assert_eq!(json["routes"][0]["windows"].as_array().map(Vec::len), Some(2));
    assert_eq!(json["routes"][0]["requests"], 360);
}

#[test]
fn what_is_not_there_is_said() {
    let directory = service();
    assert_eq!(ran(directory.path(), &["--route", "GET /none"]).code, 0);
    let nothing = tempfile::tempdir().unwrap();
    let output = ran(nothing.path(), &[]);
    assert!(output.code == 1 && output.stderr.contains("no history.sqlite in"), "{output:?}");
    std::fs::write(nothing.path().join(FILE), "garbage ".repeat(999)).unwrap();
    let output = ran(nothing.path(), &[]);
    assert!(output.code == 1 && output.stderr.contains("it is damaged"), "{output:?}");
}

#[test]
fn usage_is_checked() {
    let ran = |line: &str| {
        let args: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        run_at(&args, PLAIN, NOON_S)
    };
    assert!(ran("report d").is_none() && ran("").is_none());
    assert_eq!(ran("history --help").unwrap().stdout, HELP);
    for (line, expected) in [
        ("history", "history takes one directory, received 0"),
        ("history a b", "history takes one directory, received 2"),
        ("history a --since", "--since wants a value"),
        ("history a --since 7", "--since: expected a number with m, h or d, such as 7d, received 7"),
        ("history a --since é", "--since: expected a number with m, h or d, such as 7d, received é"),
        ("history a --resolution day", "--resolution: expected minute or hour, received day"),
        ("history a --yaml", "unknown option --yaml"),
    ] {
        let output = ran(line).unwrap();
        let expected = format!("leakprobe: {expected}; see leakprobe history --help\n");
        assert_eq!((output.code, output.stderr), (2, expected));
    }
}
