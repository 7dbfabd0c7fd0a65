//! Triggers over what was recorded: the same machines, fed with a minute at a time.
//!
//! A minute is the finest that is kept for long, so durations are rounded up to minutes. What is not recorded is not judged;
//! [`unjudged`] says which conditions that are, and why.

use super::rule::{Condition, Trigger};
use super::{Rules, Trip, View};
use crate::Surroundings;
use crate::attribution::Findings;
use crate::event::{Nanos, Running, TickReading};
use crate::history::Slice;
use crate::hypothesis::SystemReading;
use crate::route_table::RouteTable;
use crate::slowdown::Slowdowns;
use crate::window::RouteWindows;

const MINUTE_MS: u64 = 60_000;

/// One minute of one process.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Minute {
    /// Age of the process at its end, ms.
    pub age_ms: u64,
    /// What happened in it.
    pub slice: Slice,
}

/// The conditions of a trigger that cannot be judged from what is recorded, each with the reason.
pub fn unjudged(trigger: &Trigger) -> Vec<(&'static str, &'static str)> {
    let why = |condition: &Condition| match condition {
        Condition::Running { .. } => Some("requests that still run are not recorded"),
        Condition::Heap { .. } | Condition::Cgroup { .. } => Some("limits are not recorded"),
        Condition::HeapLimit => Some("it is told by V8, and not recorded"),
        Condition::InFlight(_) => Some("requests in flight are not recorded"),
        Condition::Leak { .. } => {
            Some("leaks are not judged anew; `leakprobe history` lists those that were reported")
        }
        Condition::Slowdown { .. } => {
            Some("slowdowns are not judged anew; `leakprobe history` lists those that were reported")
        }
        _ => None,
    };
    let conditions = trigger.when.conditions();
    conditions.into_iter().filter_map(|condition| Some((condition.name(), why(condition)?))).collect()
}

/// Runs triggers over the minutes of one process, in order of age. Each trip has the age at which it was, ms.
pub fn replay(triggers: &[Trigger], minutes: impl IntoIterator<Item = Minute>) -> Vec<(u64, Trip)> {
    let mut rules = Rules::new(triggers, MINUTE_MS);
    let mut routes = RouteTable::new(u16::MAX);
    let mut windows: Vec<RouteWindows> = Vec::new();
    let slowdowns = Slowdowns::new(0, 0, MINUTE_MS);
    let (running, findings) = (Running::default(), Findings::default());
    let mut trips = Vec::new();
    let mut before = 0;
    for minute in minutes {
        let window = minute.age_ms / MINUTE_MS;
        for slice in &minute.slice.routes {
            let index = usize::from(routes.intern(&slice.route).0);
            if windows.len() <= index {
                windows.resize_with(index + 1, RouteWindows::default);
            }
            if let Some(route) = windows.get_mut(index) {
                route.replay(slice);
            }
        }
        let keep = rules.keep();
        for route in &mut windows {
            // Minutes in which nothing happened are not recorded; what is too old by now has to go all the same.
            if window > before + 1 {
                route.close(window - 1, keep);
            }
            route.close(window, keep);
        }
        before = window;
        let now = Nanos::from_ms(minute.age_ms);
        let process = &minute.slice.process;
        let stall_ns = process.stall_ms.unwrap_or(0).saturating_mul(1_000_000);
        let surroundings = Surroundings {
            now,
            last_turn: Some(Nanos(now.0.saturating_sub(stall_ns))),
            ..Surroundings::default()
        };
        let small = |count: Option<u64>| count.map(|count| u32::try_from(count).unwrap_or(u32::MAX));
        let tick = TickReading {
            at: now,
            heap_used: process.heap_used.unwrap_or(0),
            external: process.external.unwrap_or(0),
            listeners: small(process.listeners),
            timers: small(process.timers),
            handles: small(process.handles),
            ..TickReading::default()
        };
        let system = SystemReading {
            at: now,
            rss: process.rss,
            descriptors: process.descriptors,
            ..SystemReading::default()
        };
        let view = View {
            routes: &routes,
            windows: &windows,
            running: &running,
            last_tick: Some(&tick),
            system: Some(&system),
            floor: process.floor,
            findings: &findings,
            slowdowns: &slowdowns,
            surroundings: &surroundings,
            window: window + 1,
            window_ms: MINUTE_MS,
        };
        trips.extend(rules.judge(minute.age_ms, &view).into_iter().map(|trip| (minute.age_ms, trip)));
    }
    trips
}

impl RouteWindows {
    /// Counts a recorded minute.
    fn replay(&mut self, slice: &crate::history::RouteSlice) {
        self.record_many(slice.durations.counted(), slice.failed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::{ProcessSlice, RouteSlice};
    use crate::trigger::{Preset, read};
    use serde_json::json;

    fn minutes(count: u64, at: impl Fn(u64) -> (u64, u64, u64)) -> Vec<Minute> {
        let minute = |index| {
            let (ms, failed, rss_mb) = at(index);
            let mut route =
                RouteSlice { route: "GET /a".into(), requests: 30, failed, ..RouteSlice::default() };
            route.durations.record_n(ms * 1_000, 30);
            let process = ProcessSlice { requests: 30, rss: Some(rss_mb << 20), ..ProcessSlice::default() };
            Minute { age_ms: (index + 1) * MINUTE_MS, slice: Slice { process, routes: vec![route] } }
        };
        (0..count).map(minute).collect()
    }

    #[test]
    fn a_rule_trips_as_often_as_it_would_have() {
        let triggers = read(
            &json!([
                { "name": "slow", "when": { "type": "latency", "aboveMs": 100 }, "forMs": 120_000 },
                { "name": "twice", "when": { "type": "latency", "timesBaseline": 2 }, "forMs": 120_000 },
                { "name": "failing", "when": { "type": "errors", "aboveShare": 0.5 }, "forMs": 60_000 },
                { "name": "large", "when": { "type": "rss", "growsBytes": 50_000_000, "withinMs": 3_600_000 } },
            ]),
            Preset::Production,
        )
        .unwrap();
        // Slow for ten minutes, twice; the baseline is 40 ms.
        let recorded = minutes(300, |minute| match minute {
            100..110 | 200..210 => (150, 0, 100),
            250..255 => (40, 25, 100),
            280.. => (40, 0, 400),
            _ => (40, 0, 100),
        });

        let trips = replay(&triggers, recorded);

        let of = |name: &str| -> Vec<u64> {
            trips.iter().filter(|(_, trip)| trip.trigger == name).map(|(age, _)| age / MINUTE_MS).collect()
        };
        assert_eq!(of("slow").len(), 2, "{trips:?}");
        assert!((101..=105).contains(&of("slow")[0]) && (201..=205).contains(&of("slow")[1]), "{trips:?}");
        assert_eq!(of("twice").len(), 2, "{trips:?}");
        assert_eq!(of("failing").len(), 1, "{trips:?}");
        assert!(of("large").first().is_some_and(|minute| *minute > 280), "{trips:?}");
    }

    #[test]
    fn what_is_not_recorded_is_said() {
        let triggers = read(
            &json!([{ "name": "a", "when": { "any": [
                { "type": "heap", "aboveShare": 0.9 }, { "type": "stall", "aboveMs": 500 },
                { "type": "running", "aboveMs": 500 } ] } }]),
            Preset::Production,
        )
        .unwrap();
        let names: Vec<&str> = unjudged(&triggers[0]).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["heap", "running"]);
        assert!(replay(&triggers, minutes(30, |_| (10, 0, 100))).is_empty());
    }
}
