//! The value that a condition compares with its threshold.

use super::matches;
use crate::config::{Condition, Trigger};
use crate::event::{Nanos, RouteId, TickReading};
use crate::route_table::RouteTable;
use crate::window::RouteWindows;
use crate::{Surroundings, number};

/// What a condition sees.
#[derive(Debug)]
pub struct View<'a> {
    /// Names.
    pub routes: &'a RouteTable,
    /// Numbers, by route id.
    pub windows: &'a [RouteWindows],
    /// The last tick of the app thread.
    pub last_tick: Option<&'a TickReading>,
    /// The outside.
    pub surroundings: &'a Surroundings,
    /// Number of the current window.
    pub window: u64,
    /// Length of a window, ms.
    pub window_ms: u64,
}

/// A value against its threshold; without one there was not enough data.
#[derive(Clone, Debug, PartialEq)]
pub struct Observed {
    /// The value, in the threshold's unit.
    pub value: f64,
    /// Whose, for latency.
    pub route: Option<RouteId>,
}

/// Name, threshold and unit of a condition.
pub(crate) fn describe(condition: &Condition) -> (&'static str, f64, &'static str) {
    match condition {
        Condition::Latency { above_ms, .. } => ("latency", *above_ms, "ms"),
        Condition::Heap { above_share } => ("heap", *above_share, "share"),
        Condition::Stall { above_ms } => ("stall", *above_ms, "ms"),
        Condition::HeapLimit => ("heap-limit", 0.0, "times reached"),
        Condition::Listeners { above } => ("listeners", *above, "listeners"),
        Condition::Timers { above } => ("timers", *above, "timers"),
    }
}

/// The value now; `None` is not enough data.
pub fn observe(trigger: &Trigger, view: &View<'_>) -> Option<Observed> {
    let alone = |value: f64| Some(Observed { value, route: None });
    match &trigger.when {
        Condition::Latency { quantile, min_requests, .. } => latency(trigger, *quantile, *min_requests, view),
        Condition::Heap { .. } => {
            let tick = view.last_tick.filter(|tick| tick.heap_limit > 0)?;
            let limit =
                view.surroundings.memory_limit.map_or(tick.heap_limit, |cgroup| cgroup.min(tick.heap_limit));
            alone(number(tick.heap_used) / number(limit.max(1)))
        }
        Condition::Stall { .. } => {
            let turned = view.surroundings.last_turn.filter(|_| !view.surroundings.watcher_late)?;
            alone(number(view.surroundings.now.since(turned)) / 1e6)
        }
        Condition::HeapLimit => alone(f64::from(u8::from(view.surroundings.heap_limit_reached))),
        Condition::Listeners { .. } => alone(f64::from(view.last_tick?.listeners?)),
        Condition::Timers { .. } => alone(f64::from(view.last_tick?.timers?)),
    }
}

/// The worst route's quantile over the windows that `forMs` reaches back to, and the current one.
fn latency(trigger: &Trigger, quantile: f64, min_requests: u64, view: &View<'_>) -> Option<Observed> {
    let from = view.window.saturating_sub(windows_for(trigger.for_ms, view.window_ms));
    view.windows
        .iter()
        .enumerate()
        .filter_map(|(index, windows)| Some((RouteId(u16::try_from(index).ok()?), windows)))
        .filter(|(_, windows)| windows.requests >= min_requests.max(1))
        .filter(|(route, _)| {
            let name = view.routes.name(*route);
            trigger.routes.is_empty() || trigger.routes.iter().any(|pattern| matches(pattern, name))
        })
        .filter_map(|(route, windows)| {
            let latencies = windows.since(from);
            let enough = latencies.count() >= min_requests.max(1);
            latencies
                .quantile_ms(quantile)
                .filter(|_| enough)
                .map(|value| Observed { value, route: Some(route) })
        })
        .max_by(|one, other| one.value.total_cmp(&other.value))
}

/// How many full windows a span of `for_ms` reaches back, at least one.
pub(crate) fn windows_for(for_ms: u64, window_ms: u64) -> u64 {
    for_ms.div_ceil(window_ms.max(1)).max(1)
}

/// Age of the process at `now`, ms.
pub(crate) fn age_ms(started: Nanos, now: Nanos) -> u64 {
    now.since(started) / 1_000_000
}
