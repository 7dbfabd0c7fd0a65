//! What analyses of the heap say, in one file of the incident, and joined with the leaks of its report.
//!
//! An incident's walk is there at once, the analysis of its heap snapshot some seconds or minutes later: each is a section of
//! `analysis.json`, and each completes `report.json` beside it.

use crate::files;
use crate::state::Shared;
use leakprobe_core::attribution::Kind;
use leakprobe_core::join::{Kept, join};
use leakprobe_core::observation::Frame;
use leakprobe_core::report::Culprit;
use leakprobe_core::stats::RouteStats;
use leakprobe_core::{Leak, Report};
use parking_lot::Mutex;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

/// The file in the incident's directory.
pub(crate) const ANALYSIS: &str = "analysis.json";
/// The form of it.
const SCHEMA: &str = "leakprobe.analysis/1";
const REPORT: &str = "report.json";
/// Paths that are remembered for the current report.
const REMEMBERED: usize = 64;
/// Letters of a step and steps of a path that are taken from a file.
const LONGEST_STEP: usize = 200;
const LONGEST_PATH: usize = 64;

/// Writes a section of an incident's `analysis.json`; the others stay.
pub(crate) fn put(directory: &Path, section: &str, value: Value) -> io::Result<()> {
    let path = directory.join(ANALYSIS);
    // What cannot be read is written anew: it is ours, and whole or absent.
    let text = fs::read(&path).unwrap_or_default();
    let mut all: Map<String, Value> = serde_json::from_slice(&text).unwrap_or_default();
    all.insert("schema".to_owned(), json!(SCHEMA));
    all.insert(section.to_owned(), value);
    files::write(&path, Value::Object(all).to_string().as_bytes())
}

/// Retaining paths that analyses found for leaks, by their routes: later reports have them, too, also when more evidence has
/// changed a leak's kind, and its id with it.
#[derive(Debug, Default)]
pub(crate) struct Remembered {
    by_routes: Mutex<BTreeMap<Vec<String>, Culprit>>,
    last: Mutex<Found>,
}

/// What the last analysis found, and the requests of each route until then: a leak that is told later, or of which more is known later,
/// may be what it found.
#[derive(Debug, Default)]
struct Found {
    rows: Vec<Kept>,
    requests: BTreeMap<String, u64>,
}

impl Remembered {
    /// Completes leaks that have no retaining path.
    pub(crate) fn fill(&self, leaks: &mut [Leak]) {
        let by_routes = self.by_routes.lock();
        for leak in leaks.iter_mut().filter(|leak| !has_path(leak)) {
            if let Some(known) = by_routes.get(&leak.routes) {
                take(leak, known);
            }
        }
        drop(by_routes);
        let last = self.last.lock();
        for leak in join(leaks, |route| last.requests.get(route).copied(), &last.rows) {
            self.add(leak);
        }
    }

    fn found(&self, rows: &[Kept], requests: BTreeMap<String, u64>) {
        *self.last.lock() = Found { rows: rows.to_vec(), requests };
    }

    fn add(&self, leak: &Leak) {
        let Some(culprit) = &leak.culprit else { return };
        let mut by_routes = self.by_routes.lock();
        if by_routes.len() >= REMEMBERED && !by_routes.contains_key(&leak.routes) {
            by_routes.pop_first();
        }
        by_routes.insert(leak.routes.clone(), culprit.clone());
    }
}

fn has_path(leak: &Leak) -> bool {
    leak.culprit.as_ref().is_some_and(|culprit| !culprit.retaining_path.is_empty())
}

/// The path, and the place where none is known.
fn take(leak: &mut Leak, from: &Culprit) {
    let culprit = leak.culprit.get_or_insert_default();
    if culprit.file.is_none() {
        culprit.clone_from(from);
    } else {
        culprit.retaining_path.clone_from(&from.retaining_path);
        culprit.path_by.clone_from(&from.path_by);
    }
}

/// Joins what was found with the leaks of the current report, and with those of the report in an incident's directory.
pub(crate) fn joined(shared: &Shared, directory: &Path, found: &[Kept]) {
    let mut live = shared.report();
    let requests = |route: &str| of_route(&live.routes, route);
    let told: Vec<Leak> = join(&mut live.leaks, requests, found).into_iter().cloned().collect();
    complete(directory, &live, found);
    for leak in &told {
        shared.paths_of_leaks.add(leak);
    }
    let requests = live.routes.iter().map(|route| (route.route.clone(), route.requests)).collect();
    shared.paths_of_leaks.found(found, requests);
}

/// Completes the report in an incident's directory.
fn complete(directory: &Path, live: &Report, found: &[Kept]) {
    let path = directory.join(REPORT);
    let Some(mut report) = fs::read(&path).ok().and_then(|text| serde_json::from_slice::<Report>(&text).ok())
    else {
        return;
    };
    let before = report.leaks.iter().filter(|leak| has_path(leak)).count();
    for leak in report.leaks.iter_mut().filter(|leak| !has_path(leak)) {
        // What was told of several routes together may be told of one of them by now.
        let within = |live: &Leak| live.routes.iter().all(|route| leak.routes.contains(route));
        let same = live.leaks.iter().find(|live| has_path(live) && within(live));
        if let Some(culprit) = same.and_then(|live| live.culprit.as_ref()) {
            take(leak, culprit);
        }
    }
    let requests = |route: &str| of_route(&report.routes, route);
    join(&mut report.leaks, requests, found);
    if report.leaks.iter().filter(|leak| has_path(leak)).count() > before
        && let Ok(text) = serde_json::to_vec(&report)
    {
        // The report as it was is there; a disk that fails shows elsewhere.
        let _ = files::write(&path, &text);
    }
}

