//! What the file promises: whole seconds, one budget for all processes, and a clear word when it cannot be used.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

use leakprobe_core::history::{ProcessSlice, RouteSlice, Slice};
use leakprobe_history::{
    Claim, Error, FILE, Finding, Freeze, Incident, Keep, Life, Limits, Opened, Reader, Refused, Resolution,
    Store, StoredRoute, Trip,
};
use std::fs;
use std::path::Path;
use std::time::Instant;
use tempfile::tempdir;

/// 2026-01-05, a Monday, at noon.
const NOON_S: i64 = 1_767_614_400;
const LIMITS: Limits = Limits { freezes_per_hour: 2, pause_ms_per_hour: 50.0, captures_per_day: 1 };
const EVERYTHING: Claim<'_> = Claim { incident: "i", freeze: true, capture: true, share: 1.0 };

fn ms(second: i64) -> u64 {
    u64::try_from(second * 1_000).unwrap()
}

fn life(pid: u32, version: &str, second: i64) -> Life {
    Life { pid, node: "v22".into(), version: version.into(), started_ms: ms(second), ..Life::default() }
}

fn open(directory: &Path, pid: u32) -> Store {
    Store::open(directory, &life(pid, "1.0.0", NOON_S), ms(NOON_S)).unwrap().0
}

fn slice(routes: &[(&str, u64)], us: u64) -> Slice {
    let route = |(name, requests): &(&str, u64)| {
        let mut slice = RouteSlice {
            route: (*name).to_owned(),
            requests: *requests,
            failed: 1,
            thread_us: 10 * requests,
            sum_us: us * requests,
            ..RouteSlice::default()
        };
        (0..*requests).for_each(|_| slice.durations.record(us));
        slice
    };
    let requests = routes.iter().map(|(_, requests)| requests).sum();
    let process =
        ProcessSlice { requests, rss: Some(100 << 20), gc_longest_us: us, ..ProcessSlice::default() };
    Slice { process, routes: routes.iter().map(route).collect() }
}

fn write(store: &mut Store, from: i64, to: i64, routes: &[(&str, u64)]) {
    for second in from..to {
        store.write(&[(second, slice(routes, 20_000))], &[], true, ms(second)).unwrap();
    }
}

fn requests(reader: &Reader, route: &str, resolution: Resolution) -> u64 {
    let all = reader.route(route, (0, i64::MAX / 2_000), resolution).unwrap();
    all.iter().map(|point| point.slice.requests).sum()
}

#[test]
fn seconds_become_minutes_and_hours_and_nothing_is_counted_twice() {
    let directory = tempdir().unwrap();
    let mut store = open(directory.path(), 1);
    write(&mut store, NOON_S, NOON_S + 3_600 + 125, &[("GET /a", 2), ("GET /b", 1)]);

    let reader = Reader::open(directory.path()).unwrap();
    for resolution in [Resolution::Minute, Resolution::Hour] {
        assert_eq!(requests(&reader, "GET /a", resolution), 2 * 3_725, "{resolution:?}");
        assert_eq!(requests(&reader, "GET /b", resolution), 3_725);
    }
    let minutes = reader.route("GET /a", (NOON_S, NOON_S + 300), Resolution::Minute).unwrap();
    assert_eq!(minutes.len(), 5);
    assert_eq!((minutes[1].at, minutes[1].slice.requests, minutes[1].slice.failed), (NOON_S + 60, 120, 60));
    let p95 = minutes[1].slice.durations.quantile_us(0.95).unwrap();
    assert!(p95.abs_diff(20_000) < 1_300, "{p95}");
    assert!(
        requests(&reader, "GET /a", Resolution::Second) <= 2 * 1_020,
        "a quarter of an hour of seconds is kept"
    );
    let hours = reader.process((NOON_S, NOON_S + 7_200), Resolution::Hour).unwrap();
    assert_eq!((hours.len(), hours[0].slice.requests, hours[0].slice.rss), (2, 3 * 3_600, Some(100 << 20)));
    assert_eq!(hours[1].slice.requests, 3 * 125, "of the hour that is not over, too");
    let minutes = reader.process((NOON_S, NOON_S + 7_200), Resolution::Minute).unwrap();
    assert_eq!(minutes.iter().map(|point| point.slice.requests).sum::<u64>(), 3 * 3_725);
    drop(reader);

    store.end(ms(NOON_S + 3_725)).unwrap();
    let reader = Reader::open(directory.path()).unwrap();
    assert_eq!(requests(&reader, "GET /a", Resolution::Hour), 2 * 3_725);
    assert_eq!(requests(&reader, "GET /a", Resolution::Minute), 2 * 3_725);
    assert_eq!(requests(&reader, "GET /a", Resolution::Second), 0);
}

