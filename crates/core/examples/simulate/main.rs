//! Simulations behind the figures in `docs/design/attribution.md`:
//!
//! ```text
//! cargo run --release -p leakprobe-core --example simulate -- coverage|healthy|days|power|production|cost|replay [COUNT] [FROM]
//! ```

#![allow(clippy::print_stdout, reason = "it is what this program is for")]

mod replay;
mod service;

use leakprobe_core::attribution::{Attribution, judge};
use leakprobe_core::estimate::{Fit, Growth, Random};
use leakprobe_core::event::{Mark, TickReading};
use leakprobe_core::observation::Floor;
use leakprobe_core::route_table::RouteTable;
use leakprobe_core::{Nanos, RouteId};
use service::{Leak, PRODUCTION, Pace, Service, TEST, pick};

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let number =
        |index: usize, usual: u64| args.get(index).and_then(|text| text.parse().ok()).unwrap_or(usual);
    let (count, from) = (number(1, 1_000), number(2, 0));
    match args.first().map(String::as_str) {
        Some("coverage") => coverage(count),
        Some("healthy") => healthy(count, from, TEST, 40.0, "services of 40 s"),
        Some("days") => healthy(count, from, PRODUCTION, 86_400.0, "service-days"),
        Some("power") => power(count, from),
        Some("production") => production(count, from),
        Some("cost") => cost(),
        Some("replay") => args.iter().skip(1).for_each(|file| replay::replay(file)),
        _ => println!(
            "coverage, healthy, days, power, production or cost, then how many, then the first seed; or replay, then files"
        ),
    }
}

/// How often a 95 % interval holds the truth: over the kinds of noise, numbers of readings and of routes.
#[expect(clippy::cast_precision_loss, reason = "small counts")]
fn coverage(count: u64) {
    for (title, level, permanent, heavy) in [
        ("white errors of levels", 4e4, 1e3, false),
        ("half and half", 2e4, 2.5e4, false),
        ("permanent noise", 1e3, 4e4, false),
        ("heavy tails", 2e4, 2.5e4, true),
    ] {
        for (rows, routes) in [(12, 3), (12, 8), (20, 5), (30, 8), (60, 10), (120, 10)] {
            let mut held = [0_u64; 2];
            let mut asked = [0_u64; 2];
            let mut zero = 0;
            for seed in 0..count {
                let mut random = Random::new(seed * 7 + 1);
                let columns: Vec<Vec<f64>> = (0..routes)
                    .map(|_| {
                        let mut mix = 1.0;
                        (0..rows)
                            .map(|row| {
                                if row % 4 == 0 {
                                    mix = 3.3_f64.powf(2.0 * random.unit() - 1.0);
                                }
                                (20.0 * mix + (20.0 * mix).sqrt() * random.normal()).max(0.0).round()
                            })
                            .collect()
                    })
                    .chain([vec![1.0; rows]])
                    .collect();
                let mut errors = Vec::new();
                for _ in 0..=rows {
                    errors.push(level * if heavy { random.heavy(4) } else { random.normal() });
                }
                let growth = (0..rows)
                    .map(|row| {
                        let stays = permanent * if heavy { random.heavy(4) } else { random.normal() };
                        3_000.0 * columns[0][row] + stays + errors[row + 1] - errors[row]
                    })
                    .collect();
                let problem = Growth { growth, columns, spans: vec![1.0; rows], resolution: 1.0 };
                let Some(fit) = Fit::new(&problem) else { continue };
                for (which, column, truth) in [(0, 0, 3_000.0), (1, 1, 0.0)] {
                    let found = fit.interval(column);
                    asked[which] += 1;
                    held[which] += u64::from(found.low <= truth && truth <= found.high);
                }
                zero += u64::from(fit.chance(&[1]) < 1e-3);
            }
            let share = |which: usize| 100.0 * held[which] as f64 / asked[which].max(1) as f64;
            println!(
                "{title}: {rows} readings, {routes} routes: leaky {:.1} %, healthy {:.1} %; beyond 1 in 1 000: {zero} of {}",
                share(0),
                share(1),
                asked[1]
            );
        }
    }
}

/// What one look costs with 500 routes of which three leak, when every timeline is full.
fn cost() {
    let mut attribution = Attribution::new(0, 0, false);
    let mut routes = RouteTable::new(500);
    let mut random = Random::new(1);
    let mut heap = 5e8;
    for route in 0..500 {
        routes.intern(&format!("GET /{route}"));
    }
    for (second, id) in (1..=130_u64).zip(0..) {
        for route in 1..=500 {
            let count = random.below(20);
            (0..count).for_each(|_| attribution.finished(RouteId(route), Nanos::from_ms(second * 1_000)));
            if [3, 70, 300].contains(&route) {
                heap += 2_000.0 * f64::from(u32::try_from(count).unwrap_or(0));
            }
        }
        let at = Nanos::from_ms(second * 1_000);
        let listeners = u32::try_from(second * 30).ok();
        attribution.ticked(&TickReading {
            at,
            listeners,
            timers: Some(3),
            handles: Some(9),
            ..TickReading::default()
        });
        attribution.marked(Mark { id, at, in_flight: 3 });
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "bytes of a heap")]
        let heap_used = (heap + 2e4 * random.normal()) as u64;
        attribution.floor(&Floor { mark: id, heap_used, external: heap_used / 9, ..Floor::default() });
    }
    let began = std::time::Instant::now();
    let mut leaks = 0;
    for _ in 0..20 {
        leaks = judge(&attribution, &routes, None, 1e-4, |_| String::new()).leaks.len();
    }
    println!(
        "{:.1} ms a look, {leaks} leaks, {} kB held",
        began.elapsed().as_secs_f64() * 1e3 / 20.0,
        attribution.bytes() / 1024
    );
}

