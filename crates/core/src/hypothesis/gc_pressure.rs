//! Collections take the time.

use super::history::Span;
use super::reading::Counter;
use super::sentence::percent;
use super::{Facts, Opinion};

/// Below this share of the time nobody notices.
const MUCH: f64 = 0.1;
/// A service that always collects this much did not get slower by it.
const TIMES_BASELINE: f64 = 1.5;

pub(super) fn judge(facts: &Facts<'_>) -> Opinion {
    // Pauses are read by the clock, and a thread that is kept from its CPU waits in them, too: they cannot have
    // taken more than it computed.
    let computed = |span| facts.history.share(Counter::AppCpuMs, span).unwrap_or(f64::INFINITY);
    let share = |span| facts.history.share(Counter::GcMs, span).map(|share| share.min(computed(span)));
    let (Some(now), Some(before)) = (share(Span::Recent), share(Span::Baseline)) else {
        return Opinion::not_enough("collections were watched for too short a time");
    };
    Opinion::of(
        now >= MUCH && now >= TIMES_BASELINE * before,
        format!("collections take {} of the time, {} at first", percent(now), percent(before)),
        &[("share", now), ("baselineShare", before)],
    )
}

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::super::reading::Counter;
    use super::super::testing::{Made, state};

    #[test]
    fn collections_that_take_ever_more_time_support_it() {
        let history = Made::steady(120).counter(Counter::GcMs, |second| 2.0 * second).history();
        assert_eq!(state(&history, "gc-pressure"), State::Supported);
    }

    #[test]
    fn pauses_that_wait_for_a_cpu_do_not() {
        let throttled = Made::steady(120).counter(Counter::GcMs, |second| 6.0 * second);
        let history = throttled.counter(Counter::AppCpuMs, |_| 15.0).history();
        assert_eq!(state(&history, "gc-pressure"), State::RuledOut);
    }

    #[test]
    fn much_but_as_ever_does_not() {
        let history = Made::steady(120).counter(Counter::GcMs, |_| 150.0).history();
        assert_eq!(state(&history, "gc-pressure"), State::RuledOut);
    }
}
