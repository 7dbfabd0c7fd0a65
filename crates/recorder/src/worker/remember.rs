//! What goes into the history, and when: seconds, what is known by age, findings, incidents, claims on the budget.

use super::{SECOND_NS, Worker};
use crate::history::{Job, Second};
use leakprobe_core::{Leak, Nanos, Surroundings, Trip};
use leakprobe_history::{Claim, Finding, Freeze, Incident};
use serde_json::{Value, json};

/// What is known by age is written this often: at first, then, and with a test's windows.
const LIFE_NS: u64 = 60 * SECOND_NS;
const LIFE_LATER_NS: u64 = 300 * SECOND_NS;
const LIFE_TEST_NS: u64 = 5 * SECOND_NS;
/// A process is young for so long.
const YOUNG_NS: u64 = 3_600 * SECOND_NS;
const SHORT_WINDOW_MS: u64 = 1_000;
/// The numbers of findings are written anew this often.
const FINDINGS_NS: u64 = 60 * SECOND_NS;

/// When what was last written.
#[derive(Debug, Default)]
pub(super) struct Remembered {
    second: i64,
    life: Nanos,
    findings: Nanos,
}

impl Worker {
    /// At each step; writes what is due.
    pub(super) fn remember(&mut self, surroundings: &Surroundings) {
        if !self.history.is_on() {
            return;
        }
        let now = surroundings.now;
        let wall_ms = self.wall_ms(now);
        let second = i64::try_from(wall_ms / 1_000).unwrap_or(0);
        if second > self.remembered.second {
            self.remembered.second = second;
            self.remember_second(second, surroundings);
        }
        let young = now.since(self.shared.started) < YOUNG_NS;
        let every = match self.shared.config.core.window_ms {
            ..=SHORT_WINDOW_MS => LIFE_TEST_NS,
            _ if young => LIFE_NS,
            _ => LIFE_LATER_NS,
        };
        if now.since(self.remembered.life.max(self.shared.started)) >= every {
            self.remembered.life = now;
            self.remember_life();
        }
        if now.since(self.remembered.findings.max(self.shared.started)) >= FINDINGS_NS {
            self.remembered.findings = now;
            let leaks = self.shared.monitor.lock().leaks().to_vec();
            self.remember_findings(&leaks);
        }
    }

    /// The probe is stopped: what has happened since the last second, and what is known by now.
    pub(super) fn remember_end(&mut self) {
        if !self.history.is_on() {
            return;
        }
        let now = (self.shared.now)();
        let second = i64::try_from(self.wall_ms(now) / 1_000).unwrap_or(0);
        let second = second.max(self.remembered.second + 1);
        self.remember_second(second, &Surroundings { now, ..Surroundings::default() });
        self.remember_life();
        let leaks = self.shared.monitor.lock().leaks().to_vec();
        self.remember_findings(&leaks);
    }

    fn remember_second(&self, at: i64, surroundings: &Surroundings) {
        let mut slice = self.shared.monitor.lock().take_slice(surroundings);
        if let Some(reading) = self.shared.last_reading() {
            slice.process.rss = reading.rss;
            slice.process.descriptors = reading.descriptors;
            // Since the process began: the difference is this second's.
            slice.process.cpu_ms =
                reading.cpu_ms.zip(self.cpu_before).map(|(now, before)| now.saturating_sub(before));
        }
        let freezes = self.shared.budget.lock().take_untold();
        let freezes = freezes
            .into_iter()
            .map(|(when, pause_ms)| Freeze { at_ms: self.wall_ms(when), pause_ms })
            .collect();
        let idle = self.shared.pending.lock().is_empty();
        self.history.tell(Job::Second(Box::new(Second { at, slice, freezes, idle })));
    }

    /// What is known by age, and the baselines that were learned since.
    pub(super) fn remember_life(&self) {
        let (life, baselines) = {
            let mut monitor = self.shared.monitor.lock();
            (monitor.life(), monitor.new_baselines())
        };
        if !life.routes.is_empty() || !baselines.is_empty() {
            self.history.tell(Job::Life(Box::new((life, baselines))));
        }
    }

