//! What the conditions of routes see: once a second, each route once, its windows added up from the newest to the oldest.
//!
//! The cost of a look is that of adding up [`MOST_WINDOWS`] windows for each route, and of one quantile for each
//! condition and route; nothing is allocated that stays.

use super::rule::Condition;
use super::value::View;
use super::verdict::Look;
use crate::event::RouteId;
use crate::number;
use crate::report::Leak;
use crate::window::{Latencies, RouteWindows};

/// Windows that a condition of routes looks back on at most.
pub const MOST_WINDOWS: u64 = 60;
/// A list of running requests is as good as none when the loop has turned for so long since, ns: it is sent each second.
const STALE_NS: u64 = 3_000_000_000;

const FEW: Look = Look::NotEnough("there are fewer than minRequests");
/// There is no baseline yet.
pub(super) const LEARNING: Look = Look::NotEnough("the route's baseline is still being learned");

/// A condition of routes, and how far it looks back.
#[derive(Debug)]
pub(super) struct Asked {
    /// The rule's place, and the condition's in it.
    pub(super) machine: usize,
    pub(super) leaf: usize,
    /// Full windows, 1 to [`MOST_WINDOWS`].
    pub(super) look_back: u64,
}

/// How many full windows a span of `for_ms` reaches back.
pub(super) fn windows_for(for_ms: u64, window_ms: u64) -> u64 {
    for_ms.div_ceil(window_ms.max(1)).clamp(1, MOST_WINDOWS)
}

/// The requests of one route from some window on.
#[derive(Debug, Default)]
pub(super) struct Sum {
    latencies: Latencies,
    failed: u64,
}

/// One route at this moment.
pub(super) struct Route<'a> {
    id: RouteId,
    windows: Option<&'a RouteWindows>,
    /// Ages of its requests that still run, ns; the oldest first.
    running: &'a [(RouteId, u64)],
    /// What they have aged since they were told of, ns.
    older: u64,
}

impl<'a> Route<'a> {
    pub(super) fn new(id: RouteId, view: &'a View<'_>) -> Self {
        let told = view.running;
        let older = view.surroundings.now.since(told.at);
        let turned_since = view.surroundings.last_turn.map_or(0, |turn| turn.since(told.at));
        let list = if turned_since > STALE_NS { &[][..] } else { &told.requests[..] };
        let first = list.partition_point(|(route, _)| *route < id);
        let end = list.partition_point(|(route, _)| *route <= id);
        Self {
            id,
            windows: view.windows.get(usize::from(id.0)),
            running: list.get(first..end).unwrap_or(&[]),
            older,
        }
    }

    /// Ages, ms, the oldest first.
    fn ages(&self) -> impl Iterator<Item = f64> {
        self.running.iter().map(|(_, age)| number(age.saturating_add(self.older)) / 1e6)
    }
}

/// What each of `asked` says of a route; they are in order of `look_back`. `tell` gets its place among them.
pub(super) fn look<'c>(
    route: &Route<'_>,
    asked: &[Asked],
    condition: impl Fn(&Asked) -> Option<&'c Condition>,
    view: &View<'_>,
    sum: &mut Sum,
    mut tell: impl FnMut(&Asked, Look),
) {
    sum.latencies.clear();
    sum.failed = 0;
    let mut closed = None;
    if let Some(windows) = route.windows {
        let (latencies, failed) = windows.current();
        if let Some(latencies) = latencies {
            sum.latencies.add(latencies);
        }
        sum.failed = u64::from(failed);
        closed = Some(windows.closed().peekable());
    }
    for one in asked {
        let from = view.window.saturating_sub(one.look_back);
        while let Some(window) =
            closed.as_mut().and_then(|closed| closed.next_if(|window| window.window >= from))
        {
            sum.latencies.add_closed(window);
            sum.failed += u64::from(window.failed);
        }
        if let Some(condition) = condition(one) {
            tell(one, judge(condition, route, sum, view));
        }
    }
}

