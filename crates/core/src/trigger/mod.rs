//! Triggers: a condition each, judged at every tick, and the state machine that decides when a condition that holds
//! becomes an incident.

mod glob;
mod machine;
mod value;

pub use glob::matches;
pub use machine::{Machine, Trip};
pub use value::{Observed, View, observe};
