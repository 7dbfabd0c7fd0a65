//! The state machine in the middle: events and time in, trips, stats and reports out.
//!
//! **Invariant:** whatever is kept is bounded by the configuration, never by the traffic.

mod remembered;
mod told;

use crate::attribution::{Attribution, Findings, judge};
use crate::config::Config;
use crate::event::{Event, GcKind, GcRecord, Nanos, RequestRecord, RouteId, Running, TickReading};
use crate::history::{Durations, Tally};
use crate::hypothesis::{self, SystemReading};
use crate::live_limit::LiveLimit;
use crate::memory_map::MemoryMap;
use crate::number;
use crate::observation::{Census, Floor, ProcessCounts, SiteInfo};
use crate::planner::{FloorSource, Pace, Planner};
use crate::report::Leak;
use crate::route_table::RouteTable;
use crate::series::{Levels, Series};
use crate::slowdown::Slowdowns;
use crate::stats::GcStats;
use crate::trigger::{Rules, Trip, View};
use crate::window::RouteWindows;
use std::collections::HashMap;
use std::time::{Duration, SystemTime};

/// The attribution runs this often with long windows, and with short ones (preset `test`).
const ATTRIBUTION_NS: u64 = 10_000_000_000;
const ATTRIBUTION_TEST_NS: u64 = 1_000_000_000;
const SHORT_WINDOW_MS: u64 = 1_000;
/// What chance alone would do more often than this is not certain, in a look at all routes: looks are many in a day, and
/// few in a test.
const CHANCE: f64 = 1e-4;
const CHANCE_TEST: f64 = 4e-3;

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
    /// V8's heap has reached its limit since the last time.
    pub heap_limit_reached: bool,
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
    rules: Rules,
    attribution: Attribution,
    attributed: Nanos,
    findings: Findings,
    candidates: Vec<String>,
    slowdowns: Slowdowns,
    planner: Planner,
    gc: GcStats,
    tick: Option<TickReading>,
    live_limit: LiveLimit,
    process: hypothesis::Process,
    system: Option<SystemReading>,
    /// The heap right after the last full collection, here or in a shadow, bytes.
    floor: Option<u64>,
    running: Running,
    series: Option<Series>,
    tally: Tally,
    /// Of routes that have not been called yet in this life.
    earlier_baselines: HashMap<String, Durations>,
}

impl Monitor {
    /// A monitor that starts at `started` on the monotonic clock, which is `started_wall_ms` since the epoch.
    pub fn new(config: Config, started: Nanos, started_wall_ms: u64) -> Self {
        let warm = started.plus(config.warm_up_ms.saturating_mul(1_000_000)).0;
        let pace = if config.window_ms <= SHORT_WINDOW_MS { Pace::TEST } else { Pace::PRODUCTION };
        Self {
            routes: RouteTable::new(config.max_routes),
            windows: Vec::new(),
            window: 0,
            rules: Rules::new(&config.triggers, config.window_ms),
            attribution: Attribution::new(started.0, warm, config.forced_floors),
            attributed: started,
            findings: Findings::default(),
            candidates: Vec::new(),
            slowdowns: Slowdowns::new(started.0, warm, config.window_ms),
            planner: Planner::new(pace, warm),
            gc: GcStats::default(),
            tick: None,
            live_limit: LiveLimit::default(),
            process: hypothesis::Process::new(config.tick_ms),
            system: None,
            floor: None,
            running: Running::default(),
            series: config.series.then(|| Series::new(started_wall_ms)),
            tally: Tally::default(),
            earlier_baselines: HashMap::new(),
            config,
            started,
            started_wall_ms,
        }
    }

    /// The id of a route's name.
    pub fn intern(&mut self, name: &str) -> RouteId {
        let id = self.routes.intern(name);
        if !self.earlier_baselines.is_empty() {
            self.take_baseline(id);
        }
        id
    }

    /// The name of a route; `other` for an id that was never issued.
    pub fn route(&self, id: RouteId) -> &str {
        self.routes.name(id)
    }

    /// Takes an event. O(1) for each request in it, but for one reading per second.
    pub fn observe(&mut self, event: &Event) {
        match event {
            Event::Requests(records) => records.iter().for_each(|record| self.finished(record)),
            Event::Gc(gc) => self.collected(gc),
            Event::Tick(tick) => {
                let live_limit = self.live_limit.read(tick.heap_limit);
                let tick = TickReading { live_limit, ..**tick };
                self.attribution.ticked(&tick);
                self.process.ticked(&tick);
                self.slowdowns.ticked(&tick);
                self.tick = Some(tick);
            }
            Event::Mark(mark) => self.attribution.marked(*mark),
            Event::Site(site) => {
                self.site(site.0, site.1.clone());
            }
            Event::Sites(counts) => self.attribution.counted(counts),
            Event::ForcedFloor(floor) => self.attribution.forced_floor(floor),
            Event::Running(running) => self.running.clone_from(running),
        }
    }

