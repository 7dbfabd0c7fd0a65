//! Routes that get slower with the age of the process: each against its own baseline.
//!
//! Slow and stable is not a slowdown, nor is slow under load. The method, its sources, its false positives and its limits
//! are in `docs/slowdowns.md`. Not here: thresholds that a person sets; those are triggers.
//!
//! **Invariant:** memory depends on the number of routes, not on traffic or uptime.

mod cause;
mod history;
mod judge;
pub mod lives;
mod record;
pub(crate) mod trend;

use crate::event::{GcRecord, RequestRecord, RouteId, TickReading};
use crate::number;
use crate::report::Leak;
use crate::route_table::RouteTable;
use history::{MOST_BUCKETS, ProcessBucket, RouteHistory, Signal};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Windows as short as this are a test's, and a verdict is wanted in seconds.
const SHORT_WINDOW_MS: u64 = 1_000;
/// Otherwise a window is at least this long.
const LEAST_WINDOW_MS: u64 = 60_000;

/// A route that got slower.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Slowdown {
    /// Its name.
    pub route: String,
    /// What got slower: `app-thread-time` (its own work), `latency` (median) or `high-latency` (slowest tenth).
    pub by: String,
    /// That at low age, ms.
    pub baseline_ms: f64,
    /// And of late, ms.
    pub now_ms: f64,
    /// At this rate it doubles in so long, ms.
    pub doubling_time_ms: f64,
    /// 95 % interval of the doubling time, ms: lower and upper end.
    pub doubling_time_range_ms: (f64, f64),
    /// `leak:<id>`, `gc`, `cpu`, `stall` or `unknown`: what rises and falls with it.
    pub moves_with: String,
    /// Lives of processes in which it was seen, this one included; 1: in this one alone.
    #[serde(default = "one")]
    pub lives: u32,
    /// One sentence with the numbers.
    pub because: String,
}

fn one() -> u32 {
    1
}

/// What is found of one route, and how often in a row.
#[derive(Debug)]
struct Found {
    signal: Signal,
    slowdown: Slowdown,
    seen: u32,
}

/// The histories of all routes.
#[derive(Debug)]
pub struct Slowdowns {
    window_ns: u64,
    least_windows: u32,
    warm_up_until_ns: u64,
    window_began_ns: u64,
    routes: Vec<RouteHistory>,
    window: ProcessBucket,
    buckets: Vec<ProcessBucket>,
    /// Windows in a full bucket, in the last one, and in all.
    per_bucket: u32,
    in_last: u32,
    windows: u32,
    tick: Option<TickReading>,
    tick_gap_ns: u64,
    found: BTreeMap<RouteId, Found>,
    past: lives::Past,
}

impl Slowdowns {
    /// Nothing observed yet; requests before `warm_up_until_ns` on the clock are left out. `window_ms` as configured.
    pub fn new(began_ns: u64, warm_up_until_ns: u64, window_ms: u64) -> Self {
        let short = window_ms <= SHORT_WINDOW_MS;
        let window_ms = if short { window_ms } else { window_ms.max(LEAST_WINDOW_MS) };
        Self {
            window_ns: window_ms.saturating_mul(1_000_000),
            least_windows: if short { judge::LEAST_POINTS_TEST } else { judge::LEAST_WINDOWS },
            warm_up_until_ns,
            window_began_ns: began_ns,
            routes: Vec::new(),
            window: ProcessBucket::default(),
            buckets: Vec::with_capacity(MOST_BUCKETS),
            per_bucket: 1,
            in_last: 0,
            windows: 0,
            tick: None,
            tick_gap_ns: u64::MAX,
            found: BTreeMap::new(),
            past: lives::Past::default(),
        }
    }

    /// Earlier lives of the service, to be judged together with this one.
    pub fn remember(&mut self, past: lives::Past) {
        self.past = past;
    }

    /// What this life knows by age, for the next ones.
    pub fn life(&self, names: &RouteTable) -> lives::LifeRecord {
        record::write(&self.buckets, &self.routes, names)
    }

    /// A request ended. O(1).
    pub fn finished(&mut self, record: &RequestRecord) {
        let index = usize::from(record.route.0);
        if self.routes.len() <= index {
            self.routes.resize_with(index + 1, RouteHistory::default);
        }
        if let Some(route) = self.routes.get_mut(index) {
            route.record(record);
        }
        self.window.requests += 1.0;
        self.window.in_flight_ns += number(record.duration_ns);
    }

