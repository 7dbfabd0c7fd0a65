//! Triggers: the rules' format and its reading, their conditions, and the state machine that decides when a condition that
//! holds becomes an incident. `docs/triggers.md` is the same for people.

mod alarm_names;
mod fields;
mod glob;
mod growth;
mod machine;
mod plain;
mod read;
pub(crate) mod reader;
mod replay;
mod routes;
mod rule;
mod rules;
mod said;
mod trips;
mod value;
mod verdict;

pub use alarm_names::unknown_alarms;
pub use glob::matches;
pub use machine::{Machine, Trip};
pub use plain::plain_words;
pub use read::{Preset, Problem, read};
pub use replay::{Minute, replay, unjudged};
pub use routes::MOST_WINDOWS;
pub use rule::{Action, BytesLimit, Condition, CountLimit, Limit, MaxTrips, Trigger, When};
pub use rules::Rules;
pub use value::View;
pub use verdict::Look;

#[cfg(test)]
mod read_tests;
#[cfg(test)]
mod rules_tests;
#[cfg(test)]
mod testing;
