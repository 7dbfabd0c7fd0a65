//! The state machine, fed with made-up events and time.

use super::*;
use crate::event::{GcKind, GcRecord, Outcome, RequestRecord};
use crate::report::Cost;
use crate::trigger::{Action, Condition, CountLimit, Trigger, When};

pub(super) fn config(triggers: Vec<Trigger>) -> Config {
    Config {
        max_routes: 500,
        window_ms: 1_000,
        warm_up_ms: 0,
        tick_ms: 250,
        forced_floors: false,
        series: false,
        triggers,
    }
}

fn trigger(when: Condition) -> Trigger {
    Trigger {
        name: "t".to_owned(),
        when: When::One(when),
        routes: vec!["GET /slow*".to_owned()],
        except_routes: Vec::new(),
        for_ms: 2_000,
        clear_ratio: 0.5,
        warm_up_ms: 1_000,
        cooldown_ms: 10_000,
        max_per_hour: 2,
        max_trips: None,
        heap_snapshot: true,
        actions: vec![Action::Record, Action::HeapSnapshot],
        alarms: None,
    }
}

fn timers() -> Condition {
    Condition::Timers(CountLimit { above: Some(100.0), ..CountLimit::default() })
}

fn slow() -> Condition {
    Condition::Latency {
        quantile: 0.95,
        above_ms: Some(100.0),
        times_baseline: None,
        min_requests: 5,
        running: true,
    }
}

fn request(monitor: &mut Monitor, route: &str, at_ms: u64, duration_ms: u64) {
    let route = monitor.intern(route);
    monitor.observe(&Event::Requests(Box::new([RequestRecord {
        route,
        outcome: Outcome::Finished,
        status: 200,
        ended: Nanos::from_ms(at_ms),
        duration_ns: duration_ms * 1_000_000,
        thread_ns: 0,
        overlap: 1.0,
        heap_delta: 0,
        allocated: 0,
        external_delta: 0,
    }])));
}

fn at(ms: u64) -> Surroundings {
    Surroundings { now: Nanos::from_ms(ms), ..Surroundings::default() }
}

fn state(monitor: &Monitor, ms: u64) -> String {
    monitor.stats(Nanos::from_ms(ms), None, Cost::default()).triggers[0].state.clone()
}

fn tick(timers: u32) -> Event {
    Event::Tick(Box::new(TickReading { timers: Some(timers), heap_limit: 1, ..TickReading::default() }))
}

#[test]
fn a_slow_route_trips_after_its_time_and_the_worst_is_named() {
    let mut monitor = Monitor::new(config(vec![trigger(slow())]), Nanos(0), 0);
    let mut trips = Vec::new();
    for ms in (0..6_000).step_by(100) {
        request(&mut monitor, "GET /slow", ms, 200);
        request(&mut monitor, "GET /slower", ms, 400);
        request(&mut monitor, "GET /other", ms, 9_000);
        trips.extend(monitor.tick(&at(ms)).into_iter().map(|trip| (ms, trip)));
    }

    let (ms, trip) = trips.first().unwrap();
    assert_eq!(trips.len(), 1);
    assert_eq!(*ms, 3_000, "warm-up of 1 s, then 2 s without a break");
    assert_eq!(trip.route.as_deref(), Some("GET /slower"));
    assert!(trip.value > 370.0 && trip.heap_snapshot, "{trip:?}");
    assert!(trip.because.starts_with("GET /slower: "), "{}", trip.because);
}

#[test]
fn a_trigger_goes_through_its_states() {
    let mut monitor = Monitor::new(config(vec![trigger(timers())]), Nanos(0), 0);
    assert_eq!(state(&monitor, 0), "warming up");
    assert!(monitor.tick(&at(1_000)).is_empty());
    assert_eq!(state(&monitor, 1_000), "armed");

    monitor.observe(&tick(150));
    assert!(monitor.tick(&at(1_100)).is_empty());
    assert_eq!(state(&monitor, 1_100), "waiting");
    assert_eq!(monitor.tick(&at(3_100)).len(), 1);
    assert_eq!(state(&monitor, 3_100), "tripped");

    monitor.observe(&tick(80));
    assert!(monitor.tick(&at(3_200)).is_empty());
    assert_eq!(state(&monitor, 3_200), "tripped", "80 is not below half of 100");
    monitor.observe(&tick(40));
    assert!(monitor.tick(&at(3_300)).is_empty());
    assert_eq!(state(&monitor, 3_300), "cooling down");

    monitor.observe(&tick(150));
    assert!(monitor.tick(&at(3_400)).is_empty());
    assert!(monitor.tick(&at(5_400)).is_empty());
    assert_eq!(state(&monitor, 5_400), "throttled");
    let stats = monitor.stats(Nanos::from_ms(5_400), None, Cost::default());
    assert_eq!((stats.triggers[0].trips, stats.triggers[0].throttled), (1, 1));
}