    fn collected(&mut self, gc: &GcRecord) {
        match gc.kind {
            GcKind::Minor => self.gc.minor += 1,
            GcKind::Major => {
                self.gc.major += 1;
                self.gc.floor = Some(gc.heap_after);
                self.floor = Some(gc.heap_after);
            }
            GcKind::Incremental | GcKind::WeakCallbacks => {}
        }
        let pause_ms = number(gc.pause_ns) / 1e6;
        self.gc.pause_ms += pause_ms;
        self.gc.max_pause_ms = self.gc.max_pause_ms.max(pause_ms);
        self.attribution.collected(gc);
        self.process.collected(gc);
        self.slowdowns.collected(gc);
        self.tally.collected(gc);
        self.planner.collected(gc.ended.0, gc.heap_after, gc.external_after);
        if let Some(series) = &mut self.series {
            series.collected(gc.pause_ns);
        }
    }

    /// What a shadow counted; `false` when its mark is not among the last 16.
    pub fn floor(&mut self, floor: &Floor) -> bool {
        self.process.floor(floor.heap_used);
        self.floor = Some(floor.heap_used);
        self.planner.answered(floor.heap_used, floor.external, self.findings.leaks.len());
        self.attribution.floor(floor)
    }

    /// How many bytes of V8's heap limit are room for the young generation, as a shadow has measured.
    pub fn young_generation_reserve(&mut self, bytes: u64) {
        self.live_limit.measured(bytes);
    }

    /// What a walk of the heap found; `false` when its mark is not among the last 16.
    pub fn census(&mut self, census: &Census) -> bool {
        self.attribution.census(census)
    }

    /// A site, before its first count; `false` when there are 256 others.
    pub fn site(&mut self, id: u32, info: SiteInfo) -> bool {
        self.attribution.site(id, info)
    }

    /// The process from outside, each second. Returns its private resident memory that neither V8's heaps nor external
    /// memory take, as of the last tick, bytes; `None` too while worker threads run whose memory is not known.
    pub fn system(&mut self, reading: &SystemReading) -> Option<u64> {
        self.process.read(reading);
        self.system = Some(*reading);
        if let Some(series) = &mut self.series {
            series.read(reading);
        }
        let known = self
            .tick
            .filter(|tick| tick.unread_workers == 0)
            .map(|tick| tick.heap_total.saturating_add(tick.external).saturating_add(tick.worker_bytes));
        let private_native =
            reading.rss_anon.zip(known).map(|(private, known)| private.saturating_sub(known));
        let descriptors = reading.descriptors.map(|count| u32::try_from(count).unwrap_or(u32::MAX));
        self.process(&ProcessCounts { at: reading.at, private_native, descriptors });
        private_native
    }

    /// Where the memory is, whenever that was looked at.
    pub fn memory_map(&mut self, map: &MemoryMap) {
        let parts: Vec<(&str, u64)> = map.parts.iter().map(|part| (part.name.as_str(), part.bytes)).collect();
        if let Some(series) = &mut self.series {
            series.memory_map(&parts);
        }
    }

    /// Numbers of the process, each second.
    pub fn process(&mut self, process: &ProcessCounts) {
        self.attribution.process(process);
        if let Some(native) = process.private_native {
            self.planner.native(process.at.0, native);
        }
    }

    fn finished(&mut self, record: &RequestRecord) {
        self.process.finished();
        self.tally.finished(record);
        let index = usize::from(record.route.0);
        if self.windows.len() <= index {
            self.windows.resize_with(index + 1, RouteWindows::default);
        }
        if let Some(windows) = self.windows.get_mut(index) {
            windows.record(record);
        }
        self.attribution.finished(record.route, record.ended);
        self.slowdowns.finished(record);
        self.planner.finished(record.route);
        if let Some(series) = &mut self.series {
            series.finished(record);
        }
    }

