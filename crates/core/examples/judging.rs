//! What judging triggers costs: one second of a monitor with 500 busy routes, with the default kind of rule, with ten rules, and
//! with the most that can be configured.
//!
//! ```text
//! cargo run --release -p leakprobe-core --example judging [SECONDS]
//! ```
//!
//! CPU time of the thread where `/proc` tells it, so a busy machine does not count; less that of the rest, which is the
//! first row.

#![allow(clippy::print_stdout, reason = "it is what this program is for")]

use leakprobe_core::event::{Event, Outcome, RequestRecord};
use leakprobe_core::trigger::{Preset, Trigger, read};
use leakprobe_core::{Config, Monitor, Nanos, RouteId, Surroundings};
use serde_json::{Value, json};
use std::time::Instant;

const ROUTES: u16 = 500;
/// The recorder's step, ms.
const STEP_MS: u64 = 50;

fn main() {
    let seconds = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(120);
    let latency = json!({ "type": "latency", "aboveMs": 2_000, "minRequests": 1 });
    let baseline = json!({ "type": "latency", "timesBaseline": 2, "aboveMs": 2_000, "minRequests": 1 });
    let all = json!({ "all": vec![&baseline; 4] });
    println!("500 routes, 20 requests each in every window; CPU ms per second of uptime, and memory");
    let mut rest = 0.0;
    for (name, triggers) in [
        ("none", json!([])),
        ("one latency rule for 30 s", rules(1, &latency, 30_000)),
        ("one baseline rule for 5 min", rules(1, &baseline, 300_000)),
        ("ten baseline rules for 5 min", rules(10, &baseline, 300_000)),
        ("25 rules of four each for a day", rules(25, &all, 86_400_000)),
    ] {
        match read(&triggers, Preset::Production) {
            Ok(triggers) => {
                let (ms, bytes) = run(triggers, seconds);
                println!("{name:34} {:8.3} {:>8} kB", ms - rest, bytes / 1_000);
                rest = if rest > 0.0 { rest } else { ms };
            }
            Err(problems) => println!("{name}: {problems:?}"),
        }
    }
}

fn rules(count: usize, when: &Value, for_ms: u64) -> Value {
    let rule = |index| json!({ "name": format!("r{index}"), "when": when, "forMs": for_ms, "warmUpMs": 0 });
    (0..count).map(rule).collect()
}

/// CPU ms per second of uptime, and bytes held.
fn run(triggers: Vec<Trigger>, seconds: u64) -> (f64, u64) {
    // A little longer than a test's, so that baselines and look-backs are those of production.
    let window_ms = 1_001;
    let config = Config {
        max_routes: ROUTES,
        window_ms,
        warm_up_ms: 0,
        tick_ms: 250,
        forced_floors: false,
        series: false,
        triggers,
    };
    let mut monitor = Monitor::new(config, Nanos(0), 0);
    let ids: Vec<RouteId> = (0..ROUTES).map(|index| monitor.intern(&format!("GET /{index}"))).collect();
    let before = cpu_ms();
    for step in 0..seconds * 1_000 / STEP_MS {
        let now = Nanos::from_ms(step * STEP_MS);
        for (index, id) in (0..).zip(&ids) {
            let ms = 1 + (index * 7 + step * 13) % 900;
            monitor.observe(&Event::Requests(Box::new([record(*id, now, ms)])));
        }
        monitor.tick(&Surroundings { now, last_turn: Some(now), ..Surroundings::default() });
    }
    let seconds = f64::from(u32::try_from(seconds).unwrap_or(1).max(1));
    ((cpu_ms() - before) / seconds, monitor.bytes())
}

/// CPU time of this thread, ms; wall-clock time where it is not told.
fn cpu_ms() -> f64 {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let ns: Option<f64> = told.and_then(|text| text.split_ascii_whitespace().next()?.parse().ok());
    ns.map_or_else(|| START.elapsed().as_secs_f64() * 1e3, |ns| ns / 1e6)
}

static START: std::sync::LazyLock<Instant> = std::sync::LazyLock::new(Instant::now);

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
