//! Rules over a whole monitor: made-up requests, readings and time.

use super::testing::Service;
use crate::Surroundings;
use crate::attribution::Findings;
use crate::event::{Nanos, Running, TickReading};
use crate::hypothesis::SystemReading;
use crate::route_table::RouteTable;
use crate::slowdown::Slowdowns;
use crate::trigger::{Preset, Rules, Trip, View, read};
use serde_json::{Value, json};

#[test]
fn a_route_is_held_against_its_own_baseline() {
    let mut service = Service::new(
        &json!({ "type": "latency", "timesBaseline": 2, "minRequests": 10 }),
        &json!({ "forMs": 5_000 }),
    );
    let second = |service: &mut Service, ms: u64| {
        service.requests("GET /mails/:id", 30, ms, 200);
        service.requests("GET /slow-and-stable", 30, 900, 200);
        service.pass()
    };
    assert_eq!(second(&mut service, 20), None);
    let learning = "GET /mails/:id: not enough data: the route's baseline is still being learned";
    assert_eq!(service.state().because, learning);
    for _ in 0..20 {
        assert_eq!(second(&mut service, 20), None);
    }
    let trips: Vec<(u64, Trip)> =
        (0..20).filter_map(|late| second(&mut service, 60).map(|trip| (late, trip))).collect();

    let [(late, trip)] = &trips[..] else { panic!("{trips:?}") };
    assert!((4..=7).contains(late), "after five seconds: {late}");
    assert_eq!(trip.route.as_deref(), Some("GET /mails/:id"));
    assert!((trip.threshold / 40.0 - 1.0).abs() < 0.07 && trip.value > 55.0, "{trip:?}");
    assert!(trip.because.starts_with("GET /mails/:id: "), "{}", trip.because);
    assert!(trip.because.ends_with(" ms, 2 times its baseline"), "{}", trip.because);
}

#[test]
fn with_a_number_and_a_baseline_both_have_to_be_passed() {
    let mut service = Service::new(
        &json!({ "type": "latency", "timesBaseline": 2, "aboveMs": 100, "minRequests": 10 }),
        &json!({}),
    );
    let mut second = |ms: u64| {
        service.requests("GET /a", 30, ms, 200);
        service.pass()
    };
    (0..8).for_each(|_| assert_eq!(second(10), None));
    (0..5).for_each(|_| assert_eq!(second(50), None, "five times, and not slow"));
    let trip = (0..5).find_map(|_| second(150)).unwrap();
    assert!((trip.threshold - 100.0).abs() < 1e-9, "{trip:?}");
}

#[test]
fn conditions_of_routes_inside_all_speak_of_the_same_route() {
    let when = json!({ "all": [
        { "type": "latency", "aboveMs": 100, "minRequests": 5 },
        { "type": "errors", "aboveShare": 0.2, "minRequests": 5 },
        { "type": "in-flight", "above": 3 },
    ] });
    let mut service = Service::new(&when, &json!({}));
    let mut second = |both: bool, in_flight: u32| {
        service.tick(TickReading { in_flight, ..TickReading::default() });
        service.requests("GET /slow", 10, 300, if both { 503 } else { 200 });
        service.requests("GET /failing", 10, 5, 500);
        service.pass()
    };
    (0..5).for_each(|_| assert_eq!(second(false, 9), None));
    (0..5).for_each(|_| assert_eq!(second(true, 1), None));
    let trip = second(true, 9).unwrap();
    assert_eq!((trip.route.as_deref(), trip.condition.as_str()), (Some("GET /slow"), "latency"));
    assert!(
        trip.because.contains("GET /slow: errors ") && trip.because.contains("; in-flight 9 "),
        "{}",
        trip.because
    );
}

