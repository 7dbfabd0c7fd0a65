//! From a condition that holds to an incident: warm-up, duration, hysteresis, cooldown, cap per hour.

use super::value::{age_ms, describe};
use super::{Observed, View, observe};
use crate::config::Trigger;
use crate::event::Nanos;
use crate::stats::TriggerStats;
use std::collections::VecDeque;

const HOUR_NS: u64 = 3_600_000_000_000;

/// A trigger that tripped.
#[derive(Clone, Debug, PartialEq)]
pub struct Trip {
    /// Its name.
    pub trigger: String,
    /// `latency`, `heap`, `stall`, `heap-limit`, `listeners` or `timers`.
    pub condition: String,
    /// The route, for latency.
    pub route: Option<String>,
    /// The value that tripped it.
    pub value: f64,
    /// What it was compared with.
    pub threshold: f64,
    /// `ms`, `share`, `listeners`, `timers` or `times reached`.
    pub unit: String,
    /// One sentence.
    pub because: String,
    /// Whether a heap snapshot is wanted.
    pub heap_snapshot: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    WarmingUp,
    Armed,
    Waiting { since: Nanos },
    Tripped,
    Throttled,
}

/// One trigger with its state.
#[derive(Debug)]
pub struct Machine {
    trigger: Trigger,
    state: State,
    because: String,
    trips: u64,
    throttled: u64,
    /// Trips of the last hour; never more than `max_per_hour`.
    recent: VecDeque<Nanos>,
}

impl Machine {
    /// A trigger that has seen nothing.
    pub fn new(trigger: Trigger) -> Self {
        let because = format!("not judged before {} ms of uptime", trigger.warm_up_ms);
        Self { trigger, state: State::WarmingUp, because, trips: 0, throttled: 0, recent: VecDeque::new() }
    }

    /// Judges the condition; a trip is what has to be acted on.
    pub fn judge(&mut self, started: Nanos, view: &View<'_>) -> Option<Trip> {
        let now = view.surroundings.now;
        if age_ms(started, now) < self.trigger.warm_up_ms {
            return None;
        }
        let (_, threshold, unit) = describe(&self.trigger.when);
        let Some(observed) = observe(&self.trigger, view) else {
            if !matches!(self.state, State::Tripped | State::Throttled) {
                self.state = State::Armed;
            }
            "not enough data".clone_into(&mut self.because);
            return None;
        };
        let whose = observed.route.map(|route| format!("{}: ", view.routes.name(route))).unwrap_or_default();
        self.because =
            format!("{whose}{} {unit} against {} {unit}", rounded(observed.value), rounded(threshold));
        if observed.value <= threshold {
            let cleared = observed.value <= threshold * self.trigger.clear_ratio;
            if cleared || !matches!(self.state, State::Tripped | State::Throttled) {
                self.state = State::Armed;
            }
            return None;
        }
        match self.state {
            State::Tripped | State::Throttled => return None,
            State::WarmingUp | State::Armed => self.state = State::Waiting { since: now },
            State::Waiting { .. } => {}
        }
        let State::Waiting { since } = self.state else { return None };
        if now.since(since) < self.trigger.for_ms.saturating_mul(1_000_000) {
            return None;
        }
        self.hold(now, &observed, view)
    }

    /// The condition has held long enough: a trip, unless the limits say no.
    fn hold(&mut self, now: Nanos, observed: &Observed, view: &View<'_>) -> Option<Trip> {
        while self.recent.front().is_some_and(|trip| now.since(*trip) >= HOUR_NS) {
            self.recent.pop_front();
        }
        let cooling =
            self.recent.back().is_some_and(|trip| now.since(*trip) < self.trigger.cooldown_ms * 1_000_000);
        let capped = self.recent.len() >= self.trigger.max_per_hour as usize;
        if cooling || capped {
            self.throttled += 1;
            self.state = State::Throttled;
            self.because.push_str(if cooling {
                "; held back by the cooldown"
            } else {
                "; held back by maxPerHour"
            });
            return None;
        }
        self.trips += 1;
        self.recent.push_back(now);
        self.state = State::Tripped;
        let (condition, threshold, unit) = describe(&self.trigger.when);
        Some(Trip {
            trigger: self.trigger.name.clone(),
            condition: condition.to_owned(),
            route: observed.route.map(|route| view.routes.name(route).to_owned()),
            value: observed.value,
            threshold,
            unit: unit.to_owned(),
            because: self.because.clone(),
            heap_snapshot: self.trigger.heap_snapshot,
        })
    }

    /// The state for people.
    pub fn stats(&self, now: Nanos) -> TriggerStats {
        let cooling =
            self.recent.back().is_some_and(|trip| now.since(*trip) < self.trigger.cooldown_ms * 1_000_000);
        let state = match self.state {
            State::WarmingUp => "warming up",
            State::Armed if cooling => "cooling down",
            State::Armed => "armed",
            State::Waiting { .. } => "waiting",
            State::Tripped => "tripped",
            State::Throttled => "throttled",
        };
        TriggerStats {
            name: self.trigger.name.clone(),
            state: state.to_owned(),
            because: self.because.clone(),
            trips: self.trips,
            throttled: self.throttled,
        }
    }

    /// How many recent windows its condition looks back on.
    pub fn windows(&self, window_ms: u64) -> u64 {
        match self.trigger.when {
            crate::config::Condition::Latency { .. } => {
                super::value::windows_for(self.trigger.for_ms, window_ms)
            }
            _ => 0,
        }
    }
}

/// Three digits are enough for a sentence.
fn rounded(value: f64) -> String {
    if value.abs() >= 100.0 { format!("{value:.0}") } else { format!("{value:.2}") }
}
