//! CPU profiles: asked of the app thread for an incident, and put into its directory.

use super::{SECOND_NS, Worker};
use crate::config::Preset;
use crate::files;
use crate::incident;
use leakprobe_core::trigger::Action;
use leakprobe_core::{Nanos, Trip};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};

/// The file.
const FILE: &str = "cpu.cpuprofile";
/// How long the profiler runs, by preset, ms.
const LASTS_MS: u64 = 10_000;
const LASTS_TEST_MS: u64 = 1_000;
/// The event loop has this long to come to it: what is profiled later is something else.
const ANSWER_NS: u64 = 2 * SECOND_NS;
/// A loop that has not turned for so long does not come to it.
const STUCK_NS: u64 = SECOND_NS;
/// One that has begun is waited for so much longer than it lasts.
const PATIENCE_NS: u64 = 60 * SECOND_NS;
/// Profiles in any hour, by preset.
const MOST_PER_HOUR: usize = 6;
const MOST_PER_HOUR_TEST: usize = 60;
const HOUR_NS: u64 = 3_600 * SECOND_NS;

/// A profile that was asked for.
#[derive(Clone, Debug)]
pub(crate) struct PendingProfile {
    pub(crate) id: String,
    path: PathBuf,
    asked: Nanos,
    begun: bool,
    lasts_ms: u64,
}

impl PendingProfile {
    /// The app thread begins it: for how long, ms, unless it is too late.
    pub(crate) fn begin(&mut self, now: Nanos) -> Option<u64> {
        let in_time = !self.begun && now.since(self.asked) <= ANSWER_NS;
        self.begun |= in_time;
        in_time.then_some(self.lasts_ms)
    }
}

/// What came of one.
#[derive(Debug)]
pub(crate) struct EndedProfile {
    pub(crate) id: String,
    /// V8's JSON, or why there is none.
    pub(crate) profile: Result<String, String>,
    /// What starting and reading it cost the app thread, ms.
    pub(crate) pause_ms: f64,
}

impl Worker {
    /// Whether the profiler runs now. A shadow made then would wait for ever for the profiler's own thread, which it does not have.
    pub(super) fn profiling(&self) -> bool {
        self.shared.profile.lock().as_ref().is_some_and(|profile| profile.begun)
    }

    /// What keeps a freeze from inside a stuck loop or a full heap: elsewhere the app thread ends the profile first.
    pub(super) fn not_profiling(&self, urgent: bool) -> Result<(), String> {
        let because = || "a CPU profile is being taken, and nothing can be frozen meanwhile".to_owned();
        if urgent && self.profiling() { Err(because()) } else { Ok(()) }
    }

    /// What an incident says of its profile before there is one.
    pub(super) fn decide_profile(&mut self, trip: Option<&Trip>, now: Nanos) -> Option<Value> {
        trip.filter(|trip| trip.actions.contains(&Action::CpuProfile))?;
        let refused = |because: &str| Some(json!({ "state": "refused", "because": because }));
        let test = self.shared.config.preset == Preset::Test;
        if self.shared.config.home().is_none() {
            return refused("this probe has no directory");
        }
        if self.shared.profile.lock().is_some() {
            return refused("another profile is being taken");
        }
        if self.shared.sender.last_turn().is_none_or(|turn| now.since(turn) > STUCK_NS) {
            return refused("the event loop does not turn: see the stack");
        }
        while self.profiled.front().is_some_and(|at| now.since(*at) >= HOUR_NS) {
            self.profiled.pop_front();
        }
        let most = if test { MOST_PER_HOUR_TEST } else { MOST_PER_HOUR };
        if self.profiled.len() >= most {
            return refused(&format!("{most} profiles were taken in the last hour"));
        }
        self.profiled.push_back(now);
        let lasts_ms = if test { LASTS_TEST_MS } else { LASTS_MS };
        Some(json!({ "state": "pending", "ms": lasts_ms }))
    }

