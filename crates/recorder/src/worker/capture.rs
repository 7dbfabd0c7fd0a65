//! The worker's captures: an incident is on disk at once, and completed when its heap snapshot has come or failed.

use super::decide::Refusal;
use super::{SECOND_NS, Worker};
use crate::answers::Generator;
use crate::incident::{self, Contents, Pending, Way};
use crate::joining;
use crate::questions::{Count, Purpose, Questions};
use crate::retention;
use crate::snapshot::Written;
use crate::walk_analysis;
use crate::walks::{RETAINERS, Walks};
use leakprobe_core::{RouteId, Trip};
use leakprobe_shadow::{Ending, is_crash};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// The event loop has this long to come to a freeze, before its JavaScript is interrupted for it.
pub(super) const LOOP_ANSWER_NS: u64 = SECOND_NS;
/// A shadow is tried so often before something else is.
const SHADOW_ATTEMPTS: u32 = 3;
/// So often a freeze is tried while threads do not come to rest.
const BUSY_ATTEMPTS: u32 = 10;
/// Of these, so many at once. V8's threads may mark a heap for a second: before the others is waited, longer each time, 0.8 s in all.
const AT_ONCE: u32 = 3;
/// By so much longer each time.
const BUSY_WAIT_NS: u64 = SECOND_NS / 25;
/// A shadow whose output has ended has this long to end itself.
const SHADOW_END: Duration = Duration::from_secs(2);

/// An incident to be written.
pub(super) struct Request<'a> {
    pub(super) id: String,
    pub(super) reason: String,
    pub(super) trip: Option<&'a Trip>,
    pub(super) heap_snapshot: bool,
    /// Ask a shadow for the floor, also without a heap snapshot.
    pub(super) floor: bool,
}

impl Worker {
    /// Writes it, and asks for what it has not yet.
    pub(super) fn incident(&mut self, request: Request<'_>) {
        if let Some((id, path, profile)) = self.write(request) {
            // After the freeze, if one is asked for: a process is not frozen while its profiler runs.
            self.ask_profile(&id, &path, profile.as_ref());
        }
    }

    /// Its id, its folder and what it says of its CPU profile; `None` where nothing is on disk.
    fn write(&mut self, request: Request<'_>) -> Option<(String, PathBuf, Option<Value>)> {
        let Request { id, reason, trip, heap_snapshot, floor } = request;
        self.drop_floor();
        self.read_freshly();
        let shared = Arc::clone(&self.shared);
        let stats = shared.stats();
        let at_limit = self.heap_limit.filter(|_| trip.is_some_and(|trip| trip.condition == "heap-limit"));
        // One request may have filled the heap since it was last read.
        let heap_used =
            at_limit.map_or(0, |reached| reached.limit as u64).max(stats.heap.map_or(0, |heap| heap.used));
        let no_disk = self.no_disk();
        let asked = heap_snapshot;
        let urgent = trip.is_some_and(|trip| matches!(trip.condition.as_str(), "stall" | "heap-limit"));
        let wanted = asked || floor || urgent;
        let affordable = self.affordable(trip, &id, asked, wanted && no_disk.is_none());
        let heap_snapshot = if asked {
            self.decide_snapshot(heap_used, trip.is_some(), no_disk.as_deref(), &affordable.snapshot)
        } else {
            json!({ "state": "not-asked" })
        };
        let whole = heap_snapshot.get("state").is_some_and(|state| state == "pending");
        self.tell_budget(trip, &affordable);
        if asked && !whole && no_disk.is_none() && affordable.snapshot.is_ok() {
            self.give_back_capture(&id);
        }
        let can_freeze = shared.can_freeze.load(Ordering::Relaxed);
        let freezing = affordable.shadow.and(self.not_profiling(urgent).map_err(Refusal::in_the_way));
        let shadow = self.decide_shadow(wanted, no_disk.as_deref(), &freezing);
        let by_shadow = shadow.get("state").is_some_and(|state| state == "pending");
        let pending = whole || by_shadow;
        let room = self.room(heap_used, whole);
        let questions = Questions {
            stack: by_shadow,
            floor: by_shadow && (floor || asked),
            heap_snapshot: whole,
            ..self.questions(by_shadow, heap_used, room)
        };
        let predicted_ms = heap_snapshot.get("predictedPauseMs").and_then(Value::as_f64).unwrap_or(0.0);
        let now = (shared.now)();
        let at = shared.monitor.lock().wall(now);
        let name = incident::directory_name(&at, &reason, &id);
        let stall = trip.filter(|trip| trip.condition == "stall").and_then(|_| self.stall());
        let readings: Vec<_> = shared.readings.lock().iter().cloned().collect();
        let cpu_profile = self.decide_profile(trip, now);
        let mut json = incident::json(Contents {
            id: &id,
            reason: &reason,
            at,
            trip,
            stall,
            readings: serde_json::to_value(readings).unwrap_or_default(),
            stats: serde_json::to_value(stats).unwrap_or_default(),
            process: serde_json::to_value(shared.identity()).unwrap_or_default(),
            heap_snapshot,
            shadow,
            heap_limit: at_limit,
            cpu_profile: cpu_profile.clone(),
        });
        if let (Some(map), Some(same)) = (json.as_object_mut(), self.same_as()) {
            map.insert("sameAs".to_owned(), same);
        }
        let home = shared.config.home().filter(|_| no_disk.is_none());
        let Some(incidents) = home.map(|home| home.join("incidents")) else {
            let because = no_disk.unwrap_or_default();
            if let (Some(map), true) = (json.as_object_mut(), shared.config.directory.is_some()) {
                map.insert("notWritten".to_owned(), json!(because));
            }
            self.tell_incident(&json);
            return None;
        };
        if let Some(map) = json.as_object_mut() {
            map.insert("directory".to_owned(), json!(incidents.join(&name)));
        }
        let report = serde_json::to_vec(&shared.report()).unwrap_or_default();
        let path = match incident::write(&incidents, &name, &json, &report) {
            Ok(path) => path,
            Err(error) => {
                self.not_written(&id, json, whole, &error);
                return None;
            }
        };
        self.disk_works();
        self.enforce_retention(&incidents, Some(&path));
        if !pending {
            self.tell_incident(&json);
            return Some((id, path, cpu_profile));
        }
        self.remember_incident(&json);
        let waiting = Pending {
            questions,
            heap_used,
            way: if can_freeze { Way::Shadow } else { Way::InProcess },
            predicted_ms,
            by_trigger: trip.is_some(),
            purpose: if at_limit.is_some() { Purpose::HeapLimit } else { Purpose::Incident },
            rss: shared.last_reading().and_then(|reading| reading.rss).unwrap_or(0),
            room: room.filter(|_| by_shadow),
            patience_ns: if urgent { 0 } else { LOOP_ANSWER_NS },
            ..Pending::new(path.clone(), json, now)
        };
        self.ask(&id, waiting);
        Some((id, path, cpu_profile))
    }

