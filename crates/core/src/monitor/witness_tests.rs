//! What shadows, walks and sites find, through the monitor: late, out of order, and of marks that are gone.

use super::tests::config;
use super::*;
use crate::attribution::Resource;
use crate::event::{Mark, Outcome, SiteCount};
use crate::observation::{ForcedFloor, Frame, Holder, Kind, SiteKind, Watched};
use crate::report::Cost;

struct Service {
    monitor: Monitor,
    seconds: u64,
    requests: [u64; 2],
}

impl Service {
    fn new() -> Self {
        let mut monitor = Monitor::new(config(Vec::new()), Nanos(0), 0);
        monitor.intern("GET /leaky");
        monitor.intern("GET /healthy");
        Self { monitor, seconds: 0, requests: [0; 2] }
    }

    /// A second whose traffic differs from the others', and the mark at its end.
    fn second(&mut self) -> u32 {
        self.seconds += 1;
        let counts = [20 + 37 * self.seconds % 50, 20 + 61 * self.seconds % 70];
        for (route, count) in (1..).zip(counts) {
            let record = RequestRecord {
                route: RouteId(route),
                outcome: Outcome::Finished,
                status: 200,
                ended: Nanos::from_ms(self.seconds * 1_000),
                duration_ns: 1_000_000,
                thread_ns: 0,
                overlap: 1.0,
                heap_delta: 0,
                allocated: 0,
                external_delta: 0,
            };
            self.requests[usize::from(route) - 1] += count;
            for _ in 0..count {
                self.monitor.observe(&Event::Requests(Box::new([record])));
            }
        }
        let id = u32::try_from(self.seconds).unwrap();
        let mark = Mark { id, at: Nanos::from_ms(self.seconds * 1_000), in_flight: 1 };
        self.monitor.observe(&Event::Mark(mark));
        id
    }

    /// What a shadow of this second would count: 1 kB and one listener for each request of the first route.
    fn floor(&self, mark: u32) -> Floor {
        Floor {
            mark,
            heap_used: 5_000_000 + 1_000 * self.requests[0],
            external: 0,
            array_buffers: 0,
            watched: vec![Watched { route: RouteId(1), watched: 40, alive: 40 }],
        }
    }

    fn census(&self, mark: u32) -> Census {
        let holder = |signature, count, kind, file: &str| Holder {
            signature,
            count,
            bytes: 900 * count,
            kind,
            class: "TemplateContext".to_owned(),
            path: vec![format!("module {file}"), "Map".to_owned(), "entry".to_owned()],
            culprit: Some(Frame {
                function: None,
                file: file.to_owned(),
                line: 7,
                package: Some("cache".to_owned()),
            }),
        };
        let grows = holder(8, self.requests[0], Kind::Collection, "cache.js");
        Census { mark, objects: 1_000, holders: vec![grows, holder(9, 70_000, Kind::Closure, "big.js")] }
    }

    fn leaks(&mut self) -> Vec<Leak> {
        for second in [self.seconds, self.seconds + 100] {
            self.monitor
                .tick(&Surroundings { now: Nanos::from_ms(second * 1_000), ..Surroundings::default() });
        }
        self.monitor.leaks().to_vec()
    }
}

#[test]
fn floors_that_come_late_and_out_of_order_are_held_against_the_requests_of_their_marks() {
    let mut service = Service::new();
    let mut late = Vec::new();
    for _ in 0..16 {
        let mark = service.second();
        late.push(service.floor(mark));
        if late.len() == 4 {
            late.reverse();
            assert!(late.drain(..).all(|floor| service.monitor.floor(&floor)));
        }
    }

    let leaks = service.leaks();

    assert_eq!(leaks.len(), 1, "{leaks:?}");
    assert_eq!((leaks[0].route.as_str(), leaks[0].kind.as_str()), ("GET /leaky", "closure"));
    assert!((leaks[0].per_request.value - 1_000.0).abs() < 1.0, "{:?}", leaks[0].per_request);
    let by: Vec<&str> = leaks[0].evidence.iter().map(|evidence| evidence.by.as_str()).collect();
    assert_eq!(by, ["floor-regression", "watched-requests"]);
    assert!(leaks[0].culprit.is_none());
}

#[test]
fn a_floor_of_a_mark_that_is_gone_is_refused() {
    let mut service = Service::new();
    let first = service.second();
    let floor = service.floor(first);
    for _ in 0..16 {
        service.second();
    }
    assert!(!service.monitor.floor(&floor));
    assert!(!service.monitor.census(&Census { mark: first, ..Census::default() }));
}

