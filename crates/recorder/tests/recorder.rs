//! A recorder from start to stop, on a real disk, with a made-up app thread.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends there")]

mod common;

use common::{GUARD, Tell, Told, config, incident, now, start};
use flate2::read::GzDecoder;
use leakprobe_core::RouteId;
use leakprobe_core::event::{Event, Outcome, RequestRecord, TickReading};
use leakprobe_recorder::{Error, HeapLimit, Recorder};
use serde_json::{Value, json};
use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::fd::RawFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::channel;
use std::time::Instant;

fn incidents(directory: &Path) -> Vec<PathBuf> {
    let mut found: Vec<_> = fs::read_dir(directory.join("mail_api/incidents"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    found.sort();
    found
}

fn request(route: RouteId) -> Event {
    Event::Requests(Box::new([RequestRecord {
        route,
        outcome: Outcome::Finished,
        status: 200,
        ended: now(),
        duration_ns: 2_000_000,
        thread_ns: 1,
        overlap: 1.0,
        heap_delta: 1,
        allocated: 1,
        external_delta: 1,
    }]))
}

fn timers(count: u32) -> Event {
    Event::Tick(Box::new(TickReading {
        at: now(),
        heap_used: 1 << 20,
        heap_limit: 1 << 30,
        timers: Some(count),
        ..TickReading::default()
    }))
}

fn json_of(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// A descriptor of this process as another one, so that the test can write to it without owning it.
fn writer(fd: RawFd) -> File {
    File::options().write(true).open(format!("/proc/self/fd/{fd}")).unwrap()
}

#[test]
fn requests_are_in_the_stats_at_once_and_dropped_ones_are_counted() {
    let (recorder, _told) = start(config(None, &json!([])));
    let route = recorder.intern("GET /mails/:id");

    // The thread may empty the channel in between; what it takes is not dropped.
    let sent = (0..10_000).filter(|_| recorder.sender().send(request(route))).count();
    let stats: Value = serde_json::from_str(&recorder.stats_json().unwrap()).unwrap();

    assert_eq!(stats["routes"][0]["route"], "GET /mails/:id");
    assert_eq!(stats["routes"][0]["requests"], sent);
    assert_eq!(stats["cost"]["dropped"]["queue"], 10_000 - sent);
    assert!(sent >= 64);
}

#[test]
fn a_trip_is_an_incident_on_disk_and_the_report_is_kept() {
    let directory = tempfile::tempdir().unwrap();
    let many = json!([{ "name": "many-timers", "when": { "type": "timers", "above": 10 }, "routes": [], "forMs": 0,
        "clearRatio": 0.8, "warmUpMs": 0, "cooldownMs": 0, "maxPerHour": 10, "heapSnapshot": false }]);
    let (recorder, told) = start(config(Some(directory.path()), &many));

    recorder.sender().send(timers(11));
    let told = incident(&told);

    assert_eq!((told["reason"].as_str(), told["trip"]["value"].as_f64()), (Some("many-timers"), Some(11.0)));
    assert_eq!(told["heapSnapshot"]["state"], "not-asked");
    let found = incidents(directory.path());
    assert_eq!(found.len(), 1);
    assert_eq!(json_of(&found[0].join("incident.json")), told);
    assert_eq!(json_of(&found[0].join("report.json"))["schema"], "leakprobe.report/1");
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&found[0]), mode(&found[0].join("incident.json"))), (0o700, 0o600));
    recorder.stop();
    assert_eq!(json_of(&directory.path().join("mail_api/report.json"))["process"]["node"], "v20.0.0");
}

#[test]
fn a_restart_is_advised_at_once_and_without_record_there_is_no_incident() {
    let directory = tempfile::tempdir().unwrap();
    let rule = |name: &str, actions: Value| {
        json!({ "name": name, "when": { "type": "timers", "above": 10 }, "routes": [], "forMs": 0, "clearRatio": 0.8,
            "warmUpMs": 0, "cooldownMs": 0, "maxPerHour": 10, "heapSnapshot": false, "actions": actions })
    };
    let rules = json!([
        rule("counted", json!([])),
        rule("advised", json!(["advise-restart"])),
        rule("both", json!(["record", "heap-samples", "advise-restart"])),
    ]);
    let (recorder, told) = start(config(Some(directory.path()), &rules));

    recorder.sender().send(timers(11));
    let mut advice = Vec::new();
    let incident = loop {
        match told.recv_timeout(GUARD).unwrap() {
            Told::Advice(one) => advice.push(one),
            Told::Incident(incident) => break incident,
            _ => {}
        }
    };

    let said = |one: &Value| (one["trigger"].clone(), one["incident"].clone());
    let advised: Vec<_> = advice.iter().map(said).collect();
    assert_eq!(advised, [(json!("advised"), Value::Null), (json!("both"), incident["id"].clone())]);
    assert_eq!(advice[0]["because"], "11 timers against 10 timers");
    assert_eq!(incident["trip"]["actions"], json!(["record", "heap-samples", "advise-restart"]));
    recorder.stop();
    assert_eq!(incidents(directory.path()).len(), 1);
}

