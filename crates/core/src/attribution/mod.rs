//! Growth of a resource, attributed to the routes whose requests came meanwhile.
//!
//! Between two readings: growth = Σ (kept per request × requests finished) + drift + noise. The derivation, the
//! assumptions and the weaknesses are in `docs/design/attribution.md`.

mod judge;
mod series;

pub use judge::{Findings, Kind, judge};
pub use series::{Series, Share};

use crate::event::{GcKind, GcRecord, RouteId, TickReading};
use crate::report::Estimate;

/// Ticks come four times a second; growth of counts is looked at once a second at most.
const COUNT_GAP_NS: u64 = 1_000_000_000;
/// A collection that begins this soon after another one has ended is the second of a pair.
const PAIR_NS: u64 = 20_000_000;
/// Collections that follow each other closely are one floor.
const FLOOR_GAP_NS: u64 = 300_000_000;

/// What can grow.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Resource {
    /// Used heap after a major collection.
    Heap,
    /// External memory after a major collection.
    External,
    /// Listeners on shared emitters.
    Listeners,
    /// Live timers.
    Timers,
}

impl Resource {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Heap, Self::External, Self::Listeners, Self::Timers];

    /// Its name in the report.
    pub fn name(self) -> &'static str {
        match self {
            Self::Heap => "heap",
            Self::External => "external",
            Self::Listeners => "listeners",
            Self::Timers => "timers",
        }
    }

    /// The unit of what is kept per request.
    pub fn unit(self) -> &'static str {
        match self {
            Self::Heap | Self::External => "bytes",
            Self::Listeners => "listeners",
            Self::Timers => "timers",
        }
    }

    /// Who says so.
    pub fn witness(self) -> &'static str {
        match self {
            Self::Heap | Self::External => "floor-regression",
            Self::Listeners => "listener-regression",
            Self::Timers => "timer-regression",
        }
    }

    /// Less than this per request is not worth a person's time: a closure or an array entry takes 32 to 64 bytes.
    pub(crate) fn least_per_request(self) -> f64 {
        match self {
            Self::Heap => 64.0,
            Self::External => 256.0,
            Self::Listeners | Self::Timers => 0.02,
        }
    }

    /// Less than this in all is within what compiled code and caches move by themselves.
    pub(crate) fn least_total(self) -> f64 {
        match self {
            Self::Heap => 128.0 * 1024.0,
            Self::External => 512.0 * 1024.0,
            Self::Listeners | Self::Timers => 20.0,
        }
    }
}

/// The observations of all resources.
#[derive(Debug)]
pub struct Attribution {
    finished: Vec<u64>,
    series: [Series; 4],
    warm_up_until_ns: u64,
    forced_floors: bool,
    last_major_ns: u64,
}

impl Attribution {
    /// Nothing observed yet; readings before `warm_up_until_ns` on the clock are left out.
    ///
    /// With `forced_floors` only the second of two collections in a row is a floor. A collection that ends incremental
    /// marking keeps what was allocated while it marked, which is most where a route makes most garbage: such floors
    /// blamed healthy routes.
    pub fn new(warm_up_until_ns: u64, forced_floors: bool) -> Self {
        let gaps = [FLOOR_GAP_NS, FLOOR_GAP_NS, COUNT_GAP_NS, COUNT_GAP_NS];
        Self {
            finished: Vec::new(),
            series: gaps.map(Series::new),
            warm_up_until_ns,
            forced_floors,
            last_major_ns: 0,
        }
    }

    /// A request of this route ended.
    pub fn finished(&mut self, route: RouteId) {
        let index = usize::from(route.0);
        if self.finished.len() <= index {
            self.finished.resize(index + 1, 0);
        }
        if let Some(count) = self.finished.get_mut(index) {
            *count += 1;
        }
    }

    /// A collection; only a major one is a floor.
    pub fn collected(&mut self, gc: &GcRecord) {
        if gc.kind != GcKind::Major {
            return;
        }
        let began_ns = gc.ended.0.saturating_sub(gc.pause_ns);
        let second = self.last_major_ns > 0 && began_ns.saturating_sub(self.last_major_ns) <= PAIR_NS;
        self.last_major_ns = gc.ended.0;
        if self.forced_floors && !second {
            return;
        }
        self.read(Resource::Heap, gc.ended.0, Some(gc.heap_after));
        self.read(Resource::External, gc.ended.0, Some(gc.external_after));
    }

    /// A tick.
    pub fn ticked(&mut self, tick: &TickReading) {
        self.read(Resource::Listeners, tick.at.0, tick.listeners.map(u64::from));
        self.read(Resource::Timers, tick.at.0, tick.timers.map(u64::from));
    }

    /// The observations of one resource.
    pub fn series(&self, resource: Resource) -> Option<&Series> {
        self.series.get(resource as usize)
    }

    /// Memory held, bytes.
    pub fn bytes(&self) -> usize {
        self.finished.capacity() * 8 + self.series.iter().map(Series::bytes).sum::<usize>()
    }

    fn read(&mut self, resource: Resource, at_ns: u64, value: Option<u64>) {
        if at_ns < self.warm_up_until_ns {
            return;
        }
        if let (Some(value), Some(series)) = (value, self.series.get_mut(resource as usize)) {
            series.read(at_ns, value, &self.finished);
        }
    }
}

/// A share as the report's estimate.
pub(crate) fn estimate(share: &Share, resource: Resource) -> Estimate {
    // What the solver leaves of a zero is no number to show.
    let tidy = |value: f64| if value.abs() < 1e-6 { 0.0 } else { value };
    Estimate {
        value: tidy(share.interval.value),
        low: tidy(share.interval.low),
        high: tidy(share.interval.high),
        unit: resource.unit().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Nanos;

    fn major(ended_ms: u64, heap_after: u64) -> GcRecord {
        GcRecord {
            kind: GcKind::Major,
            ended: Nanos::from_ms(ended_ms),
            pause_ns: 10_000_000,
            heap_before: None,
            heap_after,
            external_after: 0,
        }
    }

    fn floors(forced: bool) -> Option<(usize, Option<u64>)> {
        let mut attribution = Attribution::new(0, forced);
        for (ended_ms, heap_after) in [(1_000, 900), (1_011, 500), (1_700, 9_000), (2_000, 950), (2_012, 510)]
        {
            attribution.collected(&major(ended_ms, heap_after));
        }
        attribution.series(Resource::Heap).map(|series| (series.len(), series.last()))
    }

    #[test]
    fn with_forced_floors_only_the_second_of_a_pair_counts() {
        assert_eq!(floors(true), Some((1, Some(510))));
    }

    #[test]
    fn without_them_every_major_collection_that_is_not_too_close_counts() {
        assert_eq!(floors(false), Some((2, Some(950))));
    }
}
