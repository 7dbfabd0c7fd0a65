//! The history as `leakprobe.history/1`.

use super::Found;
use leakprobe_core::history::RouteSlice;
use leakprobe_history::{Deployment, Resolution};
use serde_json::{Map, Value, json};
use std::time::{Duration, SystemTime};

pub(super) fn value(found: &Found) -> Value {
    let (from, to) = found.span;
    let resolution = if found.resolution == Resolution::Minute { "minute" } else { "hour" };
    let routes: Vec<Value> = found
        .routes
        .iter()
        .map(|route| {
            let mut value = slice(&route.sum);
            value.insert("route".to_owned(), json!(route.name));
            let points = route.points.iter().map(|point| {
                let mut value = slice(&point.slice);
                value.insert("at".to_owned(), json!(time_s(point.at)));
                Value::Object(value)
            });
            value.insert("windows".to_owned(), points.collect());
            Value::Object(value)
        })
        .collect();
    let process: Vec<Value> = found
        .process
        .iter()
        .map(|point| {
            let slice = &point.slice;
            json!({
                "at": time_s(point.at), "life": point.life, "requests": slice.requests, "failed": slice.failed,
                "collections": slice.collections, "gcPauseMs": ms(slice.gc_pause_us),
                "gcLongestMs": ms(slice.gc_longest_us), "cpuMs": slice.cpu_ms, "stallMs": slice.stall_ms,
                "heapUsed": slice.heap_used, "floor": slice.floor, "external": slice.external, "rss": slice.rss,
                "listeners": slice.listeners, "timers": slice.timers, "handles": slice.handles,
                "descriptors": slice.descriptors,
            })
        })
        .collect();
    let lives: Vec<Value> = found
        .lives
        .iter()
        .map(|life| {
            json!({
                "life": life.id, "pid": life.pid, "startedAt": time(life.started_ms), "seenAt": time(life.seen_ms),
                "ended": life.ended,
            })
        })
        .collect();
    let findings: Vec<Value> = found
        .findings
        .iter()
        .map(|one| {
            json!({
                "kind": one.what.kind, "id": one.what.fingerprint, "route": one.what.route,
                "firstAt": time(one.first_ms), "lastAt": time(one.last_ms), "deployment": deployment(&one.deployment),
                "finding": serde_json::from_str::<Value>(&one.what.json).unwrap_or(Value::Null),
            })
        })
        .collect();
    let incidents: Vec<Value> = found
        .incidents
        .iter()
        .map(|one| {
            json!({
                "id": one.what.id, "at": time(one.first_ms), "reason": one.what.reason, "route": one.what.route,
                "because": one.what.because, "directory": one.what.directory, "heapSnapshot": one.what.heap_snapshot,
                "leaks": one.what.leaks, "deployment": deployment(&one.deployment),
            })
        })
        .collect();
    let trips = found.trips.iter().map(
        |(name, tripped, throttled)| json!({ "trigger": name, "captured": tripped, "throttled": throttled }),
    );
    json!({
        "schema": "leakprobe.history/1", "service": found.service, "from": time_s(from), "to": time_s(to),
        "resolution": resolution, "routes": routes, "process": process, "lives": lives,
        "deployments": found.deployments.iter().map(deployment).collect::<Vec<_>>(),
        "findings": findings, "incidents": incidents, "trips": trips.collect::<Vec<_>>(),
    })
}

fn slice(slice: &RouteSlice) -> Map<String, Value> {
    let quantile = |share| slice.durations.quantile_us(share).map(ms);
    let value = json!({
        "requests": slice.requests, "failed": slice.failed, "threadMs": ms(slice.thread_us),
        "p50Ms": quantile(0.5), "p95Ms": quantile(0.95),
    });
    if let Value::Object(map) = value { map } else { Map::new() }
}

fn deployment(deployment: &Deployment) -> Value {
    json!({
        "version": deployment.version, "revision": deployment.revision,
        "firstAt": time(deployment.first_ms), "lastAt": time(deployment.last_ms),
    })
}

fn time_s(second: i64) -> String {
    time(u64::try_from(second).unwrap_or(0).saturating_mul(1_000))
}

fn time(ms: u64) -> String {
    // What is beyond the year 9999 has no text, and was written by nobody of ours.
    let ms = ms.min(253_402_300_799_000);
    humantime::format_rfc3339_seconds(SystemTime::UNIX_EPOCH + Duration::from_millis(ms)).to_string()
}

#[expect(clippy::cast_precision_loss, reason = "microseconds below 2^53")]
fn ms(us: u64) -> f64 {
    us as f64 / 1_000.0
}