fn of_route(routes: &[RouteStats], name: &str) -> Option<u64> {
    routes.iter().find(|route| route.route == name).map(|route| route.requests)
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Row {
    route: Option<String>,
    kind: String,
    count: u64,
    bytes: u64,
    package: Option<String>,
    file: Option<String>,
    line: Option<u32>,
    function: Option<String>,
    retaining_path: Vec<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Rows {
    gathering: Vec<Row>,
    watched: Vec<Row>,
}

/// What the analysis of a heap snapshot's file found; empty where it failed.
pub(crate) fn kept(analysis: &Value) -> Vec<Kept> {
    let Rows { gathering, watched } = Rows::deserialize(analysis).unwrap_or_default();
    // A redacted heap snapshot does not say whose requests they are.
    let watched = watched.into_iter().filter(|row| row.route.is_some());
    gathering.into_iter().chain(watched).map(row).collect()
}

fn row(row: Row) -> Kept {
    let Row { route, kind, count, bytes, package, file, line, function, retaining_path } = row;
    let path = retaining_path.iter().take(LONGEST_PATH);
    Kept {
        route,
        kind: kind_named(&kind),
        count,
        bytes,
        path: path.map(|step| step.chars().take(LONGEST_STEP).collect()).collect(),
        culprit: file.map(|file| Frame { function, file, line: line.unwrap_or(0), package }),
    }
}

fn kind_named(name: &str) -> Kind {
    let kinds = [Kind::Collection, Kind::Closure, Kind::Listener, Kind::Timer, Kind::Native];
    kinds.into_iter().find(|kind| kind.name() == name).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_come_one_after_the_other_into_one_file() {
        let directory = tempfile::tempdir().unwrap();
        put(directory.path(), "walk", json!({ "objects": 5 })).unwrap();
        put(directory.path(), "heapSnapshot", json!({ "state": "refused" })).unwrap();

        let text = fs::read_to_string(directory.path().join(ANALYSIS)).unwrap();

        assert_eq!(
            text,
            r#"{"heapSnapshot":{"state":"refused"},"schema":"leakprobe.analysis/1","walk":{"objects":5}}"#
        );
    }

    #[test]
    fn a_leak_of_which_more_is_known_after_an_analysis_gets_what_that_found() {
        let remembered = Remembered::default();
        let row = Kept {
            kind: Kind::Collection,
            count: 100,
            bytes: 100_000,
            path: vec!["module a.js".to_owned(), "Map".to_owned()],
            ..Kept::default()
        };
        remembered.found(&[row], BTreeMap::from([("GET /a".to_owned(), 100)]));
        let leak = |each: f64| -> Leak {
            serde_json::from_value(json!({
                "id": "1f", "route": "GET /a", "routes": ["GET /a"], "kind": "collection", "resource": "heap", "confidence": 0.9, "since": "",
                "perRequest": { "value": each, "low": each, "high": each, "unit": "bytes" },
                "growth": { "perHour": 1.0, "total": each * 100.0, "unit": "bytes" }, "evidence": [],
            }))
            .unwrap()
        };

        let mut vague = [leak(5_000.0)];
        remembered.fill(&mut vague);
        let mut better = [leak(1_100.0)];
        remembered.fill(&mut better);
        let mut later = [leak(9_000.0)];
        remembered.fill(&mut later);

        assert!(!has_path(&vague[0]));
        assert!(has_path(&better[0]) && has_path(&later[0]), "and it stays");
    }

    #[test]
    fn rows_of_a_file_s_analysis_are_taken_and_what_is_no_analysis_has_none() {
        let analysis = json!({
            "gathering": [{ "class": "Entry", "kind": "collection", "count": 7, "bytes": 70, "file": "/app/a.js", "line": 3,
                "retainingPath": ["module a.js", "Map"] }],
            "watched": [{ "count": 3, "retainingPath": ["redacted"] }, { "route": "GET /a", "kind": "closure", "count": 2, "id": 5, "retainingPath": ["x".repeat(500)] }],
        });

        let kept = kept(&analysis);

        assert_eq!(kept.len(), 2);
        assert_eq!(
            (kept[0].kind, kept[0].bytes, kept[0].culprit.as_ref().unwrap().line),
            (Kind::Collection, 70, 3)
        );
        assert_eq!((kept[1].route.as_deref(), kept[1].path[0].len()), (Some("GET /a"), LONGEST_STEP));
        assert_eq!(super::kept(&json!({ "state": "failed" })), []);
        assert_eq!(super::kept(&json!({ "gathering": 7 })), []);
    }
}