/// How many healthy services are accused, at any time.
fn healthy(count: u64, from: u64, pace: Pace, seconds: f64, title: &str) {
    let (mut ever, mut at_end) = (0, 0);
    for seed in from..from + count {
        let mut service = Service::new(seed, pace, None);
        let mut accused = false;
        while service.now_s < seconds {
            service.step();
            let reported = service.reported();
            if !reported.is_empty() && !accused {
                accused = true;
                let leak = &service.monitor.leaks()[0];
                println!(
                    "seed {seed}: {reported:?} {:?} rows {} {}",
                    leak.per_request,
                    leak.evidence[0].intervals,
                    service.describe()
                );
            }
        }
        ever += u64::from(accused);
        at_end += u64::from(!service.reported().is_empty());
    }
    println!("{count} {title}: {ever} accused at some time, {at_end} at the end");
}

/// Leaks of 125 B to 600 kB, one or two, found by when.
fn power(count: u64, from: u64) {
    let mut by_size: Vec<Tally> = (0..6).map(|_| Tally::default()).collect();
    for seed in from..from + count {
        let mut service = Service::new(seed, TEST, None);
        let mut random = Random::new(seed ^ 0xabcd);
        let leaks = if random.unit() < 0.3 { 2 } else { 1 };
        for index in 0..leaks {
            let route = (pick(&mut random, 0, service.routes - 1) + index) % service.routes;
            let bytes = 125.0 * 4_800.0_f64.powf(random.unit());
            if service.leaks.iter().all(|leak| leak.route != route) {
                service.leaks.push(Leak { route, bytes, from_s: 0.0 });
            }
        }
        let mut right_at = None;
        let truth: Vec<usize> = service.leaks.iter().map(|leak| leak.route).collect();
        let mut wrong = false;
        while service.now_s < 27.0 {
            service.step();
            let named: Vec<usize> = service.reported().into_iter().flatten().collect();
            wrong |= service.reported().iter().any(|group| group.iter().all(|route| !truth.contains(route)));
            if right_at.is_none() && truth.iter().all(|route| named.contains(route)) {
                right_at = Some(service.now_s);
            }
        }
        let named: Vec<usize> = service.reported().into_iter().flatten().collect();
        // By what the smallest leak adds in a second.
        let rate = |leak: &Leak| leak.bytes * service.rate(leak.route);
        let smallest = service.leaks.iter().map(rate).fold(f64::INFINITY, f64::min);
        let class = [1e4, 3e4, 1e5, 3e5, 1e6].iter().filter(|limit| smallest >= **limit).count();
        if let Some(tally) = by_size.get_mut(class) {
            tally.all += 1;
            tally.found += u64::from(truth.iter().all(|route| named.contains(route)));
            tally.wrong += u64::from(wrong);
            tally.grouped += u64::from(service.reported().iter().any(|group| group.len() > 1));
            tally.times.extend(right_at);
            for leak in service.monitor.leaks() {
                let route = leak.route.trim_start_matches("GET /").parse().unwrap_or(usize::MAX);
                if let Some(true_leak) = service.leaks.iter().find(|leak| leak.route == route)
                    && leak.routes.len() == 1
                {
                    let ratio = leak.per_request.value / true_leak.bytes;
                    tally.amounts += 1;
                    tally.within += u64::from((0.5..=2.0).contains(&ratio));
                    tally.held += u64::from(
                        leak.per_request.low <= true_leak.bytes && true_leak.bytes <= leak.per_request.high,
                    );
                }
            }
        }
    }
    for (tally, title) in
        by_size.iter_mut().zip(["< 10 kB/s", "10-30", "30-100", "100-300", "300-1000", "> 1 MB/s"])
    {
        tally.times.sort_by(f64::total_cmp);
        let median = tally.times.get(tally.times.len() / 2);
        println!(
            "{title}: {} services, all leaks named {}, a wrong one at some time {}, grouped {}, median {:.1?} s, amounts {} within 2x {}, in interval {}",
            tally.all,
            tally.found,
            tally.wrong,
            tally.grouped,
            median,
            tally.amounts,
            tally.within,
            tally.held
        );
    }
}

#[derive(Default)]
struct Tally {
    all: u64,
    found: u64,
    wrong: u64,
    grouped: u64,
    times: Vec<f64>,
    amounts: u64,
    within: u64,
    held: u64,
}

/// 1 kB per request at 50 requests/s of one route in a service with preset `production`: exact floors until it is named.
fn production(count: u64, from: u64) {
    let mut floors: Vec<(u32, f64)> = Vec::new();
    let mut wrong = 0;
    for seed in from..from + count {
        let mut service = Service::new(seed, PRODUCTION, None);
        let route = pick(&mut service.random, 0, service.routes - 1);
        let bytes = 1_000.0 * 50.0 / service.rate(route);
        service.leaks.push(Leak { route, bytes, from_s: 0.0 });
        while service.now_s < 7_200.0 && service.reported().is_empty() {
            service.step();
        }
        wrong += u64::from(!service.reported().is_empty() && !service.reported().concat().contains(&route));
        floors.push((service.floors, service.now_s));
    }
    floors.sort_by_key(|(floors, _)| *floors);
    let at = |share: usize| floors.get(floors.len() * share / 100).copied();
    let in_time = floors.iter().filter(|(floors, seconds)| *floors <= 20 && *seconds <= 1_800.0).count();
    println!(
        "median {:?}, 90 % {:?}, within 20 floors and 30 min {in_time} of {count}, wrong {wrong}",
        at(50),
        at(90)
    );
}