#[test]
fn any_of_several_is_enough_and_the_one_that_holds_is_named() {
    let when = json!({ "any": [
        { "type": "latency", "aboveMs": 100, "minRequests": 5 },
        { "type": "timers", "above": 50 },
        { "type": "cgroup", "aboveShare": 0.9 },
    ] });
    let mut service = Service::new(&when, &json!({ "routes": ["GET /a"] }));
    service.system(SystemReading::default());
    service.requests("GET /a", 10, 5, 200);
    assert_eq!(service.pass(), None);
    assert_eq!(service.state().state, "armed");
    assert!(
        service.state().because.contains("cgroup no readings: this process has no cgroup"),
        "{:?}",
        service.state()
    );

    service.tick(TickReading { timers: Some(60), ..TickReading::default() });
    let trip = service.pass().unwrap();
    assert_eq!((trip.condition.as_str(), trip.route), ("timers", None));

    service.tick(TickReading { timers: Some(1), ..TickReading::default() });
    assert_eq!(service.pass(), None);
    assert_eq!(service.state().state, "armed");
    service.requests("GET /b", 100, 500, 200);
    assert_eq!(service.pass(), None, "not among its routes");
    service.requests("GET /a", 100, 500, 200);
    let trip = service.pass().unwrap();
    assert_eq!((trip.condition.as_str(), trip.route.as_deref()), ("latency", Some("GET /a")));
}

#[test]
fn requests_that_still_run_count_in_the_latency() {
    let latency = |running: bool| json!({ "type": "latency", "quantile": 0.5, "aboveMs": 2_000, "minRequests": 5, "running": running });
    let mut service = Service::new(&latency(true), &json!({}));
    service.requests("GET /a", 4, 10, 200);
    service.running("GET /a", &[300, 400, 500, 600, 700]);
    assert_eq!(service.pass(), None, "younger than the threshold: they may still be quick");
    service.requests("GET /a", 4, 10, 200);
    service.running("GET /a", &[2_300, 2_400, 2_500, 2_600, 2_700]);
    let trip = service.pass().unwrap();
    assert!((trip.value - 3_300.0).abs() < 1.0, "a second older than told: {trip:?}");

    let mut without = Service::new(&latency(false), &json!({}));
    without.requests("GET /a", 4, 10, 200);
    without.running("GET /a", &[9_000; 9]);
    assert_eq!(without.pass(), None);
}

#[test]
fn a_request_that_never_ends_trips_by_its_age_and_an_old_list_does_not() {
    let mut service = Service::new(
        &json!({ "type": "running", "aboveMs": 5_000, "count": 2 }),
        &json!({ "routes": ["GET /a"] }),
    );
    service.running("GET /b", &[60_000; 3]);
    assert_eq!(service.pass(), None);
    service.running("GET /a", &[3_000, 60_000]);
    assert_eq!(service.pass(), None, "one of two is 4 s old");
    service.running("GET /a", &[5_000, 60_000]);
    let trip = service.pass().unwrap();
    assert_eq!((trip.route.as_deref(), trip.unit.as_str()), (Some("GET /a"), "ms"));
    (0..5).for_each(|_| assert_eq!(service.pass(), None));
    assert_eq!(service.state().state, "armed", "the loop has turned, and told of none since");
}

#[test]
fn a_trend_that_doubles_trips_and_a_slow_one_does_not() {
    let mut trips = [120_000, 20_000].map(|within_ms| {
        let mut service =
            Service::new(&json!({ "type": "slowdown", "doublesWithinMs": within_ms }), &json!({}));
        let mut first = None;
        for second in 0..120_u32 {
            let ms = 20.0 * (f64::from(second) / 40.0).exp2();
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "made-up")]
            service.requests("GET /a", 20, ms as u64, 200);
            service.requests("GET /b", 20, 50, 200);
            first = first.or(service.pass());
        }
        first
    });
    let trip = trips[0].take().unwrap();
    assert!(trip.route.as_deref() == Some("GET /a") && trip.value < 120_000.0, "{trip:?}");
    assert!(trip.because.starts_with("GET /a: doubles every "), "{}", trip.because);
    assert_eq!(trips[1], None);
}

