//! The state machine in the middle: events and time in, trips, stats and reports out.
//!
//! **Invariant:** whatever is kept is bounded by the configuration, never by the traffic.

use crate::attribution::{Attribution, Findings, judge};
use crate::config::Config;
use crate::event::{Event, GcKind, Nanos, RouteId, TickReading};
use crate::number;
use crate::report::{self, Cost, Leak, ProcessIdentity, Report, Verdict};
use crate::route_table::RouteTable;
use crate::stats::{self, GcStats, HeapStats, InFlight, RouteStats, Stats};
use crate::trigger::{Machine, Trip, View};
use crate::window::RouteWindows;
use std::time::{Duration, SystemTime};

/// Routes listed in a report.
const REPORTED_ROUTES: usize = 50;
/// The attribution runs this often with long windows, and with short ones (preset `test`).
const ATTRIBUTION_NS: u64 = 10_000_000_000;
const ATTRIBUTION_TEST_NS: u64 = 2_000_000_000;
const SHORT_WINDOW_MS: u64 = 1_000;

/// What is known besides the events when time is judged.
#[derive(Clone, Copy, Debug, Default)]
pub struct Surroundings {
    /// Now.
    pub now: Nanos,
    /// The event loop's last sign of life; `None` before the first.
    pub last_turn: Option<Nanos>,
    /// The watching thread itself was not scheduled in time: a stall cannot be told from a pause of the machine.
    pub watcher_late: bool,
    /// The cgroup's memory limit, bytes.
    pub memory_limit: Option<u64>,
}

/// Everything that is measured and judged of one process.
#[derive(Debug)]
pub struct Monitor {
    config: Config,
    started: Nanos,
    started_wall_ms: u64,
    routes: RouteTable,
    windows: Vec<RouteWindows>,
    window: u64,
    machines: Vec<Machine>,
    attribution: Attribution,
    attributed: Nanos,
    findings: Findings,
    candidates: Vec<String>,
    gc: GcStats,
    tick: Option<TickReading>,
}

impl Monitor {
    /// A monitor that starts at `started` on the monotonic clock, which is `started_wall_ms` since the epoch.
    pub fn new(config: Config, started: Nanos, started_wall_ms: u64) -> Self {
        Self {
            routes: RouteTable::new(config.max_routes),
            windows: Vec::new(),
            window: 0,
            machines: config.triggers.iter().cloned().map(Machine::new).collect(),
            attribution: Attribution::new(started.plus(config.warm_up_ms.saturating_mul(1_000_000)).0),
            attributed: started,
            findings: Findings::default(),
            candidates: Vec::new(),
            gc: GcStats::default(),
            tick: None,
            config,
            started,
            started_wall_ms,
        }
    }

    /// The id of a route's name.
    pub fn intern(&mut self, name: &str) -> RouteId {
        self.routes.intern(name)
    }

    /// Takes an event. O(1), but for one reading per second.
    pub fn observe(&mut self, event: &Event) {
        match event {
            Event::Request(record) => {
                let index = usize::from(record.route.0);
                if self.windows.len() <= index {
                    self.windows.resize_with(index + 1, RouteWindows::default);
                }
                if let Some(windows) = self.windows.get_mut(index) {
                    windows.record(record);
                }
                self.attribution.finished(record.route);
            }
            Event::Gc(gc) => {
                match gc.kind {
                    GcKind::Minor => self.gc.minor += 1,
                    GcKind::Major => {
                        self.gc.major += 1;
                        self.gc.floor = Some(gc.heap_after);
                    }
                    GcKind::Incremental | GcKind::WeakCallbacks => {}
                }
                let pause_ms = number(gc.pause_ns) / 1e6;
                self.gc.pause_ms += pause_ms;
                self.gc.max_pause_ms = self.gc.max_pause_ms.max(pause_ms);
                self.attribution.collected(gc);
            }
            Event::Tick(tick) => {
                self.attribution.ticked(tick);
                self.tick = Some(**tick);
            }
        }
    }

