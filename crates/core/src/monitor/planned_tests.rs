//! The planner and the attribution together: a process of the preset `production`, and shadows that answer.

use super::*;
use crate::estimate::Random;
use crate::event::{Mark, Outcome};

const ROUTES: usize = 6;

/// What a run of the process came to.
#[derive(Debug, Default)]
struct Run {
    freezes: Vec<u64>,
    first_right: Option<u64>,
    wrong: Vec<String>,
}

/// 500 MB of heap, 50 requests a second over six routes whose mix wanders, one of which keeps `kept` bytes per request;
/// V8 collects the young generation each second and the whole heap when 150 MB of garbage have been promoted. A floor
/// wobbles by 50 kB, as was measured in shadows of real servers.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "made-up bytes")]
fn run(seed: u64, kept: f64, seconds: u64) -> Run {
    let config = Config {
        max_routes: 500,
        window_ms: 10_000,
        warm_up_ms: 60_000,
        tick_ms: 250,
        forced_floors: false,
        series: false,
        triggers: Vec::new(),
    };
    let mut monitor = Monitor::new(config, Nanos(0), 0);
    monitor.use_floors(FloorSource::Shadow);
    let routes: Vec<RouteId> = (0..ROUTES).map(|index| monitor.intern(&format!("GET /{index}"))).collect();
    let mut random = Random::new(seed);
    let mut bell = move || 2.0 * ((0..3).map(|_| random.unit()).sum::<f64>() - 1.5);
    let mut weights = [1.0_f64; ROUTES];
    let (mut floor, mut garbage) = (5e8, 0.0);
    let mut run = Run::default();
    for second in 1..=seconds {
        if second % 20 == 0 {
            weights = weights.map(|weight| (0.7 * weight.ln() + 0.6 * bell()).exp());
        }
        let all: f64 = weights.iter().sum();
        let at = Nanos::from_ms(second * 1_000);
        for (route, weight) in routes.iter().zip(weights) {
            let count = (50.0 * weight / all + 2.0 * bell()).max(0.0).round();
            let record = RequestRecord {
                route: *route,
                outcome: Outcome::Finished,
                status: 200,
                ended: at,
                duration_ns: 20_000_000,
                thread_ns: 3_000_000,
                overlap: 1.0,
                heap_delta: 0,
                allocated: 0,
                external_delta: 0,
            };
            monitor.observe(&Event::Requests(vec![record; count as usize].into()));
            floor += if *route == routes[2] { kept * count } else { 0.0 };
            garbage += 4_000.0 * count;
        }
        let kind = if garbage > 1.5e8 { GcKind::Major } else { GcKind::Minor };
        garbage = if kind == GcKind::Major { 0.0 } else { garbage };
        monitor.observe(&Event::Gc(GcRecord {
            kind,
            ended: at,
            pause_ns: 2_000_000,
            heap_before: None,
            heap_after: (floor + garbage + 2e6 * bell().abs()) as u64,
            external_after: 1 << 20,
        }));
        monitor.tick(&Surroundings { now: at, ..Surroundings::default() });
        if monitor.wants_floor(at) {
            monitor.floor_asked(at);
            let mark = run.freezes.len() as u32;
            run.freezes.push(second);
            monitor.observe(&Event::Mark(Mark { id: mark, at, in_flight: 1 }));
            let heap_used = (floor + 5e4 * bell()) as u64;
            monitor.floor(&Floor {
                mark,
                heap_used,
                external: 1 << 20,
                array_buffers: 0,
                watched: Vec::new(),
            });
        }
        for leak in monitor.leaks() {
            if leak.routes == ["GET /2"] {
                run.first_right.get_or_insert(second);
            } else {
                run.wrong.push(leak.routes.join(", "));
            }
        }
    }
    run
}

#[test]
fn a_kilobyte_per_request_in_500_mb_is_reported_within_half_an_hour_by_20_freezes() {
    for seed in 0..2 {
        // 50 requests a second over six routes: the leaking one has about eight of them.
        let run = run(seed, 1_024.0, 1_800);
        assert!(run.first_right.is_some_and(|second| second <= 1_800), "{seed}: {run:?}");
        assert!(run.freezes.len() <= 20 && run.wrong.is_empty(), "{seed}: {run:?}");
    }
}

#[test]
fn a_healthy_process_is_looked_at_and_left_alone() {
    let healthy = run(9, 0.0, 2 * 3_600);
    assert!(healthy.first_right.is_none() && healthy.wrong.is_empty(), "{healthy:?}");
    assert!(healthy.freezes.len() <= 30, "{} in two hours", healthy.freezes.len());
}
