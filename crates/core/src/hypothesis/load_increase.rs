//! There is simply more to do.

use super::history::Span;
use super::reading::Counter;
use super::{Facts, Opinion};

/// Less more than this is the day's ups and downs.
const TIMES_BASELINE: f64 = 1.5;

pub(super) fn judge(facts: &Facts<'_>) -> Opinion {
    let rate = |span| facts.history.rate(Counter::Requests, span);
    let (Some(now), Some(before)) = (rate(Span::Recent), rate(Span::Baseline)) else {
        return Opinion::not_enough("requests were counted for too short a time");
    };
    Opinion::of(
        now >= TIMES_BASELINE * before && now > 0.0,
        format!("{now:.1} requests a second, {before:.1} at first"),
        &[("requestsPerSecond", now), ("baselinePerSecond", before)],
    )
}

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::super::reading::Counter;
    use super::super::testing::{Made, state};

    #[test]
    fn twice_the_requests_support_it() {
        let load = |second: f64| if second > 60.0 { 220.0 } else { 100.0 };
        let history = Made::steady(120).counter(Counter::Requests, load).history();
        assert_eq!(state(&history, "load-increase"), State::Supported);
    }
}