#[test]
fn walks_say_what_is_kept_where_and_by_whom() {
    let mut service = Service::new();
    for _ in 0..16 {
        let mark = service.second();
        let (floor, census) = (service.floor(mark), service.census(mark));
        assert!(service.monitor.census(&census) && service.monitor.floor(&floor));
    }

    let leaks = service.leaks();

    assert_eq!((leaks.len(), leaks[0].kind.as_str()), (1, "collection"), "{leaks:?}");
    let walk = leaks[0].evidence.iter().find(|evidence| evidence.by == "heap-walk").unwrap();
    assert_eq!((walk.of.as_str(), walk.per_request.unit.as_str()), ("TemplateContext", "objects"));
    assert!((walk.per_request.value - 1.0).abs() < 0.01, "{walk:?}");
    let culprit = leaks[0].culprit.as_ref().unwrap();
    assert_eq!((culprit.package.as_deref(), culprit.line), (Some("cache"), Some(7)));
    assert_eq!(culprit.retaining_path, ["module cache.js", "Map", "entry"]);
}

/// The memory of WebAssembly is in none of V8's numbers: floors see the small object that holds it.
#[test]
fn what_objects_hold_outside_the_heap_is_told_beside_what_floors_saw_of_the_heap() {
    let mut service = Service::new();
    for _ in 0..16 {
        let mark = service.second();
        let (floor, mut census) = (service.floor(mark), service.census(mark));
        for holder in census.holders.iter_mut().filter(|holder| holder.signature == 8) {
            (holder.kind, holder.bytes) = (Kind::Native, 66_000 * holder.count);
        }
        assert!(service.monitor.census(&census) && service.monitor.floor(&floor));
    }

    let leaks = service.leaks();

    assert_eq!(leaks.len(), 1, "{leaks:?}");
    assert_eq!((leaks[0].resource.as_str(), leaks[0].kind.as_str()), ("external", "native"), "{leaks:?}");
    assert!((leaks[0].per_request.value - 66_000.0).abs() < 700.0, "{:?}", leaks[0].per_request);
    let floors: Vec<&str> = leaks[0]
        .evidence
        .iter()
        .filter(|evidence| evidence.by == "floor-regression")
        .map(|evidence| evidence.of.as_str())
        .collect();
    assert_eq!(floors, ["heap"]);
}

/// The registry of `AbortSignal.any()` grows by one such entry for each request until finalizers run.
#[test]
fn a_walk_alone_accuses_no_route_for_weak_references() {
    for (class, accused) in [("TemplateContext", 1), ("WeakRef", 0)] {
        let mut service = Service::new();
        for _ in 0..16 {
            let mark = service.second();
            let mut census = service.census(mark);
            census.holders.iter_mut().for_each(|holder| class.clone_into(&mut holder.class));
            assert!(service.monitor.census(&census));
        }

        assert_eq!(service.leaks().len(), accused, "{class}");
        // What was reckoned from the walk is no second witness for it.
        let evidence = service.leaks().into_iter().flat_map(|leak| leak.evidence);
        assert!(evidence.map(|one| one.by).all(|by| by == "heap-walk"));
    }
}

#[test]
fn the_site_of_listeners_that_grow_is_the_culprit() {
    let mut service = Service::new();
    let frame = |file: &str, line| Frame { file: file.to_owned(), line, ..Frame::default() };
    let stack = vec![frame("node:events", 1), frame("/app/mail.js", 12)];
    assert!(service.monitor.site(3, SiteInfo { what: SiteKind::Listener, of: None, stack }));
    for _ in 0..16 {
        let mark = service.second();
        let floor = service.floor(mark);
        assert!(service.monitor.floor(&floor));
        let count = 10 + service.requests[0];
        service.monitor.observe(&Event::Tick(Box::new(TickReading {
            at: Nanos::from_ms(service.seconds * 1_000),
            listeners: u32::try_from(count).ok(),
            ..TickReading::default()
        })));
        let sites = [SiteCount { site: 3, count }, SiteCount { site: 4, count: 9 }];
        service.monitor.observe(&Event::Sites(Box::new(sites)));
    }

    let leaks = service.leaks();

    assert_eq!((leaks.len(), leaks[0].kind.as_str()), (1, "listener"), "{leaks:?}");
    let culprit = leaks[0].culprit.as_ref().unwrap();
    assert_eq!((culprit.file.as_deref(), culprit.line), (Some("/app/mail.js"), Some(12)));
}

