//! There is not enough CPU: the app thread uses all of one, waits for one, or the cgroup is throttled.

use super::history::Span;
use super::reading::Counter;
use super::sentence::percent;
use super::{Facts, Opinion};

/// A thread that computes this share of the time has no reserve.
const SATURATED: f64 = 0.9;
/// Waiting or throttled for this share of the time is felt.
const FELT: f64 = 0.1;

pub(super) fn judge(facts: &Facts<'_>) -> Opinion {
    let share = |counter| facts.history.share(counter, Span::Recent);
    let Some(used) = share(Counter::AppCpuMs) else {
        return Opinion::not_enough("the app thread's CPU time was read too few times");
    };
    let queued = share(Counter::QueuedMs).unwrap_or(0.0);
    let throttled = share(Counter::ThrottledMs).unwrap_or(0.0);
    Opinion::of(
        used >= SATURATED || queued >= FELT || throttled >= FELT,
        format!(
            "the app thread computes {} of the time and waits for a CPU {}; the cgroup is throttled {}",
            percent(used),
            percent(queued),
            percent(throttled)
        ),
        &[("usedShare", used), ("queuedShare", queued), ("throttledShare", throttled)],
    )
}

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::super::reading::Counter;
    use super::super::testing::{Made, state};

    #[test]
    fn each_want_of_cpu_supports_it() {
        for (counter, ms) in
            [(Counter::AppCpuMs, 950.0), (Counter::QueuedMs, 300.0), (Counter::ThrottledMs, 400.0)]
        {
            let history = Made::steady(60).counter(counter, move |_| ms).history();
            assert_eq!(state(&history, "cpu"), State::Supported, "{counter:?}");
        }
    }
}
