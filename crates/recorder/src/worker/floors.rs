//! Floors that the attribution asks for: a shadow that answers one question, and no incident.
//!
//! **Invariant:** there is one shadow at a time, and an incident goes before a floor.

use super::{SECOND_NS, Worker};
use crate::answers::Answers;
use crate::config::{Floors, Preset};
use crate::incident::Pending;
use crate::process_reading::ProcessReading;
use crate::questions::{Purpose, Questions};
use crate::snapshot::Written;
use crate::{Way, preflight, walks, worker};
use leakprobe_core::observation::{Floor, Watched};
use leakprobe_core::planner::FloorSource;
use leakprobe_core::{Nanos, RouteId};
use leakprobe_history::Claim;
use leakprobe_shadow::Preparation;
use serde_json::Value;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Floors leave the rest of the budget to incidents.
const SHARE_OF_BUDGET: f64 = 0.5;
/// When nothing came of one, the next waits so long, ms.
const AFTER_A_FAULT_MS: u64 = 10_000;
const WITHOUT_BUDGET_MS: u64 = 60_000;
const BEHIND_ANOTHER_MS: u64 = 1_000;
/// A shadow that has answered has this long to end itself.
const SHADOW_END: Duration = Duration::from_millis(500);
/// Numbers of floors begin here, after those of captures.
const FIRST_FLOOR: u32 = 1 << 24;

impl Worker {
    /// Where floors come from here, and why; again when freezing turns out to be refused.
    pub(super) fn decide_floors(&self) {
        let shared = &self.shared;
        let config = &shared.config;
        let can_freeze = shared.can_freeze.load(Ordering::Relaxed);
        let test = config.preset == Preset::Test;
        let forced = || {
            format!(
                "two full collections every {} ms while requests come in, in the app thread, for at most {} of the time",
                config.floor_interval_ms, config.floor_pause_share
            )
        };
        let why_not = "the process cannot be frozen, see the capability `freeze`";
        let (source, state, because) = match config.floors {
            Floors::Natural => {
                (FloorSource::Natural, "native", "major collections that happen anyway".to_owned())
            }
            Floors::Forced => (FloorSource::Forced, "native", forced()),
            Floors::Auto | Floors::Shadow if can_freeze => (
                FloorSource::Shadow,
                "native",
                "full collections in a shadow, when something grows and requests come in".to_owned(),
            ),
            Floors::Auto | Floors::Shadow if test => {
                (FloorSource::Forced, "fallback", format!("{}: {why_not}", forced()))
            }
            Floors::Auto | Floors::Shadow => {
                (FloorSource::Natural, "fallback", format!("major collections that happen anyway: {why_not}"))
            }
        };
        shared.forces_floors.store(source == FloorSource::Forced, Ordering::Relaxed);
        shared.monitor.lock().use_floors(source);
        shared.set_capability("floors", state, &because);
    }

