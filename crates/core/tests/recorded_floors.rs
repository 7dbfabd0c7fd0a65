//! Floors recorded from real servers under load that changes its mix (Node 20, preset `test`, a busy machine), judged again.
//!
//! A line of a file is a floor: time since the start, bytes, and how many requests of each route had ended. Recorded from
//! servers with a published package whose leak is documented, and from the same servers without it.

use leakprobe_core::attribution::{Attribution, judge};
use leakprobe_core::event::Mark;
use leakprobe_core::observation::Floor;
use leakprobe_core::report::Leak;
use leakprobe_core::route_table::RouteTable;
use leakprobe_core::{Nanos, RouteId};
use serde::Deserialize;

#[derive(Deserialize)]
struct Recorded {
    ms: u64,
    heap: u64,
    external: u64,
    counts: Vec<u32>,
}

/// What is reported after each floor.
fn judged(text: &str) -> Vec<Vec<Leak>> {
    let mut routes = RouteTable::new(20);
    for route in 1..20 {
        routes.intern(&route.to_string());
    }
    let mut attribution = Attribution::new(0, 0, false);
    let mut ended: Vec<u32> = vec![0; 20];
    let floors = text.lines().map(|line| serde_json::from_str::<Recorded>(line).expect("a recorded floor"));
    let judge_floor = |(id, floor): (u32, Recorded)| {
        for (route, count) in floor.counts.iter().enumerate() {
            let route_id = RouteId(u16::try_from(route).expect("few routes"));
            (ended[route]..*count).for_each(|_| attribution.finished(route_id, Nanos::from_ms(floor.ms)));
            ended[route] = *count;
        }
        attribution.marked(Mark { id, at: Nanos::from_ms(floor.ms), in_flight: 0 });
        let (heap_used, external) = (floor.heap, floor.external);
        assert!(attribution.floor(&Floor { mark: id, heap_used, external, ..Floor::default() }));
        judge(&attribution, &routes, None, 4e-3, |_| String::new()).leaks
    };
    (0..).zip(floors).map(judge_floor).collect()
}

fn check_leaky(text: &str, route: &str, bytes: f64) {
    let judged = judged(text);
    for leaks in &judged {
        assert!(leaks.iter().all(|leak| leak.route == route && leak.routes.len() == 1), "{leaks:?}");
    }
    let last = judged.last().expect("floors");
    assert_eq!(last.len(), 1, "{last:?}");
    let kept = &last[0].per_request;
    assert!(kept.value > 0.75 * bytes && kept.value < 1.33 * bytes, "{kept:?} for {bytes}");
}

fn check_quiet(text: &str) {
    for leaks in judged(text) {
        assert!(leaks.is_empty(), "{leaks:?}");
    }
}

/// 125 bytes per request: a tree of event names.
#[test]
fn a_leak_of_125_bytes_is_found_with_its_amount() {
    check_leaky(include_str!("recorded/eventemitter2-wildcard-tree-leaky.jsonl"), "5", 125.0);
}

/// 301 bytes per request on floors that move by half a megabyte.
#[test]
fn a_leak_of_300_bytes_is_found_on_rough_floors() {
    check_leaky(include_str!("recorded/dataloader-global-leaky.jsonl"), "6", 301.0);
}

#[test]
fn a_leak_of_800_bytes_is_found_with_few_floors() {
    check_leaky(include_str!("recorded/z-schema-reference-cache-leaky.jsonl"), "4", 832.0);
}

#[test]
fn healthy_twins_of_leaky_servers_are_left_alone() {
    check_quiet(include_str!("recorded/eventemitter2-wildcard-tree-control.jsonl"));
    check_quiet(include_str!("recorded/dataloader-global-control.jsonl"));
}

/// 2 kB for each of some thousand keys, for a second or two: floors of 8 to 11 MB.
#[test]
fn a_cache_with_a_time_to_live_is_left_alone() {
    check_quiet(include_str!("recorded/neg-ttl-sawtooth-control.jsonl"));
}

/// Forced floors in a test's own process (Node 22), every 0.4 s, while the mix of two routes changes every 0.3 s: requests of the
/// second one still hold something for some 0.15 s after they ended, which goes with the mix; only the first one leaks.
///
/// The order of the requests is known: thirty times two of the first and one of the second, thirty times one and three.
#[test]
fn what_requests_hold_for_a_moment_is_no_leak_of_theirs_while_another_route_leaks() {
    for text in [
        include_str!("recorded/phases-1.jsonl"),
        include_str!("recorded/phases-2.jsonl"),
        include_str!("recorded/phases-3.jsonl"),
    ] {
        let mut routes = RouteTable::new(10);
        routes.intern("leaks");
        routes.intern("holds");
        let mut attribution = Attribution::new(0, 0, false);
        let (mut ended, mut before_ms, mut found) = (0, 0, false);
        for (id, line) in (0..).zip(text.lines()) {
            let floor: Recorded = serde_json::from_str(line).expect("a recorded floor");
            let requests: u32 = floor.counts.iter().sum();
            for request in ended..requests {
                let turn = request % 210;
                let leaks = if turn < 90 { turn % 3 < 2 } else { (turn - 90).is_multiple_of(4) };
                let since = u64::from(request + 1 - ended) * 1_000_000 / u64::from(requests - ended);
                let at = Nanos(before_ms * 1_000_000 + (floor.ms - before_ms) * since);
                attribution.finished(RouteId(if leaks { 1 } else { 2 }), at);
            }
            (ended, before_ms) = (requests, floor.ms);
            attribution.marked(Mark { id, at: Nanos::from_ms(floor.ms), in_flight: 0 });
            attribution.floor(&Floor { mark: id, heap_used: floor.heap, ..Floor::default() });
            let leaks = judge(&attribution, &routes, None, 4e-3, |_| String::new()).leaks;
            assert!(leaks.iter().all(|leak| leak.routes != ["holds"]), "{} ms: {leaks:?}", floor.ms);
            found |= leaks.iter().any(|leak| leak.routes == ["leaks"]);
        }
        assert!(found);
    }
}
