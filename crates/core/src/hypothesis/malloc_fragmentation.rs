//! malloc holds memory in pieces that nobody can use: resident memory is high, and what was given out is not.

use super::history::Span;
use super::reading::Level;
use super::sentence::{bytes, percent};
use super::{Facts, Opinion};

/// Less than this is what malloc keeps for the next request, bytes and share of resident memory.
const MUCH_BYTES: f64 = 64e6;
const MUCH_SHARE: f64 = 0.25;

pub(super) fn judge(facts: &Facts<'_>) -> Opinion {
    let history = facts.history;
    let recent = |level| history.typical(level, Span::Recent);
    let (Some(free), Some(resident)) = (recent(Level::MallocFree), recent(Level::RssAnon)) else {
        return Opinion::not_enough("this C library's malloc does not tell, or was asked too few times");
    };
    let share = free / resident.max(1.0);
    Opinion::of(
        free >= MUCH_BYTES && share >= MUCH_SHARE,
        format!(
            "malloc holds {} that it has not given out, {} of resident memory",
            bytes(free),
            percent(share)
        ),
        &[("mallocFreeBytes", free), ("residentBytes", resident), ("share", share)],
    )
}

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::super::reading::Level;
    use super::super::testing::{Made, state};

    #[test]
    fn much_that_is_held_and_not_given_out_supports_it() {
        let process = Made::steady(60).level(Level::RssAnon, |_| 5e8);
        let history = process.level(Level::MallocFree, |_| 2e8).history();
        assert_eq!(state(&history, "malloc-fragmentation"), State::Supported);
    }

    #[test]
    fn without_malloc_s_numbers_it_is_not_judged() {
        let history = Made::steady(60).without(Level::MallocFree).history();
        assert_eq!(state(&history, "malloc-fragmentation"), State::NotEnoughData);
    }
}