    /// A collection ended.
    pub fn collected(&mut self, gc: &GcRecord) {
        self.window.gc_ns += number(gc.pause_ns);
    }

    /// The loop turned.
    pub fn ticked(&mut self, tick: &TickReading) {
        if let Some(last) = self.tick {
            let gap_ns = tick.at.since(last.at);
            self.tick_gap_ns = self.tick_gap_ns.min(gap_ns.max(1));
            self.window.late_ns += number(gap_ns.saturating_sub(2 * self.tick_gap_ns));
            if let (Some(before), Some(now)) = (last.busy_ns, tick.busy_ns) {
                self.window.busy_ns += number(now.saturating_sub(before));
            }
        }
        self.tick = Some(*tick);
    }

    /// Closes the window when its time has come; `true` when there is something new to judge.
    pub fn close(&mut self, now_ns: u64) -> bool {
        let span_ns = now_ns.saturating_sub(self.window_began_ns);
        if span_ns < self.window_ns {
            return false;
        }
        let warm = self.window_began_ns >= self.warm_up_until_ns;
        self.window_began_ns = now_ns;
        let mut window = std::mem::take(&mut self.window);
        if !warm {
            self.routes.iter_mut().for_each(RouteHistory::forget_window);
            return false;
        }
        if self.buckets.is_empty() || self.in_last >= self.per_bucket {
            if self.buckets.len() == MOST_BUCKETS {
                self.merge();
            }
            self.buckets.push(ProcessBucket::default());
            self.in_last = 0;
        }
        self.in_last += 1;
        self.windows = self.windows.saturating_add(1);
        window.span_ns = number(span_ns);
        let index = u16::try_from(self.buckets.len() - 1).unwrap_or(u16::MAX);
        if let Some(last) = self.buckets.last_mut() {
            last.add(&window);
        }
        self.routes.iter_mut().for_each(|route| route.close(index));
        true
    }

    /// Looks at every route anew. A route is reported when two looks in a row have found it.
    pub fn judge(&mut self, leaks: &[Leak], names: &RouteTable) {
        if self.windows < self.least_windows {
            return;
        }
        let mut found = judge::all(&self.routes, &self.buckets, leaks, names);
        for (route, slower) in self.past.judge(&self.routes, &self.buckets, leaks, names) {
            found.entry(route).or_insert(slower);
        }
        let before = std::mem::take(&mut self.found);
        for (route, fresh) in &mut found {
            fresh.seen = before.get(route).map_or(1, |old| old.seen.saturating_add(1));
        }
        for (route, old) in before {
            if old.seen >= 2 && !found.contains_key(&route) {
                let kept = judge::still_slow(&self.routes, &self.buckets, (route, &old), leaks, names);
                found.extend(kept.map(|slowdown| (route, Found { slowdown, ..old })));
            }
        }
        self.found = found;
    }

    /// What is reported, the largest growth first.
    pub fn reported(&self) -> Vec<Slowdown> {
        let seen = self.found.values().filter(|found| found.seen >= 2);
        let mut reported: Vec<Slowdown> = seen.map(|found| found.slowdown.clone()).collect();
        reported.sort_by(|one, other| {
            (other.now_ms / other.baseline_ms).total_cmp(&(one.now_ms / one.baseline_ms))
        });
        reported
    }

    /// Whether there are windows enough for a trend.
    pub fn enough(&self) -> bool {
        self.windows >= self.least_windows
    }

    /// The doubling time of a route that is reported, ms.
    pub fn doubling_ms(&self, route: RouteId) -> Option<f64> {
        self.found.get(&route).filter(|found| found.seen >= 2).map(|found| found.slowdown.doubling_time_ms)
    }

    /// Memory held, bytes.
    pub fn bytes(&self) -> usize {
        self.routes.iter().map(RouteHistory::bytes).sum::<usize>()
            + self.buckets.capacity() * size_of::<ProcessBucket>()
            + self.found.len() * 400
            + self.past.bytes()
    }

    fn merge(&mut self) {
        let pairs = self.buckets.chunks(2).map(|pair| {
            let mut sum = ProcessBucket::default();
            for bucket in pair {
                sum.add(bucket);
            }
            sum
        });
        self.buckets = pairs.collect();
        self.buckets.reserve(MOST_BUCKETS - self.buckets.len());
        self.routes.iter_mut().for_each(RouteHistory::merge);
        self.per_bucket = self.per_bucket.saturating_mul(2);
    }
}

#[cfg(test)]
mod lives_tests;
#[cfg(test)]
mod tests;
