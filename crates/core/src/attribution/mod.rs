//! Growth of a resource, attributed to the routes whose requests came meanwhile.
//!
//! Between two readings: growth = Σ (kept per request × requests finished) + drift + noise. The derivation, the
//! assumptions and the weaknesses are in `docs/design/attribution.md`.

mod counted;
mod details;
mod judge;
mod kind;
mod leak;
mod regression;
mod requests;
mod resource;
mod timeline;
mod witness;

pub use judge::{Findings, judge};
pub use kind::Kind;
pub use regression::Share;
pub use resource::Resource;

use crate::event::{GcKind, GcRecord, Mark, Nanos, RouteId, SiteCount, TickReading};
use crate::observation::{Census, Floor, ForcedFloor, ProcessCounts, SiteInfo, Watched};
use crate::report::Estimate;
use regression::Observations;
use requests::{Counts, Requests};
use std::collections::VecDeque;
use timeline::{Point, Timeline};
use witness::{Holders, Sites, WatchedRequests};

/// Ticks come four times a second; growth of counts is looked at once a second at most.
const COUNT_GAP_NS: u64 = 1_000_000_000;
/// A collection that begins this soon after another one has ended is the second of a pair.
const PAIR_NS: u64 = 20_000_000;
/// Collections that follow each other closely are one floor.
const FLOOR_GAP_NS: u64 = 300_000_000;
/// Marks whose floor or census may still come.
const OPEN_MARKS: usize = 16;
/// Holders of one census that are kept.
pub const HOLDERS: usize = 512;
/// Sites that are kept.
pub const SITES: usize = 256;

#[derive(Debug)]
struct OpenMark {
    mark: Mark,
    counts: Counts,
}

/// The observations of all resources.
#[derive(Debug)]
pub struct Attribution {
    requests: Requests,
    marks: VecDeque<OpenMark>,
    /// What shadows counted, or the second of two collections in a row.
    exact: Timeline,
    /// V8's own major collections: they keep what was allocated while they marked.
    natural: Timeline,
    /// Counts that need no collection.
    counts: Timeline,
    holders: Holders,
    sites: Sites,
    watched: WatchedRequests,
    warm_up_until_ns: u64,
    forced_floors: bool,
    last_major_ns: u64,
}

impl Attribution {
    /// Nothing observed yet, of a process that started at `started_ns`; readings before `warm_up_until_ns` on the clock are left out.
    ///
    /// With `forced_floors` the second of two collections in a row is an exact floor, and no other collection is one. A
    /// collection that ends incremental marking keeps what was allocated while it marked, which is most where a route
    /// makes most garbage: such floors blamed healthy routes.
    pub fn new(started_ns: u64, warm_up_until_ns: u64, forced_floors: bool) -> Self {
        Self {
            requests: Requests::default(),
            marks: VecDeque::new(),
            exact: Timeline::new(started_ns, FLOOR_GAP_NS),
            natural: Timeline::new(started_ns, FLOOR_GAP_NS),
            counts: Timeline::new(started_ns, COUNT_GAP_NS),
            holders: Holders::default(),
            sites: Sites::default(),
            watched: WatchedRequests::default(),
            warm_up_until_ns,
            forced_floors,
            last_major_ns: 0,
        }
    }

    /// From now on the second of two collections in a row is a floor and no other collection is one, or every one is.
    pub fn force_floors(&mut self, forced: bool) {
        self.forced_floors = forced;
    }

    /// A request of this route ended.
    pub fn finished(&mut self, route: RouteId, at: Nanos) {
        self.requests.ended(route, at.0);
    }

    /// A collection; only a major one is a floor.
    pub fn collected(&mut self, gc: &GcRecord) {
        if gc.kind != GcKind::Major {
            return;
        }
        let began_ns = gc.ended.0.saturating_sub(gc.pause_ns);
        let second = self.last_major_ns > 0 && began_ns.saturating_sub(self.last_major_ns) <= PAIR_NS;
        self.last_major_ns = gc.ended.0;
        if gc.ended.0 < self.warm_up_until_ns || (self.forced_floors && !second) {
            return;
        }
        let timeline = if self.forced_floors { &mut self.exact } else { &mut self.natural };
        if let Some(point) = timeline.at(gc.ended.0, || self.requests.at(gc.ended.0)) {
            point.set(Resource::Heap, Some(gc.heap_after));
            point.set(Resource::External, Some(gc.external_after));
        }
    }

    /// A tick.
    pub fn ticked(&mut self, tick: &TickReading) {
        if let Some(point) = self.count(tick.at.0) {
            point.in_flight = Some(tick.in_flight);
            point.set(Resource::InFlight, Some(u64::from(tick.in_flight)));
            point.set(Resource::Listeners, tick.listeners.map(u64::from));
            point.set(Resource::Timers, tick.timers.map(u64::from));
            point.set(Resource::Handles, tick.handles.map(u64::from));
            point.set(Resource::Globals, tick.global_keys.map(u64::from));
        }
    }

    /// Numbers of the process.
    pub fn process(&mut self, process: &ProcessCounts) {
        // They come a little before or after the tick of their second: one point for both.
        let near = self.counts.last().map(|last| last.at_ns);
        let at_ns = near.filter(|at| process.at.0.saturating_sub(*at) < COUNT_GAP_NS).unwrap_or(process.at.0);
        if let Some(point) = self.count(at_ns) {
            point.set(Resource::Native, process.private_native);
            point.set(Resource::Descriptors, process.descriptors.map(u64::from));
        }
    }

