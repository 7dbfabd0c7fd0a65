//! The HTTP server: what the probe knows, over HTTP, on a thread that JavaScript cannot block.
//!
//! # What this crate does not do
//!
//! It measures and judges nothing, and never asks the app thread: it reads the recorder's read side
//! ([`leakprobe_recorder::Reader`]), and the incidents and the history on disk.
//!
//! **Invariants:** one thread, and one more while the disk is read; at most [`limits::CONNECTIONS`] connections; nothing that comes
//! from outside is kept, opened by name or repeated in an answer; every answer says what a browser may do with it.

#![forbid(unsafe_code)]

mod accept;
mod api;
mod body;
mod cache;
mod capture;
mod config;
mod disk;
mod guard;
mod handle;
mod history;
mod incidents;
pub mod limits;
mod listen;
mod metrics;
mod query;
mod rate;
mod respond;
mod server;
mod watched;

pub use config::ServerConfig;
pub use server::Server;
