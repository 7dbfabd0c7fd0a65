//! An incident: its directory, its first writing, and its completion when a heap snapshot is there.

use crate::answers::{Answers, Floor, Generator};
use crate::files;
use crate::preflight;
use crate::questions::{Purpose, Questions};
use crate::snapshot::Written;
use crate::walk_analysis;
use crate::worker::HeapLimit;
use leakprobe_core::{Nanos, Trip};
use leakprobe_shadow::{Ending, Pause, Preparation, Shadow, Usage, is_crash};
use serde_json::{Value, json};
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

/// The form of `incident.json`.
const SCHEMA: &str = "leakprobe.incident/1";
/// The incident's own file.
pub(crate) const FILE: &str = "incident.json";
/// The heap snapshot's file.
pub(crate) const SNAPSHOT: &str = "heap.heapsnapshot.gz";

/// The stack's file.
const STACK: &str = "stack.txt";

/// Who makes the heap snapshot.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Way {
    /// A shadow: the app stands still for the fork only.
    Shadow,
    /// V8 in the app's own process, which stands still for all of it.
    InProcess,
}

/// An incident that waits for a shadow's answers, or for its heap snapshot.
#[derive(Debug)]
pub(crate) struct Pending {
    pub(crate) purpose: Purpose,
    /// The mark of its last freeze.
    pub(crate) mark: Option<u32>,
    pub(crate) questions: Questions,
    pub(crate) path: PathBuf,
    pub(crate) json: Value,
    pub(crate) asked: Nanos,
    pub(crate) heap_used: u64,
    /// The app's resident memory, bytes; what a shadow has above it is its own.
    pub(crate) rss: u64,
    /// V8's end of the pipe, from the beginning of the writing to its end; a shadow's is with the job of its freeze.
    pub(crate) writer: Option<OwnedFd>,
    pub(crate) begun: bool,
    pub(crate) way: Way,
    /// Attempts so far.
    pub(crate) attempts: u32,
    /// Freezes that were refused because threads did not come to rest; no shadow was made.
    pub(crate) refusals: u32,
    pub(crate) predicted_ms: f64,
    /// A trigger asked, so the pause of a fallback is limited.
    pub(crate) by_trigger: bool,
    pub(crate) preparation: Option<Preparation>,
    pub(crate) shadow: Option<Shadow>,
    pub(crate) freeze: Option<Pause>,
    pub(crate) pause_ms: Option<f64>,
    pub(crate) fault: Option<String>,
    /// Memory that its shadow may take beyond what it shares, bytes.
    pub(crate) room: Option<u64>,
    /// The state and the reason of a heap snapshot for which the memory was wanting.
    pub(crate) ran_out: Option<(&'static str, String)>,
    /// What the last shadow used.
    pub(crate) used: Usage,
    /// Why the last shadow gave no answer.
    pub(crate) shadow_fault: Option<String>,
    /// Why there is no walk over the heap.
    pub(crate) walk_fault: Option<String>,
    /// How long the event loop has to come to the freeze, before its JavaScript is interrupted; 0 when it is stuck.
    pub(crate) patience_ns: u64,
    /// When that will be; `None` once it was.
    pub(crate) interrupt_at: Option<Nanos>,
    /// The app thread is asked for it then, not now.
    pub(crate) ask_at: Option<Nanos>,
}

/// What an incident says.
pub(crate) struct Contents<'a> {
    pub(crate) id: &'a str,
    pub(crate) reason: &'a str,
    pub(crate) at: String,
    pub(crate) trip: Option<&'a Trip>,
    pub(crate) stall: Option<Value>,
    pub(crate) readings: Value,
    pub(crate) stats: Value,
    pub(crate) process: Value,
    pub(crate) heap_snapshot: Value,
    pub(crate) shadow: Value,
    pub(crate) heap_limit: Option<HeapLimit>,
    /// State of the CPU profile, where one was asked for.
    pub(crate) cpu_profile: Option<Value>,
}

/// `incident.json`.
pub(crate) fn json(contents: Contents<'_>) -> Value {
    let mut json = json!({
        "schema": SCHEMA,
        "id": contents.id,
        "reason": contents.reason,
        "at": contents.at,
        "heapSnapshot": contents.heap_snapshot,
        "shadow": contents.shadow,
        "process": contents.process,
        "readings": contents.readings,
        "stats": contents.stats,
    });
    if let Some(map) = json.as_object_mut() {
        if let Some(trip) = contents.trip {
            map.insert("trip".to_owned(), trip_json(trip));
        }
        if let Some(stall) = contents.stall {
            map.insert("stall".to_owned(), stall);
        }
        if let Some(profile) = contents.cpu_profile {
            map.insert("cpuProfile".to_owned(), profile);
        }
        if let Some(HeapLimit { limit, raised_to }) = contents.heap_limit {
            map.insert("heapLimit".to_owned(), json!({ "limit": limit, "raisedTo": raised_to }));
        }
    }
    json
}