    /// What the heap's size and the room for a shadow say of its questions.
    fn questions(&self, by_shadow: bool, heap_used: u64, room: Option<u64>) -> Questions {
        let can_walk = self.shared.walks.wanted(heap_used, room);
        Questions {
            stack: false,
            floor: false,
            walk: by_shadow && can_walk,
            retainers: RETAINERS,
            retainers_room: Walks::room_beside(heap_used, room),
            heap_snapshot: false,
            generator: self.generator(can_walk),
            count: (by_shadow && self.shared.can_count.load(Ordering::Relaxed))
                .then(|| Count { room, bytes_per_object: self.learned.bytes_per_object() }),
        }
    }

    /// The disk takes no incident: it is told, and nothing is taken for it.
    fn not_written(&mut self, id: &str, mut json: Value, whole: bool, error: &std::io::Error) {
        self.disk_failed("writing an incident", error);
        if let Some(map) = json.as_object_mut() {
            let because = error.to_string();
            map.insert("heapSnapshot".to_owned(), json!({ "state": "failed", "because": because }));
            map.insert("shadow".to_owned(), json!({ "state": "not-asked" }));
            map.remove("directory");
        }
        if whole {
            self.give_back_capture(id);
        }
        self.tell_incident(&json);
    }

    /// An incident is complete.
    fn tell_incident(&self, json: &Value) {
        self.remember_incident(json);
        self.observer.lock().incident(&json.to_string());
    }

