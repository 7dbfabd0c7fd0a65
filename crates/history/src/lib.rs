//! What a service's processes did over weeks, in one SQLite file that all of them write: windows of routes and processes
//! in decreasing resolution, findings, incidents, deployments, lives, and the budgets that they share.
//!
//! # What this crate does not do
//!
//! It has no thread, reads no clock and decides nothing about a leak: time is an argument, and the recorder says what to
//! keep. The form of the file is in `docs/history.md`.

#![forbid(unsafe_code)]

mod aside;
mod budget;
mod error;
mod events;
mod keep;
mod life;
mod reader;
mod rollup;
mod schema;
mod store;
mod windows;

pub use budget::{Claim, Freeze, Limits, Refused, Spent};
pub use error::Error;
pub use events::{Deployment, Finding, Incident, KnownIncident, KnownLeak, Trip};
pub use keep::Keep;
pub use life::{Life, PastLife, StoredRoute};
pub use reader::{LifeSpan, Point, ProcessPoint, Reader, RouteTotal, Told};
pub use schema::VERSION;
pub use store::{FILE, Opened, Store};
pub use windows::Resolution;