#[test]
fn a_life_that_ended_without_a_word_is_rolled_up_by_another() {
    let directory = tempdir().unwrap();
    let mut store = open(directory.path(), 1);
    write(&mut store, NOON_S, NOON_S + 90, &[("GET /a", 1)]);
    drop(store);

    let later = NOON_S + 400;
    let mut other = Store::open(directory.path(), &life(2, "1.0.0", later), ms(later)).unwrap().0;
    assert!(other.maintain(Keep { most_bytes: 1 << 30 }, ms(later)).unwrap());
    assert!(!other.maintain(Keep { most_bytes: 1 << 30 }, ms(later + 1)).unwrap(), "one does it for all");

    let reader = Reader::open(directory.path()).unwrap();
    assert_eq!(requests(&reader, "GET /a", Resolution::Second), 0);
    assert_eq!(requests(&reader, "GET /a", Resolution::Minute), 90);
    assert_eq!(requests(&reader, "GET /a", Resolution::Hour), 90);
    let lives = reader.lives((NOON_S, later + 1)).unwrap();
    assert_eq!(lives.iter().map(|life| (life.pid, life.ended)).collect::<Vec<_>>(), [(1, true), (2, false)]);
}

#[test]
fn one_budget_is_for_all_processes_and_outlives_them() {
    let directory = tempdir().unwrap();
    let (mut one, mut other) = (open(directory.path(), 1), open(directory.path(), 2));
    let now = ms(NOON_S);

    assert_eq!(one.claim(&EVERYTHING, &LIMITS, now).unwrap(), Ok(()));
    assert_eq!(other.claim(&EVERYTHING, &LIMITS, now).unwrap(), Err(Refused::Captures(1)));
    let freeze = Claim { capture: false, ..EVERYTHING };
    let floor = Claim { share: 0.5, ..freeze };
    assert_eq!(other.claim(&floor, &LIMITS, now).unwrap(), Err(Refused::Share(0.5)));
    one.write(&[], &[Freeze { at_ms: now, pause_ms: 60.0 }], false, now).unwrap();
    let refused = other.claim(&freeze, &LIMITS, now).unwrap().unwrap_err();
    assert_eq!(refused.to_string(), "the budget of 50 ms of pause per hour is used up: 60 ms");
    drop((one, other));

    let mut restarted = open(directory.path(), 3);
    let spent = restarted.spent(now + 1_000).unwrap();
    assert_eq!((spent.freezes, spent.pause_ms, spent.captures), (1, 60.0, 1));
    assert!(restarted.claim(&freeze, &LIMITS, now + 3_599_000).unwrap().is_err());
    assert!(restarted.claim(&freeze, &LIMITS, now + 3_601_000).unwrap().is_ok());
    restarted.not_captured("i").unwrap();
    assert!(restarted.claim(&EVERYTHING, &LIMITS, now + 3_602_000).unwrap().is_ok());
}

#[test]
fn what_was_claimed_for_nothing_comes_back() {
    let directory = tempdir().unwrap();
    let mut store = open(directory.path(), 1);
    let now = ms(NOON_S);
    store.claim(&EVERYTHING, &LIMITS, now).unwrap().unwrap();
    store.write(&[], &[], false, now).unwrap();
    assert_eq!(store.spent(now).unwrap().freezes, 1, "it is under way");
    store.write(&[], &[], true, now).unwrap();
    assert_eq!(store.spent(now).unwrap().freezes, 0);
    store.captured("by-hand", now).unwrap();
    assert_eq!(store.spent(now).unwrap().captures, 2);
}

