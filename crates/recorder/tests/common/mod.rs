//! A recorder with a made-up app thread.

#![allow(dead_code, reason = "not every test needs everything")]

use leakprobe_core::Nanos;
use leakprobe_recorder::{Observer, Recorder, RecorderConfig, Way};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

pub(crate) const GUARD: Duration = Duration::from_secs(20);

#[derive(Debug)]
pub(crate) enum Told {
    Finding,
    Incident(Value),
    Advice(Value),
    Error(Value),
    Snapshot(String),
    Profile(String),
}

pub(crate) struct Tell(pub(crate) Sender<Told>);

impl Observer for Tell {
    fn finding(&self, _json: &str) {
        let _ = self.0.send(Told::Finding);
    }
    fn incident(&self, json: &str) {
        let _ = self.0.send(Told::Incident(serde_json::from_str(json).unwrap()));
    }
    fn error(&self, json: &str) {
        let _ = self.0.send(Told::Error(serde_json::from_str(json).unwrap()));
    }
    fn take_cpu_profile(&self, incident_id: &str) {
        let _ = self.0.send(Told::Profile(incident_id.to_owned()));
    }
    fn investigate(&self, _on: bool) {}
    fn interrupt(&self) {}
    fn advise_restart(&self, json: &str) {
        let _ = self.0.send(Told::Advice(serde_json::from_str(json).unwrap()));
    }
    fn take_heap_snapshot(&self, incident_id: &str, _way: Way) {
        let _ = self.0.send(Told::Snapshot(incident_id.to_owned()));
    }
}

pub(crate) fn now() -> Nanos {
    static START: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    let since = START.get_or_init(Instant::now).elapsed().as_nanos();
    Nanos(u64::try_from(since).unwrap() + 1)
}

pub(crate) fn config(directory: Option<&Path>, triggers: &Value) -> RecorderConfig {
    serde_json::from_value(json!({
        "core": { "maxRoutes": 500, "windowMs": 1000, "warmUpMs": 0, "triggers": triggers },
        "directory": directory, "service": "mail api", "node": "v20.0.0", "reportFile": null,
        "reportIntervalMs": 50, "maxIncidents": 3, "maxIncidentBytes": 100_000_000, "queueCapacity": 64,
        "maxSnapshotPauseMs": 1e9, "maxFreezesPerHour": 100, "maxFreezePauseMsPerHour": 1e9, "without": ["freeze"],
    }))
    .unwrap()
}

pub(crate) fn start(config: RecorderConfig) -> (Recorder, Receiver<Told>) {
    let (tell, told) = channel();
    (Recorder::start(config, now, Box::new(Tell(tell))).unwrap(), told)
}

pub(crate) fn incident(told: &Receiver<Told>) -> Value {
    loop {
        if let Told::Incident(incident) = told.recv_timeout(GUARD).unwrap() {
            return incident;
        }
    }
}
