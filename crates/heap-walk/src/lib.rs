//! A walk over V8's heap, made in a shadow: what is alive, by class and by what holds it.
//!
//! V8's own heap snapshot needs some ten times the heap in memory. This walk enumerates the heap's objects with V8's iterator,
//! reads their words itself, and keeps a few bytes for each. It needs no header of V8: functions are found among the
//! executable's symbols, and where fields lie is read from the constants that V8 keeps for debuggers.
//!
//! # What this crate does not do
//!
//! It makes no shadow and knows no Node-API: who freezes calls it there. It judges nothing but what kind of holder a path
//! leads to.
//!
//! **Invariant:** everything here but [`Walker::prepare`] runs in a shadow only, where nothing else writes to the heap.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    reason = "addresses are 64 bits wide here (checked), and places and counts are checked against 32 bits where they are made"
)]

mod addresses;
mod answer;
mod areas;
mod bits;
mod classes;
mod code;
mod describe;
mod edges;
mod ephemerons;
mod executable;
mod functions;
mod heap;
mod holders;
mod layout;
mod maps;
mod memory;
mod objects;
mod origin;
mod properties;
mod queue;
mod reach;
mod reached;
mod refusal;
mod retained;
mod retainers;
mod roots;
mod self_test;
mod signatures;
mod snapshot;
mod stream;
mod text;
mod usage;
mod walker;

pub use answer::{Census, ClassCount, Count, Holder, Planted, Question, Retainer, Step, StepKind, Watched};
pub use refusal::Refusal;
pub use walker::Walker;
