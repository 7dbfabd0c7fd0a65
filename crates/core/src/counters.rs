//! Counters of each route since the start, for monitoring systems: they only ever rise, and there are always the same ones.

use crate::event::RouteId;
use crate::monitor::Monitor;
use crate::number;
use crate::observation::Watched;
use crate::stats::Kept;

/// Routes that have counters: the first ones. A choice by requests would let counters come and go.
pub const COUNTED_ROUTES: usize = 500;
/// Upper bounds of the durations' buckets, s, as OpenTelemetry advises them for requests; the last bucket has none.
pub const BUCKETS_S: [f64; 14] =
    [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];

/// One route.
#[derive(Clone, Debug, PartialEq)]
pub struct RouteCounters {
    /// Its name.
    pub route: String,
    /// Requests that were answered below 500, or jobs that succeeded.
    pub finished: u64,
    /// Answered 500 and above, or jobs that failed.
    pub failed: u64,
    /// The connection closed first.
    pub aborted: u64,
    /// Became another protocol.
    pub upgraded: u64,
    /// Durations of those that finished or failed, by bucket; to 6 %.
    pub buckets: [u64; BUCKETS_S.len() + 1],
    /// Their durations in all, s.
    pub seconds: f64,
    /// What is kept per request, as estimated now.
    pub kept: Option<Kept>,
    /// Watched requests at the last floor.
    pub watched: Option<Watched>,
}

impl Monitor {
    /// The first [`COUNTED_ROUTES`] routes that have had a request, in the order in which they were first seen, and how many there
    /// are besides.
    pub fn counters(&self) -> (Vec<RouteCounters>, usize) {
        let all = self.windows().iter().enumerate().filter(|(_, windows)| windows.requests > 0);
        let routes: Vec<RouteCounters> = all
            .clone()
            .take(COUNTED_ROUTES)
            .filter_map(|(index, windows)| {
                let id = RouteId(u16::try_from(index).ok()?);
                let mut buckets = [0; BUCKETS_S.len() + 1];
                for (ms, count) in windows.durations() {
                    let bucket = BUCKETS_S.partition_point(|bound| bound * 1e3 < ms);
                    if let Some(known) = buckets.get_mut(bucket) {
                        *known += count;
                    }
                }
                let others = windows.failed + windows.aborted + windows.upgraded;
                Some(RouteCounters {
                    route: self.route(id).to_owned(),
                    finished: windows.requests.saturating_sub(others),
                    failed: windows.failed,
                    aborted: windows.aborted,
                    upgraded: windows.upgraded,
                    buckets,
                    seconds: number(windows.timed_ns) / 1e9,
                    kept: self.kept(id).cloned(),
                    watched: self.watched(id),
                })
            })
            .collect();
        let more = all.count().saturating_sub(routes.len());
        (routes, more)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::event::{Event, Nanos, Outcome, RequestRecord};

    fn monitor() -> Monitor {
        let config = Config {
            max_routes: 1_000,
            window_ms: 1_000,
            warm_up_ms: 0,
            tick_ms: 250,
            forced_floors: false,
            series: false,
            triggers: Vec::new(),
        };
        Monitor::new(config, Nanos(0), 0)
    }

    fn request(monitor: &mut Monitor, route: &str, us: u64, outcome: Outcome, status: u16) {
        let route = monitor.intern(route);
        monitor.observe(&Event::Requests(Box::new([RequestRecord {
            route,
            outcome,
            status,
            ended: Nanos(0),
            duration_ns: us * 1_000,
            thread_ns: 0,
            overlap: 1.0,
            heap_delta: 0,
            allocated: 0,
            external_delta: 0,
        }])));
    }

    #[test]
    fn each_request_is_in_one_bucket_and_in_one_outcome() {
        let mut monitor = monitor();
        for us in [100, 4_000, 30_000, 700_000, 60_000_000] {
            request(&mut monitor, "GET /a", us, Outcome::Finished, 200);
        }
        request(&mut monitor, "GET /a", 6_000, Outcome::Finished, 503);
        request(&mut monitor, "GET /a", 9_000_000, Outcome::Aborted, 0);
        request(&mut monitor, "GET /a", 9_000_000, Outcome::Upgraded, 101);

        let (routes, more) = monitor.counters();

        let [route] = routes.as_slice() else { panic!("{routes:?}") };
        assert_eq!((more, route.route.as_str()), (0, "GET /a"));
        assert_eq!((route.finished, route.failed, route.aborted, route.upgraded), (5, 1, 1, 1));
        assert_eq!(route.buckets, [2, 1, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1]);
        assert!((route.seconds - 60.740_1).abs() < 1e-6, "{}", route.seconds);
    }

    #[test]
    fn the_first_routes_have_counters_whatever_comes_later() {
        let mut monitor = monitor();
        for index in 0..600 {
            (0..=index)
                .for_each(|_| request(&mut monitor, &format!("GET /{index}"), 1, Outcome::Finished, 200));
        }
        let (routes, more) = monitor.counters();
        assert_eq!((routes.len(), more, routes[0].route.as_str()), (COUNTED_ROUTES, 100, "GET /0"));
    }
}
