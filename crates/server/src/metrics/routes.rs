//! Routes: requests, durations, and what they keep.

use super::number;
use super::text::{Family, Text};
use leakprobe_core::counters::{BUCKETS_S, RouteCounters};
use leakprobe_core::report::Estimate;
use leakprobe_core::stats::Kept;

pub(super) fn write(text: &mut Text, routes: &[RouteCounters], more: usize) {
    let mut family = text.counter(
        "leakprobe_http_requests",
        "Requests that ended, and runs of tracked jobs, by how they did.",
    );
    for route in routes {
        let outcomes = [
            ("finished", route.finished),
            ("failed", route.failed),
            ("aborted", route.aborted),
            ("upgraded", route.upgraded),
        ];
        for (outcome, count) in outcomes {
            family.sample(&[("route", &route.route), ("outcome", outcome)], number(count));
        }
    }
    let mut family = text.histogram(
        "leakprobe_http_request_duration_seconds",
        "Durations of the requests that were answered, and of tracked jobs; to 6 %.",
    );
    for route in routes {
        family.buckets(&route.route, &BUCKETS_S, &route.buckets, route.seconds);
    }
    let mut family = text.gauge(
        "leakprobe_route_kept_bytes",
        "Bytes that one request keeps for good, as estimated now: the best estimate, and the ends of its 95 % interval.",
    );
    for route in routes {
        let kept = |of: fn(&Kept) -> Option<&Estimate>| route.kept.as_ref().and_then(of);
        estimate(&mut family, &route.route, Some("heap"), kept(|kept| kept.heap.as_ref()));
        estimate(&mut family, &route.route, Some("external"), kept(|kept| kept.external.as_ref()));
    }
    let mut family = text.gauge(
        "leakprobe_route_kept_listeners",
        "Listeners on shared emitters that one request keeps; likewise.",
    );
    for route in routes {
        estimate(
            &mut family,
            &route.route,
            None,
            route.kept.as_ref().and_then(|kept| kept.listeners.as_ref()),
        );
    }
    let mut family =
        text.gauge("leakprobe_route_kept_timers", "Live timers that one request keeps; likewise.");
    for route in routes {
        estimate(&mut family, &route.route, None, route.kept.as_ref().and_then(|kept| kept.timers.as_ref()));
    }
    let mut family = text.gauge(
        "leakprobe_route_watched_requests",
        "Ended requests that were watched until the last floor, and of them those that somebody still kept then.",
    );
    for route in routes {
        let Some(watched) = route.watched else { continue };
        family.sample(&[("route", &route.route), ("state", "watched")], f64::from(watched.watched));
        family.sample(&[("route", &route.route), ("state", "retained")], f64::from(watched.alive));
    }
    text.gauge(
        "leakprobe_routes_omitted",
        "Routes without metrics of their own, because there are more than 500.",
    )
    .sample(&[], number(more as u64));
}

fn estimate(family: &mut Family<'_>, route: &str, memory: Option<&str>, estimate: Option<&Estimate>) {
    let Some(Estimate { value, low, high, .. }) = estimate else { return };
    for (bound, value) in [("estimate", value), ("low", low), ("high", high)] {
        match memory {
            Some(memory) => family.sample(&[("route", route), ("memory", memory), ("bound", bound)], *value),
            None => family.sample(&[("route", route), ("bound", bound)], *value),
        }
    }
}
