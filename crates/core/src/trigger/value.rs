//! What a condition of the whole process sees: one number, or why there is none.

use super::growth::Growth;
use super::rule::{Condition, Limit};
use super::verdict::Look;
use crate::attribution::Findings;
use crate::event::{Nanos, Running, TickReading};
use crate::hypothesis::SystemReading;
use crate::route_table::RouteTable;
use crate::slowdown::Slowdowns;
use crate::window::RouteWindows;
use crate::{Surroundings, number};

/// What conditions see.
#[derive(Debug)]
pub struct View<'a> {
    /// Names.
    pub routes: &'a RouteTable,
    /// Numbers, by route id.
    pub windows: &'a [RouteWindows],
    /// Requests that still run, as the app thread told of them last.
    pub running: &'a Running,
    /// The last tick of the app thread.
    pub last_tick: Option<&'a TickReading>,
    /// The last reading of the process from outside.
    pub system: Option<&'a SystemReading>,
    /// The heap right after the last full collection, bytes.
    pub floor: Option<u64>,
    /// What leaks.
    pub findings: &'a Findings,
    /// What gets slower.
    pub slowdowns: &'a Slowdowns,
    /// The outside.
    pub surroundings: &'a Surroundings,
    /// Number of the current window.
    pub window: u64,
    /// Length of a window, ms.
    pub window_ms: u64,
}

const NO_TICK: Look = Look::NotEnough("the event loop has not turned yet");
const NO_READING: Look = Look::NotEnough("the process has not been read yet");
const NO_PROC: Look = Look::Absent("this process cannot read it: it is in /proc on Linux");

/// What a condition of the whole process says now. `growth` is its own, where it asks for growth.
pub(super) fn look(condition: &Condition, growth: Option<&mut Growth>, view: &View<'_>) -> Look {
    let (Some(limit), read) = (condition.limit(), read(condition, view)) else {
        return Look::NotEnough("it is judged for routes");
    };
    match (read, limit, growth) {
        (Err(look), ..) => look,
        (Ok(value), Limit::Above(threshold), _) => Look::Value { value, threshold },
        (Ok(value), Limit::Grows { by, .. }, Some(growth)) => {
            Look::Value { value: growth.take(view.surroundings.now, value), threshold: by }
        }
        (Ok(_), Limit::Grows { .. }, None) => Look::NotEnough("its growth is not followed"),
    }
}

fn read(condition: &Condition, view: &View<'_>) -> Result<f64, Look> {
    let tick = || view.last_tick.ok_or(NO_TICK);
    let system = || view.system.ok_or(NO_READING);
    match condition {
        Condition::Floor(_) => {
            view.floor.map(number).ok_or(Look::NotEnough("there was no full collection yet"))
        }
        Condition::Rss(_) => system()?.rss.map(number).ok_or(NO_PROC),
        Condition::Descriptors(_) => system()?.descriptors.map(number).ok_or(NO_PROC),
        Condition::Cgroup { .. } => {
            let system = system()?;
            let no_limit = Look::Absent("this process has no cgroup with a memory limit");
            let (Some(limit), Some(usage)) = (system.memory_limit, system.memory_usage) else {
                return Err(no_limit);
            };
            Ok(number(usage) / number(limit.max(1)))
        }
        Condition::Heap { .. } => {
            let tick = view.last_tick.filter(|tick| tick.heap_limit > 0).ok_or(NO_TICK)?;
            let of = |bytes: u64, limit: u64| {
                let limit = view.surroundings.memory_limit.map_or(limit, |cgroup| cgroup.min(limit));
                number(bytes) / number(limit.max(1))
            };
            // What is used has garbage and young objects in it, which what may be live leaves no room for.
            let live = view.floor.map_or(0.0, |floor| of(floor, tick.live_limit));
            Ok(of(tick.heap_used, tick.heap_limit).max(live))
        }
        Condition::Stall { .. } => {
            let late = Look::NotEnough("the watching thread itself was late");
            let turned = view.surroundings.last_turn.ok_or(NO_TICK)?;
            if view.surroundings.watcher_late { Err(late) } else { Ok(ms_since(view, turned)) }
        }
        Condition::HeapLimit => Ok(f64::from(u8::from(view.surroundings.heap_limit_reached))),
        Condition::Listeners(_) => {
            tick()?.listeners.map(f64::from).ok_or(Look::Absent("listeners are not counted in this process"))
        }
        Condition::Timers(_) => {
            tick()?.timers.map(f64::from).ok_or(Look::Absent("timers are not counted in this process"))
        }
        // Counting many is dear, so it is left out now and then.
        Condition::Handles(_) => {
            tick()?.handles.map(f64::from).ok_or(Look::NotEnough("handles were not counted just now"))
        }
        Condition::InFlight(_) => Ok(f64::from(tick()?.in_flight)),
        _ => Err(Look::NotEnough("it is judged for routes")),
    }
}

fn ms_since(view: &View<'_>, then: Nanos) -> f64 {
    number(view.surroundings.now.since(then)) / 1e6
}