    /// Judges the time: closes windows, runs the triggers and, every few seconds, the attribution.
    pub fn tick(&mut self, surroundings: &Surroundings) -> Vec<Trip> {
        let now = surroundings.now;
        self.close_windows(now);
        self.advance_series(surroundings);
        let view = View {
            routes: &self.routes,
            windows: &self.windows,
            running: &self.running,
            last_tick: self.tick.as_ref(),
            system: self.system.as_ref(),
            floor: self.floor,
            findings: &self.findings,
            slowdowns: &self.slowdowns,
            surroundings,
            window: self.window,
            window_ms: self.config.window_ms,
        };
        let trips = self.rules.judge(now.since(self.started) / 1_000_000, &view);
        let pace =
            if self.config.window_ms <= SHORT_WINDOW_MS { ATTRIBUTION_TEST_NS } else { ATTRIBUTION_NS };
        if now.since(self.attributed) >= pace {
            self.attributed = now;
            self.attribute();
        }
        if self.slowdowns.close(now.0) {
            self.slowdowns.judge(&self.findings.leaks, &self.routes);
        }
        trips
    }

    /// Where floors come from, from now on.
    pub fn use_floors(&mut self, source: FloorSource) {
        self.attribution.force_floors(source == FloorSource::Forced);
        self.planner.switch(source == FloorSource::Shadow);
    }

    /// Whether a shadow should be asked for a floor now; then tell [`Monitor::floor_asked`] or [`Monitor::floor_put_off`].
    pub fn wants_floor(&mut self, now: Nanos) -> bool {
        let limit = self.tick.map_or(0, |tick| tick.heap_limit);
        let for_limit = self.live_limit.matters(self.floor, limit) && self.planner.may_ask(now.0);
        self.planner.wants(now.0, self.findings.leaks.len()) || for_limit
    }

    /// A shadow is asked for a floor.
    pub fn floor_asked(&mut self, now: Nanos) {
        self.live_limit.asked();
        self.planner.asked(now.0);
    }

    /// None can be asked, or it did not answer; `why` is for the stats. It is wanted again after `wait_ms` at the earliest.
    pub fn floor_put_off(&mut self, now: Nanos, wait_ms: u64, why: &str) {
        self.planner.put_off(now.0, wait_ms.saturating_mul(1_000_000), why);
    }

    /// For what this trigger tripped by nothing may be frozen any more: its state says so until it arms again.
    pub fn out_of_budget(&mut self, trigger: &str, because: &str) {
        self.rules.out_of_budget(trigger, because);
    }

    /// The leaks as of the last attribution.
    pub fn leaks(&self) -> &[Leak] {
        &self.findings.leaks
    }

    /// Whether memory, or something that is counted, has grown so much that a closer look is worth its cost.
    pub fn growing(&self) -> bool {
        self.findings.growing || self.findings.unexplained || !self.candidates.is_empty()
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

    /// An instant in ms since the epoch.
    pub fn wall_ms(&self, at: Nanos) -> u64 {
        self.started_wall_ms + self.uptime_ms(at)
    }

    fn close_windows(&mut self, now: Nanos) {
        let index = self.uptime_ms(now) / self.config.window_ms.max(1);
        if index <= self.window {
            return;
        }
        let mut keep = self.rules.keep();
        if self.window * self.config.window_ms < self.config.warm_up_ms {
            keep.baseline = 0;
        }
        // After a long sleep the windows in between are empty: closing the last two empties what has to be emptied.
        for closing in [self.window, index - 1].into_iter().take(if index - self.window > 1 { 2 } else { 1 })
        {
            for windows in &mut self.windows {
                windows.close(closing, keep);
            }
        }
        self.window = index;
    }

    fn advance_series(&mut self, surroundings: &Surroundings) {
        let since = surroundings.now.since(self.started);
        let Some(series) = &mut self.series else { return };
        if let Some(turn) = surroundings.last_turn.filter(|_| !surroundings.watcher_late) {
            let silent = surroundings.now.since(turn);
            series.silent(silent.saturating_sub(self.config.tick_ms.saturating_mul(1_000_000)));
        }
        let leaking = self.findings.leaks.iter().flat_map(|leak| &leak.routes).map(String::as_str).collect();
        let levels = Levels {
            tick: self.tick.as_ref(),
            floor: self.floor,
            kept: &self.findings.kept,
            leaking,
            routes: &self.routes,
        };
        series.advance(since, &levels);
    }

    fn attribute(&mut self) {
        let limit = self.tick.map(|tick| tick.live_limit).filter(|limit| *limit > 0);
        let chance = if self.config.window_ms <= SHORT_WINDOW_MS { CHANCE_TEST } else { CHANCE };
        let mut findings = judge(&self.attribution, &self.routes, limit, chance, |ns| self.wall(Nanos(ns)));
        // What is seen once may be chance; it is reported when the next look, with more data, sees it again.
        let seen: Vec<String> = findings.leaks.iter().map(|leak| leak.route.clone()).collect();
        findings.leaks.retain(|leak| self.candidates.contains(&leak.route));
        self.candidates = seen;
        self.findings = findings;
    }
}

#[cfg(test)]
mod planned_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod witness_tests;
