//! What a trip sets going.

use super::capture::Request;
use super::{SECOND_NS, Worker, incident_id};
use leakprobe_core::trigger::Action;
use leakprobe_core::{Nanos, Trip};
use serde_json::{Value, json};

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
        if asks(Action::Webhook) {
            self.alarm_of_trip(trip, id.as_deref(), now);
        }
        if asks(Action::AdviseRestart) {
            let advice = self.advice(trip, id.as_deref());
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

    /// What an orchestrator needs to decide: how urgent it is, and what the clients feel.
    fn advice(&self, trip: &Trip, incident: Option<&str>) -> Value {
        let monitor = self.shared.monitor.lock();
        let (recent, all) = trip.route.as_deref().map(|route| monitor.latency(route)).unwrap_or_default();
        json!({
            "trigger": trip.trigger,
            "because": trip.because,
            "route": trip.route,
            "incident": incident,
            "timeToLimitMs": monitor.time_to_limit_ms(),
            "latencyMs": recent.zip(all).map(|(recent, all)| json!({
                "p50": recent.p50, "p95": recent.p95, "p50OfAll": all.p50, "p95OfAll": all.p95,
            })),
        })
    }
}
