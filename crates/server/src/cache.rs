//! What was computed last, so that many who ask cost as much as one.

use crate::limits::{COMPUTED_PER_SECOND, FRESH};
use crate::rate::Rate;
use hyper::body::Bytes;
use std::collections::VecDeque;
use std::time::Instant;

/// Answers kept, the oldest goes first.
const ENTRIES: usize = 12;

/// Answers by what was asked.
#[derive(Debug)]
pub(crate) struct Cache {
    rate: Rate,
    entries: VecDeque<(String, Instant, Bytes)>,
}

/// Where an answer is to come from.
#[derive(Debug)]
pub(crate) enum Found {
    /// It was computed a moment ago.
    Fresh(Bytes),
    /// It has to be computed; what was computed earlier is there in case that fails.
    Compute(Option<Bytes>),
    /// Too much was computed in the last second, and nothing is there.
    TooMany,
}

impl Cache {
    pub(crate) fn new(now: Instant) -> Self {
        Self { rate: Rate::new(COMPUTED_PER_SECOND, now), entries: VecDeque::new() }
    }

    /// Looks for the answer to `key`.
    pub(crate) fn find(&mut self, key: &str, now: Instant) -> Found {
        let known = self.entries.iter().find(|(known, ..)| known == key);
        let old = match known {
            Some((_, at, bytes)) if now.saturating_duration_since(*at) < FRESH => {
                return Found::Fresh(bytes.clone());
            }
            known => known.map(|(_, _, bytes)| bytes.clone()),
        };
        match (self.rate.take(now), old) {
            (Ok(()), old) => Found::Compute(old),
            (Err(_), Some(old)) => Found::Fresh(old),
            (Err(_), None) => Found::TooMany,
        }
    }

    /// Keeps an answer.
    pub(crate) fn keep(&mut self, key: &str, bytes: Bytes, now: Instant) {
        self.entries.retain(|(known, ..)| known != key);
        if self.entries.len() == ENTRIES {
            self.entries.pop_front();
        }
        self.entries.push_back((key.to_owned(), now, bytes));
    }

    /// Whether something else may be computed, that is not kept.
    pub(crate) fn allows(&mut self, now: Instant) -> bool {
        self.rate.take(now).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn an_answer_is_fresh_for_a_moment_and_then_a_reserve() {
        let now = Instant::now();
        let mut cache = Cache::new(now);
        assert!(matches!(cache.find("a", now), Found::Compute(None)));
        cache.keep("a", Bytes::from_static(b"1"), now);
        assert!(matches!(cache.find("a", now + FRESH / 2), Found::Fresh(bytes) if bytes == "1"));
        assert!(matches!(cache.find("a", now + FRESH), Found::Compute(Some(old)) if old == "1"));
        cache.keep("a", Bytes::from_static(b"2"), now + FRESH);
        assert!(matches!(cache.find("a", now + FRESH), Found::Fresh(bytes) if bytes == "2"));
    }

    #[test]
    fn computing_is_limited_and_entries_are_few() {
        let now = Instant::now();
        let mut cache = Cache::new(now);
        for key in 0..100 {
            if matches!(cache.find(&key.to_string(), now), Found::Compute(_)) {
                cache.keep(&key.to_string(), Bytes::new(), now);
            }
        }
        assert_eq!(cache.entries.len(), ENTRIES);
        assert!(matches!(cache.find("new", now), Found::TooMany) && !cache.allows(now));
        assert!(matches!(cache.find("29", now + FRESH), Found::Compute(Some(_))));
        while cache.allows(now + FRESH) {}
        let later = now + FRESH + Duration::from_millis(1);
        assert!(matches!(cache.find("28", later), Found::Fresh(_)), "stale is better than nothing");
    }
}
