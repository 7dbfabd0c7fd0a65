//! Which routes have series: the first ones, and later those with more requests than the least of them.

use super::point::{BOUNDS_MS, RoutePoint};
use super::ring::Rings;
use super::{Levels, ROUTES};
use crate::event::{Outcome, RequestRecord, RouteId};
use crate::window::Latencies;

/// What a route's requests of a second ago still count for.
const FADES: f32 = 0.99;
/// A route that leaks counts as one with so many requests more each second.
const LEAKS: f32 = 1e6;
/// Of a route without a slot.
const NONE: u8 = u8::MAX;

/// The routes that have series.
#[derive(Debug, Default)]
pub(super) struct Slots {
    slots: Vec<Slot>,
    /// By route: its slot, and its requests, those of long ago for less.
    routes: Vec<(u8, f32)>,
}

/// A route's series.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) route: RouteId,
    pub(super) rings: Rings<RoutePoint>,
    current: RoutePoint,
    latencies: Latencies,
}

impl Slot {
    fn new(route: RouteId) -> Self {
        Self {
            route,
            rings: Rings::default(),
            current: RoutePoint::default(),
            latencies: Latencies::default(),
        }
    }
}

impl Slots {
    /// A request has ended. O(1).
    pub(super) fn finished(&mut self, record: &RequestRecord) {
        let index = usize::from(record.route.0);
        if self.routes.len() <= index {
            self.routes.resize(index + 1, (NONE, 0.0));
        }
        let Some((slot, weight)) = self.routes.get_mut(index) else { return };
        *weight += 1.0;
        if *slot == NONE && self.slots.len() < ROUTES {
            *slot = u8::try_from(self.slots.len()).unwrap_or(NONE);
            self.slots.push(Slot::new(record.route));
        }
        let Some(slot) = self.slots.get_mut(usize::from(*slot)) else { return };
        slot.current.requests = slot.current.requests.saturating_add(1);
        // How long a client stayed, or a handshake, says nothing of how fast the route answers.
        if matches!(record.outcome, Outcome::Finished | Outcome::Failed) {
            slot.latencies.record(record.duration_ns);
            let ms = crate::number(record.duration_ns) / 1e6;
            let bin = BOUNDS_MS.partition_point(|bound| *bound < ms);
            if let Some(count) = slot.current.bins.get_mut(bin) {
                *count = count.saturating_add(1);
            }
        }
    }

    /// Closes a second; `step` is that of the process's series since the start.
    pub(super) fn close(&mut self, second: u32, step: u32, levels: &Levels<'_>) {
        for slot in &mut self.slots {
            let mut point = std::mem::take(&mut slot.current);
            #[expect(clippy::cast_possible_truncation, reason = "milliseconds and bytes for a chart")]
            let short = |value: Option<f64>| value.map_or(f32::NAN, |value| value as f32);
            point.p50_ms = short(slot.latencies.quantile_ms(0.5));
            point.p95_ms = short(slot.latencies.quantile_ms(0.95));
            point.kept = short(levels.kept.get(&slot.route).and_then(kept_bytes));
            slot.latencies.clear();
            slot.rings.push(second, point);
            slot.rings.coarsen_all(step);
        }
        for (index, (_, weight)) in self.routes.iter_mut().enumerate() {
            *weight *= FADES;
            let leaks = !levels.leaking.is_empty()
                && u16::try_from(index)
                    .is_ok_and(|id| levels.leaking.contains(levels.routes.name(RouteId(id))));
            if leaks {
                *weight = weight.max(LEAKS);
            }
        }
        self.exchange();
    }

    /// Gives the slot of the least route to the greatest that has none, if that has twice as many requests.
    fn exchange(&mut self) {
        if self.slots.len() < ROUTES {
            return;
        }
        let weight = |route: &(usize, &(u8, f32))| route.1.1;
        let with = self.routes.iter().enumerate().filter(|(_, (slot, _))| *slot != NONE);
        let without = self.routes.iter().enumerate().filter(|(_, (slot, _))| *slot == NONE);
        let least = with.min_by(|one, other| weight(one).total_cmp(&weight(other)));
        let greatest = without.max_by(|one, other| weight(one).total_cmp(&weight(other)));
        let (Some((least, (slot, has))), Some((greatest, (_, wants)))) = (least, greatest) else { return };
        if *wants <= 2.0 * has + 1.0 {
            return;
        }
        let number = *slot;
        let Ok(route) = u16::try_from(greatest) else { return };
        if let Some(slot) = self.slots.get_mut(usize::from(number)) {
            slot.route = RouteId(route);
            slot.rings.clear();
            slot.current = RoutePoint::default();
            slot.latencies.clear();
        }
        for (index, slot) in [(least, NONE), (greatest, number)] {
            if let Some(route) = self.routes.get_mut(index) {
                route.0 = slot;
            }
        }
    }

    /// Those that have series, the most requests first.
    pub(super) fn by_requests(&self) -> Vec<&Slot> {
        let weight = |slot: &Slot| self.routes.get(usize::from(slot.route.0)).map_or(0.0, |route| route.1);
        let mut slots: Vec<&Slot> = self.slots.iter().collect();
        slots.sort_by(|one, other| weight(other).total_cmp(&weight(one)));
        slots
    }

    /// Memory held, bytes.
    pub(super) fn bytes(&self) -> usize {
        let slot = |slot: &Slot| slot.rings.bytes() + slot.latencies.bytes() + size_of::<Slot>();
        self.slots.iter().map(slot).sum::<usize>() + self.routes.capacity() * size_of::<(u8, f32)>()
    }
}

/// Bytes of the heap and of external memory that a request of the route keeps.
fn kept_bytes(kept: &crate::stats::Kept) -> Option<f64> {
    let heap = kept.heap.as_ref().map(|estimate| estimate.value);
    let external = kept.external.as_ref().map(|estimate| estimate.value);
    heap.or(external).map(|_| heap.unwrap_or(0.0) + external.unwrap_or(0.0))
}