    /// Asks the app thread for it, if that was decided; the incident is in `path`.
    pub(super) fn ask_profile(&self, id: &str, path: &Path, decided: Option<&Value>) {
        let Some(lasts_ms) = decided.and_then(|told| told.get("ms")?.as_u64()) else { return };
        let asked = (self.shared.now)();
        let pending =
            PendingProfile { id: id.to_owned(), path: path.to_path_buf(), asked, begun: false, lasts_ms };
        *self.shared.profile.lock() = Some(pending);
        self.observer.lock().take_cpu_profile(id);
    }

    /// Gives up waiting when the loop did not come to it in time.
    pub(super) fn watch_profile(&mut self, now: Nanos) {
        let late = {
            let profile = self.shared.profile.lock();
            profile.as_ref().and_then(|profile| {
                let waited = now.since(profile.asked);
                let lasts = profile.lasts_ms.saturating_mul(1_000_000);
                match profile.begun {
                    false if waited > ANSWER_NS => Some("the event loop did not come to it within 2 s"),
                    true if waited > lasts + PATIENCE_NS => {
                        Some("the event loop did not turn for a minute since")
                    }
                    _ => None,
                }
                .map(|why| (profile.id.clone(), why.to_owned()))
            })
        };
        if let Some((id, why)) = late {
            self.profile_ended(EndedProfile { id, profile: Err(why), pause_ms: 0.0 });
        }
    }

    pub(super) fn profile_ended(&mut self, ended: EndedProfile) {
        let Some(pending) = self.shared.profile.lock().take_if(|pending| pending.id == ended.id) else {
            return;
        };
        let told = match ended.profile {
            Ok(profile) => match files::write(&pending.path.join(FILE), profile.as_bytes()) {
                Ok(()) => json!({
                    "state": "written", "file": FILE, "bytes": profile.len(), "ms": pending.lasts_ms,
                    "pauseMs": ended.pause_ms,
                }),
                Err(error) => {
                    self.disk_failed("writing a CPU profile", &error);
                    json!({ "state": "failed", "because": error.to_string(), "pauseMs": ended.pause_ms })
                }
            },
            Err(why) => json!({ "state": "failed", "because": why, "pauseMs": ended.pause_ms }),
        };
        self.add_to_incident(&pending, told);
    }

    /// Into the incident as it is now: with answers of a shadow that it still waits for, or on disk.
    fn add_to_incident(&mut self, profile: &PendingProfile, told: Value) {
        let waiting = self.shared.pending.lock().get_mut(&profile.id).map(|pending| {
            set(&mut pending.json, told.clone());
            pending.json.clone()
        });
        let whole = waiting.or_else(|| {
            let text = fs::read(profile.path.join(incident::FILE)).ok()?;
            let mut json: Value = serde_json::from_slice(&text).ok()?;
            set(&mut json, told);
            Some(json)
        });
        // Retention may have removed it meanwhile.
        let Some(json) = whole.filter(|_| profile.path.exists()) else { return };
        match incident::write_incident(&profile.path, &json) {
            Ok(()) => self.observer.lock().incident(&json.to_string()),
            Err(error) => self.disk_failed("completing an incident", &error),
        }
    }
}

fn set(incident: &mut Value, told: Value) {
    if let Some(map) = incident.as_object_mut() {
        map.insert("cpuProfile".to_owned(), told);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_begins_once_and_in_time_or_not_at_all() {
        let asked = |begun| PendingProfile {
            id: "1f".to_owned(),
            path: PathBuf::new(),
            asked: Nanos::from_ms(1_000),
            begun,
            lasts_ms: 10_000,
        };
        let mut one = asked(false);
        assert_eq!(one.begin(Nanos::from_ms(1_500)), Some(10_000));
        assert_eq!(one.begin(Nanos::from_ms(1_600)), None);
        assert_eq!(asked(false).begin(Nanos::from_ms(4_000)), None);
    }
}