#[test]
fn a_clock_that_jumps_neither_opens_nor_closes_the_budget_for_long() {
    let directory = tempdir().unwrap();
    let mut store = open(directory.path(), 1);
    let (now, day) = (ms(NOON_S), 86_400_000);
    store.claim(&EVERYTHING, &LIMITS, now + day).unwrap().unwrap();

    // Back again: what was spent counts from now on, for an hour and a day.
    let spent = store.spent(now).unwrap();
    assert_eq!((spent.freezes, spent.captures), (1, 1));
    let spent = store.spent(now + 3_700_000).unwrap();
    assert_eq!((spent.freezes, spent.captures), (0, 1));
    assert_eq!(store.spent(now + day + 1).unwrap().captures, 0);
}

fn trip(incident: &str) -> Trip<'_> {
    let (name, because) = ("slow-route", "p95 3 s");
    Trip { name, route: Some("GET /a"), because, incident: Some(incident) }
}

/// The clock is set forward by a day, and back by two.
#[test]
fn processes_whose_clocks_differ_by_a_day_are_told_apart() {
    let directory = tempdir().unwrap();
    let day = 86_400;
    for (pid, began) in [(1, NOON_S), (2, NOON_S + day), (3, NOON_S - day), (4, NOON_S)] {
        let (mut store, opened) =
            Store::open(directory.path(), &life(pid, "1.0.0", began), ms(began)).unwrap();
        assert_eq!(opened, Opened::Usable);
        write(&mut store, began, began + 130, &[("GET /a", 1)]);
        store.maintain(Keep { most_bytes: 1 << 30 }, ms(began + 130)).unwrap();
        store.end(ms(began + 130)).unwrap();
    }
    let reader = Reader::open(directory.path()).unwrap();
    let in_day = |from: i64| -> u64 {
        let points = reader.route("GET /a", (from, from + day), Resolution::Minute).unwrap();
        points.iter().map(|point| point.slice.requests).sum()
    };
    assert_eq!([NOON_S - day, NOON_S, NOON_S + day].map(in_day), [130, 260, 130]);
    assert_eq!(reader.lives((NOON_S - day, NOON_S + 2 * day)).unwrap().len(), 4);
}

#[test]
fn of_one_trip_in_many_processes_one_captures() {
    let directory = tempdir().unwrap();
    let mut workers: Vec<Store> = (1..=8).map(|pid| open(directory.path(), pid)).collect();
    let outcomes: Vec<Result<(), String>> = workers
        .iter_mut()
        .zip(0..)
        .map(|(worker, index)| worker.trip(&trip(&format!("i{index}")), ms(NOON_S) + index).unwrap())
        .collect();

    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    let why = outcomes[7].as_ref().unwrap_err();
    assert_eq!(why, "another process of the service captured it as incident i0: pid 1");
    assert!(
        workers[0].trip(&trip("again"), ms(NOON_S) + 10).unwrap().is_ok(),
        "its own limits are the trigger's"
    );
    assert!(workers[1].trip(&trip("later"), ms(NOON_S) + 62_000).unwrap().is_ok());
    let reader = Reader::open(directory.path()).unwrap();
    assert_eq!(reader.trips((NOON_S, NOON_S + 3_600)).unwrap(), [("slow-route".to_owned(), 3, 7)]);
}

