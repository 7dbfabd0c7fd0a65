//! Series for charts: arrays of one length, at one step.

use super::ring::Ring;
use super::slots::Slot;
use super::{BOUNDS_MS, Series};
use crate::route_table::RouteTable;
use serde::Serialize;
use std::collections::BTreeMap;

/// Series over one span. All arrays have the length of `times`; `null` is what was not known.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SeriesView {
    /// What a point covers, ms.
    pub step_ms: u64,
    /// When each begins, ms since the epoch, rising; steps in which the machine slept are left out.
    pub times: Vec<u64>,
    /// The process.
    pub process: ProcessView,
    /// The routes with the most requests, at most 50; or the one that was asked for, if it has series.
    pub routes: Vec<RouteView>,
    /// The latencies of the one that was asked for.
    pub heat: Option<HeatView>,
}

/// The process.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ProcessView {
    /// V8's used heap, bytes.
    pub heap_used_bytes: Vec<Option<f64>>,
    /// Live heap after the last full collection, here or in a shadow, bytes.
    pub floor_bytes: Vec<Option<f64>>,
    /// External memory, bytes.
    pub external_bytes: Vec<Option<f64>>,
    /// Resident memory, bytes.
    pub rss_bytes: Vec<Option<f64>>,
    /// Pauses for collections, ms.
    pub gc_pause_ms: Vec<f64>,
    /// Collections, steps of incremental ones included.
    pub gc_count: Vec<u32>,
    /// Longest time without a turn of the event loop, ms; the tick's interval in a healthy process.
    pub loop_stall_ms: Vec<f64>,
    /// CPU of the app thread, 1 being all of one CPU.
    pub cpu_share: Vec<Option<f64>>,
    /// Requests that ended.
    pub requests: Vec<u64>,
    /// Memory by part, bytes; empty while it is not known.
    pub memory_map: BTreeMap<String, Vec<Option<f64>>>,
}

/// A route.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RouteView {
    /// Its name.
    pub route: String,
    /// Requests that ended.
    pub requests: Vec<u32>,
    /// Median duration, ms.
    pub p50_ms: Vec<Option<f32>>,
    /// 95th percentile, ms.
    pub p95_ms: Vec<Option<f32>>,
    /// Bytes of heap and external memory kept per request, as estimated then.
    pub kept_bytes_per_request: Vec<Option<f32>>,
}

/// Durations over time.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HeatView {
    /// Upper bounds of the bins, ms; the last one has none.
    pub bounds_ms: Vec<Option<f64>>,
    /// For each time, the requests in each bin.
    pub counts: Vec<Vec<u32>>,
}

impl Series {
    /// The series of the last `minutes`, or of all the time; with `route` those of that route, and its heat map.
    ///
    /// The step that is still being filled is left out, but for seconds.
    pub fn view(&self, routes: &RouteTable, route: Option<&str>, minutes: Option<u32>) -> SeriesView {
        let seconds = minutes.map_or(u32::MAX, |minutes| minutes.saturating_mul(60));
        let which = self.process.reaching(seconds, self.second);
        let ring = self.process.ring(which);
        let step = ring.step();
        let from = self.second.saturating_sub(seconds) / step;
        let ended = self.second / step;
        let within = |number: u32| number >= from && number < ended;
        let points: Vec<_> = ring.points().filter(|(number, _)| within(*number)).collect();
        let numbers: Vec<u32> = points.iter().map(|(number, _)| *number).collect();
        let step_ms = u64::from(step) * 1_000;
        let process = ProcessView {
            heap_used_bytes: points.iter().map(|(_, point)| point.heap_used).collect(),
            floor_bytes: points.iter().map(|(_, point)| point.floor).collect(),
            external_bytes: points.iter().map(|(_, point)| point.external).collect(),
            rss_bytes: points.iter().map(|(_, point)| point.rss).collect(),
            gc_pause_ms: points.iter().map(|(_, point)| point.gc_pause_ms).collect(),
            gc_count: points.iter().map(|(_, point)| point.gc_count).collect(),
            loop_stall_ms: points.iter().map(|(_, point)| point.stall_ms).collect(),
            cpu_share: points.iter().map(|(_, point)| point.cpu_share).collect(),
            requests: points.iter().map(|(_, point)| point.requests).collect(),
            memory_map: self
                .parts
                .iter()
                .enumerate()
                .map(|(index, name)| {
                    let value =
                        |(_, point): &&(u32, super::ProcessPoint)| point.parts.get(index).copied().flatten();
                    (name.clone(), points.iter().map(value).collect())
                })
                .collect(),
        };
        let mut slots = self.slots.by_requests();
        slots.retain(|slot| route.is_none_or(|route| routes.name(slot.route) == route));
        let heat = route.and_then(|_| slots.first()).map(|slot| heat(slot.rings.ring(which), &numbers));
        SeriesView {
            step_ms,
            times: numbers.iter().map(|number| self.started_wall_ms + u64::from(*number) * step_ms).collect(),
            process,
            routes: slots
                .into_iter()
                .map(|slot| route_view(slot, slot.rings.ring(which), &numbers, routes))
                .collect(),
            heat,
        }
    }
}

type Points = Ring<super::point::RoutePoint>;

/// The points of `ring` at these steps. Both are in rising order.
fn at<'a>(
    ring: &'a Points,
    numbers: &'a [u32],
) -> impl Iterator<Item = Option<&'a super::point::RoutePoint>> {
    let mut points = ring.points().peekable();
    numbers.iter().map(move |number| {
        while points.next_if(|(known, _)| known < number).is_some() {}
        points.next_if(|(known, _)| known == number).map(|(_, point)| point)
    })
}

fn route_view(slot: &Slot, ring: &Points, numbers: &[u32], routes: &RouteTable) -> RouteView {
    let mut view = RouteView {
        route: routes.name(slot.route).to_owned(),
        requests: Vec::with_capacity(numbers.len()),
        p50_ms: Vec::with_capacity(numbers.len()),
        p95_ms: Vec::with_capacity(numbers.len()),
        kept_bytes_per_request: Vec::with_capacity(numbers.len()),
    };
    let known = |value: f32| (!value.is_nan()).then_some(value);
    for point in at(ring, numbers) {
        let point = point.copied().unwrap_or_default();
        view.requests.push(point.requests);
        view.p50_ms.push(known(point.p50_ms));
        view.p95_ms.push(known(point.p95_ms));
        view.kept_bytes_per_request.push(known(point.kept));
    }
    view
}

fn heat(ring: &Points, numbers: &[u32]) -> HeatView {
    let counts = at(ring, numbers).map(|point| point.copied().unwrap_or_default().bins.to_vec()).collect();
    HeatView { bounds_ms: BOUNDS_MS.iter().map(|bound| Some(*bound)).chain([None]).collect(), counts }
}

/// The time of a point, for tests.
#[cfg(test)]
pub(super) fn seconds(view: &SeriesView) -> Vec<f64> {
    view.times.iter().map(|time| crate::number(*time) / 1e3).collect()
}