fn judge(condition: &Condition, route: &Route<'_>, sum: &Sum, view: &View<'_>) -> Look {
    match condition {
        Condition::Latency { quantile, above_ms, times_baseline, min_requests, running } => {
            let baseline = match times_baseline {
                None => 0.0,
                Some(times) => match route.windows.and_then(|windows| windows.baseline_ms(*quantile)) {
                    Some(baseline) => baseline * times,
                    None if sum.latencies.count() < *min_requests => return FEW,
                    None => return LEARNING,
                },
            };
            let threshold = above_ms.unwrap_or(0.0).max(baseline);
            latency(route, sum, *quantile, *min_requests, threshold, *running)
        }
        Condition::Errors { above_share, min_requests } => {
            let requests = sum.latencies.count();
            if requests < (*min_requests).max(1) {
                return FEW;
            }
            Look::Value { value: number(sum.failed) / number(requests), threshold: *above_share }
        }
        Condition::Running { above_ms, count } => {
            let value = route.ages().nth((*count as usize).saturating_sub(1)).unwrap_or(0.0);
            Look::Value { value, threshold: *above_ms }
        }
        Condition::Leak { min_confidence, kind, limit_within_ms } => {
            if !view.findings.enough && view.findings.leaks.is_empty() {
                return Look::NotEnough("the report is still learning");
            }
            let name = view.routes.name(route.id);
            let leaks = view.findings.leaks.iter().filter(|leak| leak.routes.iter().any(|one| one == name));
            let of_kind = leaks.filter(|leak| kind.as_ref().is_none_or(|kind| *kind == leak.kind));
            let soon = |leak: &&Leak| {
                limit_within_ms.is_none_or(|most| leak.time_to_limit_ms.is_some_and(|ms| number(ms) <= most))
            };
            let value = of_kind.filter(soon).map(|leak| leak.confidence).fold(0.0, f64::max);
            Look::Value { value, threshold: *min_confidence }
        }
        Condition::Slowdown { doubles_within_ms } => {
            if !view.slowdowns.enough() {
                return Look::NotEnough("a trend needs a longer uptime");
            }
            let value = view.slowdowns.doubling_ms(route.id).unwrap_or(f64::INFINITY);
            Look::Value { value, threshold: *doubles_within_ms }
        }
        _ => Look::NotEnough("it is not judged for routes"),
    }
}

/// The quantile of what was answered, and of what still runs and is older than the threshold by now: how long that will
/// take nobody knows, but it is above.
fn latency(
    route: &Route<'_>,
    sum: &Sum,
    quantile: f64,
    min_requests: u64,
    threshold: f64,
    running: bool,
) -> Look {
    let mut late: Vec<f64> = Vec::new();
    if running {
        late.extend(route.ages().take_while(|age| *age > threshold));
    }
    let answered = sum.latencies.count();
    let all = answered + late.len() as u64;
    if all < min_requests.max(1) {
        return FEW;
    }
    let value = if late.is_empty() {
        sum.latencies.quantile_ms(quantile).unwrap_or(0.0)
    } else {
        merged(&sum.latencies, &late, quantile * number(all))
    };
    Look::Value { value, threshold }
}

/// The value at `rank` among the answered and those of `late`, which begins with the largest.
fn merged(answered: &Latencies, late: &[f64], rank: f64) -> f64 {
    let mut late = late.iter().rev().copied().peekable();
    let mut seen = 0.0;
    let mut largest = 0.0_f64;
    for (value, count) in answered.counted() {
        while let Some(age) = late.next_if(|age| *age < value) {
            seen += 1.0;
            if seen >= rank {
                return age;
            }
        }
        seen += number(count);
        largest = value;
        if seen >= rank {
            return value;
        }
    }
    for age in late {
        seen += 1.0;
        largest = age;
        if seen >= rank {
            break;
        }
    }
    largest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_over_answered_and_running_is_that_of_all_of_them() {
        let mut answered = Latencies::default();
        (0..90).for_each(|_| answered.record(10_000_000));
        let late: Vec<f64> = (0..10).map(|index| 5_000.0 - f64::from(index)).collect();
        for (quantile, least, most) in
            [(0.5, 9.0, 11.0), (0.9, 9.0, 11.0), (0.91, 4_991.0, 4_991.0), (1.0, 5_000.0, 5_000.0)]
        {
            let value = merged(&answered, &late, quantile * 100.0);
            assert!((least..=most).contains(&value), "{quantile}: {value}");
        }
        assert!((merged(&Latencies::default(), &late, 1.0) - 4_991.0).abs() < 1e-9);
    }

    #[test]
    fn a_long_span_is_cut() {
        assert_eq!(windows_for(86_400_000, 10_000), MOST_WINDOWS);
        assert_eq!((windows_for(0, 10_000), windows_for(300_000, 10_000)), (1, 30));
    }
}
