//! What alarms are told of: trips, leaks and slowdowns that are new.

use super::Worker;
use crate::alarms::For;
use leakprobe_core::alarm::{Message, Source, leak_text, slowdown_text};
use leakprobe_core::{Leak, Nanos, Trip};
use serde_json::{Value, json};
use std::fs;

/// What a message is about.
struct About {
    kind: &'static str,
    text: String,
    route: Option<String>,
    detail: Value,
}

impl Worker {
    pub(super) fn alarm_of_trip(&mut self, trip: &Trip, incident: Option<&str>, now: Nanos) {
        let detail = json!({
            "trigger": trip.trigger, "condition": trip.condition, "value": trip.value, "threshold": trip.threshold,
            "unit": trip.unit, "because": trip.because, "incident": incident,
        });
        let about = About {
            kind: "trigger",
            text: format!("{}: {}", trip.trigger, trip.because),
            route: trip.route.clone(),
            detail,
        };
        self.alarm(For::Named(trip.alarms.as_deref()), about, now);
    }

    pub(super) fn alarm_of_leak(&mut self, leak: &Leak, now: Nanos) {
        let detail = serde_json::to_value(leak).unwrap_or_default();
        let about = About { kind: "leak", text: leak_text(leak), route: Some(leak.route.clone()), detail };
        self.alarm(For::On(Source::Leak), about, now);
    }

    /// Each route once: a slowdown that goes away and comes back is the same.
    pub(super) fn alarm_of_slowdowns(&mut self, now: Nanos) {
        if !self.shared.config.alarms.iter().any(|alarm| alarm.on.contains(&Source::Slowdown)) {
            return;
        }
        let known = &self.known_slowdowns;
        let mut new = self.shared.monitor.lock().slowdowns();
        new.retain(|slowdown| !known.contains(&slowdown.route));
        for slowdown in new {
            let detail = serde_json::to_value(&slowdown).unwrap_or_default();
            let text = slowdown_text(&slowdown);
            let about = About { kind: "slowdown", text, route: Some(slowdown.route.clone()), detail };
            self.alarm(For::On(Source::Slowdown), about, now);
            self.known_slowdowns.insert(slowdown.route);
        }
    }

    fn alarm(&mut self, whom: For<'_>, about: About, now: Nanos) {
        let shared = &self.shared;
        if shared.config.alarms.is_empty() {
            return;
        }
        self.messages += 1;
        let message = Message {
            schema: "leakprobe.alarm/1",
            id: format!("{}-{}", shared.key, self.messages),
            at: shared.monitor.lock().wall(now),
            kind: about.kind,
            service: shared.config.service.clone(),
            pid: std::process::id(),
            host: host(),
            text: about.text,
            route: about.route,
            held_back: 0,
            detail: about.detail,
        };
        shared.alarms.tell(whom, &message, now);
    }
}

/// The name of the machine or the container, where the kernel tells it.
fn host() -> Option<String> {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").ok()?;
    Some(name.trim().to_owned()).filter(|name| !name.is_empty())
}
