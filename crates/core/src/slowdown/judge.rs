//! From a route's history to a slowdown: a trend that is certain, large enough, its own, not the load's, and still going on.

use super::cause::{self, Around};
use super::history::{ProcessBucket, RouteHistory, Signal};
use super::trend::{Trend, median, trend};
use super::{Found, Slowdown};
use crate::event::RouteId;
use crate::report::Leak;
use crate::route_table::RouteTable;
use std::collections::BTreeMap;

/// Windows before anything is judged, with windows of a minute or more, and in a test.
pub(super) const LEAST_WINDOWS: u32 = 60;
pub(super) const LEAST_POINTS_TEST: u32 = 12;
/// Buckets with enough requests that a route must have.
pub(super) const LEAST_POINTS: usize = 16;
/// Requests looked at in a bucket for it to count.
const LEAST_SAMPLED: f32 = 6.0;
/// The route must have been called over this part of the observed time.
const LEAST_SPAN: f64 = 0.5;
/// What is demanded of a route's own work when nothing else speaks for it.
const WORK: Demand = Demand { z: 2.5, tau: 0.65, own_z: 2.3, growth: 2.0, still_going: 0.4, no_step: 1.1 };
/// And of its latency, in which all other requests show.
const LATENCY: Demand = Demand { z: 4.0, own_z: 3.5, no_step: 1.2, ..WORK };
/// And of either when it moves with what a reported leak has kept: two witnesses.
const WITH_A_LEAK: Demand =
    Demand { z: 2.0, tau: 0.4, own_z: 1.5, growth: 1.3, still_going: 0.2, no_step: 0.9 };
/// It must have become slower by so much, ms.
pub(super) const LEAST_GROWTH_MS: f64 = 0.1;
/// Points on each side of a step, at least.
const LEAST_SIDE: usize = 2;
/// A later point is comparable when its load is at most this much larger; latencies follow it more than work does, and in
/// a morning in which the load only rises nothing can be said of them.
const SAME_LOAD: f64 = 1.25;
const SAME_LOAD_LATENCY: f64 = 1.1;
/// And its requests in flight, others than the route's own, by this many at most.
const SAME_IN_FLIGHT: f64 = 0.25;
/// Other routes looked at for what all have in common; below the least nothing is taken off.
const MOST_OTHERS: usize = 32;
const LEAST_OTHERS: usize = 3;
/// Times well below this say little of what a busy machine does to longer ones, ns.
const SMALL_NS: f64 = 100_000.0;

/// How certain and how large a trend must be.
#[derive(Clone, Copy)]
pub(super) struct Demand {
    /// Rising pairs must outnumber falling ones by so many standard deviations.
    pub(super) z: f64,
    /// And be this much of all pairs (Kendall's tau).
    pub(super) tau: f64,
    /// The first again, without what all routes have in common.
    pub(super) own_z: f64,
    /// Of late against low age.
    pub(super) growth: f64,
    /// Each half must rise by this part of the whole's slope: a step rises in neither.
    pub(super) still_going: f64,
    /// The best step must leave this much more unexplained than a line.
    pub(super) no_step: f64,
}

/// One route's series of one signal: what it was in which bucket.
#[derive(Debug, Default)]
pub(super) struct Series {
    /// Bucket numbers.
    pub(super) at: Vec<usize>,
    /// Time since the first bucket began, ns.
    pub(super) x: Vec<f64>,
    /// Logarithm of ns.
    pub(super) y: Vec<f64>,
}

/// What all routes share.
pub(super) struct Times<'a> {
    pub(super) process: &'a [ProcessBucket],
    /// Middle of each bucket, ns.
    middles: Vec<f64>,
    pub(super) end: f64,
}

impl<'a> Times<'a> {
    pub(super) fn new(process: &'a [ProcessBucket]) -> Self {
        let mut end = 0.0;
        let middle = |bucket: &ProcessBucket| {
            end += bucket.span_ns;
            end - bucket.span_ns / 2.0
        };
        let middles = process.iter().map(middle).collect();
        Self { process, middles, end }
    }

