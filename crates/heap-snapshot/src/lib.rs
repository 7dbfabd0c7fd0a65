//! V8's heap snapshot format.
//!
//! Now: [`Meter`], which checks a snapshot against its own header while it streams past, in constant memory.
//!
//! # What this crate does not do
//!
//! It opens no files and knows no Node: bytes in, numbers out.

#![forbid(unsafe_code)]

mod error;
mod leak_kind;
mod meter;

pub use error::Error;
pub use leak_kind::{Classified, EdgeKind, LeakKind, MANY, Step, classify};
pub use meter::{Meter, Summary};
