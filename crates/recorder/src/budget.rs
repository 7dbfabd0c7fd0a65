//! What freezing may cost in any hour, and how many heap snapshots there may be in a day. In one place, and visible in the
//! stats. Where there is a history, the budget is that of all processes of the service, and outlives them; the account here
//! is this process's own, which holds besides, and alone where there is none.
//!
//! A capture that a person asked for is counted and never refused: who asks has decided. **Invariant:** each list holds at
//! most [`MOST`] entries, the oldest of which go first.

use leakprobe_core::Nanos;
use leakprobe_core::report;
use leakprobe_history::{Claim, Limits, Refused, Spent};
use std::collections::VecDeque;

const HOUR_NS: u64 = 3_600_000_000_000;
const DAY_NS: u64 = 24 * HOUR_NS;
/// Freezes remembered; more in an hour are beyond every limit that can be set.
const MOST: usize = 10_000;
/// What all processes have spent is known for so long.
const KNOWN_NS: u64 = 60_000_000_000;

/// The account.
#[derive(Debug)]
pub(crate) struct Account {
    pub(crate) limits: Limits,
    spent: VecDeque<(Nanos, f64)>,
    captures: VecDeque<Nanos>,
    /// Freezes that the history has not been told of yet.
    untold: Vec<(Nanos, f64)>,
    /// What all processes have spent, and when that was read.
    service: Option<(Nanos, Spent)>,
    shadow_cpu_ms: f64,
}