#[test]
fn a_break_starts_the_waiting_anew() {
    let mut monitor = Monitor::new(config(vec![trigger(timers())]), Nanos(0), 0);
    for (ms, timers) in [(1_000, 150), (2_500, 99), (2_600, 150), (4_500, 150)] {
        monitor.observe(&tick(timers));
        assert!(monitor.tick(&at(ms)).is_empty(), "{ms}");
    }
    assert_eq!(monitor.tick(&at(4_600)).len(), 1);
}

#[test]
fn the_cap_holds_back_the_third_trip_of_an_hour() {
    let mut monitor = Monitor::new(config(vec![trigger(timers())]), Nanos(0), 0);
    let mut trips = 0;
    for minute in 1..=60 {
        for (seconds, timers) in [(0, 150), (2, 150), (30, 0)] {
            monitor.observe(&tick(timers));
            trips += monitor.tick(&at(minute * 60_000 + seconds * 1_000)).len();
        }
    }
    assert_eq!(trips, 2);
}

#[test]
fn a_stall_is_judged_without_events_but_not_when_the_watcher_was_late() {
    let mut stall = trigger(Condition::Stall { above_ms: 1_000.0 });
    stall.for_ms = 0;
    let mut monitor = Monitor::new(config(vec![stall]), Nanos(0), 0);
    let stalled = |ms, watcher_late| Surroundings {
        heap_limit_reached: false,
        now: Nanos::from_ms(ms),
        last_turn: Some(Nanos::from_ms(2_000)),
        watcher_late,
        memory_limit: None,
    };

    assert!(monitor.tick(&stalled(2_900, false)).is_empty());
    assert!(monitor.tick(&stalled(3_500, true)).is_empty());
    assert_eq!(monitor.tick(&stalled(3_550, false)).len(), 1);
    assert!(monitor.tick(&stalled(9_000, false)).is_empty(), "one stall is one incident");
}

#[test]
fn heap_is_held_against_the_smaller_of_both_limits() {
    let mut near = trigger(Condition::Heap { above_share: 0.8 });
    near.for_ms = 0;
    let mut monitor = Monitor::new(config(vec![near]), Nanos(0), 0);
    let reading = TickReading { heap_used: 90 << 20, heap_limit: 4 << 30, ..TickReading::default() };
    monitor.observe(&Event::Tick(Box::new(reading)));

    assert!(monitor.tick(&at(2_000)).is_empty());
    let cgroup = Surroundings { memory_limit: Some(100 << 20), ..at(2_100) };
    assert_eq!(monitor.tick(&cgroup).len(), 1);
}

#[test]
fn what_is_live_is_held_against_the_limit_without_the_young_generations_room() {
    let mut near = trigger(Condition::Heap { above_share: 0.8 });
    near.for_ms = 0;
    let mut monitor = Monitor::new(config(vec![near]), Nanos(0), 0);
    let reading = TickReading { heap_used: 96 << 20, heap_limit: 144 << 20, ..TickReading::default() };
    let collection = GcRecord {
        kind: GcKind::Major,
        ended: Nanos::from_ms(1_000),
        pause_ns: 1,
        heap_before: None,
        heap_after: 90 << 20,
        external_after: 0,
    };

    monitor.observe(&Event::Gc(collection));
    monitor.observe(&Event::Tick(Box::new(reading)));
    assert!(monitor.tick(&at(2_000)).is_empty(), "nothing is known of the young generation yet");

    monitor.young_generation_reserve(48 << 20);
    monitor.observe(&Event::Tick(Box::new(reading)));
    let heap = monitor.stats(Nanos::from_ms(2_100), None, Cost::default()).heap.unwrap();
    assert_eq!((heap.limit, heap.live_limit), (144 << 20, 96 << 20));
    assert_eq!(monitor.tick(&at(2_100)).len(), 1);
}

#[test]
fn memory_stays_bounded_with_500_routes_and_more() {
    let mut long = trigger(slow());
    long.for_ms = 10_000;
    let mut monitor = Monitor::new(config(vec![long]), Nanos(0), 0);
    for second in 0..60 {
        for route in 0..700_u64 {
            request(&mut monitor, &format!("GET /slow/{route}"), second * 1_000, route % 50 * 20 + second);
        }
        monitor.tick(&at(second * 1_000 + 999));
    }
    assert!(monitor.bytes() < 12 << 20, "{} bytes", monitor.bytes());
    let stats = monitor.stats(Nanos::from_ms(60_000), None, Cost::default());
    assert_eq!(stats.routes.len(), 501);
    assert_eq!(stats.routes[0].route, "other");
}

#[test]
fn time_is_text_of_the_wall_clock() {
    let monitor = Monitor::new(config(Vec::new()), Nanos::from_ms(500), 1_767_225_600_000);
    assert_eq!(monitor.wall(Nanos::from_ms(1_750)), "2026-01-01T00:00:01.250Z");
}