#[test]
fn a_reported_leak_trips_for_each_of_its_routes_when_it_is_certain_and_of_the_kind() {
    let leak = |confidence: f64| -> Findings {
        let leak = json!({
            "id": "x", "route": "GET /a", "routes": ["GET /a", "GET /b"], "kind": "listener", "resource": "listeners",
            "confidence": confidence, "since": "", "evidence": [],
            "perRequest": { "value": 1, "low": 1, "high": 1, "unit": "listeners" },
            "growth": { "perHour": 1, "total": 1, "unit": "listeners" },
        });
        Findings { leaks: vec![serde_json::from_value(leak).unwrap()], enough: true, ..Findings::default() }
    };
    let mut routes = RouteTable::new(9);
    for name in ["GET /a", "GET /b", "GET /c"] {
        routes.intern(name);
    }
    let judged = |when: Value, globs: Value, findings: &Findings| {
        let rule = json!([{ "name": "t", "when": when, "routes": globs, "forMs": 0, "warmUpMs": 0 }]);
        let surroundings = Surroundings { now: Nanos::from_ms(5_000), ..Surroundings::default() };
        let view = View {
            routes: &routes,
            windows: &[],
            running: &Running::default(),
            last_tick: None,
            system: None,
            floor: None,
            findings,
            slowdowns: &Slowdowns::new(0, 0, 1_000),
            surroundings: &surroundings,
            window: 5,
            window_ms: 1_000,
        };
        let mut rules = Rules::new(&read(&rule, Preset::Test).unwrap(), 1_000);
        let route = rules.judge(5_000, &view).pop().map(|trip| trip.route);
        (route, rules.stats(surroundings.now, &routes).remove(0).because)
    };
    let any = || json!({ "type": "leak", "minConfidence": 0.9 });
    assert_eq!(judged(any(), json!([]), &leak(0.95)).0, Some(Some("GET /a".to_owned())));
    assert_eq!(judged(any(), json!(["* /b"]), &leak(0.95)).0, Some(Some("GET /b".to_owned())));
    assert_eq!(
        judged(any(), json!(["* /c"]), &leak(0.95)),
        (None, "GET /c: no such leak is reported".to_owned())
    );
    assert_eq!(judged(any(), json!([]), &leak(0.8)).0, None);
    assert_eq!(judged(json!({ "type": "leak", "kind": "timer" }), json!([]), &leak(0.95)).0, None);
    let learning = judged(any(), json!([]), &Findings::default()).1;
    assert_eq!(learning, "other: not enough data: the report is still learning");
}

#[test]
fn memory_that_grows_trips_and_a_burst_does_not() {
    let mut service =
        Service::new(&json!({ "type": "rss", "growsBytes": 5e7, "withinMs": 64_000 }), &json!({}));
    let mut second = |mb: u64| {
        service.system(SystemReading { rss: Some(mb * 1_000_000), ..SystemReading::default() });
        service.pass()
    };
    for at in 0..60 {
        assert_eq!(second(if at % 10 == 5 { 900 } else { 100 }), None);
    }
    let trips: Vec<u64> = (100..180).filter(|mb| second(*mb).is_some()).collect();
    assert!(trips.len() == 1 && (150..160).contains(&trips[0]), "{trips:?}");
}

#[test]
fn what_the_process_cannot_read_is_said() {
    let mut service = Service::new(&json!({ "type": "cgroup", "aboveShare": 0.5 }), &json!({}));
    assert_eq!(service.pass(), None);
    assert_eq!(service.state().because, "not enough data: the process has not been read yet");
    service.system(SystemReading::default());
    assert_eq!(service.pass(), None);
    let state = service.state();
    assert_eq!(
        (state.state.as_str(), state.because.as_str()),
        ("unavailable", "no readings: this process has no cgroup with a memory limit")
    );

    service.system(SystemReading {
        memory_limit: Some(100),
        memory_usage: Some(60),
        ..SystemReading::default()
    });
    assert_eq!(service.pass().unwrap().because, "60 % against 50 %");
}

#[test]
fn trips_in_a_span_are_limited_and_a_used_up_budget_is_seen() {
    let mut service = Service::new(
        &json!({ "type": "timers", "above": 50 }),
        &json!({ "maxTrips": { "count": 2, "perMs": 86_400_000 } }),
    );
    let mut trips = 0;
    for round in 0..10_u64 {
        service.second = round * 7_200;
        service.tick(TickReading { timers: Some(60), ..TickReading::default() });
        trips += u32::from(service.pass().is_some());
        if round == 0 {
            service.monitor.out_of_budget("t", "the budget of 3 freezes per hour is used up");
            let state = service.state();
            assert_eq!(state.state, "out of budget");
            assert!(state.because.ends_with("; the budget of 3 freezes per hour is used up"), "{state:?}");
        }
        if round == 5 {
            assert!(service.state().because.ends_with("; held back by maxTrips"), "{:?}", service.state());
        }
        service.tick(TickReading { timers: Some(0), ..TickReading::default() });
        service.pass();
    }
    assert_eq!((trips, service.state().throttled), (2, 8));
}