impl Account {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            limits,
            spent: VecDeque::new(),
            captures: VecDeque::new(),
            untold: Vec::new(),
            service: None,
            shadow_cpu_ms: 0.0,
        }
    }

    /// Whether this process's own account allows what is claimed, or why not.
    pub(crate) fn allows(&mut self, claim: &Claim<'_>, now: Nanos) -> Result<(), Refused> {
        let spent = self.spent(now);
        self.limits.allow(claim, &spent)
    }

    /// The same, by what all processes of the service have spent as far as that is known.
    pub(crate) fn service_allows(&mut self, claim: &Claim<'_>, now: Nanos) -> Result<(), Refused> {
        let spent = self.all_spent(now);
        self.limits.allow(claim, &spent)
    }

    /// A shadow was made.
    pub(crate) fn froze(&mut self, now: Nanos, pause_ms: f64) {
        self.forget(now);
        if self.spent.len() == MOST {
            self.spent.pop_front();
        }
        self.spent.push_back((now, pause_ms));
        if self.untold.len() < MOST {
            self.untold.push((now, pause_ms));
        }
    }

    /// A heap snapshot is taken.
    pub(crate) fn captured(&mut self, now: Nanos) {
        self.forget(now);
        if self.captures.len() == MOST {
            self.captures.pop_front();
        }
        self.captures.push_back(now);
    }

    /// Nothing came of the last one.
    pub(crate) fn not_captured(&mut self) {
        self.captures.pop_back();
    }

    /// Freezes since the last time, for the history.
    pub(crate) fn take_untold(&mut self) -> Vec<(Nanos, f64)> {
        std::mem::take(&mut self.untold)
    }

    /// What all processes of the service have spent.
    pub(crate) fn service(&mut self, now: Nanos, spent: Spent) {
        self.service = Some((now, spent));
    }

    /// A shadow has ended that used so much CPU.
    pub(crate) fn shadow_used(&mut self, cpu_ms: f64) {
        self.shadow_cpu_ms += cpu_ms;
    }

    /// For the stats.
    pub(crate) fn stats(&mut self, now: Nanos) -> report::Budget {
        let all = self.all_spent(now);
        let spent = |used, limit| report::Spent { used, limit };
        let limits = self.limits;
        report::Budget {
            freezes_per_hour: spent(f64::from(all.freezes), f64::from(limits.freezes_per_hour)),
            pause_ms_per_hour: spent(all.pause_ms, limits.pause_ms_per_hour),
            captures_per_day: spent(f64::from(all.captures), f64::from(limits.captures_per_day)),
            shadow_cpu_ms: self.shadow_cpu_ms,
        }
    }

    /// Of all processes, or of this one where that is more, or nothing else is known.
    fn all_spent(&mut self, now: Nanos) -> Spent {
        let own = self.spent(now);
        let service = self.service.filter(|(at, _)| now.since(*at) < KNOWN_NS);
        service.map_or(own, |(_, all)| Spent {
            freezes: all.freezes.max(own.freezes),
            pause_ms: all.pause_ms.max(own.pause_ms),
            captures: all.captures.max(own.captures),
        })
    }

    fn spent(&mut self, now: Nanos) -> Spent {
        self.forget(now);
        let count = |length: usize| u32::try_from(length).unwrap_or(u32::MAX);
        Spent {
            freezes: count(self.spent.len()),
            pause_ms: self.spent.iter().map(|(_, pause_ms)| pause_ms).sum(),
            captures: count(self.captures.len()),
        }
    }

    fn forget(&mut self, now: Nanos) {
        while self.spent.front().is_some_and(|(at, _)| now.since(*at) >= HOUR_NS) {
            self.spent.pop_front();
        }
        while self.captures.front().is_some_and(|at| now.since(*at) >= DAY_NS) {
            self.captures.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FREEZE: Claim<'_> = Claim { incident: "", freeze: true, capture: false, share: 1.0 };

    fn account() -> Account {
        Account::new(Limits { freezes_per_hour: 3, pause_ms_per_hour: 50.0, captures_per_day: 2 })
    }

    #[test]
    fn the_number_of_freezes_in_an_hour_is_limited_and_comes_back() {
        let mut account = account();
        (0..3).for_each(|minute| account.froze(Nanos::from_ms(minute * 60_000), 5.0));

        let why = account.allows(&FREEZE, Nanos::from_ms(180_000)).unwrap_err();
        assert_eq!(why.to_string(), "the budget of 3 freezes per hour is used up");
        assert!(account.allows(&FREEZE, Nanos::from_ms(3_599_999)).is_err());
        assert!(account.allows(&FREEZE, Nanos::from_ms(3_600_000)).is_ok());
    }

    #[test]
    fn a_share_of_it_leaves_the_rest() {
        let mut account = account();
        let floor = Claim { share: 0.5, ..FREEZE };
        assert!(account.allows(&floor, Nanos(0)).is_ok());
        (0..2).for_each(|_| account.froze(Nanos(0), 1.0));
        assert!(account.allows(&floor, Nanos(1)).is_err() && account.allows(&FREEZE, Nanos(1)).is_ok());
    }

    #[test]
    fn so_is_the_pause() {
        let mut account = account();
        account.froze(Nanos(0), 60.0);

        let why = account.allows(&FREEZE, Nanos(1)).unwrap_err().to_string();

        assert_eq!(why, "the budget of 50 ms of pause per hour is used up: 60 ms");
    }

    #[test]
    fn heap_snapshots_are_limited_by_the_day() {
        let mut account = account();
        let capture = Claim { capture: true, freeze: false, ..FREEZE };
        (0..2).for_each(|_| account.captured(Nanos(0)));
        assert_eq!(account.allows(&capture, Nanos(1)), Err(Refused::Captures(2)));
        account.not_captured();
        assert!(account.allows(&capture, Nanos(1)).is_ok());
        account.captured(Nanos(0));
        assert!(account.allows(&capture, Nanos(DAY_NS)).is_ok());
    }

    #[test]
    fn what_is_used_is_visible_and_is_the_service_s_where_that_is_known() {
        let mut account = account();
        account.froze(Nanos(0), 12.5);
        account.shadow_used(300.0);
        assert_eq!(account.take_untold(), [(Nanos(0), 12.5)]);
        assert_eq!(account.take_untold(), []);

        let budget = account.stats(Nanos(1));
        assert_eq!((budget.freezes_per_hour.used, budget.freezes_per_hour.limit), (1.0, 3.0));
        assert_eq!((budget.pause_ms_per_hour.used, budget.shadow_cpu_ms), (12.5, 300.0));

        account.service(Nanos(1), Spent { freezes: 2, pause_ms: 30.0, captures: 1 });
        let budget = account.stats(Nanos(2));
        assert_eq!((budget.freezes_per_hour.used, budget.pause_ms_per_hour.used), (2.0, 30.0));
        assert_eq!((budget.captures_per_day.used, budget.captures_per_day.limit), (1.0, 2.0));
        let later = account.stats(Nanos(KNOWN_NS + 1));
        assert!((later.freezes_per_hour.used - 1.0).abs() < 1e-9, "no longer known");
    }

    #[test]
    fn the_account_does_not_grow_without_end() {
        let mut account = account();
        (0..2 * MOST as u64).for_each(|ns| account.froze(Nanos(ns), 0.0));
        assert_eq!((account.spent.len(), account.untold.len()), (MOST, MOST));
    }
}
