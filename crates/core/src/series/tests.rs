//! Series, fed with made-up requests and time.

use super::view::seconds;
use super::*;
use crate::event::Outcome;

const STEP: u64 = SECOND_NS;

struct Made {
    series: Series,
    routes: RouteTable,
    kept: BTreeMap<RouteId, Kept>,
    second: u64,
}

impl Made {
    fn new() -> Self {
        let (series, routes) = (Series::new(1_000_000), RouteTable::new(1_000));
        Self { series, routes, kept: BTreeMap::new(), second: 0 }
    }

    fn request(&mut self, route: &str, ms: u64) {
        let record = RequestRecord {
            route: self.routes.intern(route),
            outcome: Outcome::Finished,
            status: 200,
            ended: Nanos(0),
            duration_ns: ms * 1_000_000,
            thread_ns: 0,
            overlap: 1.0,
            heap_delta: 0,
            allocated: 0,
            external_delta: 0,
        };
        self.series.finished(&record);
    }

    fn pass(&mut self, leaking: &[&str]) {
        self.second += 1;
        let tick = TickReading { heap_used: self.second, external: 7, ..TickReading::default() };
        let levels = Levels {
            tick: Some(&tick),
            floor: Some(5),
            kept: &self.kept,
            leaking: leaking.iter().copied().collect(),
            routes: &self.routes,
        };
        self.series.advance(self.second * STEP, &levels);
    }

    fn view(&self, route: Option<&str>, minutes: Option<u32>) -> SeriesView {
        self.series.view(&self.routes, route, minutes)
    }
}

fn lengths(view: &SeriesView) -> HashSet<usize> {
    let process = &view.process;
    let own = [
        process.heap_used_bytes.len(),
        process.gc_pause_ms.len(),
        process.loop_stall_ms.len(),
        process.requests.len(),
    ];
    let routes = view.routes.iter().flat_map(|route| [route.requests.len(), route.p95_ms.len()]);
    let heat = view.heat.iter().map(|heat| heat.counts.len());
    [view.times.len()].into_iter().chain(own).chain(routes).chain(heat).collect()
}

#[test]
fn what_happens_in_a_second_is_in_its_point() {
    let mut made = Made::new();
    made.request("GET /a", 3);
    made.request("GET /a", 40);
    made.series.collected(2_500_000);
    made.series.silent(900_000_000);
    made.pass(&[]);
    made.request("GET /b", 1);
    made.pass(&[]);

    let view = made.view(Some("GET /a"), Some(1));

    assert_eq!((view.step_ms, view.times.as_slice()), (1_000, [1_000_000, 1_001_000].as_slice()));
    assert_eq!(view.process.requests, [2, 1]);
    assert_eq!((view.process.gc_pause_ms[0], view.process.loop_stall_ms[0]), (2.5, 900.0));
    assert_eq!(view.process.heap_used_bytes, [Some(1.0), Some(2.0)]);
    let [route] = view.routes.as_slice() else { panic!("{:?}", view.routes) };
    assert_eq!((route.route.as_str(), route.requests.as_slice()), ("GET /a", [2, 0].as_slice()));
    assert!(route.p95_ms[0].is_some_and(|ms| ms > 35.0) && route.p95_ms[1].is_none());
    let heat = view.heat.unwrap();
    assert_eq!((heat.counts[0][2], heat.counts[0][5], heat.counts[1].iter().sum::<u32>()), (1, 1, 0));
    assert_eq!((heat.bounds_ms[2], heat.bounds_ms.last()), (Some(5.0), Some(&None)));
}

#[test]
fn nothing_is_lost_when_points_are_merged_and_the_arrays_stay_of_one_length() {
    let mut made = Made::new();
    for second in 0..5_000_u64 {
        made.request("GET /a", second % 200);
        if second >= 3_000 {
            made.request("GET /late", 10);
        }
        made.pass(&[]);
    }

    let all = made.view(Some("GET /late"), None);

    assert_eq!(all.step_ms, 32_000);
    assert!((80..=160).contains(&all.times.len()), "{}", all.times.len());
    assert_eq!(lengths(&all).len(), 1, "{:?}", lengths(&all));
    let requests: u64 = all.process.requests.iter().sum();
    assert!((4_984 + 1_984..=7_000).contains(&requests), "{requests}");
    assert_eq!(all.routes[0].requests[0], 0, "not there yet");
    assert!((1_960..=2_000).contains(&all.routes[0].requests.iter().sum::<u32>()));
    assert!(seconds(&all).windows(2).all(|pair| (pair[1] - pair[0] - 32.0).abs() < 1e-9));
}

#[test]
fn a_shorter_span_has_a_finer_step() {
    let mut made = Made::new();
    (0..20_000).for_each(|_| made.pass(&[]));

    let steps = [Some(1), Some(15), Some(60), None].map(|minutes| {
        let view = made.view(None, minutes);
        (view.step_ms, view.times.len())
    });

    assert_eq!(steps, [(1_000, 60), (10_000, 90), (128_000, 28), (128_000, 156)]);
}

#[test]
fn the_routes_with_the_most_requests_and_those_that_leak_have_series() {
    let mut made = Made::new();
    for index in 0..60 {
        made.request(&format!("GET /first/{index}"), 1);
    }
    for _ in 0..60 {
        for _ in 0..5 {
            made.request("GET /later", 1);
        }
        made.request("GET /leaks", 1);
        made.pass(&["GET /leaks"]);
    }

    let view = made.view(None, None);

    assert_eq!(view.routes.len(), ROUTES);
    assert!(view.heat.is_none());
    assert_eq!(view.routes[0].route, "GET /leaks");
    assert_eq!(view.routes[1].route, "GET /later");
    assert!(made.view(Some("GET /first/59"), None).routes.is_empty());
}

#[test]
fn memory_is_bounded_by_two_megabytes_with_500_routes() {
    let mut made = Made::new();
    let parts: Vec<(String, u64)> = (0..40).map(|index| (format!("part {index}"), 1)).collect();
    let parts: Vec<(&str, u64)> = parts.iter().map(|(name, bytes)| (name.as_str(), *bytes)).collect();
    for second in 0..3_000_u64 {
        for index in 0..500 {
            made.request(&format!("GET /{index}"), second * index % 100_000);
        }
        made.series.memory_map(&parts);
        made.pass(&["GET /499"]);
    }

    assert!(made.series.bytes() < 2 << 20, "{}", made.series.bytes());
    assert_eq!(made.view(None, None).process.memory_map.len(), PARTS);
}

#[test]
fn what_is_not_known_is_null_and_a_share_of_cpu_needs_two_readings() {
    let mut made = Made::new();
    let reading = |at_ms, cpu| SystemReading {
        at: Nanos::from_ms(at_ms),
        app_cpu_ms: Some(cpu),
        ..SystemReading::default()
    };
    made.series.read(&reading(500, 100));
    made.pass(&[]);
    made.series.read(&reading(1_500, 850));
    made.pass(&[]);

    let process = made.view(None, None).process;

    assert_eq!(process.cpu_share, [None, Some(0.75)]);
    assert_eq!((process.rss_bytes, process.floor_bytes), (vec![None, None], vec![Some(5.0), Some(5.0)]));
}
