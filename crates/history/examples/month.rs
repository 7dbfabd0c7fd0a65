//! What a month of a service costs on disk and to read: `cargo run --release -p leakprobe-history --example month -- DIR`.
//! Prints JSON. Its argument is an empty directory.

#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a program that measures")]
#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "made-up numbers"
)]

use leakprobe_core::estimate::Random;
use leakprobe_core::history::{ProcessSlice, RouteSlice, Slice};
use leakprobe_history::{FILE, Keep, Life, Reader, Resolution, Store};
use std::path::PathBuf;
use std::time::Instant;

const ROUTES: usize = 60;
const DAYS: i64 = 30;
const MINUTE: i64 = 60;
const DAY: i64 = 86_400;
/// 2026-01-05, a Monday.
const BEGAN_S: i64 = 1_767_571_200;
/// Requests of each route in a minute.
const A_MINUTE: usize = 60;

fn ms(second: i64) -> u64 {
    (second * 1_000) as u64
}

fn slice(random: &mut Random, names: &[String], requests: usize) -> Slice {
    let route = |(index, name): (usize, &String)| {
        let mut route =
            RouteSlice { route: name.clone(), requests: requests as u64, ..RouteSlice::default() };
        for _ in 0..requests {
            let us = (20_000.0 * (1 + index) as f64 * (0.4 * random.normal()).exp()) as u64;
            route.sum_us += us;
            route.thread_us += us / 3;
            route.durations.record(us);
        }
        route
    };
    let routes = names.iter().enumerate().map(route).collect();
    let process = ProcessSlice {
        requests: (requests * names.len()) as u64,
        collections: 9,
        gc_pause_us: 12_345,
        gc_longest_us: 4_321,
        cpu_ms: Some(321),
        stall_ms: Some(12),
        heap_used: Some(123_456_789),
        floor: Some(98_765_432),
        external: Some(4_567_890),
        rss: Some(345_678_901),
        ..ProcessSlice::default()
    };
    Slice { process, routes }
}

fn main() {
    let directory = PathBuf::from(std::env::args().nth(1).unwrap());
    let life = Life { pid: 1, started_ms: ms(BEGAN_S), ..Life::default() };
    let (mut store, _) = Store::open(&directory, &life, ms(BEGAN_S)).unwrap();
    let mut random = Random::new(1);
    let names: Vec<String> = (0..ROUTES).map(|index| format!("GET /routes/{index}/of/:customer")).collect();
    let keep = Keep { most_bytes: 100 << 20 };
    // A minute at once; its distribution is a minute's.
    let mut at = BEGAN_S;
    let end = BEGAN_S + DAYS * DAY;
    while at < end {
        store.write(&[(at, slice(&mut random, &names, A_MINUTE))], &[], true, ms(at)).unwrap();
        if at % (10 * MINUTE) == 0 {
            store.maintain(keep, ms(at)).unwrap();
        }
        at += MINUTE;
    }
    // And ten minutes as they come, second by second.
    let mut seconds: Vec<f64> = Vec::new();
    for second in end..end + 600 {
        let slice = slice(&mut random, &names, 1);
        let began = Instant::now();
        store.write(&[(second, slice)], &[], true, ms(second)).unwrap();
        seconds.push(began.elapsed().as_secs_f64() * 1e3);
    }
    seconds.sort_by(f64::total_cmp);
    store.end(ms(end + 600)).unwrap();
    let size = |suffix: &str| {
        std::fs::metadata(directory.join(format!("{FILE}{suffix}"))).map_or(0, |file| file.len())
    };

    let week = (end - 7 * DAY, end);
    let mut queries: Vec<f64> = (0..21)
        .map(|index| {
            let began = Instant::now();
            let reader = Reader::open(&directory).unwrap();
            let points = reader.route(&names[index % ROUTES], week, Resolution::Minute).unwrap();
            assert_eq!(points.len() as i64, 7 * DAY / MINUTE);
            began.elapsed().as_secs_f64() * 1e3
        })
        .collect();
    queries.sort_by(f64::total_cmp);
    println!(
        "{{\"routes\":{ROUTES},\"days\":{DAYS},\"bytes\":{},\"logBytes\":{},\"weekMs\":{{\"median\":{:.1},\"max\":{:.1}}},\
         \"secondMs\":{{\"median\":{:.2},\"p99\":{:.2},\"max\":{:.2}}}}}",
        size(""),
        size("-wal"),
        queries[10],
        queries[20],
        seconds[300],
        seconds[594],
        seconds[599]
    );
}
