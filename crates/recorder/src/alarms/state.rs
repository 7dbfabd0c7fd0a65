//! What came of one alarm's messages.

use leakprobe_core::Nanos;
use leakprobe_core::stats::AlarmStats;
use std::collections::VecDeque;

const HOUR_NS: u64 = 3_600_000_000_000;

/// **Invariant:** remembers no more messages than its limit per hour.
#[derive(Debug)]
pub(crate) struct State {
    stats: AlarmStats,
    recent: VecDeque<Nanos>,
    held_back: u64,
}

impl State {
    pub(crate) fn new(name: &str) -> Self {
        let stats = AlarmStats { name: name.to_owned(), ..AlarmStats::default() };
        Self { stats, recent: VecDeque::new(), held_back: 0 }
    }

    /// Whether one more may be sent in this hour; it is counted.
    pub(crate) fn allows(&mut self, now: Nanos, most: u32) -> bool {
        while self.recent.front().is_some_and(|sent| now.since(*sent) >= HOUR_NS) {
            self.recent.pop_front();
        }
        let allowed = self.recent.len() < most as usize;
        if allowed {
            self.recent.push_back(now);
        } else {
            self.stats.throttled += 1;
            self.held_back += 1;
        }
        allowed
    }

    /// How many the limit held back since the last that it let through.
    pub(crate) fn take_held_back(&mut self) -> u64 {
        std::mem::take(&mut self.held_back)
    }

    /// It waits for the thread now, or there was no room for it.
    pub(crate) fn handed_over(&mut self, taken: bool) {
        if taken {
            self.stats.waiting += 1;
        } else {
            self.stats.dropped += 1;
        }
    }

    pub(crate) fn delivered(&mut self, at: String) {
        self.stats.waiting = self.stats.waiting.saturating_sub(1);
        self.stats.delivered += 1;
        self.stats.last_delivered_at = Some(at);
        self.stats.last_failure = None;
    }

    /// An attempt failed; it is tried again unless `given_up`.
    pub(crate) fn failed(&mut self, why: String, given_up: bool) {
        self.stats.failures += 1;
        self.stats.last_failure = Some(why);
        if given_up {
            self.gave_up();
        }
    }

    pub(crate) fn gave_up(&mut self) {
        self.stats.waiting = self.stats.waiting.saturating_sub(1);
        self.stats.given_up += 1;
    }

    pub(crate) fn stats(&self) -> AlarmStats {
        self.stats.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_hour_has_so_many_messages_and_what_was_held_back_is_told_with_the_next() {
        let mut state = State::new("ops");
        let at = |minutes: u64| Nanos::from_ms(minutes * 60_000);
        let allowed: Vec<bool> = [0, 1, 2, 59, 60, 61].map(|minute| state.allows(at(minute), 2)).to_vec();
        assert_eq!(allowed, [true, true, false, false, true, true]);
        assert_eq!((state.take_held_back(), state.take_held_back()), (2, 0));
        assert_eq!(state.stats().throttled, 2);
    }

    #[test]
    fn each_message_ends_delivered_dropped_or_given_up() {
        let mut state = State::new("ops");
        for taken in [true, true, true, false] {
            state.handed_over(taken);
        }
        state.failed("it answered 503".to_owned(), false);
        assert_eq!(state.stats().last_failure.as_deref(), Some("it answered 503"));
        state.delivered("2026-01-01T00:00:00.000Z".to_owned());
        state.failed("it answered 404".to_owned(), true);
        state.gave_up();
        let told = state.stats();
        assert_eq!((told.waiting, told.delivered, told.given_up), (0, 1, 2));
        assert_eq!((told.dropped, told.failures), (1, 2));
    }
}
