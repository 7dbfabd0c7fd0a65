//! Counts what happens until it is taken, once a second.
//!
//! **Invariant:** it holds at most one entry for each route, and none for a route without requests since the last taking.

use super::{Durations, ProcessSlice, RouteSlice, Slice};
use crate::event::{GcRecord, Outcome, RequestRecord, RouteId, TickReading};
use crate::route_table::RouteTable;

#[derive(Debug, Default)]
struct Counted {
    requests: u64,
    failed: u64,
    thread_ns: u64,
    sum_us: u64,
    durations: Durations,
}

/// The counters of the present second.
#[derive(Debug, Default)]
pub struct Tally {
    /// Of each route, by id; those in `busy` have requests.
    routes: Vec<Counted>,
    busy: Vec<RouteId>,
    process: ProcessSlice,
}

impl Tally {
    /// A request ended.
    pub fn finished(&mut self, record: &RequestRecord) {
        let index = usize::from(record.route.0);
        if self.routes.len() <= index {
            self.routes.resize_with(index + 1, Counted::default);
        }
        let Some(route) = self.routes.get_mut(index) else { return };
        if route.requests == 0 {
            self.busy.push(record.route);
        }
        route.requests += 1;
        route.thread_ns = route.thread_ns.saturating_add(record.thread_ns);
        self.process.requests += 1;
        let failed = match record.outcome {
            Outcome::Finished => record.status >= 500,
            Outcome::Failed => true,
            Outcome::Aborted | Outcome::Upgraded => false,
        };
        route.failed += u64::from(failed);
        self.process.failed += u64::from(failed);
        if matches!(record.outcome, Outcome::Finished | Outcome::Failed) {
            let us = record.duration_ns / 1_000;
            route.sum_us = route.sum_us.saturating_add(us);
            route.durations.record(us);
        }
    }

    /// A collection ended.
    pub fn collected(&mut self, gc: &GcRecord) {
        let us = gc.pause_ns / 1_000;
        self.process.collections += 1;
        self.process.gc_pause_us = self.process.gc_pause_us.saturating_add(us);
        self.process.gc_longest_us = self.process.gc_longest_us.max(us);
    }

    /// How long the loop has not turned by now, ms.
    pub fn stalled(&mut self, ms: u64) {
        self.process.stall_ms = Some(self.process.stall_ms.unwrap_or(0).max(ms));
    }

    /// Hands out what was counted, and begins anew. `tick` and `floor` are the last ones.
    pub fn take(&mut self, names: &RouteTable, tick: Option<&TickReading>, floor: Option<u64>) -> Slice {
        let mut process = std::mem::take(&mut self.process);
        if let Some(tick) = tick {
            process.heap_used = Some(tick.heap_used);
            process.external = Some(tick.external);
            process.listeners = tick.listeners.map(u64::from);
            process.timers = tick.timers.map(u64::from);
            process.handles = tick.handles.map(u64::from);
        }
        process.floor = floor;
        let mut routes = Vec::with_capacity(self.busy.len());
        for id in self.busy.drain(..) {
            let Some(counted) = self.routes.get_mut(usize::from(id.0)) else { continue };
            let counted = std::mem::take(counted);
            routes.push(RouteSlice {
                route: names.name(id).to_owned(),
                requests: counted.requests,
                failed: counted.failed,
                thread_us: counted.thread_ns / 1_000,
                sum_us: counted.sum_us,
                durations: counted.durations,
            });
        }
        Slice { process, routes }
    }

    /// Memory held, bytes.
    pub fn bytes(&self) -> usize {
        self.routes.capacity() * size_of::<Counted>()
            + self.routes.iter().map(|route| route.durations.bytes()).sum::<usize>()
            + self.busy.capacity() * size_of::<RouteId>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{GcKind, Nanos};

    fn record(route: u16, ms: u64, outcome: Outcome, status: u16) -> RequestRecord {
        RequestRecord {
            route: RouteId(route),
            outcome,
            status,
            ended: Nanos(0),
            duration_ns: ms * 1_000_000,
            thread_ns: 500_000,
            overlap: 1.0,
            heap_delta: 0,
            allocated: 0,
            external_delta: 0,
        }
    }

    #[test]
    fn what_was_counted_is_handed_out_once() {
        let mut names = RouteTable::new(10);
        let route = names.intern("GET /a");
        let mut tally = Tally::default();
        tally.finished(&record(route.0, 10, Outcome::Finished, 200));
        tally.finished(&record(route.0, 30, Outcome::Finished, 503));
        tally.finished(&record(route.0, 9_000, Outcome::Aborted, 0));
        tally.collected(&GcRecord {
            kind: GcKind::Minor,
            ended: Nanos(0),
            pause_ns: 2_000_000,
            heap_before: None,
            heap_after: 0,
            external_after: 0,
        });
        tally.stalled(40);
        tally.stalled(7);
        let tick = TickReading { heap_used: 5, timers: Some(2), ..TickReading::default() };

        let slice = tally.take(&names, Some(&tick), Some(3));

        let [found] = slice.routes.as_slice() else { panic!("{slice:?}") };
        assert_eq!((found.route.as_str(), found.requests, found.failed), ("GET /a", 3, 1));
        assert_eq!((found.thread_us, found.sum_us, found.durations.count()), (1_500, 40_000, 2));
        let process = slice.process;
        assert_eq!((process.requests, process.failed, process.collections), (3, 1, 1));
        assert_eq!((process.gc_longest_us, process.stall_ms), (2_000, Some(40)));
        assert_eq!((process.heap_used, process.floor, process.timers), (Some(5), Some(3), Some(2)));
        assert_eq!(tally.take(&names, None, None), Slice::default());
    }
}