    pub(super) fn series(&self, route: &RouteHistory, signal: Signal) -> Series {
        let mut series = Series::default();
        for bucket in route.buckets() {
            let index = usize::from(bucket.index);
            if let (Some(y), Some(x)) = (bucket.log(signal, LEAST_SAMPLED), self.middles.get(index)) {
                series.at.push(index);
                series.x.push(*x);
                series.y.push(y);
            }
        }
        series
    }
}

/// Every route that got slower.
pub(super) fn all(
    routes: &[RouteHistory],
    process: &[ProcessBucket],
    leaks: &[Leak],
    names: &RouteTable,
) -> BTreeMap<RouteId, Found> {
    let times = Times::new(process);
    let around = Around { routes, times: &times, leaks, names };
    let ids = (1..routes.len()).filter_map(|index| Some(RouteId(u16::try_from(index).ok()?)));
    ids.filter_map(|route| Some((route, slower(&around, route)?))).collect()
}

/// A slowdown reported before, while the route is still more than half as much slower; its numbers of now.
pub(super) fn still_slow(
    routes: &[RouteHistory],
    process: &[ProcessBucket],
    (route, found): (RouteId, &Found),
    leaks: &[Leak],
    names: &RouteTable,
) -> Option<Slowdown> {
    let times = Times::new(process);
    let around = Around { routes, times: &times, leaks, names };
    let series = times.series(routes.get(usize::from(route.0))?, found.signal);
    let (_, now) = ends(&series.y);
    let now_ms = now.exp() / 1e6;
    let slowdown = &found.slowdown;
    let half = (slowdown.baseline_ms * slowdown.now_ms).sqrt();
    let moves_with = cause::moves_with(&around, route, found.signal, &series);
    (now_ms > half).then(|| Slowdown { now_ms, moves_with, ..slowdown.clone() })
}

fn slower(around: &Around<'_>, route: RouteId) -> Option<Found> {
    let history = around.routes.get(usize::from(route.0))?;
    Signal::ALL.into_iter().find_map(|signal| {
        let series = around.times.series(history, signal);
        let (baseline, now) = ends(&series.y);
        let called = series.x.last()? - series.x.first()?;
        let enough = series.x.len() >= LEAST_POINTS
            && called >= LEAST_SPAN * around.times.end
            && now - baseline >= WITH_A_LEAK.growth.ln()
            && (now.exp() - baseline.exp()) / 1e6 >= LEAST_GROWTH_MS;
        if !enough {
            return None;
        }
        let moves_with = cause::moves_with(around, route, signal, &series);
        let demand = match signal {
            _ if moves_with.starts_with("leak:") => WITH_A_LEAK,
            Signal::AppThread => WORK,
            Signal::Latency | Signal::HighLatency => LATENCY,
        };
        let loads = loads(around.times.process, history, &series);
        let raw = Rise { series: &series, loads: &loads, signal };
        let whole = raw.trend(0, series.y.len(), false)?;
        let certain = whole.z >= demand.z && whole.tau >= demand.tau && whole.low > 0.0;
        if !certain || now - baseline < demand.growth.ln() {
            return None;
        }
        let own = less_common(around, route, signal, &series);
        let own_loads = loads_of(&loads, &series, &own);
        let own = Rise { series: &own, loads: &own_loads, signal };
        let moves_with = if own.is_one(demand) {
            moves_with
        } else if raw.is_one(demand) {
            // All routes got slower alike: that is reported when collections explain it, and no other way.
            cause::collections(around.times.process, &series)?
        } else {
            return None;
        };
        let slowdown = told(around, route, signal, &whole, (baseline, now), moves_with);
        Some(Found { signal, slowdown, seen: 0 })
    })
}

