//! The boundary between Node and leakprobe's crates: conversions and calls, no decisions.
//!
//! This is the only Rust that knows Node-API. **Invariant:** deleting this folder would delete no rule, no threshold
//! and no format; state belongs to an instance, never to a `static`, because every environment loads the addon anew.

#![deny(unsafe_code)]
#![cfg_attr(test, allow(dead_code, reason = "napi-derive exports nothing in a test build"))]
#![expect(clippy::needless_pass_by_value, reason = "Node-API hands values over")]
#![expect(unreachable_pub, reason = "napi-derive wants `pub` on what it exports from a private module")]

mod app_thread;
mod caught;
mod cli;
mod error;
mod events;
#[cfg(feature = "faults")]
mod faults;
mod ffi;
mod heap_snapshot;
mod probe;
mod readings;
mod rules;
mod stuck;
mod witnesses;