fn trip_json(trip: &Trip) -> Value {
    json!({
        "trigger": trip.trigger, "condition": trip.condition, "route": trip.route, "value": trip.value,
        "threshold": trip.threshold, "unit": trip.unit, "because": trip.because, "actions": trip.actions,
    })
}

/// `<time>-<reason>-<id>`, the time without characters that file systems or shells dislike.
pub(crate) fn directory_name(at: &str, reason: &str, id: &str) -> String {
    format!("{}-{}-{id}", time_name(at), crate::config::safe_name(reason))
}

/// An instant as names begin with it.
pub(crate) fn time_name(at: &str) -> String {
    at.chars().filter(|letter| !matches!(letter, '-' | ':')).collect()
}

/// Writes a new incident: its directory appears with both files in it, or not at all.
pub(crate) fn write(incidents: &Path, name: &str, incident: &Value, report: &[u8]) -> io::Result<PathBuf> {
    files::make_directory(incidents)?;
    let temporary = incidents.join(format!(".tmp-{}-{name}", std::process::id()));
    let path = incidents.join(name);
    let written = files::make_directory(&temporary)
        .and_then(|()| write_incident(&temporary, incident))
        .and_then(|()| files::write(&temporary.join("report.json"), report))
        .and_then(|()| fs::rename(&temporary, &path))
        .and_then(|()| files::sync_directory(incidents));
    if let Err(error) = written {
        // The error that matters is this one; what cannot be removed is swept at the next start.
        let _ = fs::remove_dir_all(&temporary);
        return Err(error);
    }
    Ok(path)
}

/// Replaces `incident.json` in the incident's directory.
pub(crate) fn write_incident(path: &Path, incident: &Value) -> io::Result<()> {
    files::write(&path.join(FILE), incident.to_string().as_bytes())
}

impl Pending {
    /// One that asks nothing of a shadow yet.
    pub(crate) fn new(path: PathBuf, json: Value, asked: Nanos) -> Self {
        Self {
            purpose: Purpose::Incident,
            mark: None,
            questions: Questions::default(),
            path,
            json,
            asked,
            heap_used: 0,
            rss: 0,
            writer: None,
            begun: false,
            way: Way::Shadow,
            attempts: 0,
            refusals: 0,
            predicted_ms: 0.0,
            by_trigger: false,
            preparation: None,
            shadow: None,
            freeze: None,
            pause_ms: None,
            fault: None,
            room: None,
            ran_out: None,
            used: Usage::default(),
            shadow_fault: None,
            walk_fault: None,
            patience_ns: 0,
            interrupt_at: None,
            ask_at: None,
        }
    }

    /// The snapshot has ended, in a file or in a fault. `route` names a route by its id.
    pub(crate) fn complete(&mut self, written: Result<Written, String>, route: impl Fn(u16) -> String) {
        let (mut state, answers) = match written {
            Ok(Written { summary: Ok(summary), compressed_bytes, redacted, answers }) => {
                let state = json!({
                    "state": "written", "file": SNAPSHOT, "bytes": summary.bytes,
                    "compressedBytes": compressed_bytes, "nodeCount": summary.node_count,
                    "edgeCount": summary.edge_count, "stringCount": summary.string_count,
                    "countsMatch": summary.counts_match, "redacted": redacted,
                });
                (state, answers)
            }
            Ok(Written { summary: Err(damage), answers, .. }) => {
                let (state, because) = match (self.refused(&answers), self.ran_out.take()) {
                    (Some(no_room), _) => ("refused", no_room),
                    (None, Some(ran_out)) => ran_out,
                    (None, None) => {
                        let who = if answers.generator == Generator::Walk { "the walk" } else { "V8" };
                        ("failed", format!("{who} wrote no whole heap snapshot: {damage}"))
                    }
                };
                (json!({ "state": state, "because": because }), answers)
            }
            Err(why) => (json!({ "state": "failed", "because": why }), Answers::none()),
        };
        if let Some(state) = state.as_object_mut() {
            let way = if self.way == Way::Shadow { "shadow" } else { "in-process" };
            state.insert("by".to_owned(), json!(way));
            if state.get("state").is_some_and(|state| state == "written") {
                state.insert("generator".to_owned(), json!(answers.generator));
            }
            state.insert("pauseMs".to_owned(), json!(self.pause_ms));
            if let Some(pause) = self.freeze {
                state.insert("pauseParts".to_owned(), parts(pause));
            }
            if let Some(objects) = answers.objects {
                state.insert("objects".to_owned(), json!(objects));
            }
        }
        let shadow = self.shadow_json(&answers);
        if let Some(map) = self.json.as_object_mut() {
            map.insert("shadow".to_owned(), shadow);
            if self.questions.heap_snapshot {
                map.insert("heapSnapshot".to_owned(), state);
            }
            let fault = self.walk_fault.as_deref();
            if let Some(walk) = walk_analysis::incident(answers.walk.as_ref(), fault, &self.path, &route) {
                map.insert("walk".to_owned(), walk);
            }
            if let Some(floor) = answers.floor {
                map.insert("floor".to_owned(), floor_json(&floor, route));
            }
            if let Some(stack) = answers.stack {
                let kept = files::write(&self.path.join(STACK), stack.as_bytes());
                map.insert("stack".to_owned(), kept.map_or(Value::Null, |()| json!(STACK)));
            }
        }
    }

