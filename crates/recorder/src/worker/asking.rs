//! What the app thread is asked for: freezes and heap snapshots, again after a while, and until nobody waits for them any more.

use super::{SECOND_NS, Worker};
use crate::incident::{Pending, Way};
use crate::questions::Purpose;
use leakprobe_core::Nanos;
use leakprobe_shadow::Preparation;

/// The app thread has this long to begin a heap snapshot.
const SNAPSHOT_ANSWER_NS: u64 = 60 * SECOND_NS;
/// The same while it is known to wait in the kernel outside its event loop.
const BLOCKED_ANSWER_NS: u64 = 5 * SECOND_NS;

impl Worker {
    /// Asks the app thread for a heap snapshot, by the way that is set.
    pub(super) fn ask(&mut self, id: &str, mut waiting: Pending) {
        waiting.asked = (self.shared.now)();
        waiting.begun = false;
        waiting.interrupt_at = Some(waiting.asked.plus(waiting.patience_ns));
        waiting.attempts += u32::from(waiting.way == Way::Shadow);
        waiting.preparation = match waiting.way {
            Way::Shadow => Preparation::read().ok(),
            Way::InProcess => None,
        };
        if waiting.way == Way::Shadow && waiting.preparation.is_none() {
            waiting.way = Way::InProcess;
        }
        let way = waiting.way;
        self.shared.pending.lock().insert(id.to_owned(), waiting);
        self.observer.lock().take_heap_snapshot(id, way);
        self.interrupt_stuck((self.shared.now)());
    }

    /// Leaves an incident alone for so long, and asks then; the thread goes on meanwhile.
    pub(super) fn ask_later(&self, id: &str, mut waiting: Pending, wait_ns: u64) {
        waiting.ask_at = Some((self.shared.now)().plus(wait_ns));
        waiting.interrupt_at = None;
        self.shared.pending.lock().insert(id.to_owned(), waiting);
    }

    /// Asks for what has been left alone for long enough.
    pub(super) fn ask_again(&mut self, now: Nanos) {
        let due = |pending: &Pending| pending.ask_at.is_some_and(|at| at <= now);
        let due: Vec<(String, Pending)> =
            self.shared.pending.lock().extract_if(|_, pending| due(pending)).collect();
        for (id, mut waiting) in due {
            waiting.ask_at = None;
            self.ask(&id, waiting);
        }
    }

    /// Interrupts JavaScript for a freeze that the event loop does not come to: at once when it is known to be stuck.
    pub(super) fn interrupt_stuck(&self, now: Nanos) {
        let mut pending = self.shared.pending.lock();
        for waiting in pending.values_mut() {
            let due = waiting.interrupt_at.is_some_and(|at| at <= now);
            if due && !waiting.begun && waiting.way == Way::Shadow && !self.profiling() {
                waiting.interrupt_at = None;
                self.observer.lock().interrupt();
            }
        }
    }

    pub(super) fn give_up_waiting(&mut self, now: Nanos) {
        let limit = if self.blocked().is_some() { BLOCKED_ANSWER_NS } else { SNAPSHOT_ANSWER_NS };
        let waits = |pending: &Pending| {
            let limit = if pending.purpose == Purpose::Floor { BLOCKED_ANSWER_NS } else { limit };
            !pending.begun && now.since(pending.asked) > limit
        };
        let late: Vec<String> = {
            let pending = self.shared.pending.lock();
            pending.iter().filter(|(_, pending)| waits(pending)).map(|(id, _)| id.clone()).collect()
        };
        for id in late {
            let because = self.blocked().map_or_else(
                || "the event loop did not turn within 60 s".to_owned(),
                |blocked| {
                    format!(
                        "the app thread waits in {blocked} and runs no JavaScript, so it cannot be frozen"
                    )
                },
            );
            self.stopping_one(&id, &because);
        }
    }

    /// Completes an incident without its heap snapshot; nothing else is tried.
    pub(super) fn stopping_one(&mut self, id: &str, because: &str) {
        let stopping = std::mem::replace(&mut self.stopping, true);
        self.snapshot_ended(id, Err(because.to_owned()));
        self.stopping = stopping;
    }
}