#[test]
fn a_cpu_profile_is_put_into_its_incident() {
    let directory = tempfile::tempdir().unwrap();
    let rule = json!([{ "name": "hot", "when": { "type": "timers", "above": 10 }, "routes": [], "forMs": 0, "clearRatio": 0.8,
        "warmUpMs": 0, "cooldownMs": 0, "maxPerHour": 10, "heapSnapshot": false, "actions": ["record", "cpu-profile"] }]);
    let (recorder, told) = start(config(Some(directory.path()), &rule));

    recorder.sender().turn(now());
    recorder.sender().send(timers(11));
    let id = loop {
        if let Told::Profile(id) = told.recv_timeout(GUARD).unwrap() {
            break id;
        }
    };
    assert!(recorder.begin_cpu_profile("another").is_err());
    assert_eq!(recorder.begin_cpu_profile(&id).unwrap(), 10_000);
    assert!(recorder.begin_cpu_profile(&id).is_err(), "it has begun already");
    recorder.end_cpu_profile(&id, Ok("{}".to_owned()), 1.5);
    let told = loop {
        let told = incident(&told);
        if told["cpuProfile"]["state"] != "pending" {
            break told;
        }
    };

    assert_eq!(told["cpuProfile"]["state"], "written", "{told}");
    let found = incidents(directory.path());
    assert_eq!(fs::read(found[0].join("cpu.cpuprofile")).unwrap(), b"{}");
    assert_eq!(json_of(&found[0].join("incident.json"))["cpuProfile"], told["cpuProfile"]);
    recorder.stop();
}

#[test]
fn a_heap_snapshot_goes_through_the_pipe_into_the_incident() {
    const TEXT: &[u8] = br#"{"snapshot":{"meta":{"node_fields":["type"],"edge_fields":["type"]},"node_count":2,"edge_count":1},"nodes":[0,1],"edges":[7],"strings":["a"]}"#;
    let directory = tempfile::tempdir().unwrap();
    let (recorder, told) = start(config(Some(directory.path()), &json!([])));
    recorder.sender().send(timers(0));

    let id = recorder.capture("manual", true, false).unwrap();
    let Told::Snapshot(asked) = told.recv_timeout(GUARD).unwrap() else {
        panic!("nobody asked for the snapshot")
    };
    assert_eq!(asked, id);
    let waiting = json_of(&incidents(directory.path())[0].join("incident.json"));
    assert_eq!(waiting["heapSnapshot"]["state"], "pending");
    let fd = recorder.begin_heap_snapshot(&id).unwrap();
    writer(fd).write_all(TEXT).unwrap();
    recorder.end_heap_snapshot(&id, 12.5, None);
    let told = incident(&told);

    let snapshot = &told["heapSnapshot"];
    assert_eq!(
        (snapshot["state"].as_str(), snapshot["pauseMs"].as_f64()),
        (Some("written"), Some(12.5)),
        "{told}"
    );
    assert_eq!((snapshot["nodeCount"].as_u64(), snapshot["countsMatch"].as_bool()), (Some(2), Some(true)));
    let path = &incidents(directory.path())[0];
    assert_eq!(json_of(&path.join("incident.json")), told);
    let mut back = Vec::new();
    GzDecoder::new(File::open(path.join("heap.heapsnapshot.gz")).unwrap()).read_to_end(&mut back).unwrap();
    assert_eq!(back, TEXT);
    let stats: Value = serde_json::from_str(&recorder.stats_json().unwrap()).unwrap();
    assert_eq!(stats["cost"]["pauseMs"]["total"], 12.5);
}

#[test]
fn a_second_heap_snapshot_meanwhile_is_refused_and_half_a_text_is_no_snapshot() {
    let directory = tempfile::tempdir().unwrap();
    let (recorder, told) = start(config(Some(directory.path()), &json!([])));
    recorder.sender().send(timers(0));
    let first = recorder.capture("first", true, false).unwrap();
    recorder.capture("second", true, false).unwrap();
    let second = incident(&told);

    assert_eq!(second["heapSnapshot"]["because"], "another heap snapshot is being taken");
    let fd = recorder.begin_heap_snapshot(&first).unwrap();
    writer(fd).write_all(b"{\"snapshot\":{").unwrap();
    recorder.end_heap_snapshot(&first, 1.0, None);
    let told = incident(&told);
    assert_eq!(told["heapSnapshot"]["state"], "failed");
    assert!(told["heapSnapshot"]["because"].as_str().unwrap().contains("at byte 13"), "{told}");
    assert!(matches!(recorder.begin_heap_snapshot(&first), Err(Error::UnknownIncident(_))));
    assert!(matches!(recorder.begin_heap_snapshot("made up"), Err(Error::UnknownIncident(_))));
}