    /// What the sites have made, as of the last tick.
    pub fn counted(&mut self, counts: &[SiteCount]) {
        let Some(at_ns) = self.counts.last().map(|last| last.at_ns) else { return };
        let counts = self.sites.known(counts);
        if let Some(point) = self.count(at_ns) {
            point.sites = counts;
        }
    }

    /// A site, before its first count; `false` when there is no room for it.
    pub fn site(&mut self, id: u32, info: SiteInfo) -> bool {
        self.sites.add(id, info)
    }

    /// The sites and their last counts.
    pub fn site_stats(&self) -> Vec<crate::stats::SiteStats> {
        self.sites.stats()
    }

    /// An instant for which a floor or a census may come.
    pub fn marked(&mut self, mark: Mark) {
        if self.marks.len() >= OPEN_MARKS {
            self.marks.pop_front();
        }
        self.marks.push_back(OpenMark { mark, counts: self.requests.at(mark.at.0) });
    }

    /// What a shadow counted; `false` when its mark is not known.
    pub fn floor(&mut self, floor: &Floor) -> bool {
        let warm = self.warm_up_until_ns;
        let Some(point) = self.exact_point(floor.mark) else { return false };
        point.set(Resource::Heap, Some(floor.heap_used));
        point.set(Resource::External, Some(floor.external));
        point.set(Resource::ArrayBuffers, Some(floor.array_buffers));
        if point.at_ns >= warm {
            self.watched.read(&floor.watched);
        }
        true
    }

    /// Watched requests of a route at the last floor; `None` where none were.
    pub(crate) fn watched(&self, route: RouteId) -> Option<Watched> {
        self.watched.of(route)
    }

    /// What was read after forced collections, at the floor that they made.
    pub fn forced_floor(&mut self, floor: &ForcedFloor) {
        if floor.at.0 < self.warm_up_until_ns {
            return;
        }
        self.watched.read(&floor.watched);
        if let Some(point) =
            self.exact.last_mut().filter(|point| floor.at.0 - point.at_ns.min(floor.at.0) < PAIR_NS)
        {
            point.set(Resource::ArrayBuffers, floor.array_buffers);
        }
    }

    /// What a walk found; `false` when its mark is not known.
    pub fn census(&mut self, census: &Census) -> bool {
        let held = self.holders.read(&census.holders);
        let Some(point) = self.exact_point(census.mark) else { return false };
        point.holders = Some(held);
        let alive = self.exact.points().filter_map(|point| point.holders.as_deref()).flatten();
        self.holders.forget_all_but(alive.map(|held| held.signature));
        true
    }

    /// The floors that count: exact ones when there are any, and natural ones without them.
    ///
    /// They are never mixed: a natural floor is higher by what was allocated while the collection marked.
    fn floors(&self) -> &Timeline {
        if self.exact.len() > 0 { &self.exact } else { &self.natural }
    }

    /// The timeline that has the readings of a resource.
    fn timeline(&self, resource: Resource) -> &Timeline {
        match resource {
            Resource::Heap | Resource::External | Resource::ArrayBuffers => self.floors(),
            _ => &self.counts,
        }
    }

    /// The observations of one resource.
    pub(crate) fn observations(&self, resource: Resource) -> Observations<'_> {
        Observations::new(self.timeline(resource), resource.resolution(), |point| point.level(resource))
    }

    /// Age of the process at the last point of any timeline, ns.
    pub(crate) fn age_ns(&self) -> u64 {
        let timelines = [&self.exact, &self.natural, &self.counts];
        let last = timelines.into_iter().filter_map(Timeline::last).map(|point| point.at_ns).max();
        last.unwrap_or(0).saturating_sub(self.exact.started_ns())
    }

    /// The last reading of a resource.
    pub fn last(&self, resource: Resource) -> Option<f64> {
        self.timeline(resource).points().rev().find_map(|point| point.level(resource))
    }

    /// Memory held, bytes.
    pub fn bytes(&self) -> usize {
        let marks: usize = self.marks.iter().map(|open| open.counts.bytes()).sum();
        let timelines = [&self.exact, &self.natural, &self.counts];
        self.requests.bytes()
            + marks
            + timelines.into_iter().map(Timeline::bytes).sum::<usize>()
            + self.holders.bytes()
            + self.sites.bytes()
    }

    fn count(&mut self, at_ns: u64) -> Option<&mut Point> {
        if at_ns < self.warm_up_until_ns {
            return None;
        }
        self.counts.at(at_ns, || self.requests.at(at_ns))
    }

    /// The exact point of an open mark; during the warm-up there is none.
    fn exact_point(&mut self, id: u32) -> Option<&mut Point> {
        let open = self.marks.iter().rev().find(|open| open.mark.id == id)?;
        let at_ns = open.mark.at.0;
        if at_ns < self.warm_up_until_ns {
            return None;
        }
        self.exact.of_mark(id, at_ns, || {
            let mut point = Point::new(at_ns, open.counts.clone());
            point.mark = Some(id);
            point.in_flight = Some(open.mark.in_flight);
            point
        })
    }
}

/// A share as the report's estimate.
pub(crate) fn estimate(share: &Share, unit: &str) -> Estimate {
    // What the solver leaves of a zero is no number to show.
    let tidy = |value: f64| if value.abs() < 1e-6 { 0.0 } else { value };
    Estimate {
        value: tidy(share.interval.value),
        low: tidy(share.interval.low),
        high: tidy(share.interval.high),
        unit: unit.to_owned(),
    }
}

#[cfg(test)]
mod scenario_tests;
#[cfg(test)]
mod tests;