/// A series that may rise.
pub(super) struct Rise<'a> {
    pub(super) series: &'a Series,
    pub(super) loads: &'a [(f64, f64)],
    pub(super) signal: Signal,
}

impl Rise<'_> {
    /// Whether it rises with certainty, in both halves, and more like a line than like a step.
    pub(super) fn is_one(&self, demand: Demand) -> bool {
        let count = self.series.y.len();
        let goes_on = |linear: bool| {
            let Some(whole) = self.trend(0, count, linear).filter(|whole| whole.slope > 0.0) else {
                return false;
            };
            let least = demand.still_going * whole.slope;
            let rises = |from, to| self.trend(from, to, linear).is_some_and(|half| half.slope >= least);
            rises(0, count / 2) && rises(count / 2, count)
        };
        let certain = self
            .trend(0, count, false)
            .is_some_and(|whole| whole.z >= demand.own_z && whole.tau >= demand.tau);
        certain && (goes_on(false) || goes_on(true)) && !self.is_a_step(demand.no_step)
    }

    /// The trend of some of the points, of their logarithms or (`linear`) as they are.
    fn trend(&self, from: usize, to: usize, linear: bool) -> Option<Trend> {
        let y = self.values(linear);
        trend(self.series.x.get(from..to)?, y.get(from..to)?, |i, j| self.comparable(from + i, from + j))
    }

    fn values(&self, linear: bool) -> Vec<f64> {
        self.series.y.iter().map(|log| if linear { log.exp() } else { *log }).collect()
    }

    pub(super) fn comparable(&self, i: usize, j: usize) -> bool {
        let (Some(before), Some(after)) = (self.loads.get(i), self.loads.get(j)) else { return false };
        match self.signal {
            Signal::AppThread => after.0 <= SAME_LOAD * before.0,
            Signal::Latency | Signal::HighLatency => {
                after.0 <= SAME_LOAD_LATENCY * before.0
                    && after.1 <= SAME_LOAD_LATENCY * before.1 + SAME_IN_FLIGHT
            }
        }
    }

    /// Whether one step explains the values about as well as a line does, both as they are and as logarithms.
    fn is_a_step(&self, clearly: f64) -> bool {
        let x = &self.series.x;
        [false, true].into_iter().all(|linear| {
            let y = self.values(linear);
            let Some(line) = trend(x, &y, |_, _| true) else { return true };
            let from_line: f64 =
                x.iter().zip(&y).map(|(x, y)| (y - line.intercept - line.slope * x).abs()).sum();
            let from_level = |part: &[f64]| -> f64 {
                let level = median(part.to_vec());
                part.iter().map(|y| (y - level).abs()).sum()
            };
            let places = LEAST_SIDE..=y.len().saturating_sub(LEAST_SIDE);
            let steps = places.filter_map(|at| y.split_at_checked(at));
            let from_step =
                steps.map(|(before, after)| from_level(before) + from_level(after)).fold(f64::MAX, f64::min);
            from_step < clearly * from_line
        })
    }
}

/// Offered load (requests per second of the process) and other routes' requests in flight, at each point.
pub(super) fn loads(process: &[ProcessBucket], route: &RouteHistory, series: &Series) -> Vec<(f64, f64)> {
    let own = |index: usize| {
        let bucket = route.buckets().iter().find(|bucket| usize::from(bucket.index) == index);
        bucket.map_or(0.0, |bucket| f64::from(bucket.busy_ns))
    };
    let at = |index: &usize| {
        let bucket = process.get(*index)?;
        let span = bucket.span_ns.max(1.0);
        Some((bucket.requests / span, (bucket.in_flight_ns - own(*index)).max(0.0) / span))
    };
    series.at.iter().map(|index| at(index).unwrap_or_default()).collect()
}

