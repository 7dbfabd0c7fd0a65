//! A monitor with one rule, fed with made-up requests, readings and time.

use crate::config::Config;
use crate::event::{Event, Nanos, Outcome, RequestRecord, Running, TickReading};
use crate::hypothesis::SystemReading;
use crate::report::Cost;
use crate::stats::TriggerStats;
use crate::trigger::{Preset, Trip, read};
use crate::{Monitor, Surroundings};
use serde_json::{Value, json};

pub(super) struct Service {
    pub(super) monitor: Monitor,
    pub(super) second: u64,
}

impl Service {
    pub(super) fn new(when: &Value, more: &Value) -> Self {
        let mut rule = json!({ "name": "t", "when": when, "forMs": 0, "warmUpMs": 0, "cooldownMs": 0, "maxPerHour": 100 });
        if let (Some(rule), Some(more)) = (rule.as_object_mut(), more.as_object()) {
            rule.extend(more.clone());
        }
        let triggers = read(&json!([rule]), Preset::Test).unwrap();
        let config = Config {
            max_routes: 500,
            window_ms: 1_000,
            warm_up_ms: 0,
            tick_ms: 250,
            forced_floors: false,
            series: false,
            triggers,
        };
        Self { monitor: Monitor::new(config, Nanos(0), 0), second: 0 }
    }

    pub(super) fn requests(&mut self, route: &str, count: u64, duration_ms: u64, status: u16) {
        let route = self.monitor.intern(route);
        let record = RequestRecord {
            route,
            outcome: Outcome::Finished,
            status,
            ended: Nanos::from_ms(self.second * 1_000),
            duration_ns: duration_ms * 1_000_000,
            thread_ns: 0,
            overlap: 1.0,
            heap_delta: 0,
            allocated: 0,
            external_delta: 0,
        };
        (0..count).for_each(|_| self.monitor.observe(&Event::Requests(Box::new([record]))));
    }

    pub(super) fn running(&mut self, route: &str, ages_ms: &[u64]) {
        let route = self.monitor.intern(route);
        let requests = ages_ms.iter().map(|age| (route, age * 1_000_000)).collect();
        let running = Running::new(Nanos::from_ms(self.second * 1_000), requests);
        self.monitor.observe(&Event::Running(Box::new(running)));
    }

    pub(super) fn tick(&mut self, tick: TickReading) {
        self.monitor.observe(&Event::Tick(Box::new(tick)));
    }

    pub(super) fn system(&mut self, reading: SystemReading) {
        self.monitor.system(&SystemReading { at: Nanos::from_ms(self.second * 1_000), ..reading });
    }

    /// A second later.
    pub(super) fn pass(&mut self) -> Option<Trip> {
        self.second += 1;
        let now = Nanos::from_ms(self.second * 1_000);
        self.monitor.tick(&Surroundings { now, last_turn: Some(now), ..Surroundings::default() }).pop()
    }

    pub(super) fn state(&self) -> TriggerStats {
        self.monitor.stats(Nanos::from_ms(self.second * 1_000), None, Cost::default()).triggers.remove(0)
    }
}
