//! The trips of one trigger, as far as a limit may still count them.

use super::rule::Trigger;
use crate::event::Nanos;
use std::collections::VecDeque;

const HOUR_NS: u64 = 3_600_000_000_000;

/// When it tripped. **Invariant:** never more than the largest limit of trips.
#[derive(Debug, Default)]
pub(super) struct Trips(VecDeque<Nanos>);

impl Trips {
    /// Which limit holds a trip back now, if one does; else it is counted.
    pub(super) fn take(&mut self, rule: &Trigger, now: Nanos) -> Result<(), &'static str> {
        let span_ns = rule.max_trips.map_or(0, |limit| limit.per_ms.saturating_mul(1_000_000));
        let longest_ns = HOUR_NS.max(span_ns).max(rule.cooldown_ms.saturating_mul(1_000_000));
        while self.0.front().is_some_and(|trip| now.since(*trip) >= longest_ns) {
            self.0.pop_front();
        }
        let within = |ns: u64| self.0.iter().rev().take_while(|trip| now.since(**trip) < ns).count();
        if self.cools(rule, now) {
            return Err("cooldownMs");
        }
        if within(HOUR_NS) >= rule.max_per_hour as usize {
            return Err("maxPerHour");
        }
        if rule.max_trips.is_some_and(|limit| within(span_ns) >= limit.count as usize) {
            return Err("maxTrips");
        }
        self.0.push_back(now);
        Ok(())
    }

    /// Whether the last trip is less than the cooldown ago.
    pub(super) fn cools(&self, rule: &Trigger, now: Nanos) -> bool {
        let cooldown_ns = rule.cooldown_ms.saturating_mul(1_000_000);
        self.0.back().is_some_and(|trip| now.since(*trip) < cooldown_ns)
    }

    /// Memory held, bytes.
    pub(super) fn bytes(&self) -> usize {
        self.0.capacity() * size_of::<Nanos>()
    }
}
