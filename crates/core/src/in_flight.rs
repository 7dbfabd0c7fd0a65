//! Requests in flight, and what each one costs while they overlap.
//!
//! Several requests share the app thread at once, and nothing says which of them a given allocation belongs to. So
//! whatever the thread did between two events (a request starting or ending) is divided evenly among the requests in
//! flight meanwhile — processor sharing. One running total per quantity suffices: a request's share is the total at
//! its end minus the total at its start, which makes both O(1).
//!
//! Not here: who calls it and how the numbers are read. **Invariant:** a slot is either in `free` or counted in
//! `in_flight`, and a handle is valid only while its generation equals its slot's.

use crate::event::{Nanos, Outcome, RequestRecord, RouteId};

const SLOT_BITS: u32 = 14;
const SLOT_MASK: u32 = (1 << SLOT_BITS) - 1;
/// Generations wrap below 2^30 together with the slot, so that a handle is a small integer for V8.
const GENERATION_MASK: u32 = (1 << 16) - 1;

/// Before a request, and with several in flight, the heap is read at most this often.
const HEAP_EVERY_NS: u64 = 50_000;

/// Most requests that can be in flight at once; more are not recorded.
pub const MAX_IN_FLIGHT: usize = 1 << SLOT_BITS;

/// What the app thread can read in well under a microsecond.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Reading {
    /// When.
    pub at: Nanos,
    /// Accumulated time the event loop was not idle, ns; the wall clock where the loop does not say.
    pub busy_ns: u64,
    /// V8's heap. Reading it is by far the dearest part; see [`InFlightTable::wants_heap_at_begin`].
    pub heap: Option<HeapReading>,
}

/// Two of V8's heap statistics.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct HeapReading {
    /// Used heap, bytes.
    pub used: u64,
    /// External memory, bytes.
    pub external: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    generation: u32,
    occupied: bool,
    started: Nanos,
    heap: HeapReading,
    thread_share: f64,
    allocated_share: f64,
    overlap_time: f64,
}

/// The table of requests in flight, with the running totals.
#[derive(Debug, Default)]
pub struct InFlightTable {
    slots: Vec<Slot>,
    free: Vec<u16>,
    in_flight: u32,
    refused: u64,
    last: Reading,
    last_heap: HeapReading,
    heap_read: Nanos,
    /// Bytes freed by collections since `last_heap`.
    freed: u64,
    thread_share: f64,
    allocated_share: f64,
    /// Integral of the number in flight over time, ns.
    overlap_time: f64,
}

impl InFlightTable {
    /// Whether the heap should be read when a request starts at `now`. With others in flight it need not be: what was
    /// allocated since the last reading is then divided at the next end of a request, among those in flight by that
    /// time. Nor when the last request ended less than 50 µs ago: what was allocated since is mostly the parsing of
    /// this one.
    pub fn wants_heap_at_begin(&self, now: Nanos) -> bool {
        self.in_flight == 0 && now.since(self.heap_read) >= HEAP_EVERY_NS
    }

    /// Whether the heap should be read when a request ends at `now`: always when it is alone, else when the last
    /// reading is 50 µs old. Below that an allocation is divided among requests that overlap anyhow.
    pub fn wants_heap_at_end(&self, now: Nanos) -> bool {
        self.in_flight <= 1 || now.since(self.heap_read) >= HEAP_EVERY_NS
    }

    /// A request starts. The handle is at least 0 and below 2^30; `None` when the table is full (counted).
    pub fn begin(&mut self, reading: Reading) -> Option<i32> {
        self.advance(reading);
        let index = match self.free.pop() {
            Some(index) => index,
            None if self.slots.len() < MAX_IN_FLIGHT => {
                self.slots.push(Slot::default());
                u16::try_from(self.slots.len() - 1).unwrap_or(u16::MAX)
            }
            None => {
                self.refused += 1;
                return None;
            }
        };
        let slot = self.slots.get_mut(usize::from(index))?;
        *slot = Slot {
            generation: slot.generation,
            occupied: true,
            started: reading.at,
            heap: self.last_heap,
            thread_share: self.thread_share,
            allocated_share: self.allocated_share,
            overlap_time: self.overlap_time,
        };
        let generation = slot.generation;
        self.in_flight += 1;
        i32::try_from((generation << SLOT_BITS) | u32::from(index)).ok()
    }

