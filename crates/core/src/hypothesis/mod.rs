//! What the trouble is, and what it is not: each usual suspect is judged by its own numbers.
//!
//! A hypothesis is `supported` when its numbers are what it would look like, `ruled out` when they are not, and otherwise
//! there is not enough data. Several can be supported at once. Not here: where the numbers come from, and which of two
//! supported ones causes the other; a named leak says that.

mod blocked_event_loop;
mod cgroup_limit;
mod cpu;
mod gc_pressure;
mod handle_leak;
mod heap_limit;
mod history;
mod js_heap_leak;
mod load_increase;
mod malloc_fragmentation;
mod native_leak;
mod page_faults;
mod process;
mod reading;
pub(crate) mod sentence;
#[cfg(test)]
mod testing;
mod trend;
mod v8_fragmentation;

pub use history::History;
pub use process::Process;
pub use reading::{Counter, Level, SystemReading};
pub use trend::{Trend, trend};

use crate::report::Leak;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A hypothesis, judged.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Judged {
    /// Its name, as `docs/hypotheses.md` lists them.
    pub name: String,
    /// What the numbers say.
    pub state: State,
    /// One sentence with the number.
    pub because: String,
    /// The numbers, by name with their unit.
    pub numbers: BTreeMap<String, f64>,
}

/// What the numbers say of a hypothesis.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub enum State {
    /// They are not what it would look like.
    #[serde(rename = "ruled out")]
    RuledOut,
    /// They are.
    #[serde(rename = "supported")]
    Supported,
    /// They are missing, or too few.
    #[serde(rename = "not enough data")]
    NotEnoughData,
}

/// What a hypothesis is judged by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Facts<'a> {
    pub(crate) history: &'a History,
    pub(crate) leaks: &'a [Leak],
}

/// A verdict before it has its name.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Opinion {
    state: State,
    because: String,
    numbers: BTreeMap<String, f64>,
}

impl Opinion {
    fn of(supported: bool, because: String, numbers: &[(&str, f64)]) -> Self {
        let state = if supported { State::Supported } else { State::RuledOut };
        let numbers = numbers.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect();
        Self { state, because, numbers }
    }

    fn not_enough(because: &str) -> Self {
        Self { state: State::NotEnoughData, because: because.to_owned(), numbers: BTreeMap::new() }
    }
}

type Judge = fn(&Facts<'_>) -> Opinion;

/// In the order in which a person would ask.
const ALL: [(&str, Judge); 12] = [
    ("js-heap-leak", js_heap_leak::judge),
    ("native-leak", native_leak::judge),
    ("handle-leak", handle_leak::judge),
    ("malloc-fragmentation", malloc_fragmentation::judge),
    ("v8-fragmentation", v8_fragmentation::judge),
    ("page-faults", page_faults::judge),
    ("gc-pressure", gc_pressure::judge),
    ("heap-limit", heap_limit::judge),
    ("cgroup-limit", cgroup_limit::judge),
    ("cpu", cpu::judge),
    ("blocked-event-loop", blocked_event_loop::judge),
    ("load-increase", load_increase::judge),
];

/// Judges all of them.
pub fn judge(history: &History, leaks: &[Leak]) -> Vec<Judged> {
    let facts = Facts { history, leaks };
    ALL.into_iter()
        .map(|(name, judge)| {
            let Opinion { state, because, numbers } = judge(&facts);
            Judged { name: name.to_owned(), state, because, numbers }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::testing::Made;
    use super::*;

    #[test]
    fn a_process_of_which_nothing_is_known_is_not_judged() {
        let judged = judge(&History::new(1_000_000_000), &[]);

        assert_eq!(judged.len(), ALL.len());
        assert!(judged.iter().all(|one| one.state == State::NotEnoughData), "{judged:?}");
        assert!(judged.iter().all(|one| !one.because.is_empty()));
    }

    #[test]
    fn a_steady_process_has_everything_ruled_out_with_a_number() {
        let judged = judge(&Made::steady(120).history(), &[]);

        for one in judged {
            assert_eq!(one.state, State::RuledOut, "{}: {}", one.name, one.because);
            assert!(one.because.contains(|letter: char| letter.is_ascii_digit()), "{}", one.because);
            assert!(!one.numbers.is_empty(), "{}", one.name);
        }
    }
}