#[test]
fn a_leak_is_known_by_its_fingerprint_with_its_version_and_incidents() {
    let directory = tempdir().unwrap();
    let start = |pid, version, second| {
        Store::open(directory.path(), &life(pid, version, second), ms(second)).unwrap().0
    };
    let found = |store: &mut Store, second| {
        let finding = Finding {
            kind: "leak".into(),
            fingerprint: "abc".into(),
            route: "GET /a".into(),
            json: "{}".into(),
        };
        store.find(&[finding], ms(second)).unwrap();
    };
    let mut old = start(1, "1.3.0", NOON_S);
    old.write(&[], &[], true, ms(NOON_S + 7_200)).unwrap();
    assert_eq!(old.known_leak("abc").unwrap(), None);
    let mut new = start(2, "1.4.0", NOON_S + 7_200);
    found(&mut new, NOON_S + 8_000);
    let incident = |id: &str, at_ms| Incident {
        id: id.into(),
        at_ms,
        reason: "leak-found".into(),
        leaks: vec!["abc".into()],
        heap_snapshot: "written".into(),
        ..Incident::default()
    };
    new.incident(&incident("i1", ms(NOON_S + 8_100))).unwrap();
    drop(new);
    let mut next = start(3, "1.5.0", NOON_S + 90_000);
    found(&mut next, NOON_S + 91_000);
    next.incident(&incident("i2", ms(NOON_S + 91_000))).unwrap();

    let known = next.known_leak("abc").unwrap().unwrap();
    assert_eq!((known.first.version.as_str(), known.lives), ("1.4.0", 2));
    assert_eq!((known.first_ms, known.watched_before_ms), (ms(NOON_S + 8_000), 7_200_000));
    let same = next.incidents_of("abc", "i2").unwrap();
    assert_eq!(same.iter().map(|one| one.id.as_str()).collect::<Vec<_>>(), ["i1"]);
    let reader = Reader::open(directory.path()).unwrap();
    let deployments = reader.deployments((NOON_S, NOON_S + 100_000)).unwrap();
    let versions: Vec<&str> = deployments.iter().map(|one| one.version.as_str()).collect();
    assert_eq!(versions, ["1.3.0", "1.4.0", "1.5.0"]);
    assert_eq!(reader.findings((NOON_S, NOON_S + 100_000)).unwrap().len(), 2);
    assert_eq!(reader.incidents((NOON_S, NOON_S + 100_000)).unwrap()[1].what.leaks, ["abc"]);
}

#[test]
fn what_a_life_knew_is_there_for_the_next() {
    let directory = tempdir().unwrap();
    let mut store = open(directory.path(), 1);
    let known = |data: &[u8]| vec![StoredRoute { route: "GET /a".into(), data: data.to_vec() }];
    store.keep_life(b"p1", &known(b"r1")).unwrap();
    store.keep_life(b"p2", &known(b"r2")).unwrap();
    store.keep_baselines(&known(&[80, 9]), ms(NOON_S)).unwrap();
    assert_eq!(store.past_lives(4).unwrap(), []);

    let next = open(directory.path(), 2);
    let lives = next.past_lives(4).unwrap();
    assert_eq!((lives.len(), lives[0].process.as_slice(), &lives[0].routes), (1, &b"p2"[..], &known(b"r2")));
    assert_eq!(next.baselines().unwrap(), known(&[80, 9]));
}

#[test]
fn a_damaged_file_is_set_aside_and_two_are_kept() {
    let directory = tempdir().unwrap();
    let path = directory.path().join(FILE);
    for round in 0..4 {
        fs::write(&path, format!("this is no database {round} ").repeat(300)).unwrap();
        let now = ms(NOON_S) + round;
        let (mut store, opened) = Store::open(directory.path(), &life(1, "", NOON_S), now).unwrap();
        let Opened::SetAside(aside) = opened else { panic!("{opened:?}") };
        assert!(fs::read_to_string(aside).unwrap().contains(&format!("no database {round}")));
        write(&mut store, NOON_S, NOON_S + 3, &[("GET /a", 1)]);
        drop(store);
        // A log that has every page in it would mend the file.
        fs::remove_file(directory.path().join(format!("{FILE}-wal"))).unwrap();
    }
    let entries = fs::read_dir(directory.path()).unwrap();
    let names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    let whole = |name: &&String| !name.ends_with("-wal") && !name.ends_with("-shm");
    let damaged = names.iter().filter(|name| name.contains(".damaged-")).filter(whole).count();
    assert_eq!(damaged, 2, "{names:?}");
}