    /// Asks a shadow for a floor, when one is wanted and may be had.
    pub(super) fn plan_floor(&mut self, now: Nanos) {
        let shared = &self.shared;
        if self.stopping || !shared.monitor.lock().wants_floor(now) {
            return;
        }
        let put_off = |wait_ms, why: &str| shared.monitor.lock().floor_put_off(now, wait_ms, why);
        if !shared.can_freeze.load(Ordering::Relaxed) {
            return self.decide_floors();
        }
        if self.profiling() {
            return put_off(BEHIND_ANOTHER_MS, "a CPU profile is being taken");
        }
        if !shared.pending.lock().is_empty() {
            return put_off(BEHIND_ANOTHER_MS, "another shadow is at work");
        }
        let reading = shared.last_reading();
        let heap_used = shared.stats().heap.map_or(0, |heap| heap.used);
        // A collection may move everything: then all pages of the heap are the shadow's own.
        if reading.as_ref().and_then(ProcessReading::available).is_some_and(|free| free < heap_used * 3 / 2) {
            return put_off(WITHOUT_BUDGET_MS, "there is no room for a collection in a shadow");
        }
        let Ok(preparation) = Preparation::read() else {
            return put_off(WITHOUT_BUDGET_MS, "/proc/self/smaps cannot be read");
        };
        let claim = Claim { incident: "", freeze: true, capture: false, share: SHARE_OF_BUDGET };
        if let Err(why) = self.claim(&claim) {
            return put_off(WITHOUT_BUDGET_MS, &why);
        }
        self.floors = self.floors.wrapping_add(1);
        let room = reading.and_then(|reading| reading.available()).map(preflight::room);
        let walk = shared.walks.wanted(heap_used, room);
        let id = worker::incident_id(shared.started, FIRST_FLOOR.wrapping_add(self.floors));
        let waiting = Pending {
            purpose: Purpose::Floor,
            questions: Questions { floor: true, walk, ..Questions::default() },
            heap_used,
            attempts: 1,
            preparation: Some(preparation),
            ..Pending::new(PathBuf::new(), Value::Null, now)
        };
        shared.pending.lock().insert(id.clone(), waiting);
        shared.monitor.lock().floor_asked(now);
        self.observer.lock().take_heap_snapshot(&id, Way::Shadow);
    }

    /// The shadow of a floor has ended, with an answer or without.
    pub(super) fn floor_ended(&mut self, mut pending: Pending, written: Result<Box<Written>, String>) {
        let ending = pending.shadow.take().map(|mut shadow| {
            let ending = shadow.wait(SHADOW_END).unwrap_or_else(|| shadow.kill());
            self.shared.budget.lock().shadow_used(shadow.usage().cpu_ms);
            ending
        });
        if pending.questions.walk {
            self.walked(&mut pending, written.as_ref().ok().map(|written| &written.answers), ending);
        }
        if written.is_ok_and(|written| self.attribute_floor(&pending, &written.answers)) {
            return;
        }
        self.shared.fault("a shadow gave no floor");
        let why = pending.fault.unwrap_or_else(|| "the last shadow gave no floor".to_owned());
        self.shared.monitor.lock().floor_put_off((self.shared.now)(), AFTER_A_FAULT_MS, &why);
    }

    /// Hands a floor, and what a walk found, to the attribution; `false` without one, or when its mark is forgotten.
    pub(super) fn attribute_floor(&self, pending: &Pending, answers: &Answers) -> bool {
        if let Some(bytes) = answers.young_generation_reserve {
            self.shared.monitor.lock().young_generation_reserve(bytes);
        }
        let (Some(floor), Some(mark)) = (&answers.floor, pending.mark) else { return false };
        let watched = floor.watched.iter();
        let watched = watched.map(|(route, watched, alive)| Watched {
            route: RouteId(*route),
            watched: *watched,
            alive: *alive,
        });
        // The mark may still be on the channel.
        self.shared.drain();
        let mut monitor = self.shared.monitor.lock();
        if let Some(Ok(census)) = &answers.walk {
            monitor.census(&walks::observed(census, mark));
        }
        monitor.floor(&Floor {
            mark,
            heap_used: floor.heap_used,
            external: floor.external,
            array_buffers: floor.array_buffers,
            watched: watched.collect(),
        })
    }

    /// An incident comes: a floor that is still awaited is given up.
    pub(super) fn drop_floor(&self) {
        let now = (self.shared.now)();
        let mut dropped = Vec::new();
        self.shared.pending.lock().retain(|_, pending| {
            if pending.purpose == Purpose::Floor {
                dropped.extend(pending.shadow.take());
            }
            pending.purpose != Purpose::Floor
        });
        for mut shadow in dropped {
            shadow.kill();
            self.shared.budget.lock().shadow_used(shadow.usage().cpu_ms);
            self.shared.monitor.lock().floor_put_off(
                now,
                10 * SECOND_NS / 1_000_000,
                "an incident went before it",
            );
        }
    }
}
