//! Readings with the requests that had ended by then: levels and running totals, never differences.
//!
//! Growth between any two points follows by subtraction, so a timeline can be thinned without losing any of it. When it
//! is full, the older half gives up every second point: recent growth is seen sharply, old growth coarsely.
//!
//! **Invariant:** points are in order of time, and there are at most [`POINTS`].

use super::Resource;
use super::requests::Counts;
use crate::number;
use std::collections::VecDeque;

/// Points kept.
pub(crate) const POINTS: usize = 128;

/// What one folded path of the heap held at a point.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Held {
    pub(crate) signature: u64,
    pub(crate) count: u64,
    pub(crate) bytes: u64,
}

/// An instant.
#[derive(Debug)]
pub(crate) struct Point {
    pub(crate) at_ns: u64,
    /// The mark it belongs to, of exact points.
    pub(crate) mark: Option<u32>,
    pub(crate) in_flight: Option<u32>,
    pub(crate) counts: Counts,
    levels: [Option<u64>; Resource::ALL.len()],
    /// By site, in order of site.
    pub(crate) sites: Box<[(u32, u64)]>,
    /// What a walk found, in order of signature; `None` without a walk.
    pub(crate) holders: Option<Box<[Held]>>,
}

impl Point {
    pub(crate) fn new(at_ns: u64, counts: Counts) -> Self {
        Self {
            at_ns,
            mark: None,
            in_flight: None,
            counts,
            levels: Default::default(),
            sites: Box::default(),
            holders: None,
        }
    }

    pub(crate) fn set(&mut self, resource: Resource, level: Option<u64>) {
        if let Some(slot) = self.levels.get_mut(resource as usize) {
            *slot = level.or(*slot);
        }
    }

    pub(crate) fn level(&self, resource: Resource) -> Option<f64> {
        self.levels.get(resource as usize).copied().flatten().map(number)
    }

    pub(crate) fn site(&self, site: u32) -> Option<f64> {
        let found = self.sites.binary_search_by_key(&site, |(site, _)| *site).ok()?;
        self.sites.get(found).map(|(_, count)| number(*count))
    }

    pub(crate) fn holder(&self, signature: u64) -> Option<&Held> {
        let holders = self.holders.as_ref()?;
        let found = holders.binary_search_by_key(&signature, |held| held.signature).ok()?;
        holders.get(found)
    }

    fn bytes(&self) -> usize {
        size_of::<Self>()
            + self.counts.bytes()
            + self.sites.len() * 16
            + self.holders.as_ref().map_or(0, |holders| holders.len() * size_of::<Held>())
    }
}

/// Points in order of time.
#[derive(Debug, Default)]
pub(crate) struct Timeline {
    points: VecDeque<Point>,
    /// Points closer than this to the one before are not taken.
    gap_ns: u64,
    started_ns: u64,
}

impl Timeline {
    pub(crate) fn new(started_ns: u64, gap_ns: u64) -> Self {
        Self { points: VecDeque::new(), gap_ns, started_ns }
    }

    /// When the process was first looked at.
    pub(crate) fn started_ns(&self) -> u64 {
        self.started_ns
    }

    pub(crate) fn points(&self) -> impl DoubleEndedIterator<Item = &Point> + Clone {
        self.points.iter()
    }

    pub(crate) fn len(&self) -> usize {
        self.points.len()
    }

    pub(crate) fn last(&self) -> Option<&Point> {
        self.points.back()
    }

    pub(crate) fn last_mut(&mut self) -> Option<&mut Point> {
        self.points.back_mut()
    }

    /// Whether a point at this instant is far enough from the last one.
    pub(crate) fn takes(&self, at_ns: u64) -> bool {
        self.points.back().is_none_or(|last| at_ns >= last.at_ns.saturating_add(self.gap_ns))
    }

    /// The last point when it is of this instant, or a new one; `None` when it would come too soon.
    pub(crate) fn at(&mut self, at_ns: u64, counts: impl FnOnce() -> Counts) -> Option<&mut Point> {
        if self.points.back().is_none_or(|last| last.at_ns != at_ns) {
            if !self.takes(at_ns) {
                return None;
            }
            self.points.push_back(Point::new(at_ns, counts()));
            self.thin();
        }
        self.points.back_mut()
    }

    /// The point of a mark, made by `point` and put where its time says.
    pub(crate) fn of_mark(
        &mut self,
        mark: u32,
        at_ns: u64,
        point: impl FnOnce() -> Point,
    ) -> Option<&mut Point> {
        let is_it = |other: &Point| other.mark == Some(mark) && other.at_ns == at_ns;
        if !self.points.iter().any(is_it) {
            let index = self.points.partition_point(|other| other.at_ns <= at_ns);
            self.points.insert(index, point());
            self.thin();
        }
        self.points.iter_mut().rev().find(|other| is_it(other))
    }

    pub(crate) fn bytes(&self) -> usize {
        self.points.iter().map(Point::bytes).sum()
    }

    /// Every second point of the older half goes.
    fn thin(&mut self) {
        if self.points.len() <= POINTS {
            return;
        }
        let mut index = 0;
        self.points.retain(|_| {
            index += 1;
            index > POINTS / 2 || index % 2 == 1
        });
    }
}
