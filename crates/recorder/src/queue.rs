//! The app thread's side of the channel: never waits, counts what it has to drop.

use crossbeam_channel::{Receiver, Sender, bounded};
use leakprobe_core::{Event, Nanos, RequestRecord};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// Slots of the channel itself; what it may hold is bounded by the records in them.
const SLOTS: usize = 1_024;

#[derive(Debug, Default)]
struct Counters {
    dropped: AtomicU64,
    refused: AtomicU64,
    turned: AtomicU64,
    waiting: AtomicUsize,
}

/// Sends events to the recorder.
#[derive(Clone, Debug)]
pub struct EventSender {
    sender: Sender<Event>,
    counters: Arc<Counters>,
    capacity: usize,
}

/// The recorder's end.
#[derive(Debug)]
pub(crate) struct EventReceiver {
    receiver: Receiver<Event>,
    counters: Arc<Counters>,
}

impl EventSender {
    /// A channel for `capacity` records.
    pub(crate) fn new(capacity: usize) -> (Self, EventReceiver) {
        let (sender, receiver) = bounded(SLOTS.min(capacity.max(1)));
        let counters = Arc::default();
        (Self { sender, counters: Arc::clone(&counters), capacity }, EventReceiver { receiver, counters })
    }

    /// Puts the event on the channel; `false` when it was full: then its records are dropped and counted.
    #[expect(clippy::must_use_candidate, reason = "the caller can do nothing about a dropped event")]
    pub fn send(&self, event: Event) -> bool {
        let records = records(&event);
        let waiting = self.counters.waiting.fetch_add(records, Ordering::Relaxed) + records;
        let sent = waiting <= self.capacity && self.sender.try_send(event).is_ok();
        if !sent {
            self.counters.waiting.fetch_sub(records, Ordering::Relaxed);
            self.counters.dropped.fetch_add(u64::try_from(records).unwrap_or(u64::MAX), Ordering::Relaxed);
        }
        sent
    }

    /// The event loop turned, or at least the app thread did something.
    pub fn turn(&self, at: Nanos) {
        self.counters.turned.store(at.0, Ordering::Relaxed);
    }

    /// Requests that were not recorded because too many were in flight.
    pub fn refused(&self, count: u64) {
        self.counters.refused.fetch_add(count, Ordering::Relaxed);
    }

    pub(crate) fn dropped_count(&self) -> u64 {
        self.counters.dropped.load(Ordering::Relaxed)
    }

    pub(crate) fn refused_count(&self) -> u64 {
        self.counters.refused.load(Ordering::Relaxed)
    }

    /// The last sign of life, `None` before the first.
    pub(crate) fn last_turn(&self) -> Option<Nanos> {
        match self.counters.turned.load(Ordering::Relaxed) {
            0 => None,
            at => Some(Nanos(at)),
        }
    }
}

impl EventReceiver {
    /// Events that wait.
    pub(crate) fn len(&self) -> usize {
        self.receiver.len()
    }

    /// The oldest event that waits.
    pub(crate) fn next(&self) -> Option<Event> {
        let event = self.receiver.try_recv().ok()?;
        self.counters.waiting.fetch_sub(records(&event), Ordering::Relaxed);
        Some(event)
    }

    /// Memory held, bytes.
    pub(crate) fn bytes(&self) -> usize {
        let records = self.counters.waiting.load(Ordering::Relaxed);
        self.receiver.capacity().unwrap_or(0) * size_of::<Event>() + records * size_of::<RequestRecord>()
    }
}

/// How much of the capacity an event takes.
fn records(event: &Event) -> usize {
    match event {
        Event::Requests(records) => records.len(),
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use leakprobe_core::event::{Outcome, RouteId};

    #[test]
    fn a_full_channel_drops_and_counts() {
        let (sender, receiver) = EventSender::new(2);
        let event = Event::Tick(Box::default());

        assert!(sender.send(event.clone()) && sender.send(event.clone()));
        assert!(!sender.send(event));

        assert_eq!((sender.dropped_count(), receiver.len()), (1, 2));
        assert!(receiver.next().is_some() && sender.send(Event::Tick(Box::default())));
    }

    #[test]
    fn the_capacity_counts_records_not_messages() {
        let (sender, receiver) = EventSender::new(3);
        let two = || Event::Requests(vec![record(); 2].into());

        assert!(sender.send(two()));
        assert!(!sender.send(two()), "would be four");
        assert!(sender.send(Event::Tick(Box::default())));

        assert_eq!((sender.dropped_count(), receiver.len()), (2, 2));
    }

    fn record() -> RequestRecord {
        RequestRecord {
            route: RouteId(0),
            outcome: Outcome::Finished,
            status: 200,
            ended: Nanos(0),
            duration_ns: 1,
            thread_ns: 1,
            overlap: 1.0,
            heap_delta: 0,
            allocated: 0,
            external_delta: 0,
        }
    }

    #[test]
    fn signs_of_life_are_kept() {
        let (sender, _receiver) = EventSender::new(1);
        assert_eq!(sender.last_turn(), None);
        sender.turn(Nanos(5));
        assert_eq!(sender.last_turn(), Some(Nanos(5)));
    }
}