    /// A request ends. `None` for a handle that is not in flight (stale, negative, made up): nothing changes then.
    pub fn finish(
        &mut self,
        handle: i32,
        route: RouteId,
        status: u16,
        outcome: Outcome,
        reading: Reading,
    ) -> Option<RequestRecord> {
        let handle = u32::try_from(handle).ok()?;
        let (index, generation) = (handle & SLOT_MASK, handle >> SLOT_BITS);
        let slot = self.slots.get(index as usize)?;
        if !slot.occupied || slot.generation != generation {
            return None;
        }
        self.advance(reading);
        let slot = self.slots.get_mut(index as usize)?;
        slot.occupied = false;
        slot.generation = (slot.generation + 1) & GENERATION_MASK;
        let start = *slot;
        self.free.push(u16::try_from(index).ok()?);
        self.in_flight = self.in_flight.saturating_sub(1);

        let duration_ns = reading.at.since(start.started);
        Some(RequestRecord {
            route,
            outcome,
            status,
            ended: reading.at,
            duration_ns,
            thread_ns: whole(self.thread_share - start.thread_share),
            overlap: mean_overlap(self.overlap_time - start.overlap_time, duration_ns),
            heap_delta: difference(self.last_heap.used, start.heap.used),
            allocated: whole(self.allocated_share - start.allocated_share),
            external_delta: difference(self.last_heap.external, start.heap.external),
        })
    }

    /// A collection took the used heap from `before` to `after`: what it freed was allocated earlier all the same.
    pub fn collected(&mut self, before: u64, after: u64) {
        self.freed = self.freed.saturating_add(before.saturating_sub(after));
    }

    /// How many requests are in flight.
    pub fn in_flight(&self) -> u32 {
        self.in_flight
    }

    /// Age of the oldest request in flight, ns; 0 without any. Walks the table: for a tick, not for a request.
    pub fn oldest_ns(&self, now: Nanos) -> u64 {
        self.slots.iter().filter(|slot| slot.occupied).map(|slot| now.since(slot.started)).max().unwrap_or(0)
    }

    /// Handles of the requests that are `ns` old or older at `now`, the oldest first. Walks the table.
    pub fn older_than(&self, now: Nanos, ns: u64) -> Vec<i32> {
        let mut old: Vec<(Nanos, i32)> = (0_u32..)
            .zip(&self.slots)
            .filter(|(_, slot)| slot.occupied && now.since(slot.started) >= ns)
            .filter_map(|(index, slot)| {
                Some((slot.started, i32::try_from((slot.generation << SLOT_BITS) | index).ok()?))
            })
            .collect();
        old.sort_unstable();
        old.into_iter().map(|(_, handle)| handle).collect()
    }

    /// Age of a request in flight, ns; `None` for one that is not.
    pub fn age_ns(&self, handle: i32, now: Nanos) -> Option<u64> {
        let handle = u32::try_from(handle).ok()?;
        let slot = self.slots.get((handle & SLOT_MASK) as usize)?;
        (slot.occupied && slot.generation == handle >> SLOT_BITS).then(|| now.since(slot.started))
    }

    /// Requests not recorded because the table was full, since the last call.
    pub fn take_refused(&mut self) -> u64 {
        std::mem::take(&mut self.refused)
    }

    /// Memory held, bytes.
    pub fn bytes(&self) -> usize {
        self.slots.capacity() * size_of::<Slot>() + self.free.capacity() * size_of::<u16>()
    }

