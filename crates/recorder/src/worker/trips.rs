//! What a trip sets going.

use super::capture::Request;
use super::{SECOND_NS, Worker, incident_id};
use leakprobe_core::trigger::Action;
use leakprobe_core::{Nanos, Trip};
use serde_json::json;

/// Heap samples are taken for so long.
const SAMPLE_NS: u64 = 600 * SECOND_NS;

impl Worker {
    /// Does what the trigger asks for.
    pub(super) fn act(&mut self, trip: &Trip, now: Nanos) {
        let asks = |action: Action| trip.actions.contains(&action);
        if asks(Action::HeapSamples) {
            self.sample_until = Some(now.plus(SAMPLE_NS));
        }
        let recorded = asks(Action::Record) || trip.heap_snapshot;
        let mut id = recorded.then(|| {
            self.sequence += 1;
            incident_id(self.shared.started, self.sequence)
        });
        if let Some(who) = id.as_ref().and_then(|id| self.captured_elsewhere(trip, id)) {
            self.shared.monitor.lock().throttled_elsewhere(&trip.trigger, &who);
            id = None;
        }
        if asks(Action::AdviseRestart) {
            let advice = json!({
                "trigger": trip.trigger, "because": trip.because, "route": trip.route, "incident": id,
            });
            self.observer.lock().advise_restart(&advice.to_string());
        }
        let Some(id) = id else { return };
        self.incident(Request {
            id,
            reason: trip.trigger.clone(),
            trip: Some(trip),
            heap_snapshot: trip.heap_snapshot,
            floor: trip.condition == "heap-limit" || asks(Action::ShadowCollection),
        });
    }
}
