//! What is live is near what V8 allows, where collections become frantic before the process dies.

use super::history::Span;
use super::reading::Level;
use super::sentence::{bytes, percent};
use super::{Facts, Opinion};

/// From about this share of the limit on V8 collects far more often. Below the 0.8 beyond which a limit that was never measured before is
/// known only roughly.
const NEAR: f64 = 0.75;

pub(super) fn judge(facts: &Facts<'_>) -> Opinion {
    let recent = |level| facts.history.typical(level, Span::Recent);
    let (Some(floor), Some(limit)) = (recent(Level::Floor), recent(Level::LiveLimit)) else {
        return Opinion::not_enough("no full collection was seen lately");
    };
    let share = floor / limit.max(1.0);
    Opinion::of(
        share >= NEAR,
        format!("{} live, {} of the {} that V8 allows", bytes(floor), percent(share), bytes(limit)),
        &[("floorBytes", floor), ("limitBytes", limit), ("share", share)],
    )
}

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::super::testing::{Made, state};

    #[test]
    fn a_floor_near_the_limit_supports_it() {
        let history = Made::steady(60).floor(|_| 3.7e9).history();
        assert_eq!(state(&history, "heap-limit"), State::Supported);
    }
}
