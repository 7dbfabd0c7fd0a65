//! Something holds the event loop, so that everything else comes late.

use super::history::Span;
use super::reading::Counter;
use super::sentence::percent;
use super::{Facts, Opinion};

/// Late for this share of the time: every tenth request waits.
const MUCH: f64 = 0.1;

pub(super) fn judge(facts: &Facts<'_>) -> Opinion {
    let share = |span| facts.history.share(Counter::StalledMs, span);
    let (Some(now), Some(before)) = (share(Span::Recent), share(Span::Baseline)) else {
        return Opinion::not_enough("the event loop was watched for too short a time");
    };
    Opinion::of(
        now >= MUCH,
        format!(
            "turns of the event loop were late by {} of the time, {} at first",
            percent(now),
            percent(before)
        ),
        &[("lateShare", now), ("baselineShare", before)],
    )
}

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::super::reading::Counter;
    use super::super::testing::{Made, state};

    #[test]
    fn turns_that_come_late_support_it() {
        let history = Made::steady(60).counter(Counter::StalledMs, |_| 250.0).history();
        assert_eq!(state(&history, "blocked-event-loop"), State::Supported);
    }
}
