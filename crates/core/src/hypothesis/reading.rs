//! What is known of the process each second.

use crate::event::Nanos;

/// Numbers of an instant; what could not be read is `None`.
///
/// Counters run from the process's start and never fall.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct SystemReading {
    /// When.
    pub at: Nanos,
    /// Resident memory, bytes.
    pub rss: Option<u64>,
    /// Resident anonymous memory, bytes.
    pub rss_anon: Option<u64>,
    /// Swapped out, bytes.
    pub swap: Option<u64>,
    /// Page faults that had to read a disk, count.
    pub major_faults: Option<u64>,
    /// Page faults without, count.
    pub minor_faults: Option<u64>,
    /// CPU time of the app thread, ms.
    pub app_cpu_ms: Option<u64>,
    /// Time the app thread was ready but had no CPU, ms.
    pub queued_ms: Option<u64>,
    /// Time the cgroup was throttled, ms.
    pub throttled_ms: Option<u64>,
    /// The cgroup's memory limit, bytes; `None` without one.
    pub memory_limit: Option<u64>,
    /// Memory of the cgroup that the kernel could not give up, bytes.
    pub memory_usage: Option<u64>,
    /// Share of the last 10 s in which something in the cgroup waited for memory, percent.
    pub memory_pressure: Option<f64>,
    /// Open descriptors, count.
    pub descriptors: Option<u64>,
    /// Memory that malloc has given out, bytes.
    pub malloc_used: Option<u64>,
    /// Memory that malloc holds and has not given out, bytes.
    pub malloc_free: Option<u64>,
    /// What V8's young generation holds, used or not, bytes.
    pub young_generation: Option<u64>,
}

/// What is there at an instant.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Level {
    /// V8's used heap after a full collection, bytes.
    Floor,
    /// V8's `total_heap_size` without what the young generation holds, bytes.
    OldTotal,
    /// What V8 allows to be live, bytes: its heap limit, without the room for the young generation once that is known.
    LiveLimit,
    /// Anonymous resident memory less V8's heap and external memory, bytes.
    PrivateNative,
    /// Anonymous resident memory, bytes.
    RssAnon,
    /// Swapped out, bytes.
    Swap,
    /// Open descriptors.
    Descriptors,
    /// Open handles of the event loop.
    Handles,
    /// Given out by malloc, bytes.
    MallocUsed,
    /// Held by malloc, not given out, bytes.
    MallocFree,
    /// The cgroup's memory limit, bytes.
    MemoryLimit,
    /// The cgroup's memory, bytes.
    MemoryUsage,
    /// The cgroup's memory pressure, percent.
    MemoryPressure,
}

/// What happened since the reading before.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Counter {
    /// Requests that ended.
    Requests,
    /// Pauses of collections, ms.
    GcMs,
    /// Page faults that read a disk.
    MajorFaults,
    /// Page faults that did not.
    MinorFaults,
    /// CPU time of the app thread, ms.
    AppCpuMs,
    /// Time the app thread waited for a CPU, ms.
    QueuedMs,
    /// Time the cgroup was throttled, ms.
    ThrottledMs,
    /// Time by which turns of the event loop came late, ms.
    StalledMs,
}

/// How many levels and counters there are.
pub(crate) const LEVELS: usize = Level::MemoryPressure as usize + 1;
pub(crate) const COUNTERS: usize = Counter::StalledMs as usize + 1;
