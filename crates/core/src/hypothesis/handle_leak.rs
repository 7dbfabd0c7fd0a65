//! Sockets, files and other descriptors stay open.

use super::reading::Level;
use super::sentence::duration;
use super::trend::trend;
use super::{Facts, Opinion};

/// Fewer more than this is a burst of connections.
const NOTHING: f64 = 32.0;

pub(super) fn judge(facts: &Facts<'_>) -> Opinion {
    let points = facts.history.points(Level::Descriptors);
    let (Some(trend), Some(first), Some(last)) = (trend(&points), points.first(), points.last()) else {
        return Opinion::not_enough("descriptors were counted too few times");
    };
    let seconds = last.0 - first.0;
    let grown = trend.slope * seconds;
    Opinion::of(
        trend.low > 0.0 && grown > NOTHING.max(0.1 * first.1),
        format!(
            "{:.0} descriptors are open, {:.0} were at first, {} ago",
            last.1,
            first.1,
            duration(seconds)
        ),
        &[("descriptors", last.1), ("grown", grown)],
    )
}

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::super::reading::Level;
    use super::super::testing::{Made, state};

    #[test]
    fn descriptors_that_stay_open_support_it() {
        let history = Made::steady(120).level(Level::Descriptors, |second| 30.0 + second).history();
        assert_eq!(state(&history, "handle-leak"), State::Supported);
    }

    #[test]
    fn connections_that_come_and_go_do_not() {
        let wave = |second: f64| 60.0 + 50.0 * (second / 7.0).sin();
        let history = Made::steady(120).level(Level::Descriptors, wave).history();
        assert_eq!(state(&history, "handle-leak"), State::RuledOut);
    }
}
