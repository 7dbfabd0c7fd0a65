//! Memory outside V8's heap grows: addons, buffers, malloc.

use super::reading::Level;
use super::sentence::{bytes, duration};
use super::trend::trend;
use super::{Facts, Opinion};

/// Growth below this is what allocators move by themselves, bytes.
const NOTHING_BYTES: f64 = 16e6;

pub(super) fn judge(facts: &Facts<'_>) -> Opinion {
    if let Some(leak) = facts.leaks.iter().find(|leak| leak.kind == "native") {
        return Opinion::of(
            true,
            format!(
                "{} keeps {} outside the heap per request, {} so far",
                leak.routes.join(" or "),
                bytes(leak.per_request.value),
                bytes(leak.growth.total)
            ),
            &[("keptPerRequestBytes", leak.per_request.value), ("grownBytes", leak.growth.total)],
        );
    }
    // What malloc has given out is exact; resident memory holds what it keeps for later, too.
    let (level, what) =
        [(Level::MallocUsed, "malloc has given out"), (Level::PrivateNative, "outside V8 are")]
            .into_iter()
            .find(|(level, _)| facts.history.points(*level).len() > 8)
            .unwrap_or((Level::PrivateNative, "outside V8 are"));
    let points = facts.history.points(level);
    let (Some(trend), Some(first), Some(last)) = (trend(&points), points.first(), points.last()) else {
        return Opinion::not_enough("memory outside V8's heap was read too few times");
    };
    let seconds = last.0 - first.0;
    let grown = trend.slope * seconds;
    Opinion::of(
        trend.low > 0.0 && grown > NOTHING_BYTES,
        format!("{what} {} ({} at first, {} ago)", bytes(last.1), bytes(first.1), duration(seconds)),
        &[("nativeBytes", last.1), ("grownBytes", grown)],
    )
}

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::super::reading::Level;
    use super::super::testing::{Made, leak, state};

    #[test]
    fn malloc_that_gives_out_more_and_more_supports_it() {
        let history = Made::steady(120).level(Level::MallocUsed, |second| 5e7 + 1e6 * second).history();
        assert_eq!(state(&history, "native-leak"), State::Supported);
    }

    #[test]
    fn resident_memory_serves_where_malloc_does_not_tell() {
        let process = Made::steady(120).without(Level::MallocUsed);
        let history = process.level(Level::PrivateNative, |second| 5e7 + 1e6 * second).history();
        assert_eq!(state(&history, "native-leak"), State::Supported);
    }

    #[test]
    fn a_named_leak_is_the_answer() {
        let judged = super::super::judge(&Made::steady(60).history(), &[leak("external", "native")]);
        assert_eq!((judged[1].name.as_str(), judged[1].state), ("native-leak", State::Supported));
    }
}
