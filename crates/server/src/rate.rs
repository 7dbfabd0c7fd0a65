//! So many a second, with a reserve of one second's worth. Time is an argument.

use std::time::{Duration, Instant};

/// A bucket that fills with time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rate {
    per_second: f64,
    left: f64,
    at: Instant,
}

impl Rate {
    pub(crate) fn new(per_second: f64, now: Instant) -> Self {
        Self { per_second, left: per_second, at: now }
    }

    /// Takes one; else how long it takes until there is one again.
    pub(crate) fn take(&mut self, now: Instant) -> Result<(), Duration> {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        self.at = self.at.max(now);
        self.left = self.per_second.min(self.left + passed * self.per_second);
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
    }
}
