//! Measuring and judging, pure: events in, statistics, findings and reports out.
//!
//! # What this crate does not do
//!
//! It reads no clock, opens no file, starts no thread and knows nothing of Node: time and readings are arguments.

#![forbid(unsafe_code)]

pub mod alarm;
pub mod attribution;
pub mod config;
pub mod counters;
pub mod estimate;
pub mod event;
pub mod history;
pub mod hypothesis;
pub mod in_flight;
pub mod join;
mod live_limit;
pub mod memory_map;
pub mod memory_series;
mod monitor;
pub mod observation;
pub mod planner;
pub mod report;
pub mod route_table;
pub mod series;
pub mod slowdown;
pub mod stats;
pub mod trigger;
pub mod window;

pub use config::Config;
pub use event::{Event, Nanos, RequestRecord, RouteId};
pub use monitor::{Monitor, Surroundings};
pub use report::{Capability, Cost, Leak, ProcessIdentity, Report};
pub use stats::Stats;
pub use trigger::Trip;

/// Bytes, nanoseconds and counts as a number to calculate with.
#[expect(clippy::cast_precision_loss, reason = "all stay below 2^53, where f64 is exact")]
pub(crate) fn number(value: u64) -> f64 {
    value as f64
}
