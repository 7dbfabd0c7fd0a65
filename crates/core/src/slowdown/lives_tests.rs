//! Two weeks of a service, minute by minute, on a simulated clock: releases every two to three days, a weekend without
//! traffic, and sixty endpoints that are slow and stable beside the one that gets slower.

use super::lives::{LifeRecord, Past};
use super::*;
use crate::estimate::Random;
use crate::event::{Nanos, Outcome};

const MINUTE_NS: u64 = 60_000_000_000;
const DAY: u32 = 1_440;
/// Releases, minutes since a Wednesday at midnight; the process lives from each to the next.
const RELEASES: [u32; 7] = [0, 3_540, 7_100, 10_300, 14_000, 17_300, 14 * DAY];
/// The fifth life begins on a Friday evening: when requests come again it is several times slower already.
const OVER_THE_WEEKEND: usize = 4;

struct Endpoint {
    base_ms: f64,
    rate: f64,
    /// How much of its latency follows the load.
    follows: f64,
    wander: f64,
}

/// What the simulated service's route that gets slower does.
#[derive(Clone, Copy)]
struct Story {
    /// It doubles in so many days of age; 0: never.
    doubles_days: f64,
    /// The same in time that passes, whatever the age.
    calendar_days: f64,
}

struct Seen {
    /// Routes named, each with the life and how much slower it was than at low age.
    named: Vec<(String, usize, f64)>,
    last: Vec<Slowdown>,
}

fn load(minute: u32) -> f64 {
    if matches!(minute / DAY % 7, 3 | 4) {
        return 0.0;
    }
    1.0 - 0.7 * (std::f64::consts::TAU * f64::from(minute % DAY) / f64::from(DAY)).cos()
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "made-up numbers")]
fn play(chance: u64, story: Story) -> Seen {
    let mut random = Random::new(chance);
    let mut endpoints: Vec<Endpoint> = (0..60)
        .map(|_| Endpoint {
            base_ms: random.between(150.0, 1_500.0),
            rate: random.between(3.0, 7.0),
            follows: if random.unit() < 0.3 { random.between(0.1, 0.5) } else { 0.0 },
            wander: 0.0,
        })
        .collect();
    let mut seen = Seen { named: Vec::new(), last: Vec::new() };
    let mut lives: Vec<LifeRecord> = Vec::new();
    for (life, span) in RELEASES.windows(2).enumerate() {
        let mut names = RouteTable::new(100);
        names.intern("GET /mails/:customer");
        (1..=60).for_each(|index| {
            names.intern(&format!("GET /slow/{index}"));
        });
        let mut slowdowns = Slowdowns::new(0, 0, 10_000);
        slowdowns.remember(Past::new(&lives));
        // A release moves levels a little.
        let release: f64 = random.between(0.93, 1.07);
        for minute in span[0]..span[1] {
            let age_days = f64::from(minute - span[0]) / f64::from(DAY);
            let now = u64::from(minute - span[0]) * MINUTE_NS;
            let load = load(minute);
            let machine = 0.04 * random.normal();
            let grown = |days: f64, doubles: f64| if doubles > 0.0 { (days / doubles).exp2() } else { 1.0 };
            let slower = grown(age_days, story.doubles_days)
                * grown(f64::from(minute) / f64::from(DAY), story.calendar_days);
            let mut requests =
                |route: u16, rate: f64, (work_ms, ms): (f64, f64), wander: f64, random: &mut Random| {
                    for _ in 0..(rate * load).round() as u32 {
                        let factor = (0.35 * random.normal() + machine + wander).exp();
                        slowdowns.finished(&RequestRecord {
                            route: RouteId(route),
                            outcome: Outcome::Finished,
                            status: 200,
                            ended: Nanos(now),
                            duration_ns: (ms * factor * 1e6) as u64,
                            thread_ns: (work_ms * factor * 1e6) as u64,
                            overlap: 1.0,
                            heap_delta: 0,
                            allocated: 0,
                            external_delta: 0,
                        });
                    }
                };
            let mails = 120.0 * release * slower;
            requests(1, 6.0, (0.3 * mails, mails), 0.0, &mut random);
            for (index, endpoint) in endpoints.iter_mut().enumerate() {
                // Levels wander by 10 % in hours.
                endpoint.wander = 0.997 * endpoint.wander + 0.008 * random.normal();
                let ms = endpoint.base_ms * (1.0 + endpoint.follows * (load - 1.0));
                let route = u16::try_from(index + 2).unwrap();
                requests(route, endpoint.rate, (0.3 * endpoint.base_ms, ms), endpoint.wander, &mut random);
            }
            if slowdowns.close(now + MINUTE_NS) && minute % 5 == 0 {
                slowdowns.judge(&[], &names);
                for found in slowdowns.reported() {
                    if !seen.named.iter().any(|(route, when, _)| *route == found.route && *when == life) {
                        seen.named.push((found.route.clone(), life, slower));
                    }
                }
            }
        }
        seen.last = slowdowns.reported();
        lives.push(slowdowns.life(&names));
    }
    seen
}

