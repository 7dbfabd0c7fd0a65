//! Answers from a real file.

use super::*;
use leakprobe_core::history::{ProcessSlice, RouteSlice, Slice};
use leakprobe_history::{Finding, Incident, Life, Store};
use tempfile::TempDir;

/// 2026-01-05, a Monday, at noon.
const NOON_S: i64 = 1_767_614_400;
const MAILS: &str = "GET /mails/:customer";

fn ms(second: i64) -> u64 {
    u64::try_from(second * 1_000).unwrap()
}

/// Two hours until noon, a second in each minute, with a leak and two incidents.
fn service() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    let from = NOON_S - 7_200;
    let life = Life { pid: 7, version: "1.4.0".into(), started_ms: ms(from), ..Life::default() };
    let mut store = Store::open(directory.path(), &life, ms(from)).unwrap().0;
    for minute in 0..120 {
        let mut route = RouteSlice { route: MAILS.into(), requests: 3, ..RouteSlice::default() };
        route.durations.record_n(20_000, 3);
        let process = ProcessSlice { requests: 3, rss: Some(100 << 20), ..ProcessSlice::default() };
        let at = from + 60 * minute;
        store.write(&[(at, Slice { process, routes: vec![route] })], &[], true, ms(at)).unwrap();
    }
    let json = r#"{"kind":"timer","perRequest":{"value":2,"unit":"timers"}}"#;
    let finding =
        Finding { kind: "leak".into(), fingerprint: "f".into(), route: MAILS.into(), json: json.into() };
    store.find(&[finding], ms(from)).unwrap();
    for (id, route) in [("of-mails", Some(MAILS)), ("of-another", Some("GET /b")), ("of-none", None)] {
        let incident = Incident {
            id: id.into(),
            at_ms: ms(from + 600),
            reason: "slow".into(),
            route: route.map(str::to_owned),
            directory: Some("/secret/place".into()),
            ..Incident::default()
        };
        store.incident(&incident).unwrap();
    }
    store.end(ms(NOON_S)).unwrap();
    directory
}

fn told(directory: &Path, query: &str) -> Result<Value, Failure> {
    let asked = asked::read(query).unwrap();
    let grid = asked.grid(NOON_S).unwrap();
    answer(directory, "not opened yet".to_owned(), &asked, grid, || true)
        .map(|bytes| serde_json::from_slice(&bytes).unwrap())
}

fn refused(failure: &Failure) -> u16 {
    failed(failure).status().as_u16()
}

#[test]
fn a_route_has_its_windows_findings_and_incidents() {
    let directory = service();
    let told = told(directory.path(), "route=GET+/mails/:customer&minutes=180").unwrap();

    assert_eq!((&told["stepMs"], told["times"].as_array().unwrap().len()), (&json!(60_000), 181));
    let requests: u64 = told["route"]["requests"].as_array().unwrap().iter().filter_map(Value::as_u64).sum();
    assert_eq!((&told["route"]["route"], requests), (&json!(MAILS), 360));
    assert_eq!(told["route"]["p95Ms"].as_array().unwrap().len(), 181);
    assert_eq!((&told["route"]["p95Ms"][0], told.get("process")), (&Value::Null, None));
    assert_eq!(told["findings"][0]["perRequest"]["value"], 2);
    let ids: Vec<_> = told["incidents"].as_array().unwrap().iter().map(|one| &one["id"]).collect();
    assert_eq!(ids, ["of-mails", "of-none"]);
    assert!(!told.to_string().contains("secret"), "no path of the machine is told");
    assert_eq!(told["deployments"][0]["version"], "1.4.0");
    assert_eq!(told["lives"][0]["ended"], true);
}

#[test]
fn without_a_route_the_processes_and_the_names_of_routes_are_told() {
    let directory = service();
    let told = told(directory.path(), "metric=rssBytes").unwrap();

    assert_eq!((&told["stepMs"], &told["routes"]), (&json!(3_600_000), &json!([MAILS])));
    assert_eq!(told["process"].as_object().unwrap().len(), 1);
    assert_eq!(told["process"]["rssBytes"][167], 100 << 20);
    assert_eq!(told["process"]["rssBytes"][3], Value::Null);
    assert_eq!(told["incidents"].as_array().unwrap().len(), 3);
    assert_eq!(told["omitted"]["routes"], 0);
}

#[test]
fn why_there_is_no_answer_is_told_with_a_code() {
    let directory = service();
    let of_none = told(directory.path(), "route=GET+/none").unwrap_err();
    assert!(matches!(of_none, Failure::NoRoute) && refused(&of_none) == 404);

    let empty = tempfile::tempdir().unwrap();
    let missing = told(empty.path(), "").unwrap_err();
    assert!(matches!(&missing, Failure::NoFile(why) if why == "not opened yet") && refused(&missing) == 503);

    std::fs::write(empty.path().join(FILE), "garbage ".repeat(999)).unwrap();
    let damaged = told(empty.path(), "").unwrap_err();
    assert!(matches!(damaged, Failure::History(Error::Damaged(_))) && refused(&damaged) == 503);
    assert_eq!(refused(&Failure::History(Error::Stopped)), 503);
}

#[test]
fn a_question_that_is_not_to_go_on_ends() {
    let directory = service();
    let asked = asked::read("minutes=180").unwrap();
    let grid = asked.grid(NOON_S).unwrap();
    let ended = (0..1_000).any(|_| {
        let answer = answer(directory.path(), String::new(), &asked, grid, || false);
        matches!(answer, Err(Failure::History(Error::Stopped)))
    });
    assert!(ended, "at the next 10 000 steps");
}
