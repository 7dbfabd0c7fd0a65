//! Memory has to be read back from disk: page faults with I/O, or swap.

use super::history::Span;
use super::reading::{Counter, Level};
use super::sentence::bytes;
use super::{Facts, Opinion};

/// Fewer a second are files being mapped.
const MANY_PER_SECOND: f64 = 20.0;
/// Against what is normal for this process.
const TIMES_BASELINE: f64 = 3.0;
/// Less more than this is what the kernel put away unused, bytes.
const MUCH_SWAP: f64 = 32e6;

pub(super) fn judge(facts: &Facts<'_>) -> Opinion {
    let history = facts.history;
    let (Some(now), Some(before)) = (
        history.rate(Counter::MajorFaults, Span::Recent),
        history.rate(Counter::MajorFaults, Span::Baseline),
    ) else {
        return Opinion::not_enough("page faults were counted too few times");
    };
    let swap = history.typical(Level::Swap, Span::Recent).unwrap_or(0.0);
    let swapped = swap - history.typical(Level::Swap, Span::Baseline).unwrap_or(0.0);
    let many = now >= MANY_PER_SECOND && now >= TIMES_BASELINE * before;
    Opinion::of(
        many || swapped >= MUCH_SWAP,
        format!(
            "{now:.1} page faults a second read the disk ({before:.1} at first), and {} are swapped out",
            bytes(swap)
        ),
        &[("majorFaultsPerSecond", now), ("baselinePerSecond", before), ("swapBytes", swap)],
    )
}

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::super::reading::{Counter, Level};
    use super::super::testing::{Made, state};

    #[test]
    fn a_storm_of_faults_supports_it() {
        let storm = |second: f64| if second > 60.0 { 400.0 } else { 1.0 };
        let history = Made::steady(120).counter(Counter::MajorFaults, storm).history();
        assert_eq!(state(&history, "page-faults"), State::Supported);
    }

    #[test]
    fn memory_that_goes_to_swap_supports_it() {
        let history = Made::steady(120).level(Level::Swap, |second| 1e6 * second).history();
        assert_eq!(state(&history, "page-faults"), State::Supported);
    }
}
