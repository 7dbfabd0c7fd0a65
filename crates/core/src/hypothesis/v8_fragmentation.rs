//! V8 holds pages that are nearly empty: its heap stays large after collections although little lives in it.
//!
//! The smallest size of a span counts, for V8 gives pages back only after full collections; heap used against heap
//! total at any moment would say nothing. The young generation is left out: up to 192 MB of it are empty by design.

use super::history::Span;
use super::reading::Level;
use super::sentence::bytes;
use super::{Facts, Opinion};

/// Empty space below this is reserve, bytes.
const MUCH_BYTES: f64 = 128e6;

pub(super) fn judge(facts: &Facts<'_>) -> Opinion {
    let history = facts.history;
    let (Some(total), Some(floor)) =
        (history.least(Level::OldTotal, Span::Recent), history.typical(Level::Floor, Span::Recent))
    else {
        return Opinion::not_enough("no full collection was seen lately");
    };
    let empty = (total - floor).max(0.0);
    Opinion::of(
        empty >= MUCH_BYTES && empty >= floor,
        format!(
            "V8 holds {} at least besides the young generation, of which {} live",
            bytes(total),
            bytes(floor)
        ),
        &[("oldTotalBytes", total), ("floorBytes", floor), ("emptyBytes", empty)],
    )
}

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::super::reading::Level;
    use super::super::testing::{Made, state};

    #[test]
    fn a_large_heap_with_little_in_it_supports_it() {
        let history = Made::steady(60).level(Level::OldTotal, |_| 6e8).history();
        assert_eq!(state(&history, "v8-fragmentation"), State::Supported);
    }

    #[test]
    fn one_collection_that_gave_the_pages_back_rules_it_out() {
        let total = |second: f64| if second % 10.0 > 8.5 { 4e7 } else { 6e8 };
        let history = Made::steady(60).level(Level::OldTotal, total).history();
        assert_eq!(state(&history, "v8-fragmentation"), State::RuledOut);
    }
}