/// Too few walks for a regression: what each listener holds is the difference of two of them.
#[test]
fn two_walks_tell_the_bytes_of_a_leak_that_is_counted() {
    for (kind, told) in [(Kind::Listener, 900.0), (Kind::Timer, 1.0)] {
        let mut service = Service::new();
        for second in 0..16 {
            let mark = service.second();
            if second == 6 || second == 15 {
                let mut census = service.census(mark);
                census.holders.retain(|holder| holder.signature == 8);
                census.holders.iter_mut().for_each(|holder| holder.kind = kind);
                assert!(service.monitor.census(&census));
            }
            service.monitor.observe(&Event::Tick(Box::new(TickReading {
                at: Nanos::from_ms(service.seconds * 1_000),
                listeners: u32::try_from(10 + service.requests[0]).ok(),
                ..TickReading::default()
            })));
        }

        let leaks = service.leaks();

        assert_eq!((leaks.len(), leaks[0].kind.as_str()), (1, "listener"), "{leaks:?}");
        assert!((leaks[0].per_request.value / told - 1.0).abs() < 0.02, "{:?}", leaks[0].per_request);
        let by: Vec<&str> = leaks[0].evidence.iter().map(|evidence| evidence.of.as_str()).collect();
        assert_eq!(by, ["listeners"], "what was reckoned is no second witness");
    }
}

#[test]
fn watched_requests_and_buffers_of_a_forced_floor_count_at_it() {
    let mut config = config(Vec::new());
    config.forced_floors = true;
    let mut monitor = Monitor::new(config, Nanos(0), 0);
    let major = |ended_ms| {
        Event::Gc(GcRecord {
            kind: GcKind::Major,
            ended: Nanos::from_ms(ended_ms),
            pause_ns: 1_000_000,
            heap_before: None,
            heap_after: 1_000,
            external_after: 50,
        })
    };
    let floor = |at_ms| {
        Event::ForcedFloor(Box::new(ForcedFloor {
            at: Nanos::from_ms(at_ms),
            array_buffers: Some(at_ms),
            watched: vec![Watched { route: RouteId(1), watched: 8, alive: 2 }],
        }))
    };
    let buffers = |monitor: &Monitor| monitor.attribution.last(Resource::ArrayBuffers);

    for event in [major(9_000), major(9_002), floor(9_003)] {
        monitor.observe(&event);
    }
    assert_eq!(buffers(&monitor), Some(9_003.0));
    // No floor is so near: the observer told of the collections too late, or they came too soon after the last ones.
    monitor.observe(&floor(9_500));
    assert_eq!(buffers(&monitor), Some(9_003.0));
}

#[test]
fn private_native_memory_leaves_out_what_v8_has() {
    let mut monitor = Monitor::new(config(Vec::new()), Nanos(0), 0);
    let reading = |anon| SystemReading {
        at: Nanos::from_ms(9_000),
        rss_anon: Some(anon),
        descriptors: Some(7),
        ..SystemReading::default()
    };
    assert_eq!(monitor.system(&reading(900)), None, "nothing is known of the heap");

    let tick = TickReading {
        at: Nanos::from_ms(9_000),
        heap_total: 400,
        external: 100,
        worker_bytes: 100,
        ..TickReading::default()
    };
    monitor.observe(&Event::Tick(Box::new(TickReading { unread_workers: 1, ..tick })));
    assert_eq!(monitor.system(&reading(900)), None, "a worker's heap may be any part of it");

    monitor.observe(&Event::Tick(Box::new(tick)));
    assert_eq!((monitor.system(&reading(900)), monitor.system(&reading(400))), (Some(300), Some(0)));
    assert_eq!(monitor.attribution.last(Resource::Descriptors), Some(7.0));
}

#[test]
fn sites_are_in_the_stats_with_their_last_count() {
    let mut service = Service::new();
    let stack = vec![Frame { file: "app.js".to_owned(), line: 6, package: None, function: None }];
    let info = SiteInfo { what: SiteKind::Listener, of: Some("change of Catalogue".to_owned()), stack };
    service.monitor.observe(&Event::Site(Box::new((3, info))));
    for (second, count) in [(1, 5), (2, 9)] {
        let at = Nanos::from_ms(8_000 + second * 1_000);
        service.monitor.observe(&Event::Tick(Box::new(TickReading { at, ..TickReading::default() })));
        service.monitor.observe(&Event::Sites(Box::new([SiteCount { site: 3, count }])));
    }

    let sites = service.monitor.stats(Nanos::from_ms(10_000), None, Cost::default()).sites;

    assert_eq!(
        (sites.len(), sites[0].what.as_str(), sites[0].count, sites[0].stack[0].line),
        (1, "listener", 9, 6)
    );
}
