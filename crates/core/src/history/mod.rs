//! What is kept of a service over weeks: counters per second and route, made here, stored by `crates/history`.
//!
//! Not here: files, SQL, and how long what is kept; see `docs/history.md`.

mod durations;
mod tally;

pub use durations::Durations;
pub use tally::Tally;

/// What one route did in a span of time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RouteSlice {
    /// Its name.
    pub route: String,
    /// Requests that ended, however they did.
    pub requests: u64,
    /// Of them: status 500 and above, or a tracked job that failed.
    pub failed: u64,
    /// Shares of app-thread time, µs in all.
    pub thread_us: u64,
    /// Durations of those that were answered, µs in all.
    pub sum_us: u64,
    /// The same as a distribution.
    pub durations: Durations,
}

/// What the process did in a span of time, and what it was like at its end. Absent is what was not read.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ProcessSlice {
    /// Requests that ended.
    pub requests: u64,
    /// Of them failed.
    pub failed: u64,
    /// Collections.
    pub collections: u64,
    /// Their pauses, µs in all.
    pub gc_pause_us: u64,
    /// The longest of them, µs.
    pub gc_longest_us: u64,
    /// CPU time of the process, ms.
    pub cpu_ms: Option<u64>,
    /// How long the event loop had not turned at most, ms.
    pub stall_ms: Option<u64>,
    /// Used heap, bytes.
    pub heap_used: Option<u64>,
    /// Heap right after the last full collection, bytes.
    pub floor: Option<u64>,
    /// External memory, bytes.
    pub external: Option<u64>,
    /// Resident memory, bytes.
    pub rss: Option<u64>,
    /// Listeners on shared emitters.
    pub listeners: Option<u64>,
    /// Live timers.
    pub timers: Option<u64>,
    /// Open handles.
    pub handles: Option<u64>,
    /// Open descriptors.
    pub descriptors: Option<u64>,
}

/// One span of one process.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Slice {
    /// The process.
    pub process: ProcessSlice,
    /// Routes with requests in it.
    pub routes: Vec<RouteSlice>,
}