    /// Judges the time: closes windows, runs the triggers and, every few seconds, the attribution.
    pub fn tick(&mut self, surroundings: &Surroundings) -> Vec<Trip> {
        let now = surroundings.now;
        self.close_windows(now);
        let view = View {
            routes: &self.routes,
            windows: &self.windows,
            last_tick: self.tick.as_ref(),
            surroundings,
            window: self.window,
            window_ms: self.config.window_ms,
        };
        let trips =
            self.machines.iter_mut().filter_map(|machine| machine.judge(self.started, &view)).collect();
        let pace =
            if self.config.window_ms <= SHORT_WINDOW_MS { ATTRIBUTION_TEST_NS } else { ATTRIBUTION_NS };
        if now.since(self.attributed) >= pace {
            self.attributed = now;
            self.attribute();
        }
        trips
    }

    /// The leaks as of the last attribution.
    pub fn leaks(&self) -> &[Leak] {
        &self.findings.leaks
    }

    /// Everything counted.
    pub fn stats(&self, now: Nanos, process: Option<serde_json::Value>, cost: Cost) -> Stats {
        Stats {
            schema: stats::SCHEMA.to_owned(),
            uptime_ms: self.uptime_ms(now),
            routes: self.route_stats(usize::MAX),
            in_flight: self.tick.map_or_else(InFlight::default, |tick| InFlight {
                count: tick.in_flight,
                oldest_ms: number(tick.oldest_ns) / 1e6,
            }),
            gc: self.gc,
            heap: self.tick.map(|tick| HeapStats {
                used: tick.heap_used,
                total: tick.heap_total,
                limit: tick.heap_limit,
                external: tick.external,
                malloced: tick.malloced,
                listeners: tick.listeners,
                timers: tick.timers,
            }),
            process,
            triggers: self.machines.iter().map(|machine| machine.stats(now)).collect(),
            cost,
        }
    }

    /// The report.
    pub fn report(&self, identity: ProcessIdentity, cost: Cost) -> Report {
        let verdict = if !self.findings.leaks.is_empty() {
            Verdict::Leaking
        } else if self.findings.unexplained {
            Verdict::Suspect
        } else if self.findings.enough {
            Verdict::Clear
        } else {
            Verdict::Learning
        };
        Report {
            schema: report::SCHEMA.to_owned(),
            process: identity,
            verdict,
            leaks: self.findings.leaks.clone(),
            slowdowns: Vec::new(),
            hypotheses: Vec::new(),
            routes: self.route_stats(REPORTED_ROUTES),
            cost,
        }
    }

    /// Memory held, bytes, about.
    pub fn bytes(&self) -> u64 {
        let windows: usize = self.windows.iter().map(RouteWindows::bytes).sum();
        (windows + self.routes.bytes() + self.attribution.bytes() + self.findings.kept.len() * 400) as u64
    }

    /// Milliseconds since the start.
    pub fn uptime_ms(&self, now: Nanos) -> u64 {
        now.since(self.started) / 1_000_000
    }

    /// An instant as RFC 3339 text, UTC.
    pub fn wall(&self, at: Nanos) -> String {
        let since = Duration::from_nanos(at.since(self.started));
        let wall = SystemTime::UNIX_EPOCH + Duration::from_millis(self.started_wall_ms) + since;
        humantime::format_rfc3339_millis(wall).to_string()
    }

    fn close_windows(&mut self, now: Nanos) {
        let index = self.uptime_ms(now) / self.config.window_ms.max(1);
        if index <= self.window {
            return;
        }
        let keep =
            self.machines.iter().map(|machine| machine.windows(self.config.window_ms)).max().unwrap_or(0);
        let keep = usize::try_from(keep).unwrap_or(usize::MAX);
        // After a long sleep the windows in between are empty: closing the last two empties what has to be emptied.
        for closing in [self.window, index - 1].into_iter().take(if index - self.window > 1 { 2 } else { 1 })
        {
            for windows in &mut self.windows {
                windows.close(closing, keep);
            }
        }
        self.window = index;
    }