/// The loads of those points that are left in `part`.
pub(super) fn loads_of(loads: &[(f64, f64)], series: &Series, part: &Series) -> Vec<(f64, f64)> {
    let all = series.at.iter().zip(loads);
    all.filter(|(at, _)| part.at.binary_search(at).is_ok()).map(|(_, load)| *load).collect()
}

/// The series without what the other routes did at the same time, where there are enough of them.
pub(super) fn less_common(around: &Around<'_>, route: RouteId, signal: Signal, series: &Series) -> Series {
    let mut others: Vec<(usize, Vec<Option<f64>>)> = Vec::new();
    for (index, history) in around.routes.iter().enumerate() {
        if index == 0 || index == usize::from(route.0) || history.buckets().len() < LEAST_POINTS {
            continue;
        }
        let other = around.times.series(history, signal);
        let level = median(other.y.clone());
        let mut at = vec![None; around.times.process.len()];
        for (index, y) in other.at.iter().zip(&other.y) {
            if let Some(place) = at.get_mut(*index) {
                *place = Some(beyond_small(*y) - beyond_small(level));
            }
        }
        let shared = series.at.iter().filter(|index| at.get(**index).is_some_and(Option::is_some)).count();
        if 10 * shared >= 7 * series.at.len() {
            others.push((shared, at));
        }
    }
    others.sort_by_key(|(shared, _)| std::cmp::Reverse(*shared));
    others.truncate(MOST_OTHERS);
    let mut left = Series::default();
    for ((index, x), y) in series.at.iter().zip(&series.x).zip(&series.y) {
        let together: Vec<f64> =
            others.iter().filter_map(|(_, at)| at.get(*index).copied().flatten()).collect();
        let common = match (others.len() >= LEAST_OTHERS, together.len() >= LEAST_OTHERS) {
            (false, _) => 0.0,
            (true, true) => median(together),
            (true, false) => continue,
        };
        left.at.push(*index);
        left.x.push(*x);
        left.y.push(y - common);
    }
    left
}

/// The logarithm of a time and [`SMALL_NS`]: what a cold cache does to a route of 20 µs it does not do to one of 2 ms.
fn beyond_small(log: f64) -> f64 {
    (log.exp() + SMALL_NS).ln()
}

/// At low age, and of late: medians of the first and the last eighth of the points, three at least.
pub(super) fn ends(y: &[f64]) -> (f64, f64) {
    let part = (y.len() / 8).max(3).min(y.len());
    let first = y.get(..part).unwrap_or(&[]).to_vec();
    let last = y.get(y.len() - part..).unwrap_or(&[]).to_vec();
    (median(first), median(last))
}

fn told(
    around: &Around<'_>,
    route: RouteId,
    signal: Signal,
    raw: &Trend,
    (baseline, now): (f64, f64),
    moves_with: String,
) -> Slowdown {
    let doubling = |slope: f64| std::f64::consts::LN_2 / slope / 1e6;
    let (baseline_ms, now_ms) = (baseline.exp() / 1e6, now.exp() / 1e6);
    let doubling_time_ms = doubling(raw.slope);
    let name = around.names.name(route).to_owned();
    let because = format!(
        "{}: {} rose from {baseline_ms:.3} to {now_ms:.3} ms in {}; it doubles every {}",
        name,
        signal.name(),
        duration(around.times.end / 1e6),
        duration(doubling_time_ms)
    );
    Slowdown {
        route: name,
        by: signal.name().to_owned(),
        baseline_ms,
        now_ms,
        doubling_time_ms,
        doubling_time_range_ms: (doubling(raw.high), doubling(raw.low)),
        moves_with,
        lives: 1,
        because,
    }
}

pub(super) fn duration(ms: f64) -> String {
    match ms {
        ms if ms < 120_000.0 => format!("{:.0} s", ms / 1e3),
        ms if ms < 7_200_000.0 => format!("{:.0} min", ms / 6e4),
        ms => format!("{:.1} h", ms / 3.6e6),
    }
}
