//! How much a number has grown in a span of time: its lowest of late against its lowest in all of the span.
//!
//! Lows are compared, so a burst is no growth; a burst that ends a sixteenth of the span later is none either.
//! **Invariant:** at most [`PARTS`] + 1 lows are kept, however long the span is and however often it is read.

use crate::event::Nanos;
use std::collections::VecDeque;

/// Parts of a span, each with its low. The last two are "of late".
const PARTS: u64 = 32;

/// The lows of a span.
#[derive(Debug)]
pub(super) struct Growth {
    part_ns: u64,
    /// Number of the part since the clock's zero, and its low; oldest first.
    lows: VecDeque<(u64, f64)>,
}

impl Growth {
    pub(super) fn new(within_ms: u64) -> Self {
        Self { part_ns: (within_ms.saturating_mul(1_000_000) / PARTS).max(1), lows: VecDeque::new() }
    }

    /// Takes the value of now; what it has grown by, 0 and more.
    pub(super) fn take(&mut self, now: Nanos, value: f64) -> f64 {
        let part = now.0 / self.part_ns;
        match self.lows.back_mut() {
            Some((last, low)) if *last >= part => *low = low.min(value),
            _ => self.lows.push_back((part, value)),
        }
        while self.lows.front().is_some_and(|(first, _)| part.saturating_sub(*first) > PARTS) {
            self.lows.pop_front();
        }
        let low = |lows: &mut dyn Iterator<Item = f64>| lows.fold(f64::INFINITY, f64::min);
        let late = low(&mut self.lows.iter().rev().take(2).map(|(_, low)| *low));
        let all = low(&mut self.lows.iter().map(|(_, low)| *low));
        (late - all).max(0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_rises_in_the_span_is_growth_and_what_came_before_is_not() {
        let mut growth = Growth::new(32_000);
        let mut grown = 0.0;
        for second in 0..33_u32 {
            grown = growth.take(Nanos::from_ms(u64::from(second) * 1_000), f64::from(second) * 10.0);
        }
        assert!((grown - 310.0).abs() < 1e-9, "{grown}");
        for second in 33..80_u32 {
            grown = growth.take(Nanos::from_ms(u64::from(second) * 1_000), 320.0);
        }
        assert!(grown.abs() < 1e-9, "{grown}");
    }

    #[test]
    fn a_burst_is_no_growth() {
        let mut growth = Growth::new(320_000);
        for second in 0..400_u64 {
            let value = if second % 20 < 10 { 5_000.0 } else { 100.0 };
            assert!(growth.take(Nanos::from_ms(second * 1_000), value) < 4_901.0);
            if second % 20 >= 10 {
                assert!(growth.take(Nanos::from_ms(second * 1_000), value) < 1.0, "{second}");
            }
        }
    }

    #[test]
    fn a_month_takes_no_more_room_than_a_minute() {
        let mut growth = Growth::new(2_592_000_000);
        for hour in 0..2_000 {
            growth.take(Nanos::from_ms(hour * 3_600_000), 1.0);
        }
        assert!(growth.lows.len() <= 33, "{}", growth.lows.len());
    }
}