    fn attribute(&mut self) {
        let limit = self.tick.map(|tick| tick.heap_limit).filter(|limit| *limit > 0);
        let mut findings = judge(&self.attribution, &self.routes, limit, |ns| self.wall(Nanos(ns)));
        // What is seen once may be chance; it is reported when the next look, with more data, sees it again.
        let seen: Vec<String> = findings.leaks.iter().map(|leak| leak.route.clone()).collect();
        findings.leaks.retain(|leak| self.candidates.contains(&leak.route));
        self.candidates = seen;
        self.findings = findings;
    }

    fn route_stats(&self, most: usize) -> Vec<RouteStats> {
        let mut routes: Vec<(RouteId, &RouteWindows)> = self
            .windows
            .iter()
            .enumerate()
            .filter_map(|(index, windows)| Some((RouteId(u16::try_from(index).ok()?), windows)))
            .filter(|(_, windows)| windows.requests > 0)
            .collect();
        routes.sort_by_key(|(route, windows)| (std::cmp::Reverse(windows.requests), *route));
        routes.truncate(most);
        routes
            .into_iter()
            .map(|(route, windows)| {
                let requests = number(windows.requests);
                let sums = windows.sums;
                RouteStats {
                    route: self.routes.name(route).to_owned(),
                    requests: windows.requests,
                    aborted: windows.aborted,
                    upgraded: windows.upgraded,
                    failed: windows.failed,
                    duration_ms: windows.total(),
                    recent_ms: windows.last(),
                    thread_ms: sums.thread_ns / requests / 1e6,
                    overlap: sums.overlap / requests,
                    heap_delta: sums.heap_delta / requests,
                    allocated: sums.allocated / requests,
                    external_delta: sums.external_delta / requests,
                    kept: self.findings.kept.get(&route).cloned(),
                }
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Condition, Trigger};
    use crate::event::{Outcome, RequestRecord};

    fn config(triggers: Vec<Trigger>) -> Config {
        Config { max_routes: 500, window_ms: 1_000, warm_up_ms: 0, triggers }
    }

    fn trigger(when: Condition) -> Trigger {
        Trigger {
            name: "t".to_owned(),
            when,
            routes: vec!["GET /slow*".to_owned()],
            for_ms: 2_000,
            clear_ratio: 0.5,
            warm_up_ms: 1_000,
            cooldown_ms: 10_000,
            max_per_hour: 2,
            heap_snapshot: true,
        }
    }

    fn request(monitor: &mut Monitor, route: &str, at_ms: u64, duration_ms: u64) {
        let route = monitor.intern(route);
        monitor.observe(&Event::Request(RequestRecord {
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
        }));
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
        let slow = Condition::Latency { quantile: 0.95, above_ms: 100.0, min_requests: 5 };
        let mut monitor = Monitor::new(config(vec![trigger(slow)]), Nanos(0), 0);
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
        let mut monitor =
            Monitor::new(config(vec![trigger(Condition::Timers { above: 100.0 })]), Nanos(0), 0);
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
        let mut monitor =
            Monitor::new(config(vec![trigger(Condition::Timers { above: 100.0 })]), Nanos(0), 0);
        for (ms, timers) in [(1_000, 150), (2_500, 99), (2_600, 150), (4_500, 150)] {
            monitor.observe(&tick(timers));
            assert!(monitor.tick(&at(ms)).is_empty(), "{ms}");
        }
        assert_eq!(monitor.tick(&at(4_600)).len(), 1);
    }

    #[test]
    fn the_cap_holds_back_the_third_trip_of_an_hour() {
        let mut monitor =
            Monitor::new(config(vec![trigger(Condition::Timers { above: 100.0 })]), Nanos(0), 0);
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
    fn memory_stays_bounded_with_500_routes_and_more() {
        let slow = Condition::Latency { quantile: 0.95, above_ms: 100.0, min_requests: 5 };
        let mut long = trigger(slow);
        long.for_ms = 10_000;
        let mut monitor = Monitor::new(config(vec![long]), Nanos(0), 0);
        for second in 0..60 {
            for route in 0..700_u64 {
                request(
                    &mut monitor,
                    &format!("GET /slow/{route}"),
                    second * 1_000,
                    route % 50 * 20 + second,
                );
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
}