    /// Leaks, and the slowdowns that are reported.
    pub(super) fn remember_findings(&self, leaks: &[Leak]) {
        let slowdowns = self.shared.monitor.lock().slowdowns();
        let text = |json: serde_json::Result<String>| json.unwrap_or_default();
        let leaks = leaks.iter().map(|leak| Finding {
            kind: "leak".to_owned(),
            fingerprint: leak.id.clone(),
            route: leak.route.clone(),
            json: text(serde_json::to_string(leak)),
        });
        let slowdowns = slowdowns.iter().map(|slowdown| Finding {
            kind: "slowdown".to_owned(),
            fingerprint: slowdown.route.clone(),
            route: slowdown.route.clone(),
            json: text(serde_json::to_string(slowdown)),
        });
        let findings: Vec<Finding> = leaks.chain(slowdowns).collect();
        if !findings.is_empty() {
            self.history.tell(Job::Findings(findings));
        }
    }

    /// An incident, when it is begun and when it is complete.
    pub(super) fn remember_incident(&self, json: &Value) {
        if !self.history.is_on() {
            return;
        }
        let text = |pointer: &str| json.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
        let at = text("/at").and_then(|at| humantime::parse_rfc3339(&at).ok());
        let at = at.and_then(|at| at.duration_since(std::time::SystemTime::UNIX_EPOCH).ok());
        let leaks = self.shared.monitor.lock().leaks().iter().map(|leak| leak.id.clone()).collect();
        let incident = Incident {
            id: text("/id").unwrap_or_default(),
            at_ms: at.map_or(0, |at| u64::try_from(at.as_millis()).unwrap_or(0)),
            reason: text("/reason").unwrap_or_default(),
            route: text("/trip/route"),
            because: text("/trip/because"),
            directory: text("/directory"),
            heap_snapshot: text("/heapSnapshot/state").unwrap_or_default(),
            leaks,
        };
        self.history.tell(Job::Incident(Box::new(incident)));
    }

    /// Earlier incidents with the leaks that are reported now, for an incident.
    pub(super) fn same_as(&self) -> Option<Value> {
        let known = self.shared.known_leaks.lock();
        let monitor = self.shared.monitor.lock();
        let leaks =
            monitor.leaks().iter().filter_map(|leak| Some((leak, known.get(&leak.id)?.incidents.last()?)));
        let same: Vec<Value> = leaks
            .map(|(leak, incident)| {
                json!({ "leak": leak.id, "incident": incident.id, "directory": incident.directory })
            })
            .collect();
        (!same.is_empty()).then_some(Value::Array(same))
    }

    /// Claims something of the budget, first of this process's own, then of all processes'.
    pub(super) fn claim(&self, claim: &Claim<'_>) -> Result<(), String> {
        let now = (self.shared.now)();
        self.shared.budget.lock().allows(claim, now).map_err(|refused| refused.to_string())?;
        let Claim { incident, freeze, capture, share } = *claim;
        let asked = self.history.ask(false, |answer| Job::Claim {
            incident: incident.to_owned(),
            freeze,
            capture,
            share,
            answer,
        });
        asked.unwrap_or(Ok(()))?;
        if capture {
            self.shared.budget.lock().captured(now);
        }
        Ok(())
    }

    /// A person asked for a heap snapshot: it is counted, and not refused.
    pub(super) fn count_capture(&self, incident: &str) {
        self.shared.budget.lock().captured((self.shared.now)());
        self.history.tell(Job::Captured(incident.to_owned()));
    }

    /// No heap snapshot came of it.
    pub(super) fn give_back_capture(&self, incident: &str) {
        self.shared.budget.lock().not_captured();
        self.history.tell(Job::NotCaptured(incident.to_owned()));
    }

    /// Whether another process of the service has captured what this trip is about, and which.
    pub(super) fn captured_elsewhere(&self, trip: &Trip, incident: &str) -> Option<String> {
        let asked = self.history.ask(trip.condition == "heap-limit", |answer| Job::Trip {
            trip: Box::new(trip.clone()),
            incident: Some(incident.to_owned()),
            answer,
        });
        asked.and_then(Result::err)
    }

    /// An instant by the clock that the process started with, ms since the epoch.
    fn wall_ms(&self, at: Nanos) -> u64 {
        self.shared.started_wall_ms.saturating_add(at.since(self.shared.started) / 1_000_000)
    }
}