#[test]
fn damage_inside_is_found_when_it_is_met() {
    let directory = tempdir().unwrap();
    let mut store = open(directory.path(), 1);
    write(&mut store, NOON_S, NOON_S + 300, &[("GET /a", 3)]);
    store.end(ms(NOON_S + 300)).unwrap();
    let path = directory.path().join(FILE);
    let mut bytes = fs::read(&path).unwrap();
    let page = 4_096;
    bytes[page..].fill(0x5a);
    fs::write(&path, bytes).unwrap();
    fs::remove_file(directory.path().join(format!("{FILE}-wal"))).unwrap();

    let (mut store, opened) = Store::open(directory.path(), &life(2, "", NOON_S), ms(NOON_S)).unwrap();
    assert!(matches!(opened, Opened::SetAside(_)));
    write(&mut store, NOON_S, NOON_S + 1, &[("GET /a", 1)]);
    assert!(store.is_in_place());
    fs::remove_file(&path).unwrap();
    assert!(!store.is_in_place(), "somebody has removed it");
}

#[test]
fn a_newer_file_and_somebody_elses_are_left_alone() {
    let directory = tempdir().unwrap();
    let path = directory.path().join(FILE);
    drop(open(directory.path(), 1));
    let raw = rusqlite::Connection::open(&path).unwrap();
    raw.pragma_update(None, "user_version", 99).unwrap();
    drop(raw);
    let before = fs::read(&path).unwrap();
    let again = || Store::open(directory.path(), &life(1, "", NOON_S), ms(NOON_S)).map(|_| ());
    assert!(matches!(again(), Err(Error::Newer { found: 99 })));
    assert!(matches!(Reader::open(directory.path()), Err(Error::Newer { found: 99 })));
    assert_eq!(fs::read(&path).unwrap(), before);

    fs::remove_file(&path).unwrap();
    rusqlite::Connection::open(&path).unwrap().execute_batch("CREATE TABLE theirs (x)").unwrap();
    assert!(matches!(again(), Err(Error::Foreign)));
}

#[test]
fn a_writer_that_holds_the_file_is_not_waited_for() {
    let directory = tempdir().unwrap();
    let mut store = open(directory.path(), 1);
    let other = rusqlite::Connection::open(directory.path().join(FILE)).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();

    let began = Instant::now();
    let refused = store.write(&[(NOON_S, slice(&[("GET /a", 1)], 5))], &[], true, ms(NOON_S)).unwrap_err();

    assert!(refused.is_passing(), "{refused}");
    assert!(began.elapsed().as_secs() < 5);
    other.execute_batch("ROLLBACK").unwrap();
    write(&mut store, NOON_S, NOON_S + 1, &[("GET /a", 1)]);
}

/// A hundredth of what 60 routes do in 30 days, by bytes for each window; and the week of one route.
#[test]
fn windows_are_small_and_a_week_is_read_quickly() {
    let directory = tempdir().unwrap();
    let mut store = open(directory.path(), 1);
    let names: Vec<String> = (0..60).map(|index| format!("GET /route/{index}")).collect();
    let routes: Vec<(&str, u64)> = names.iter().map(|name| (name.as_str(), 1)).collect();
    // One request of each route in a second; a week of minutes is 10 080 for each route, this is 100.
    for minute in 0..100 {
        let seconds: Vec<(i64, Slice)> = (0..60)
            .map(|second| {
                let us = 3_000 * (1 + u64::try_from(second % 9).unwrap());
                (NOON_S + 60 * minute + second, slice(&routes, us))
            })
            .collect();
        store.write(&seconds, &[], true, ms(NOON_S + 60 * minute + 59)).unwrap();
    }
    let end = NOON_S + 6_000;
    store.end(ms(end)).unwrap();
    let raw = rusqlite::Connection::open(directory.path().join(FILE)).unwrap();
    raw.execute_batch("VACUUM").unwrap();
    let pages: u64 = raw.pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
    let bytes = 4_096 * pages;
    let windows = 60 * 100;
    // 604 800 minutes and 43 200 hours; pages that are filled in the middle are two thirds full.
    assert!(bytes / windows < 90, "{} bytes a window", bytes / windows);

    let reader = Reader::open(directory.path()).unwrap();
    let points = reader.route("GET /route/7", (NOON_S, end), Resolution::Minute).unwrap();
    assert_eq!((points.len(), points[0].slice.requests), (100, 60));
}
