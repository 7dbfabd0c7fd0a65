//! The app thread's side of the channel: never waits, counts what it has to drop.

use crossbeam_channel::{Receiver, Sender, bounded};
use leakprobe_core::{Event, Nanos};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

#[derive(Debug, Default)]
struct Counters {
    dropped: AtomicU64,
    refused: AtomicU64,
    turned: AtomicU64,
}

/// Sends events to the recorder.
#[derive(Clone, Debug)]
pub struct EventSender {
    sender: Sender<Event>,
    counters: Arc<Counters>,
}

impl EventSender {
    /// A channel for `capacity` events.
    pub(crate) fn new(capacity: usize) -> (Self, Receiver<Event>) {
        let (sender, receiver) = bounded(capacity.max(1));
        (Self { sender, counters: Arc::default() }, receiver)
    }

    /// Puts the event on the channel; `false` when it was full: then the event is dropped and counted.
    #[expect(clippy::must_use_candidate, reason = "the caller can do nothing about a dropped event")]
    pub fn send(&self, event: Event) -> bool {
        let sent = self.sender.try_send(event).is_ok();
        if !sent {
            self.counters.dropped.fetch_add(1, Ordering::Relaxed);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_channel_drops_and_counts() {
        let (sender, receiver) = EventSender::new(2);
        let event = Event::Tick(Box::default());

        assert!(sender.send(event.clone()) && sender.send(event.clone()));
        assert!(!sender.send(event));

        assert_eq!((sender.dropped_count(), receiver.len()), (1, 2));
    }

    #[test]
    fn signs_of_life_are_kept() {
        let (sender, _receiver) = EventSender::new(1);
        assert_eq!(sender.last_turn(), None);
        sender.turn(Nanos(5));
        assert_eq!(sender.last_turn(), Some(Nanos(5)));
    }
}