/// The story: it doubles every day; a life sees it four- to eightfold.
#[test]
fn the_endpoint_is_named_early_in_the_second_life_and_nothing_else_is() {
    let seen = play(1, Story { doubles_days: 1.0, calendar_days: 0.0 });

    assert!(seen.named.iter().all(|(route, ..)| route == "GET /mails/:customer"), "{:?}", seen.named);
    for later in (1..RELEASES.len() - 1).filter(|life| *life != OVER_THE_WEEKEND) {
        let (.., slower) =
            seen.named.iter().find(|(_, life, _)| *life == later).expect("named in every life");
        // The third begins in a night, when there are two requests a minute.
        let most = if later == 1 { 1.5 } else { 1.7 };
        assert!(*slower < most, "life {later}: named at {slower} times its baseline");
    }
    let [found] = seen.last.as_slice() else { panic!("{:?}", seen.last) };
    let days = found.doubling_time_ms / 86.4e6;
    assert!((days - 1.0).abs() < 0.25, "doubles every {days} days: {}", found.because);
    assert!((found.baseline_ms / (0.3 * 120.0) - 1.0).abs() < 0.25, "{}", found.because);
}

/// What no single life can tell: before it has doubled there is a release.
#[test]
fn a_trend_that_releases_hide_is_found() {
    let seen = play(2, Story { doubles_days: 4.0, calendar_days: 0.0 });

    assert!(seen.named.iter().all(|(route, ..)| route == "GET /mails/:customer"), "{:?}", seen.named);
    let first = seen.named.first().expect("it is named");
    assert!(first.1 == 1 && first.2 < 1.5, "{first:?}");
    let found = seen.last.first().expect("and in the last life again");
    assert!((found.doubling_time_ms / 86.4e6 / 4.0 - 1.0).abs() < 0.25, "{}", found.because);
    assert!(found.lives >= 3 && found.because.contains("a restart takes it back"), "{}", found.because);
}

/// A table without an index gets slower whatever the age of the process; a restart does not help, and lives say nothing.
#[test]
fn what_grows_with_time_and_not_with_age_is_no_matter_of_lives() {
    let seen = play(3, Story { doubles_days: 0.0, calendar_days: 6.0 });
    assert!(seen.named.iter().all(|(route, ..)| route == "GET /mails/:customer"), "{:?}", seen.named);
    assert!(seen.last.iter().all(|found| found.lives == 1), "{:?}", seen.last);
}

/// Three fortnights of 61 healthy endpoints.
#[test]
fn stable_endpoints_accuse_nobody() {
    for seed in 10..13 {
        let seen = play(seed, Story { doubles_days: 0.0, calendar_days: 0.0 });
        assert!(seen.named.is_empty(), "seed {seed}: {:?}", seen.named);
    }
}

#[test]
fn a_life_comes_back_from_its_bytes_and_other_bytes_do_no_harm() {
    let mut names = RouteTable::new(10);
    names.intern("GET /a");
    let mut slowdowns = Slowdowns::new(0, 0, 10_000);
    for minute in 0..90 {
        for _ in 0..9 {
            slowdowns.finished(&RequestRecord {
                route: RouteId(1),
                outcome: Outcome::Finished,
                status: 200,
                ended: Nanos(0),
                duration_ns: 3_000_000,
                thread_ns: 2_000_000,
                overlap: 1.0,
                heap_delta: 0,
                allocated: 0,
                external_delta: 0,
            });
        }
        slowdowns.close((minute + 1) * MINUTE_NS);
    }

    let life = slowdowns.life(&names);

    assert_eq!(record::process(&life.process).len(), slowdowns.buckets.len());
    let [(name, data)] = life.routes.as_slice() else { panic!("{:?}", life.routes) };
    let route = record::route(data);
    let log = |bucket: &history::Bucket| bucket.log(Signal::AppThread, 6.0).unwrap();
    assert_eq!((name.as_str(), route.buckets().len()), ("GET /a", slowdowns.routes[1].buckets().len()));
    assert!((log(&route.buckets()[0]).exp() / 2e6 - 1.0).abs() < 1e-3);
    for bytes in [&[][..], &[2; 90], &[1; 7], &[0xff; 200], &[1, 0xff, 0xff, 0xff, 0x7f, 1, 2, 3, 4]] {
        let garbage =
            LifeRecord { process: bytes.to_vec(), routes: vec![("GET /a".to_owned(), bytes.to_vec())] };
        assert!(Past::new(&[garbage]).suspects_none());
    }
}
