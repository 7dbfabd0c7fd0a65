//! The container's memory is nearly used up, and the kernel reclaims.

use super::history::Span;
use super::reading::Level;
use super::sentence::{bytes, percent};
use super::{Facts, Opinion};

/// From this share on the kernel reclaims.
const NEAR: f64 = 0.9;
/// From this share of the time on, waiting for memory is felt, percent.
const PRESSURE: f64 = 10.0;

pub(super) fn judge(facts: &Facts<'_>) -> Opinion {
    let recent = |level| facts.history.typical(level, Span::Recent);
    let pressure = recent(Level::MemoryPressure).unwrap_or(0.0);
    let Some(usage) = recent(Level::MemoryUsage) else {
        return Opinion::not_enough("the cgroup's memory cannot be read");
    };
    let Some(limit) = recent(Level::MemoryLimit) else {
        return Opinion::of(
            pressure >= PRESSURE,
            format!(
                "the cgroup uses {} and has no limit; it waited for memory {pressure:.1} % of the time",
                bytes(usage)
            ),
            &[("usageBytes", usage), ("pressurePercent", pressure)],
        );
    };
    let share = usage / limit.max(1.0);
    Opinion::of(
        share >= NEAR || pressure >= PRESSURE,
        format!(
            "the cgroup uses {} of {} ({}), and waited for memory {pressure:.1} % of the time",
            bytes(usage),
            bytes(limit),
            percent(share)
        ),
        &[("usageBytes", usage), ("limitBytes", limit), ("share", share), ("pressurePercent", pressure)],
    )
}

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::super::reading::Level;
    use super::super::testing::{Made, state};

    #[test]
    fn a_full_cgroup_supports_it() {
        let process = Made::steady(60).level(Level::MemoryLimit, |_| 5e8);
        let history = process.level(Level::MemoryUsage, |_| 4.8e8).history();
        assert_eq!(state(&history, "cgroup-limit"), State::Supported);
    }

    #[test]
    fn waiting_for_memory_supports_it_even_without_a_limit() {
        let history = Made::steady(60).level(Level::MemoryPressure, |_| 25.0).history();
        assert_eq!(state(&history, "cgroup-limit"), State::Supported);
    }
}
