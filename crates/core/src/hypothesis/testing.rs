//! A made-up process, second by second.

use super::history::History;
use super::reading::{Counter, Level};
use super::{State, judge};
use crate::event::Nanos;
use crate::report::{Estimate, Growth, Leak};

type Way = Box<dyn Fn(f64) -> f64>;

pub(super) struct Made {
    seconds: u32,
    levels: Vec<(Level, Way)>,
    counters: Vec<(Counter, Way)>,
}

impl Made {
    /// Nothing is wrong with it.
    pub(super) fn steady(seconds: u32) -> Self {
        let level = |level: Level, value: f64| (level, Box::new(move |_| value) as Way);
        let counter = |counter: Counter, value: f64| (counter, Box::new(move |_| value) as Way);
        Self {
            seconds,
            levels: vec![
                level(Level::Floor, 2e7),
                level(Level::OldTotal, 5e7),
                level(Level::LiveLimit, 4e9),
                level(Level::PrivateNative, 4e7),
                level(Level::RssAnon, 1e8),
                level(Level::Swap, 0.0),
                level(Level::Descriptors, 40.0),
                level(Level::Handles, 12.0),
                level(Level::MallocUsed, 3e7),
                level(Level::MallocFree, 5e6),
                level(Level::MemoryUsage, 2e8),
                level(Level::MemoryLimit, 1e9),
                level(Level::MemoryPressure, 0.0),
            ],
            counters: vec![
                counter(Counter::Requests, 100.0),
                counter(Counter::GcMs, 8.0),
                counter(Counter::MajorFaults, 0.0),
                counter(Counter::MinorFaults, 50.0),
                counter(Counter::AppCpuMs, 300.0),
                counter(Counter::QueuedMs, 5.0),
                counter(Counter::ThrottledMs, 0.0),
                counter(Counter::StalledMs, 1.0),
            ],
        }
    }

    pub(super) fn floor(self, course: impl Fn(f64) -> f64 + 'static) -> Self {
        self.level(Level::Floor, course)
    }

    pub(super) fn level(mut self, level: Level, course: impl Fn(f64) -> f64 + 'static) -> Self {
        self = self.without(level);
        self.levels.push((level, Box::new(course)));
        self
    }

    pub(super) fn without(mut self, level: Level) -> Self {
        self.levels.retain(|(other, _)| *other != level);
        self
    }

    pub(super) fn counter(mut self, counter: Counter, course: impl Fn(f64) -> f64 + 'static) -> Self {
        self.counters.retain(|(other, _)| *other != counter);
        self.counters.push((counter, Box::new(course)));
        self
    }

    pub(super) fn history(&self) -> History {
        let mut history = History::new(1_000_000_000);
        for second in 0..self.seconds {
            history.advance(Nanos::from_ms(u64::from(second) * 1_000));
            self.levels.iter().for_each(|(level, course)| history.level(*level, course(f64::from(second))));
            self.counters
                .iter()
                .for_each(|(counter, course)| history.count(*counter, course(f64::from(second))));
        }
        history
    }
}

pub(super) fn state(history: &History, name: &str) -> State {
    judge(history, &[])
        .into_iter()
        .find(|one| one.name == name)
        .map(|one| one.state)
        .expect("a hypothesis of this name")
}

pub(super) fn leak(resource: &str, kind: &str) -> Leak {
    Leak {
        id: "1".to_owned(),
        route: "GET /a".to_owned(),
        routes: vec!["GET /a".to_owned()],
        kind: kind.to_owned(),
        resource: resource.to_owned(),
        confidence: 0.99,
        since: String::new(),
        per_request: Estimate { value: 1034.0, low: 980.0, high: 1090.0, unit: "bytes".to_owned() },
        growth: Growth { per_hour: 1e8, total: 5e6, unit: "bytes".to_owned() },
        time_to_limit_ms: None,
        culprit: None,
        evidence: Vec::new(),
        known: None,
    }
}
