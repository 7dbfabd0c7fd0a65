//! JavaScript keeps more and more: a named leak of the heap, or a floor that rises.

use super::history::Span;
use super::reading::Level;
use super::sentence::{bytes, duration};
use super::trend::trend;
use super::{Facts, Opinion};

/// A floor that rose by less than this part of itself over all that was seen does not leak, bytes and share.
const NOTHING_BYTES: f64 = 2e6;
const NOTHING_SHARE: f64 = 0.05;

pub(super) fn judge(facts: &Facts<'_>) -> Opinion {
    let heap: Vec<_> = facts.leaks.iter().filter(|leak| leak.resource == "heap").collect();
    if let Some(leak) = heap.first() {
        let kept = &leak.per_request;
        return Opinion::of(
            true,
            format!(
                "{} keeps {} per request ({} to {}), {} so far",
                leak.routes.join(" or "),
                bytes(kept.value),
                bytes(kept.low),
                bytes(kept.high),
                bytes(leak.growth.total)
            ),
            &[("keptPerRequestBytes", kept.value), ("grownBytes", leak.growth.total)],
        );
    }
    let history = facts.history;
    let points = history.points(Level::Floor);
    let (Some(trend), Some(first), Some(last)) = (trend(&points), points.first(), points.last()) else {
        return Opinion::not_enough("fewer than 8 floors of the heap were seen");
    };
    let seconds = last.0 - first.0;
    let floor = history.typical(Level::Floor, Span::Baseline).unwrap_or(first.1);
    let nothing = NOTHING_BYTES.max(NOTHING_SHARE * floor);
    let (low, high) = (trend.low * seconds, trend.high * seconds);
    if low <= 0.0 && high > nothing {
        return Opinion::not_enough("the floor of the heap moves too much to tell");
    }
    let grown = trend.slope * seconds;
    Opinion::of(
        low > 0.0 && grown > nothing,
        format!(
            "the heap's floor went from {} to {} in {} (trend {} to {})",
            bytes(first.1),
            bytes(last.1),
            duration(seconds),
            bytes(low),
            bytes(high)
        ),
        &[("floorBytes", last.1), ("grownBytes", grown), ("lowBytes", low), ("highBytes", high)],
    )
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Made, state};
    use super::super::{State, testing};

    #[test]
    fn a_floor_that_rises_supports_it() {
        let history = Made::steady(120).floor(|second| 2e7 + 2e5 * second).history();
        assert_eq!(state(&history, "js-heap-leak"), State::Supported);
    }

    #[test]
    fn a_floor_that_jumps_about_is_not_judged() {
        let history = Made::steady(24).floor(|second| 2e7 + 3e7 * (second * 1.7).sin()).history();
        assert_eq!(state(&history, "js-heap-leak"), State::NotEnoughData);
    }

    #[test]
    fn a_named_leak_is_the_answer() {
        let judged = super::super::judge(&Made::steady(60).history(), &[testing::leak("heap", "collection")]);
        assert_eq!(judged[0].state, State::Supported);
        assert_eq!(judged[0].because, "GET /a keeps 1 kB per request (980 B to 1 kB), 5.0 MB so far");
    }
}