    pub(super) fn snapshot_ended(&mut self, id: &str, written: Result<Box<Written>, String>) {
        let Some(mut pending) = self.shared.pending.lock().remove(id) else { return };
        if pending.purpose == Purpose::Floor {
            return self.floor_ended(pending, written);
        }
        let ending = pending.shadow.take().map(|mut shadow| {
            let ending = shadow.wait(SHADOW_END).unwrap_or_else(|| shadow.kill());
            pending.used = shadow.usage();
            self.shared.budget.lock().shadow_used(pending.used.cpu_ms);
            if let Ok(written) = &written {
                pending.note_want_of_memory(ending, written);
                self.learn(&pending, written);
            }
            ending
        });
        // A disk that fails does so for every way; all else is the way's own.
        let disk_failed = written.is_err() && pending.fault.is_none();
        let refused = pending.fault.is_some();
        let by_walk = written.as_ref().is_ok_and(|written| written.answers.generator == Generator::Walk);
        let written = match (pending.fault.take(), ending) {
            (Some(fault), _) => Err(fault),
            (None, None | Some(Ending::Exited(0))) => written,
            (None, Some(_)) if pending.ran_out.is_some() => written,
            (None, Some(Ending::Exited(status))) => Err(format!("the shadow ended with status {status}")),
            (None, Some(Ending::Signalled(signal))) => {
                Err(format!("the shadow was ended by signal {signal}"))
            }
        };
        if pending.questions.walk && pending.way == Way::Shadow {
            self.walked(&mut pending, written.as_ref().ok().map(|written| &written.answers), ending);
        }
        let whole = written.as_ref().is_ok_and(|written| pending.answered(written));
        if let Ok(written) = &written {
            self.attribute_floor(&pending, &written.answers);
        }
        if !whole && pending.way == Way::Shadow {
            if by_walk {
                // Whatever ended it, V8's generator has its turn next.
                pending.questions.generator = Generator::V8;
            }
            pending.shadow_fault = Some(match &written {
                Ok(written) => written.answers.fault.clone().unwrap_or("it ended too early".to_owned()),
                Err(why) => why.clone(),
            });
        }
        if !whole && !disk_failed && pending.way == Way::Shadow && !self.stopping {
            self.shared.fault(if refused { "a freeze was refused" } else { "a shadow gave no answer" });
            let left = pending.attempts < SHADOW_ATTEMPTS && pending.refusals < BUSY_ATTEMPTS;
            if left && self.shared.can_freeze.load(Ordering::Relaxed) {
                let wait = BUSY_WAIT_NS * u64::from(pending.refusals.saturating_sub(AT_ONCE));
                if refused && wait > 0 {
                    return self.ask_later(id, pending, wait);
                }
                return self.ask(id, pending);
            }
            // What crashed a shadow, most likely for want of memory, would crash the app.
            let crashed = matches!(ending, Some(Ending::Signalled(signal)) if is_crash(signal));
            let wanted = pending.questions.heap_snapshot && !crashed;
            let situation = self.situation(pending.heap_used, pending.by_trigger);
            if wanted && self.learned.by_bytes(situation).is_ok() {
                pending.way = Way::InProcess;
                pending.freeze = None;
                return self.ask(id, pending);
            }
        }
        let shared = Arc::clone(&self.shared);
        if let (Way::InProcess, Some(pause_ms), Ok(_)) = (pending.way, pending.pause_ms, &written) {
            self.learned.paused(pause_ms, pending.heap_used);
        }
        let whole = written.as_ref().ok().and_then(|written| written.summary.as_ref().ok());
        let whole = whole.map(|summary| summary.bytes).filter(|_| !self.stopping);
        let route = |id| shared.monitor.lock().route(RouteId(id)).to_owned();
        let walk = written.as_ref().ok().and_then(|written| written.answers.walk.as_ref()?.as_ref().ok());
        let found = walk.map(|census| walk_analysis::kept(census, route));
        pending.complete(written.map(|written| *written), route);
        if let Some(found) = found {
            joining::joined(&shared, &pending.path, &found);
        }
        if let Err(error) = incident::write_incident(&pending.path, &pending.json) {
            self.disk_failed("completing an incident", &error);
        }
        if let Some(incidents) = pending.path.parent().map(PathBuf::from) {
            self.enforce_retention(&incidents, Some(&pending.path));
        }
        let state = pending.json.pointer("/heapSnapshot/state").and_then(Value::as_str);
        if pending.questions.heap_snapshot && state != Some("written") {
            self.give_back_capture(id);
        }
        self.tell_incident(&pending.json);
        if let Some(bytes) = whole {
            self.analyse(&pending.path, bytes);
        }
    }

    /// What a shadow needed for a whole heap snapshot goes into the prediction for the next one.
    fn learn(&mut self, pending: &Pending, written: &Written) {
        if pending.questions.heap_snapshot && written.summary.is_ok() {
            self.learned.wrote(written.compressed_bytes, pending.heap_used);
            if written.answers.generator == Generator::Walk {
                return; // it says nothing of what V8's generator needs
            }
            self.learned.needed(pending.own_bytes(), pending.heap_used, written.answers.objects);
        }
    }

    /// Old incidents go, also when there are no new ones.
    pub(super) fn forget_old_incidents(&mut self) {
        let incidents = self.shared.config.home().map(|home| home.join("incidents"));
        if let Some(incidents) = incidents.filter(|incidents| incidents.exists()) {
            self.enforce_retention(&incidents, None);
        }
    }

    /// Old incidents go; `newest` stays, as do those that are not complete.
    pub(super) fn enforce_retention(&mut self, incidents: &Path, newest: Option<&Path>) {
        let mut keep: Vec<PathBuf> =
            self.shared.pending.lock().values().map(|pending| pending.path.clone()).collect();
        keep.extend(newest.map(Path::to_path_buf));
        let config = &self.shared.config;
        let age = Duration::from_millis(config.max_incident_age_ms);
        let since =
            std::time::SystemTime::now().checked_sub(age).unwrap_or(std::time::SystemTime::UNIX_EPOCH);
        let since = incident::time_name(&humantime::format_rfc3339_millis(since).to_string());
        let limits = retention::Limits {
            count: config.max_incidents,
            bytes: config.max_incident_bytes,
            since: &since,
        };
        if let Err(error) = retention::enforce(incidents, limits, &keep) {
            self.disk_failed("removing old incidents", &error);
        }
    }
}
