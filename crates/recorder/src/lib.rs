//! The background thread: takes events off the app thread's channel, judges, and writes evidence to disk.
//!
//! # What this crate does not do
//!
//! It knows no Node-API and no V8; what only the app thread can do (a heap snapshot) it asks for through [`Observer`].

#![forbid(unsafe_code)]

mod alarms;
mod analysis;
mod answers;
mod budget;
mod config;
mod error;
pub mod faults;
mod files;
mod history;
mod incident;
mod incident_files;
mod joining;
mod malloc_reading;
mod memory_reading;
mod observer;
pub mod panics;
mod preflight;
mod process_reading;
mod questions;
mod queue;
mod reader;
mod recorder;
mod registration;
mod retention;
mod snapshot;
mod state;
mod threads;
mod walk_analysis;
mod walks;
mod worker;

pub use config::{Floors, HeapSnapshotBy, Preset, RecorderConfig};
pub use error::Error;
pub use incident::Way;
pub use incident_files::OpenFile;
pub use observer::Observer;
pub use queue::EventSender;
pub use reader::{Exported, HistoryPlace, Reader};
pub use recorder::{FreezeJob, Recorder};
pub use worker::HeapLimit;
