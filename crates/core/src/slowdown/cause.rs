//! What a slowdown moves with: a leak's accumulated amount, collections, a busy thread, a late event loop.
//!
//! It is a correlation and no more: two things that both only rise cannot be told apart by it.

use super::history::{ProcessBucket, RouteHistory, Signal};
use super::judge::{Series, Times};
use super::trend::{explained, median, quantile};
use crate::event::RouteId;
use crate::report::Leak;
use crate::route_table::RouteTable;

/// Less of the variance than this explained is nothing that it moves with.
const LEAST_EXPLAINED: f64 = 0.4;
/// A leak of the route itself need not explain it better than all else by chance does.
const OWN_LEAK_BEFORE: f64 = 0.2;
const OTHER_LEAK_BEFORE: f64 = 0.05;
/// Collections that slow everything take at least this share of the time, and twice what they took.
const LEAST_GC_SHARE: f64 = 0.05;
const GC_GREW: f64 = 2.0;

/// Everything that one route is held against.
pub(super) struct Around<'a> {
    pub(super) routes: &'a [RouteHistory],
    pub(super) times: &'a Times<'a>,
    pub(super) leaks: &'a [Leak],
    pub(super) names: &'a RouteTable,
}

impl Around<'_> {
    /// Requests of the leak's routes until each point: what has leaked by then is in proportion to it.
    fn leaked(&self, leak: &Leak, series: &Series) -> Vec<f64> {
        let mut by_bucket = vec![0.0; self.times.process.len()];
        for (index, history) in self.routes.iter().enumerate() {
            let name = u16::try_from(index).map_or("", |index| self.names.name(RouteId(index)));
            if !leak.routes.iter().any(|route| route == name) {
                continue;
            }
            for bucket in history.buckets() {
                if let Some(place) = by_bucket.get_mut(usize::from(bucket.index)) {
                    *place += f64::from(bucket.requests);
                }
            }
        }
        let mut sum = 0.0;
        let until: Vec<f64> = by_bucket
            .into_iter()
            .map(|requests: f64| {
                sum += requests;
                sum - requests / 2.0
            })
            .collect();
        series.at.iter().map(|index| until.get(*index).copied().unwrap_or(sum)).collect()
    }
}

/// `leak:<id>`, `gc`, `cpu`, `stall` or `unknown`.
pub(super) fn moves_with(around: &Around<'_>, route: RouteId, signal: Signal, series: &Series) -> String {
    let mut others = vec![("gc", share(around.times.process, series, |bucket| bucket.gc_ns))];
    if signal != Signal::AppThread {
        // A route's own work makes the thread busy and the loop late, so these explain its waiting only.
        others.push(("cpu", share(around.times.process, series, |bucket| bucket.busy_ns)));
        others.push(("stall", share(around.times.process, series, |bucket| bucket.late_ns)));
    }
    let rated = others.into_iter().map(|(name, x)| (name, together(&x, series)));
    let (name, best) = rated.max_by(|one, other| one.1.total_cmp(&other.1)).unwrap_or(("unknown", 0.0));
    let own = around.names.name(route);
    let leak = around
        .leaks
        .iter()
        .map(|leak| {
            let before = if leak.routes.iter().any(|route| route == own) {
                OWN_LEAK_BEFORE
            } else {
                OTHER_LEAK_BEFORE
            };
            (leak, together(&around.leaked(leak, series), series), before)
        })
        .max_by(|one, other| (one.1 + one.2).total_cmp(&(other.1 + other.2)));
    match leak {
        Some((leak, share, before)) if share >= LEAST_EXPLAINED && share + before >= best => {
            format!("leak:{}", leak.id)
        }
        _ if best >= LEAST_EXPLAINED => name.to_owned(),
        _ => "unknown".to_owned(),
    }
}

/// `gc` when the share of time spent collecting explains what all routes have in common.
pub(super) fn collections(process: &[ProcessBucket], series: &Series) -> Option<String> {
    let gc = share(process, series, |bucket| bucket.gc_ns);
    let third = gc.len() / 3;
    let early = median(gc.get(..third)?.to_vec());
    let late = median(gc.get(gc.len() - third..)?.to_vec());
    let grew = late >= LEAST_GC_SHARE && late >= GC_GREW * early;
    (grew && together(&gc, series) >= LEAST_EXPLAINED).then(|| "gc".to_owned())
}

/// A part of the time, at each point.
fn share(process: &[ProcessBucket], series: &Series, of: fn(&ProcessBucket) -> f64) -> Vec<f64> {
    let at = |index: &usize| process.get(*index).map_or(0.0, |bucket| of(bucket) / bucket.span_ns.max(1.0));
    series.at.iter().map(at).collect()
}

/// The share of the variance that `x` explains, of the logarithms or of the values, whichever is more; what lies outside
/// the middle nine tenths is drawn in, for one window in which the machine was busy must not decide.
fn together(x: &[f64], series: &Series) -> f64 {
    let mut sorted = series.y.clone();
    sorted.sort_unstable_by(f64::total_cmp);
    let (low, high) = (quantile(&sorted, 0.05), quantile(&sorted, 0.95));
    let logs: Vec<f64> = series.y.iter().map(|log| log.clamp(low, high)).collect();
    let values: Vec<f64> = logs.iter().map(|log| log.exp()).collect();
    explained(x, &logs).max(explained(x, &values))
}
