//! What may be taken for a leak, and leaks of every kind, through exact floors.

use super::tests::Service;

fn named(service: &Service) -> Vec<(String, String)> {
    service.judge().leaks.iter().map(|leak| (leak.routes.join(" or "), leak.kind.clone())).collect()
}

#[test]
fn two_leaks_of_which_one_is_twenty_times_larger_are_both_found() {
    let mut found = 0;
    for seed in 0..20 {
        let mut service = Service::new(seed, 6);
        for second in 0..40 {
            let keep = |requests: &[f64]| [20_000.0 * requests[1] + 1_000.0 * requests[4], 0.0, 0.0];
            service.second(second, 60.0, 6, keep, 10_000.0);
        }
        let mut routes: Vec<String> = named(&service).into_iter().map(|(route, _)| route).collect();
        routes.sort();
        found += u32::from(routes == ["GET /1", "GET /4"]);
    }
    assert!(found >= 19, "{found} of 20");
}

#[test]
fn a_leak_that_begins_at_a_deployment_is_found_though_the_time_before_was_quiet() {
    let mut service = Service::new(5, 5);
    for second in 0..60 {
        let keep = |requests: &[f64]| [if second < 30 { 0.0 } else { 2_000.0 * requests[3] }, 0.0, 0.0];
        service.second(second, 60.0, 5, keep, 10_000.0);
    }
    assert_eq!(named(&service), [("GET /3".to_owned(), "unknown".to_owned())]);
}

#[test]
fn what_fills_and_stops_comes_and_goes_or_bursts_is_no_leak() {
    for seed in 0..30 {
        let mut ring = Service::new(seed, 5);
        let mut expiring = Service::new(seed, 5);
        let mut burst = Service::new(seed, 5);
        let mut held: Vec<f64> = Vec::new();
        let mut room = 4e6;
        for second in 0..40 {
            let mut filled = 0.0;
            ring.second(
                second,
                60.0,
                5,
                |requests| {
                    filled = f64::min(room, 1_500.0 * requests.iter().sum::<f64>());
                    [filled, 0.0, 0.0]
                },
                10_000.0,
            );
            room -= filled;
            let gone = if second >= 3 { held[usize::try_from(second).unwrap() - 3] } else { 0.0 };
            let mut now = 0.0;
            expiring.second(
                second,
                60.0,
                5,
                |requests| {
                    now = 3_000.0 * requests[2];
                    [now - gone, 0.0, 0.0]
                },
                10_000.0,
            );
            held.push(now);
            let bursts = if second == 25 { 5e6 } else { 0.0 };
            burst.second(second, 60.0, 5, |_| [bursts, 0.0, 0.0], 10_000.0);
        }
        for service in [&ring, &expiring, &burst] {
            assert!(named(service).is_empty(), "seed {seed}: {:?}", named(service));
        }
    }
}

#[test]
fn of_a_route_that_is_the_sum_of_two_others_none_is_blamed_alone() {
    for seed in 0..10 {
        let mut service = Service::new(seed, 4);
        service.sum = true;
        for second in 0..30 {
            service.second(second, 60.0, 3, |requests| [3_000.0 * requests[0], 0.0, 0.0], 5_000.0);
        }
        for (routes, _) in named(&service) {
            assert!(routes.contains("GET /0"), "seed {seed}: {routes}");
        }
    }
}

#[test]
fn listeners_without_enough_floors_still_say_how_many_bytes() {
    let mut service = Service::new(11, 4);
    service.floor_every = 4;
    for second in 0..18 {
        service.second(second, 60.0, 4, |requests| [5_000.0 * requests[2], requests[2], 0.0], 5_000.0);
    }
    let leaks = service.judge().leaks;
    assert_eq!((leaks.len(), leaks[0].kind.as_str(), leaks[0].resource.as_str()), (1, "listener", "heap"));
    assert!((leaks[0].per_request.value / 5_000.0 - 1.0).abs() < 0.5, "{:?}", leaks[0].per_request);
}

/// 5 kB of malloc'd memory per request, in numbers that move by half a megabyte by themselves.
#[test]
fn private_memory_that_grows_with_a_route_is_native() {
    let mut service = Service::new(2, 4);
    let mut kept = 0.0;
    for second in 0..40 {
        let mut requests_of = 0.0;
        service.second(
            second,
            200.0,
            4,
            |requests| {
                requests_of = requests[1];
                [0.0; 3]
            },
            5_000.0,
        );
        kept += 5_600.0 * requests_of;
        service.native(second, 8e7 + kept, 5e5);
    }
    let leaks = service.judge().leaks;
    assert_eq!(leaks.len(), 1, "{leaks:?}");
    assert_eq!(
        (leaks[0].route.as_str(), leaks[0].kind.as_str(), leaks[0].resource.as_str()),
        ("GET /1", "native", "native")
    );
}