    /// Whether everything that was asked has been answered, with a reason at least.
    pub(crate) fn answered(&self, written: &Written) -> bool {
        let explained =
            written.summary.is_ok() || self.ran_out.is_some() || written.answers.no_room.is_some();
        (!self.questions.heap_snapshot || explained) && self.answered_first(&written.answers)
    }

    /// The same of what comes before a heap snapshot.
    fn answered_first(&self, answers: &Answers) -> bool {
        let Questions { stack, floor, .. } = self.questions;
        let by_shadow = self.way == Way::Shadow;
        !by_shadow || ((!stack || answers.stack.is_some()) && (!floor || answers.floor.is_some()))
    }

    /// Why a shadow that counted the heap's objects took no heap snapshot.
    fn refused(&self, answers: &Answers) -> Option<String> {
        Some(preflight::no_room(answers.objects?, answers.no_room?, self.questions.count?.room?))
    }

    /// Resident memory of the last shadow that the app did not have when it was asked.
    pub(crate) fn own_bytes(&self) -> u64 {
        self.used.peak_bytes.saturating_sub(self.rss)
    }

    /// Notes when a shadow crashed with much of its room taken, after its other answers: what it lacked is memory, and
    /// the next one would lack it too.
    pub(crate) fn note_want_of_memory(&mut self, ending: Ending, written: &Written) {
        let (Some(room), Ending::Signalled(signal)) = (self.room, ending) else { return };
        let own = self.own_bytes();
        if self.questions.heap_snapshot
            && is_crash(signal)
            && own > room / 4
            && written.summary.is_err()
            && self.answered_first(&written.answers)
        {
            let (own, room) = (own >> 20, room >> 20);
            let given = format!("{own} MB of the {room} MB that it was given");
            self.ran_out = Some(if written.answers.snapshot_begun {
                ("failed", format!("the shadow had taken {given} when V8 gave up (signal {signal})"))
            } else {
                ("refused", format!("the shadow had taken {given} before it had counted the objects"))
            });
        }
    }

    fn shadow_json(&self, answers: &Answers) -> Value {
        let answered = self.way == Way::Shadow && (answers.stack.is_some() || answers.floor.is_some());
        match (&self.shadow_fault, answered) {
            (earlier, true) => {
                let mut json = json!({
                    "state": "answered", "attempts": self.attempts, "pauseMs": self.pause_ms,
                    "pauseParts": self.freeze.map(parts), "cpuMs": self.used.cpu_ms, "ownBytes": self.own_bytes(),
                });
                if let (Some(map), Some(because)) = (json.as_object_mut(), earlier) {
                    map.insert("retriedBecause".to_owned(), json!(because));
                }
                json
            }
            (Some(because), false) => {
                json!({ "state": "failed", "attempts": self.attempts, "because": because })
            }
            // Refused at the beginning, with its reason.
            (None, false) if self.json["shadow"]["state"] == "refused" => self.json["shadow"].clone(),
            (None, false) => json!({ "state": "not-asked" }),
        }
    }
}

fn floor_json(floor: &Floor, route: impl Fn(u16) -> String) -> Value {
    let mut json = json!(floor);
    let watched = floor
        .watched
        .iter()
        .map(|(id, watched, alive)| json!({ "route": route(*id), "watched": watched, "alive": alive }));
    if let Some(map) = json.as_object_mut() {
        map.insert("watched".to_owned(), watched.collect());
    }
    json
}

/// What the app felt, ms.
#[expect(clippy::cast_precision_loss, reason = "nanoseconds stay below 2^53")]
fn parts(pause: Pause) -> Value {
    let ms = |ns: u64| ns as f64 / 1e6;
    json!({
        "idleMs": ms(pause.idle), "areasMs": ms(pause.areas), "areasReadAgain": pause.areas_read_again,
        "forkMs": ms(pause.fork), "restoreMs": ms(pause.restore),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn an_incident_appears_whole_and_private() {
        let directory = tempfile::tempdir().unwrap();
        let incidents = directory.path().join("incidents");
        let name = directory_name("2026-01-02T03:04:05.678Z", "slow route", "1f");

        let path = write(&incidents, &name, &json!({ "id": "1f" }), b"{}").unwrap();

        assert_eq!(path.file_name().unwrap(), "20260102T030405.678Z-slow_route-1f");
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(
            (mode(&path), mode(&path.join("incident.json")), mode(&path.join("report.json"))),
            (0o700, 0o600, 0o600)
        );
        assert_eq!(fs::read_dir(&incidents).unwrap().count(), 1);
    }

    #[test]
    fn one_that_cannot_be_written_leaves_nothing() {
        let directory = tempfile::tempdir().unwrap();
        // A file stands where the incident should go.
        fs::write(directory.path().join("taken"), b"").unwrap();
        assert!(write(directory.path(), "taken", &json!({}), b"{}").is_err());
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }
}
