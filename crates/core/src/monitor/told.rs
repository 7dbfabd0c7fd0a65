//! What a monitor tells: stats and reports.

use super::Monitor;
use crate::event::{Nanos, RouteId};
use crate::hypothesis;
use crate::number;
use crate::observation::Watched;
use crate::report::{self, Cost, ProcessIdentity, Report, Verdict};
use crate::series::{Series, SeriesView};
use crate::slowdown::Slowdown;
use crate::stats::{self, Distribution, HeapStats, InFlight, Kept, RouteStats, Stats};
use crate::window::RouteWindows;

/// Routes listed in a report.
const REPORTED_ROUTES: usize = 50;

impl Monitor {
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
                live_limit: tick.live_limit,
                external: tick.external,
                malloced: tick.malloced,
                listeners: tick.listeners,
                timers: tick.timers,
                array_buffers: tick.array_buffers,
                handles: tick.handles,
                global_keys: tick.global_keys,
            }),
            process,
            memory_map: None,
            alarms: Vec::new(),
            sites: self.attribution.site_stats(),
            investigation: self.planner.stats(now.0),
            triggers: self.rules.stats(now, &self.routes),
            event_loop: None,
            server: None,
            cost,
        }
    }

    /// Routes that are reported to get slower, the largest growth first.
    pub fn slowdowns(&self) -> Vec<Slowdown> {
        self.slowdowns.reported()
    }

    /// Until the first leak that is reported reaches the heap limit at its rate, ms; `None` when none does.
    pub fn time_to_limit_ms(&self) -> Option<u64> {
        self.findings.leaks.iter().filter_map(|leak| leak.time_to_limit_ms).min()
    }

    /// Durations of a route over its last full window, and over all of its life; `None` without any.
    pub fn latency(&self, route: &str) -> (Option<Distribution>, Option<Distribution>) {
        let index = (0..self.windows.len())
            .find(|index| u16::try_from(*index).is_ok_and(|id| self.routes.name(RouteId(id)) == route));
        let windows = index.and_then(|index| self.windows.get(index));
        (windows.and_then(RouteWindows::last), windows.and_then(RouteWindows::total))
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
            slowdowns: self.slowdowns.reported(),
            hypotheses: hypothesis::judge(self.process.history(), &self.findings.leaks),
            routes: self.route_stats(REPORTED_ROUTES),
            cost,
        }
    }

    /// Each route's numbers, by its id.
    pub(crate) fn windows(&self) -> &[RouteWindows] {
        &self.windows
    }

    /// What a route keeps per request.
    pub(crate) fn kept(&self, route: RouteId) -> Option<&Kept> {
        self.findings.kept.get(&route)
    }

    /// Watched requests of a route at the last floor.
    pub(crate) fn watched(&self, route: RouteId) -> Option<Watched> {
        self.attribution.watched(route)
    }

    /// The recent series; see [`crate::series::Series::view`]. `None` where they are not kept.
    pub fn series(&self, route: Option<&str>, minutes: Option<u32>) -> Option<SeriesView> {
        self.series.as_ref().map(|series| series.view(&self.routes, route, minutes))
    }

    /// Memory held, bytes, about.
    pub fn bytes(&self) -> u64 {
        let windows: usize = self.windows.iter().map(RouteWindows::bytes).sum();
        (windows
            + self.routes.bytes()
            + self.attribution.bytes()
            + self.process.bytes()
            + self.slowdowns.bytes()
            + self.planner.bytes()
            + self.rules.bytes()
            + self.series.as_ref().map_or(0, Series::bytes)
            + self.tally.bytes()
            + self.running.requests.len() * size_of::<(RouteId, u64)>()
            + self.findings.kept.len() * 400) as u64
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