#[test]
fn stopping_completes_what_waits_and_refuses_what_comes_later() {
    let directory = tempfile::tempdir().unwrap();
    let (recorder, told) = start(config(Some(directory.path()), &json!([])));
    recorder.sender().send(timers(0));
    let id = recorder.capture("manual", true, false).unwrap();
    assert!(matches!(told.recv_timeout(GUARD).unwrap(), Told::Snapshot(_)));
    recorder.begin_heap_snapshot(&id).unwrap();

    recorder.stop();
    recorder.stop();

    let told = incident(&told);
    assert_eq!(told["heapSnapshot"]["state"], "failed", "{told}");
    assert!(matches!(recorder.capture("late", false, false), Err(Error::Stopped)));
}

#[test]
fn a_directory_that_vanishes_is_reported_and_made_again() {
    let directory = tempfile::tempdir().unwrap();
    let below = directory.path().join("probe");
    let (recorder, told) = start(config(Some(&below), &json!([])));
    fs::remove_dir_all(&below).unwrap();
    fs::write(&below, b"a file stands in the way").unwrap();

    recorder.capture("first", false, false).unwrap();
    let (mut error, mut failed) = (None, None);
    while error.is_none() || failed.is_none() {
        match told.recv_timeout(GUARD).unwrap() {
            Told::Error(json) => error = Some(json),
            Told::Incident(json) => failed = Some(json),
            _ => {}
        }
    }
    assert_eq!(error.unwrap()["code"], "LEAKPROBE_ERR_IO");
    assert_eq!(failed.unwrap()["heapSnapshot"]["state"], "failed");
    let report: Value = serde_json::from_str(&recorder.report_json().unwrap()).unwrap();
    assert_eq!(report["process"]["capabilities"]["directory"]["state"], "off");

    fs::remove_file(&below).unwrap();
    recorder.capture("second", false, false).unwrap();
    while incident(&told)["reason"] != "second" {}
    let report: Value = serde_json::from_str(&recorder.report_json().unwrap()).unwrap();
    assert_eq!(report["process"]["capabilities"]["directory"]["state"], "native");
    assert_eq!(incidents(&below).len(), 1);
}

#[test]
fn a_directory_that_cannot_be_made_is_an_error_with_a_code() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    fs::write(&file, b"").unwrap();
    let (tell, _told) = channel();

    let error = Recorder::start(config(Some(&file), &json!([])), now, Box::new(Tell(tell))).err().unwrap();

    assert_eq!(error.code(), "LEAKPROBE_ERR_DIRECTORY");
    assert!(error.to_string().contains("mail_api"));
}

#[test]
fn old_incidents_make_room() {
    let directory = tempfile::tempdir().unwrap();
    let (recorder, told) = start(config(Some(directory.path()), &json!([])));
    for name in ["a", "b", "c", "d", "e"] {
        recorder.capture(name, false, false).unwrap();
        incident(&told);
    }
    let left = incidents(directory.path());
    assert_eq!(left.len(), 3);
    assert!(left.last().unwrap().to_string_lossy().contains("-e-"));
}

#[test]
fn without_a_directory_a_trip_is_still_told_and_a_capture_is_an_error() {
    let many = json!([{ "name": "many", "when": { "type": "timers", "above": 10 }, "routes": [], "forMs": 0,
        "clearRatio": 0.8, "warmUpMs": 0, "cooldownMs": 0, "maxPerHour": 10, "heapSnapshot": true }]);
    let (recorder, told) = start(config(None, &many));
    recorder.sender().send(timers(11));

    let told = incident(&told);

    assert_eq!(told["heapSnapshot"]["state"], "refused");
    assert!(told.get("directory").is_none());
    assert!(matches!(recorder.capture("manual", false, false), Err(Error::NoDirectory)));
}

#[test]
fn at_the_heap_limit_the_app_waits_no_longer_than_it_is_decided_that_no_incident_comes() {
    let directory = tempfile::tempdir().unwrap();
    let (recorder, _told) = start(config(Some(directory.path()), &json!([])));

    recorder.heap_limit(HeapLimit { limit: 1 << 30, raised_to: 5 << 28 });
    let began = Instant::now();
    let awaited = recorder.awaited_freeze(Some(GUARD));

    assert!(awaited.is_none());
    assert!(began.elapsed() < GUARD / 2, "waited for {:?}", began.elapsed());
    recorder.stop();
}
