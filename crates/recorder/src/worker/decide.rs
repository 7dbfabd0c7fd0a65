//! What may be taken for an incident, and why not.

use super::Worker;
use crate::files;
use crate::preflight::Situation;
use leakprobe_core::Trip;
use leakprobe_history::Claim;
use serde_json::{Value, json};
use std::sync::atomic::Ordering;

/// What may be taken.
pub(super) struct Affordable {
    /// A shadow's answers.
    pub(super) shadow: Result<(), Refusal>,
    /// A heap snapshot, where one is asked for.
    pub(super) snapshot: Result<(), Refusal>,
}

impl Affordable {
    fn nothing(why: &Refusal) -> Self {
        Self { shadow: Err(why.clone()), snapshot: Err(why.clone()) }
    }
}

/// Why nothing is taken.
#[derive(Clone)]
pub(super) struct Refusal {
    because: String,
    /// The budget is used up; else something is in the way.
    budget: bool,
}

impl Refusal {
    /// For what has nothing to do with the budget.
    pub(super) fn in_the_way(because: String) -> Self {
        Self { because, budget: false }
    }
}

impl Worker {
    /// What may be taken now: one thing at a time, within the budget when a trigger asks. At the heap limit there is no
    /// later chance, so a second one may go beside the first. Where nothing is `wanted` nothing is claimed.
    pub(super) fn affordable(
        &self,
        trip: Option<&Trip>,
        incident: &str,
        heap_snapshot: bool,
        wanted: bool,
    ) -> Affordable {
        if !wanted {
            return Affordable { shadow: Ok(()), snapshot: Ok(()) };
        }
        let last_chance = trip.is_some_and(|trip| trip.condition == "heap-limit");
        let (others, snapshots) = {
            let pending = self.shared.pending.lock();
            (pending.len(), pending.values().filter(|pending| pending.questions.heap_snapshot).count())
        };
        if others > usize::from(last_chance) {
            let what = if snapshots > 0 {
                "another heap snapshot is being taken"
            } else {
                "another shadow is at work"
            };
            return Affordable::nothing(&Refusal::in_the_way(what.to_owned()));
        }
        if trip.is_none() || last_chance {
            if heap_snapshot {
                self.count_capture(incident);
            }
            return Affordable { shadow: Ok(()), snapshot: Ok(()) };
        }
        let freeze = self.shared.can_freeze.load(Ordering::Relaxed);
        let claim = |capture| {
            let wanted = Claim { incident, freeze, capture, share: 1.0 };
            let claimed = if freeze || capture { self.claim(&wanted) } else { Ok(()) };
            claimed.map_err(|because| Refusal { because, budget: true })
        };
        match claim(heap_snapshot) {
            Ok(()) => Affordable { shadow: Ok(()), snapshot: Ok(()) },
            // Stack and floor may be had when there are no heap snapshots left for the day.
            Err(refusal) if heap_snapshot && freeze => {
                Affordable { shadow: claim(false), snapshot: Err(refusal) }
            }
            Err(refusal) => Affordable::nothing(&refusal),
        }
    }

    /// The budget is used up for what a trip asked for: its trigger says so.
    pub(super) fn tell_budget(&self, trip: Option<&Trip>, affordable: &Affordable) {
        if let (Some(trip), Err(Refusal { because, budget: true })) = (trip, &affordable.snapshot) {
            self.shared.monitor.lock().out_of_budget(&trip.trigger, because);
        }
    }

    /// Why nothing can be kept on disk; `None` where it can.
    pub(super) fn no_disk(&self) -> Option<String> {
        let Some(home) = self.shared.config.home() else {
            return Some("this probe has no directory".to_owned());
        };
        files::too_full(&home, self.shared.config.min_free_disk_bytes)
    }

    /// Whether a shadow is asked; where a heap snapshot comes with it, it was decided before that there is room.
    pub(super) fn decide_shadow(
        &self,
        wanted: bool,
        no_disk: Option<&str>,
        affordable: &Result<(), Refusal>,
    ) -> Value {
        if !wanted {
            return json!({ "state": "not-asked" });
        }
        if !self.shared.can_freeze.load(Ordering::Relaxed) {
            return json!({ "state": "refused", "because": "this process cannot be frozen: see the capability `freeze`" });
        }
        if let Some(because) = no_disk {
            return json!({ "state": "refused", "because": because });
        }
        if let Err(Refusal { because, .. }) = affordable {
            return json!({ "state": "refused", "because": because });
        }
        json!({ "state": "pending" })
    }

    pub(super) fn decide_snapshot(
        &self,
        heap_used: u64,
        by_trigger: bool,
        no_disk: Option<&str>,
        affordable: &Result<(), Refusal>,
    ) -> Value {
        if let Some(because) = no_disk {
            return json!({ "state": "refused", "because": because });
        }
        if let Err(Refusal { because, .. }) = affordable {
            return json!({ "state": "refused", "because": because });
        }
        let free = self.shared.config.home().and_then(|home| files::free_space(&home));
        let checked = free.map_or(Ok(()), |free| self.learned.disk(heap_used, free)).and_then(|()| {
            match (
                self.shared.can_freeze.load(Ordering::Relaxed),
                self.shared.can_count.load(Ordering::Relaxed),
            ) {
                // The shadow looks for itself whether there is room, and nobody waits for it.
                (true, true) => Ok(self.learned.predicted_ms(heap_used)),
                (true, false) => self.learned.by_bytes(self.situation(heap_used, false)),
                (false, _) => self.learned.by_bytes(self.situation(heap_used, by_trigger)),
            }
        });
        match checked {
            Ok(predicted) => json!({ "state": "pending", "predictedPauseMs": predicted }),
            Err(because) => json!({ "state": "refused", "because": because }),
        }
    }

    pub(super) fn situation(&self, heap_used: u64, limited: bool) -> Situation {
        Situation {
            heap_used,
            available: self.shared.last_reading().and_then(|reading| reading.available()),
            longest_pause_ms: limited.then_some(self.shared.config.max_snapshot_pause_ms),
        }
    }
}
