//! So many a second, with a reserve. Time is an argument.

use std::time::{Duration, Instant};

/// A bucket that fills with time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rate {
    per_second: f64,
    reserve: f64,
    left: f64,
    at: Instant,
}

impl Rate {
    /// With a reserve of one second's worth.
    pub(crate) fn new(per_second: f64, now: Instant) -> Self {
        Self::with_reserve(per_second, per_second, now)
    }

    /// With a reserve of so many.
    pub(crate) fn with_reserve(per_second: f64, reserve: f64, now: Instant) -> Self {
        Self { per_second, reserve, left: reserve, at: now }
    }

    /// Takes one; else how long it takes until there is one again.
    pub(crate) fn take(&mut self, now: Instant) -> Result<(), Duration> {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        self.at = self.at.max(now);
        self.left = self.reserve.min(self.left + passed * self.per_second);
        if self.left < 1.0 {
            return Err(Duration::from_secs_f64((1.0 - self.left) / self.per_second));
        }
        self.left -= 1.0;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_holds_so_many_and_no_more() {
        let start = Instant::now();
        let mut rate = Rate::new(10.0, start);
        let at = |ms| start + Duration::from_millis(ms);
        assert_eq!((0..30).filter(|_| rate.take(at(0)).is_ok()).count(), 10);
        assert_eq!(rate.take(at(0)), Err(Duration::from_millis(100)));
        assert_eq!((0..30).filter(|_| rate.take(at(500)).is_ok()).count(), 5);
        assert!(rate.take(at(400)).is_err(), "time that runs back gives nothing");
        assert_eq!((0..30).filter(|_| rate.take(at(60_000)).is_ok()).count(), 10);
        let mut seldom = Rate::with_reserve(0.01, 3.0, start);
        assert_eq!((0..30).filter(|_| seldom.take(at(1_000)).is_ok()).count(), 3);
        assert_eq!((0..30).filter(|_| seldom.take(at(101_001)).is_ok()).count(), 1);
    }
}