    /// Divides what happened since the last event among the requests that were in flight.
    fn advance(&mut self, reading: Reading) {
        let since = std::mem::replace(&mut self.last, reading);
        let sharers = f64::from(self.in_flight);
        if self.in_flight > 0 {
            self.thread_share += float(reading.busy_ns.saturating_sub(since.busy_ns)) / sharers;
            self.overlap_time += float(reading.at.since(since.at)) * sharers;
        }
        if let Some(heap) = reading.heap {
            let freed = std::mem::take(&mut self.freed);
            let before = std::mem::replace(&mut self.last_heap, heap);
            self.heap_read = reading.at;
            if self.in_flight > 0 {
                let allocated = heap.used.saturating_add(freed).saturating_sub(before.used);
                self.allocated_share += float(allocated) / sharers;
            }
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "nanoseconds and bytes stay below 2^53, where f64 is exact")]
fn float(value: u64) -> f64 {
    value as f64
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "`as` saturates, and a share is never negative but for rounding"
)]
fn whole(value: f64) -> u64 {
    value as u64
}

fn difference(end: u64, start: u64) -> i64 {
    i64::try_from(i128::from(end) - i128::from(start)).unwrap_or(0)
}

#[expect(clippy::cast_possible_truncation, reason = "a mean of at most 16 384 needs no more than f32 holds")]
fn mean_overlap(overlap_time: f64, duration_ns: u64) -> f32 {
    if duration_ns == 0 { 1.0 } else { (overlap_time / float(duration_ns)).max(1.0) as f32 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64, heap_used: u64) -> Reading {
        let heap = Some(HeapReading { used: heap_used, external: 0 });
        Reading { at: Nanos::from_ms(ms), busy_ns: ms * 1_000_000, heap }
    }

    fn finish(table: &mut InFlightTable, handle: i32, reading: Reading) -> Option<RequestRecord> {
        table.finish(handle, RouteId(1), 200, Outcome::Finished, reading)
    }

    #[test]
    fn a_request_alone_gets_everything() {
        let mut table = InFlightTable::default();

        let handle = table.begin(at(10, 1_000)).unwrap();
        let record = finish(&mut table, handle, at(30, 4_000)).unwrap();

        assert_eq!((record.duration_ns, record.thread_ns), (20_000_000, 20_000_000));
        assert_eq!((record.allocated, record.heap_delta), (3_000, 3_000));
        assert!((record.overlap - 1.0).abs() < 1e-6);
    }

    #[test]
    fn what_happens_while_two_overlap_is_divided() {
        let mut table = InFlightTable::default();

        let first = table.begin(at(0, 0)).unwrap();
        let second = table.begin(at(10, 100)).unwrap();
        let second = finish(&mut table, second, at(20, 300)).unwrap();
        let first = finish(&mut table, first, at(30, 400)).unwrap();

        assert_eq!((first.allocated, second.allocated), (300, 100));
        assert_eq!(first.thread_ns + second.thread_ns, 30_000_000);
        assert!((second.overlap - 2.0).abs() < 1e-6);
        assert!((first.overlap - 4.0 / 3.0).abs() < 1e-6);
    }

    #[test]
    fn what_a_collection_freed_counts_as_allocated() {
        let mut table = InFlightTable::default();

        let handle = table.begin(at(0, 1_000)).unwrap();
        table.collected(9_000, 500);
        let record = finish(&mut table, handle, at(1, 700)).unwrap();

        assert_eq!(record.allocated, 8_200);
        assert_eq!(record.heap_delta, -300);
    }

    #[test]
    fn without_a_heap_reading_at_the_start_the_next_end_divides() {
        let mut table = InFlightTable::default();
        assert!(table.wants_heap_at_begin(Nanos::from_ms(1)));
        let first = table.begin(at(0, 1_000)).unwrap();
        assert!(!table.wants_heap_at_begin(Nanos::from_ms(1)));

        table.collected(1_400, 200);
        let second = table.begin(Reading { heap: None, ..at(10, 0) }).unwrap();
        let first = finish(&mut table, first, at(20, 600)).unwrap();
        let second = finish(&mut table, second, at(30, 700)).unwrap();

        // 400 before the collection, 400 after it, halved; then 100 for the second alone.
        assert_eq!((first.allocated, second.allocated), (400, 500));
        assert_eq!((first.thread_ns, second.thread_ns), (15_000_000, 15_000_000));
    }

    #[test]
    fn with_others_in_flight_the_heap_is_read_only_now_and_then() {
        let mut table = InFlightTable::default();
        table.begin(at(1, 100)).unwrap();
        assert!(table.wants_heap_at_end(Nanos::from_ms(1)), "alone, always");

        table.begin(Reading { heap: None, ..at(1, 0) }).unwrap();

        assert!(!table.wants_heap_at_end(Nanos(1_049_999)));
        assert!(table.wants_heap_at_end(Nanos(1_050_000)));
    }

    #[test]
    fn time_without_requests_belongs_to_nobody() {
        let mut table = InFlightTable::default();
        let first = table.begin(at(0, 0)).unwrap();
        finish(&mut table, first, at(1, 0)).unwrap();

        let second = table.begin(at(500, 9_000)).unwrap();
        let record = finish(&mut table, second, at(501, 9_010)).unwrap();

        assert_eq!(record.allocated, 10);
        assert_eq!(record.thread_ns, 1_000_000);
    }

    #[test]
    fn a_handle_ends_one_request_only() {
        let mut table = InFlightTable::default();
        let first = table.begin(at(0, 0)).unwrap();
        assert!(finish(&mut table, first, at(1, 0)).is_some());

        let second = table.begin(at(2, 0)).unwrap();

        assert_ne!(first, second);
        assert!(finish(&mut table, first, at(3, 0)).is_none());
        assert_eq!(table.in_flight(), 1);
        for made_up in [-1, i32::MIN, i32::MAX, 12_345] {
            assert!(finish(&mut table, made_up, at(3, 0)).is_none());
        }
        assert!(finish(&mut table, second, at(4, 0)).is_some());
    }

    #[test]
    fn a_full_table_refuses_and_counts() {
        let mut table = InFlightTable::default();
        let handles: Vec<_> = (0..MAX_IN_FLIGHT).map(|_| table.begin(at(0, 0)).unwrap()).collect();

        assert!(table.begin(at(0, 0)).is_none());
        assert_eq!(table.take_refused(), 1);
        assert!(handles.iter().all(|handle| (0..1 << 30).contains(handle)));
        assert!(table.bytes() < 2 << 20, "{} bytes", table.bytes());
        for handle in handles {
            assert!(finish(&mut table, handle, at(1, 0)).is_some());
        }
        assert_eq!(table.in_flight(), 0);
    }

    #[test]
    fn a_slot_is_used_again_for_ever() {
        let mut table = InFlightTable::default();

        for round in 0..200_000 {
            let handle = table.begin(at(round, 0)).unwrap();
            assert!(finish(&mut table, handle, at(round, 0)).is_some());
        }

        assert!(table.bytes() < 1_024);
    }

    #[test]
    fn the_oldest_is_the_one_that_started_first() {
        let mut table = InFlightTable::default();
        assert_eq!(table.oldest_ns(Nanos::from_ms(9)), 0);

        let first = table.begin(at(0, 0)).unwrap();
        let second = table.begin(at(5, 0)).unwrap();

        let now = Nanos::from_ms(9);
        assert_eq!(table.oldest_ns(now), 9_000_000);
        assert_eq!(table.older_than(now, 4_000_000), [first, second]);
        assert_eq!(table.older_than(now, 4_000_001), [first]);
        assert_eq!((table.age_ns(second, now), table.age_ns(-1, now)), (Some(4_000_000), None));
    }
}
