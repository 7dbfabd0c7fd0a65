//! What the app thread tells the background thread: numbers only, so that a request never allocates.
//!
//! Not here: names. A route's name is interned once (see [`crate::route_table`]) and travels as its [`RouteId`].

use crate::observation::{ForcedFloor, SiteInfo};

/// Nanoseconds on the process's monotonic clock (`CLOCK_MONOTONIC`).
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub struct Nanos(pub u64);

impl Nanos {
    /// Nanoseconds since `earlier`, 0 when `earlier` is later than `self`.
    pub fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// This instant, `ns` nanoseconds later; saturates.
    #[must_use]
    pub fn plus(self, ns: u64) -> Self {
        Self(self.0.saturating_add(ns))
    }

    /// The instant `ms` milliseconds after the clock's zero; for tests and configuration.
    pub const fn from_ms(ms: u64) -> Self {
        Self(ms * 1_000_000)
    }
}

/// Index of a route in the route table that issued it; meaningless with another table. 0 is always `other`.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct RouteId(pub u16);

/// How a request ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// The whole response was handed to the operating system (or a tracked job returned).
    Finished,
    /// The connection closed first.
    Aborted,
    /// The connection became something else (WebSocket, CONNECT); counted at the handshake.
    Upgraded,
    /// A tracked job threw or rejected.
    Failed,
}

/// What one request (or one run of a tracked job) cost.
///
/// While several requests overlap, what the thread did and allocated between two events is divided evenly among
/// those in flight at that time; `overlap` says how many there were, so a reader knows how sharp the shares are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RequestRecord {
    /// Route of the request.
    pub route: RouteId,
    /// How it ended.
    pub outcome: Outcome,
    /// HTTP status, 0 where there is none.
    pub status: u16,
    /// When it ended.
    pub ended: Nanos,
    /// Start to end.
    pub duration_ns: u64,
    /// Its share of the time during which the event loop was not idle.
    pub thread_ns: u64,
    /// Mean number of requests in flight during it, itself included; at least 1.
    pub overlap: f32,
    /// Used heap at the end minus at the start; negative after a collection.
    pub heap_delta: i64,
    /// Its share of the bytes allocated on the JS heap meanwhile.
    pub allocated: u64,
    /// External memory at the end minus at the start.
    pub external_delta: i64,
}

/// V8's kinds of collection, named as `perf_hooks` names them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum GcKind {
    /// Scavenge of the young generation, or minor mark-sweep.
    Minor,
    /// Mark-sweep-compact of the whole heap.
    Major,
    /// A step of incremental marking; frees nothing by itself.
    Incremental,
    /// Processing of weak callbacks.
    WeakCallbacks,
}

/// One garbage collection.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GcRecord {
    /// Kind of collection.
    pub kind: GcKind,
    /// When it ended.
    pub ended: Nanos,
    /// How long the app thread stood still for it.
    pub pause_ns: u64,
    /// Used heap before; `None` where the source cannot tell (fallback to `perf_hooks`).
    pub heap_before: Option<u64>,
    /// Used heap after. After a major collection this is a floor.
    pub heap_after: u64,
    /// External memory after.
    pub external_after: u64,
}

/// Numbers of an instant that only the app thread can read; sent every tick while the loop turns.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct TickReading {
    /// When it was read.
    pub at: Nanos,
    /// V8's `used_heap_size`, bytes.
    pub heap_used: u64,
    /// V8's `total_heap_size`, bytes.
    pub heap_total: u64,
    /// V8's `heap_size_limit`, bytes.
    pub heap_limit: u64,
    /// What may be live, bytes: `heap_limit` without the room for the young generation, once a shadow has measured that. Who
    /// reads says `heap_limit`; [`Monitor::observe`](crate::Monitor::observe) takes the room off.
    pub live_limit: u64,
    /// V8's `external_memory`, bytes.
    pub external: u64,
    /// V8's `malloced_memory`, bytes.
    pub malloced: u64,
    /// Listeners on emitters and event targets that hold several; `None` when not counted.
    pub listeners: Option<u32>,
    /// Live timeouts and intervals; `None` when not counted.
    pub timers: Option<u32>,
    /// Memory of `ArrayBuffer`s and `Buffer`s, bytes, garbage included; `None` when not read.
    pub array_buffers: Option<u64>,
    /// Open handles (sockets, servers, files watched, children); `None` when not counted.
    pub handles: Option<u32>,
    /// Own keys of `globalThis`; `None` when not counted.
    pub global_keys: Option<u32>,
    /// Heaps and external memory of worker threads, as far as they are known, bytes.
    pub worker_bytes: u64,
    /// Worker threads whose memory is not known.
    pub unread_workers: u32,
    /// Requests in flight.
    pub in_flight: u32,
    /// Age of the oldest request in flight, 0 without any.
    pub oldest_ns: u64,
    /// Accumulated time the event loop was not idle; `None` when the loop does not say.
    pub busy_ns: Option<u64>,
}

/// An instant at which the app thread stood still for a shadow: everything earlier on the channel happened before it.
///
/// What the shadow finds arrives seconds later, by [`crate::Monitor::floor`] and [`crate::Monitor::census`], and is held
/// against the requests that had ended at the mark.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Mark {
    /// Given by the sender, unique among the open marks.
    pub id: u32,
    /// When it was.
    pub at: Nanos,
    /// Requests in flight.
    pub in_flight: u32,
}

/// How much of what one site made is there now.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct SiteCount {
    /// As given to [`crate::Monitor::site`].
    pub site: u32,
    /// Live listeners, live timers, or sampled live bytes.
    pub count: u64,
}

/// Requests that still run and have no response yet.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Running {
    /// When they were looked at.
    pub at: Nanos,
    /// Route and age then, ns; by route, the oldest first. At most some hundred.
    pub requests: Vec<(RouteId, u64)>,
}

impl Running {
    /// In order.
    pub fn new(at: Nanos, mut requests: Vec<(RouteId, u64)>) -> Self {
        requests.sort_unstable_by_key(|(route, age)| (*route, std::cmp::Reverse(*age)));
        Self { at, requests }
    }
}

/// A message on the channel from the app thread.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// Requests that ended, oldest first. Several at a time, so that a request seldom touches the channel.
    Requests(Box<[RequestRecord]>),
    /// A collection ended.
    Gc(GcRecord),
    /// The loop turned. Boxed, so that messages stay small in the channel.
    Tick(Box<TickReading>),
    /// The app thread is frozen at this instant.
    Mark(Mark),
    /// A site, before its first count: its number and what it is. See [`crate::Monitor::site`].
    Site(Box<(u32, SiteInfo)>),
    /// What the known sites have made, as of the last tick.
    Sites(Box<[SiteCount]>),
    /// The app thread has collected everything.
    ForcedFloor(Box<ForcedFloor>),
    /// What still runs; each second while there is any, and once when there is none any more.
    Running(Box<Running>),
}
