//! The dashboard's files, inside the addon, and the page of a report that works without a server.
//!
//! # What this crate does not do
//!
//! It serves nothing and reads nothing at run time: names and data in, bytes out. The files are those of `dashboard/`.

#![forbid(unsafe_code)]

mod files;
mod offline;

pub use files::{FILES, File, file};
pub use offline::page;

/// The policy under which the dashboard runs when it is served: own files and own API, nothing inline, nothing from elsewhere.
pub const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'";
