//! What judging triggers costs: one second of a monitor with 500 busy routes, with the default kind of rule, with ten rules, and
//! with the most that can be configured.
//!
//! ```text
//! cargo run --release -p leakprobe-core --example judging [SECONDS]
//! ```

#![allow(clippy::print_stdout, reason = "it is what this program is for")]

use leakprobe_core::event::{Event, Outcome, RequestRecord};
use leakprobe_core::trigger::{Preset, Trigger, read};
use leakprobe_core::{Config, Monitor, Nanos, RouteId, Surroundings};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const ROUTES: u16 = 500;
/// The recorder's step, ms.
const STEP_MS: u64 = 50;

fn main() {
    let seconds = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(120);
    let latency = json!({ "type": "latency", "aboveMs": 2_000, "minRequests": 1 });
    let baseline = json!({ "type": "latency", "timesBaseline": 2, "aboveMs": 2_000, "minRequests": 1 });
    let all = json!({ "all": vec![&baseline; 4] });
    println!("500 routes, each with requests in every window; ms per second of uptime: mean, longest step");
    for (name, triggers) in [
        ("none", json!([])),
        ("one latency rule for 30 s", rules(1, &latency, 30_000)),
        ("one baseline rule for 5 min", rules(1, &baseline, 300_000)),
        ("ten baseline rules for 5 min", rules(10, &baseline, 300_000)),
        ("25 rules of four each for a day", rules(25, &all, 86_400_000)),
    ] {
        match read(&triggers, Preset::Production) {
            Ok(triggers) => run(name, triggers, seconds),
            Err(problems) => println!("{name}: {problems:?}"),
        }
    }
}

fn rules(count: usize, when: &Value, for_ms: u64) -> Value {
    let rule = |index| json!({ "name": format!("r{index}"), "when": when, "forMs": for_ms, "warmUpMs": 0 });
    (0..count).map(rule).collect()
}

fn run(name: &str, triggers: Vec<Trigger>, seconds: u64) {
    let config = Config {
        max_routes: ROUTES,
        window_ms: 1_001,
        warm_up_ms: 0,
        tick_ms: 250,
        forced_floors: false,
        triggers,
    };
    let mut monitor = Monitor::new(config, Nanos(0), 0);
    let ids: Vec<RouteId> = (0..ROUTES).map(|index| monitor.intern(&format!("GET /{index}"))).collect();
    let (mut total, mut longest) = (Duration::ZERO, Duration::ZERO);
    for step in 0..seconds * 1_000 / STEP_MS {
        let now = Nanos::from_ms(step * STEP_MS);
        for (index, id) in (0..).zip(&ids) {
            monitor.observe(&Event::Requests(Box::new([record(
                *id,
                now,
                1 + (index * 7 + step * 13) % 900,
            )])));
        }
        let before = Instant::now();
        monitor.tick(&Surroundings { now, last_turn: Some(now), ..Surroundings::default() });
        let took = before.elapsed();
        total += took;
        longest = longest.max(took);
    }
    let mean = total.as_secs_f64() * 1e3 / f64::from(u32::try_from(seconds).unwrap_or(1).max(1));
    let bytes = monitor.bytes() / 1_000;
    println!("{name:34} {mean:8.3} {:8.3}   {bytes} kB", longest.as_secs_f64() * 1e3);
}

fn record(route: RouteId, ended: Nanos, ms: u64) -> RequestRecord {
    RequestRecord {
        route,
        outcome: Outcome::Finished,
        status: 200,
        ended,
        duration_ns: ms * 1_000_000,
        thread_ns: 0,
        overlap: 1.0,
        heap_delta: 0,
        allocated: 0,
        external_delta: 0,
    }
}
