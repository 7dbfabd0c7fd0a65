//! What freezing may cost in any hour: how many shadows, and how much pause. In one place, and visible in the stats.
//!
//! A capture that a person asked for is counted and never refused: who asks has decided. **Invariant:** `spent` holds at
//! most [`MOST`] entries, the oldest of which go first.

use leakprobe_core::Nanos;
use leakprobe_core::report::{Budget, Spent};
use std::collections::VecDeque;

const HOUR_NS: u64 = 3_600_000_000_000;
/// Freezes remembered; more in an hour are beyond every limit that can be set.
const MOST: usize = 10_000;

/// Limits per hour.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) freezes: u32,
    pub(crate) pause_ms: f64,
}

/// The account.
#[derive(Debug)]
pub(crate) struct Account {
    limits: Limits,
    spent: VecDeque<(Nanos, f64)>,
    shadow_cpu_ms: f64,
}

impl Account {
    pub(crate) fn new(limits: Limits) -> Self {
        Self { limits, spent: VecDeque::new(), shadow_cpu_ms: 0.0 }
    }

    /// Whether another freeze is within the budget, or why not.
    pub(crate) fn allows(&mut self, now: Nanos) -> Result<(), String> {
        self.forget(now);
        let Limits { freezes, pause_ms } = self.limits;
        if self.spent.len() >= freezes as usize {
            return Err(format!("the budget of {freezes} freezes per hour is used up"));
        }
        let paused = self.paused_ms();
        if paused >= pause_ms {
            return Err(format!(
                "the budget of {pause_ms:.0} ms of pause per hour is used up: {paused:.0} ms"
            ));
        }
        Ok(())
    }

    /// Whether another freeze is within this share of the budget: what is not urgent leaves the rest to what is.
    pub(crate) fn allows_share(&mut self, now: Nanos, share: f64) -> Result<(), String> {
        self.allows(now)?;
        let Limits { freezes, pause_ms } = self.limits;
        #[expect(clippy::cast_precision_loss, reason = "at most 10 000")]
        let used = self.spent.len() as f64;
        if used >= share * f64::from(freezes) || self.paused_ms() >= share * pause_ms {
            return Err(format!("floors have used {share} of the budget of freezes or pauses per hour"));
        }
        Ok(())
    }

    /// A shadow was made.
    pub(crate) fn froze(&mut self, now: Nanos, pause_ms: f64) {
        self.forget(now);
        if self.spent.len() == MOST {
            self.spent.pop_front();
        }
        self.spent.push_back((now, pause_ms));
    }

    /// A shadow has ended that used so much CPU.
    pub(crate) fn shadow_used(&mut self, cpu_ms: f64) {
        self.shadow_cpu_ms += cpu_ms;
    }

    /// For the stats.
    pub(crate) fn stats(&mut self, now: Nanos) -> Budget {
        self.forget(now);
        #[expect(clippy::cast_precision_loss, reason = "at most 10 000")]
        let freezes = self.spent.len() as f64;
        Budget {
            freezes_per_hour: Spent { used: freezes, limit: f64::from(self.limits.freezes) },
            pause_ms_per_hour: Spent { used: self.paused_ms(), limit: self.limits.pause_ms },
            shadow_cpu_ms: self.shadow_cpu_ms,
        }
    }

    fn paused_ms(&self) -> f64 {
        self.spent.iter().map(|(_, pause_ms)| pause_ms).sum()
    }

    fn forget(&mut self, now: Nanos) {
        while self.spent.front().is_some_and(|(at, _)| now.since(*at) >= HOUR_NS) {
            self.spent.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account() -> Account {
        Account::new(Limits { freezes: 3, pause_ms: 50.0 })
    }

    #[test]
    fn the_number_of_freezes_in_an_hour_is_limited_and_comes_back() {
        let mut account = account();
        (0..3).for_each(|minute| account.froze(Nanos::from_ms(minute * 60_000), 5.0));

        let why = account.allows(Nanos::from_ms(180_000)).unwrap_err();
        assert_eq!(why, "the budget of 3 freezes per hour is used up");
        assert!(account.allows(Nanos::from_ms(3_599_999)).is_err());
        assert!(account.allows(Nanos::from_ms(3_600_000)).is_ok());
    }

    #[test]
    fn a_share_of_it_leaves_the_rest() {
        let mut account = account();
        assert!(account.allows_share(Nanos(0), 0.5).is_ok());
        (0..2).for_each(|_| account.froze(Nanos(0), 1.0));
        assert!(account.allows_share(Nanos(1), 0.5).is_err() && account.allows(Nanos(1)).is_ok());
    }

    #[test]
    fn so_is_the_pause() {
        let mut account = account();
        account.froze(Nanos(0), 60.0);

        let why = account.allows(Nanos(1)).unwrap_err();

        assert_eq!(why, "the budget of 50 ms of pause per hour is used up: 60 ms");
    }

    #[test]
    fn what_is_used_is_visible() {
        let mut account = account();
        account.froze(Nanos(0), 12.5);
        account.shadow_used(300.0);

        let budget = account.stats(Nanos(1));

        assert_eq!((budget.freezes_per_hour.used, budget.freezes_per_hour.limit), (1.0, 3.0));
        assert_eq!((budget.pause_ms_per_hour.used, budget.shadow_cpu_ms), (12.5, 300.0));
    }

    #[test]
    fn the_account_does_not_grow_without_end() {
        let mut account = account();
        (0..2 * MOST as u64).for_each(|ns| account.froze(Nanos(ns), 0.0));
        assert_eq!(account.spent.len(), MOST);
    }
}