#[test]
fn a_cooldown_may_be_longer_than_an_hour() {
    let mut service =
        Service::new(&json!({ "type": "timers", "above": 50 }), &json!({ "cooldownMs": 86_400_000 }));
    let mut trips = 0;
    for hour in 0..48_u64 {
        service.second = hour * 3_600;
        for timers in [60, 0] {
            service.tick(TickReading { timers: Some(timers), ..TickReading::default() });
            trips += u32::from(service.pass().is_some());
        }
    }
    assert_eq!(trips, 2);
}

#[test]
fn a_route_that_holds_later_trips_by_itself_and_those_that_held_with_another_do_not() {
    let mut service =
        Service::new(&json!({ "type": "latency", "aboveMs": 100, "minRequests": 5 }), &json!({}));
    let second = |service: &mut Service, slow: &[&str]| {
        for route in ["GET /a", "GET /b", "GET /c", "GET /d"] {
            service.requests(route, 10, if slow.contains(&route) { 300 } else { 5 }, 200);
        }
        service.pass().map(|trip| (trip.route.unwrap(), trip.because))
    };
    assert_eq!(second(&mut service, &[]), None);
    let (_, because) = second(&mut service, &["GET /a", "GET /b"]).unwrap();
    assert!(because.ends_with(" ms against 100 ms; so does 1 other route"), "{because}");
    (0..5).for_each(|_| assert_eq!(second(&mut service, &["GET /a", "GET /b"]), None));
    assert_eq!(service.state().state, "tripped");

    let (route, because) = second(&mut service, &["GET /a", "GET /b", "GET /c"]).unwrap();
    assert!(route == "GET /c" && because.ends_with(" ms against 100 ms"), "{route}: {because}");
    (0..5).for_each(|_| assert_eq!(second(&mut service, &["GET /b", "GET /c"]), None));
    assert_eq!(service.state().state, "tripped", "/b and /c are slow");
    let again = second(&mut service, &["GET /a", "GET /b", "GET /c"]);
    assert_eq!(again.map(|(route, _)| route).as_deref(), Some("GET /a"), "it was quick meanwhile");
    (0..5).for_each(|_| assert_eq!(second(&mut service, &[]), None));
    assert_eq!((service.state().state.as_str(), service.state().trips), ("armed", 3));
}

#[test]
fn a_stall_between_two_looks_at_the_routes_counts() {
    let when =
        json!({ "any": [{ "type": "stall", "aboveMs": 300 }, { "type": "latency", "aboveMs": 1_000 }] });
    let mut service = Service::new(&when, &json!({}));
    let mut trips = Vec::new();
    for step in 0..60_u64 {
        let now = Nanos::from_ms(step * 50);
        let last_turn = Nanos::from_ms(if (24..32).contains(&step) { 1_200 } else { step * 50 });
        trips.extend(service.monitor.tick(&Surroundings {
            now,
            last_turn: Some(last_turn),
            ..Surroundings::default()
        }));
    }
    assert_eq!(trips.iter().map(|trip| trip.condition.as_str()).collect::<Vec<_>>(), ["stall"]);
}

#[test]
fn the_most_that_can_be_configured_stays_bounded() {
    let latency = json!({ "type": "latency", "timesBaseline": 2, "minRequests": 1 });
    let mut service = Service::new(
        &json!({ "all": [latency, latency, latency, latency] }),
        &json!({ "forMs": 86_400_000 }),
    );
    for second in 0..100_u64 {
        for route in 0..600_u64 {
            for nth in 0..4 {
                service.requests(
                    &format!("GET /{route}"),
                    1,
                    1 + (route * 7 + second * 13 + nth * 31) % 400,
                    200,
                );
            }
        }
        assert_eq!(service.pass(), None);
    }
    assert!(service.monitor.bytes() < 12 << 20, "{} bytes", service.monitor.bytes());
}
