//! Windows as columns: one array for each metric, `null` where nothing is stored.

use super::asked::{Asked, Grid};
use leakprobe_core::history::{ProcessSlice, RouteSlice};
use leakprobe_history::{Point, ProcessPoint};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

type Metric<T> = (&'static str, fn(&T) -> Value);

/// What is known of a route in a window.
pub(super) const OF_ROUTE: &[Metric<RouteSlice>] = &[
    ("requests", |slice| json!(slice.requests)),
    ("failed", |slice| json!(slice.failed)),
    ("threadMs", |slice| json!(ms(slice.thread_us))),
    ("p50Ms", |slice| json!(slice.durations.quantile_us(0.5).map(ms))),
    ("p95Ms", |slice| json!(slice.durations.quantile_us(0.95).map(ms))),
    ("p99Ms", |slice| json!(slice.durations.quantile_us(0.99).map(ms))),
];

/// What is known of the processes in a window.
pub(super) const OF_PROCESS: &[Metric<ProcessSlice>] = &[
    ("requests", |slice| json!(slice.requests)),
    ("failed", |slice| json!(slice.failed)),
    ("gcCount", |slice| json!(slice.collections)),
    ("gcPauseMs", |slice| json!(ms(slice.gc_pause_us))),
    ("gcLongestMs", |slice| json!(ms(slice.gc_longest_us))),
    ("cpuMs", |slice| json!(slice.cpu_ms)),
    ("loopStallMs", |slice| json!(slice.stall_ms)),
    ("heapUsedBytes", |slice| json!(slice.heap_used)),
    ("floorBytes", |slice| json!(slice.floor)),
    ("externalBytes", |slice| json!(slice.external)),
    ("rssBytes", |slice| json!(slice.rss)),
    ("listeners", |slice| json!(slice.listeners)),
    ("timers", |slice| json!(slice.timers)),
    ("handles", |slice| json!(slice.handles)),
    ("descriptors", |slice| json!(slice.descriptors)),
];

/// A route's windows.
pub(super) fn of_route(points: Vec<Point>, grid: Grid, asked: &Asked) -> Map<String, Value> {
    let mut sums: BTreeMap<i64, RouteSlice> = BTreeMap::new();
    for Point { at, slice } in points {
        let sum = sums.entry(at - at.rem_euclid(grid.step)).or_default();
        sum.requests = sum.requests.saturating_add(slice.requests);
        sum.failed = sum.failed.saturating_add(slice.failed);
        sum.thread_us = sum.thread_us.saturating_add(slice.thread_us);
        sum.durations.add(&slice.durations);
    }
    columns(OF_ROUTE, &sums, grid, asked)
}

/// The windows of all processes together: counters are sums; levels, stalls and pauses those of the process that has the largest.
pub(super) fn of_processes(points: &[ProcessPoint], grid: Grid, asked: &Asked) -> Map<String, Value> {
    let begin = |at: i64| at - at.rem_euclid(grid.step);
    let mut floors: BTreeMap<(i64, i64), u64> = BTreeMap::new();
    let mut sums: BTreeMap<i64, ProcessSlice> = BTreeMap::new();
    for ProcessPoint { at, life, slice } in points {
        // A floor is the lowest that a process had in the window.
        if let Some(floor) = slice.floor {
            floors
                .entry((begin(*at), *life))
                .and_modify(|lowest| *lowest = floor.min(*lowest))
                .or_insert(floor);
        }
        let sum = sums.entry(begin(*at)).or_default();
        sum.requests = sum.requests.saturating_add(slice.requests);
        sum.failed = sum.failed.saturating_add(slice.failed);
        sum.collections = sum.collections.saturating_add(slice.collections);
        sum.gc_pause_us = sum.gc_pause_us.saturating_add(slice.gc_pause_us);
        sum.gc_longest_us = sum.gc_longest_us.max(slice.gc_longest_us);
        if let Some(cpu) = slice.cpu_ms {
            sum.cpu_ms = Some(sum.cpu_ms.unwrap_or(0).saturating_add(cpu));
        }
        // `None` is less than any number.
        sum.stall_ms = sum.stall_ms.max(slice.stall_ms);
        sum.heap_used = sum.heap_used.max(slice.heap_used);
        sum.external = sum.external.max(slice.external);
        sum.rss = sum.rss.max(slice.rss);
        sum.listeners = sum.listeners.max(slice.listeners);
        sum.timers = sum.timers.max(slice.timers);
        sum.handles = sum.handles.max(slice.handles);
        sum.descriptors = sum.descriptors.max(slice.descriptors);
    }
    for ((at, _), floor) in floors {
        let sum = sums.entry(at).or_default();
        sum.floor = sum.floor.max(Some(floor));
    }
    columns(OF_PROCESS, &sums, grid, asked)
}

fn columns<T>(
    metrics: &[Metric<T>],
    sums: &BTreeMap<i64, T>,
    grid: Grid,
    asked: &Asked,
) -> Map<String, Value> {
    let wanted = metrics.iter().filter(|(name, _)| asked.wants(name));
    wanted
        .map(|(name, value)| {
            let column = grid.times().map(|at| sums.get(&at).map_or(Value::Null, value));
            ((*name).to_owned(), column.collect())
        })
        .collect()
}

#[expect(clippy::cast_precision_loss, reason = "microseconds below 2^53")]
fn ms(us: u64) -> f64 {
    us as f64 / 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::asked;

    const GRID: Grid = Grid { from: 7_200, to: 18_000, step: 3_600 };

    #[test]
    fn windows_of_a_route_are_added_up_and_gaps_are_null() {
        let slice = |us: u64| {
            let mut slice = RouteSlice { requests: 1, thread_us: 500, ..RouteSlice::default() };
            slice.durations.record(us);
            slice
        };
        let points = [7_200, 7_260, 14_400].map(|at| Point { at, slice: slice(1_000) });
        let asked = asked::read("route=a&metric=requests,threadMs,p95Ms").unwrap();

        let columns = of_route(points.to_vec(), GRID, &asked);

        assert_eq!(columns["requests"], json!([2, null, 1]));
        assert_eq!(columns["threadMs"], json!([1.0, null, 0.5]));
        assert_eq!(columns.len(), 3);
        assert!((columns["p95Ms"][0].as_f64().unwrap() - 1.0).abs() < 0.07);
        assert_eq!(columns["p95Ms"][1], Value::Null);
    }

    #[test]
    fn of_several_processes_counters_are_added_and_levels_the_largest() {
        let point = |at, life, floor, rss| ProcessPoint {
            at,
            life,
            slice: ProcessSlice { requests: 5, floor, rss, cpu_ms: rss, ..ProcessSlice::default() },
        };
        let points = [
            point(7_200, 1, Some(30), Some(100)),
            point(7_260, 1, Some(10), None),
            point(7_200, 2, Some(20), Some(70)),
            point(14_400, 2, None, None),
        ];

        let columns = of_processes(&points, GRID, &asked::read("").unwrap());

        assert_eq!(columns["requests"], json!([15, null, 5]));
        assert_eq!(columns["rssBytes"], json!([100, null, null]));
        assert_eq!(columns["cpuMs"], json!([170, null, null]));
        assert_eq!(columns["floorBytes"], json!([20, null, null]), "the largest of the lowest");
        assert_eq!(columns.len(), OF_PROCESS.len());
    }
}
