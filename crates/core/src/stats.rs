//! The stats' types: `leakprobe.stats/1`, what `probe.stats()` returns.

use crate::attribution::Resource;
use crate::memory_map::MemoryMap;
use crate::report::{Cost, Estimate};
use serde::{Deserialize, Serialize};

/// Version tag of the stats' form.
pub const SCHEMA: &str = "leakprobe.stats/1";

/// Everything that is counted.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Stats {
    /// [`SCHEMA`].
    pub schema: String,
    /// Time since the probe's start, ms.
    pub uptime_ms: u64,
    /// All routes with at least one request, most requests first.
    pub routes: Vec<RouteStats>,
    /// Requests in flight at the last tick, and the age of the oldest.
    pub in_flight: InFlight,
    /// Collections.
    pub gc: GcStats,
    /// The last reading of the app thread; absent before the first tick.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub heap: Option<HeapStats>,
    /// The last reading from `/proc` and the cgroup; absent where neither can be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub process: Option<serde_json::Value>,
    /// Where the process's memory is; `None` before the first look, and where the kernel does not tell.
    #[serde(default)]
    pub memory_map: Option<MemoryMap>,
    /// Where what grows is made, as far as it was looked for; at most 256.
    #[serde(default)]
    pub sites: Vec<SiteStats>,
    /// What is done to tell whether something leaks.
    pub investigation: Investigation,
    /// State of every trigger.
    pub triggers: Vec<TriggerStats>,
    /// The event loop's last sign of life; absent before the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_loop: Option<EventLoop>,
    /// Where all this is served over HTTP; absent where nobody asked for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<ServerStats>,
    /// What came of each alarm's messages.
    #[serde(default)]
    pub alarms: Vec<AlarmStats>,
    /// The probe's own cost.
    pub cost: Cost,
}

/// The event loop's last sign of life.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EventLoop {
    /// How long ago it was, ms; below the tick's interval in a healthy process.
    pub silent_ms: f64,
}

/// The HTTP server.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct ServerStats {
    /// Where it answers: `http://127.0.0.1:9464`; absent where it does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// Why it does not; absent where it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub because: Option<String>,
}

/// A site: where listeners, timers or objects are made.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SiteStats {
    /// `listener`, `timer` or `heap-sample`.
    pub what: String,
    /// What of: event and class of the emitter, or the function that makes the timer; absent for objects.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub of: Option<String>,
    /// Live listeners or timers, estimated; or live bytes, as sampled since something grows. At the last count.
    pub count: u64,
    /// Where: outside Node and leakprobe, innermost first.
    pub stack: Vec<FrameStats>,
}

/// A place in the code.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FrameStats {
    /// Function; absent at a module's top level.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub function: Option<String>,
    /// File from the folder of the nearest package.json, or URL.
    pub file: String,
    /// Line from 1; 0 when it is not known.
    pub line: u32,
    /// Package; absent for the application's own files.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub package: Option<String>,
}

/// Requests in flight.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct InFlight {
    /// How many.
    pub count: u32,
    /// Age of the oldest, ms.
    pub oldest_ms: f64,
}

/// Counters and distributions of one route since the start.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RouteStats {
    /// Its name.
    pub route: String,
    /// Requests that ended, however they did.
    pub requests: u64,
    /// Of them: connection closed before the response was out.
    pub aborted: u64,
    /// Of them: became another protocol.
    pub upgraded: u64,
    /// Of them: status 500 and above, or a tracked job that failed.
    pub failed: u64,
    /// Durations of all that finished; absent without any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<Distribution>,
    /// The same over the last full window.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recent_ms: Option<Distribution>,
    /// Mean share of app-thread time per request, ms.
    pub thread_ms: f64,
    /// Mean number of requests in flight during one of this route.
    pub overlap: f64,
    /// Mean used-heap difference, end minus start, bytes. Jitters with collections: not a leak by itself.
    pub heap_delta: f64,
    /// Mean share of bytes allocated on the JS heap.
    pub allocated: f64,
    /// Mean external-memory difference, bytes.
    pub external_delta: f64,
    /// Kept per request, by resource; absent while there is not enough data.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kept: Option<Kept>,
}

/// Estimates of what a route keeps per request.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Kept {
    /// Bytes of the JS heap's floor.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub heap: Option<Estimate>,
    /// Bytes of external memory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external: Option<Estimate>,
    /// Listeners on shared emitters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listeners: Option<Estimate>,
    /// Live timers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timers: Option<Estimate>,
}

impl Kept {
    /// The place of a resource's estimate; `None` for those that are only judged.
    pub(crate) fn of(&mut self, resource: Resource) -> Option<&mut Option<Estimate>> {
        match resource {
            Resource::Heap => Some(&mut self.heap),
            Resource::External => Some(&mut self.external),
            Resource::Listeners => Some(&mut self.listeners),
            Resource::Timers => Some(&mut self.timers),
            _ => None,
        }
    }
}

/// A distribution of durations, ms; resolution 6 %.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Distribution {
    /// How many.
    pub count: u64,
    /// Median.
    pub p50: f64,
    /// 95th percentile.
    pub p95: f64,
    /// 99th percentile.
    pub p99: f64,
    /// Largest.
    pub max: f64,
    /// Mean.
    pub mean: f64,
}

/// Collections since the start.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GcStats {
    /// Minor ones.
    pub minor: u64,
    /// Major ones.
    pub major: u64,
    /// All pauses together, ms.
    pub pause_ms: f64,
    /// Longest pause, ms.
    pub max_pause_ms: f64,
    /// Used heap after the last major collection, bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub floor: Option<u64>,
}

/// The app thread's last reading, bytes and counts.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HeapStats {
    /// V8's `used_heap_size`.
    pub used: u64,
    /// V8's `total_heap_size`.
    pub total: u64,
    /// V8's `heap_size_limit`.
    pub limit: u64,
    /// What may be live: the smallest `limit` so far without the room for the young generation, once a shadow has measured that.
    #[serde(default)]
    pub live_limit: u64,
    /// V8's `external_memory`.
    pub external: u64,
    /// V8's `malloced_memory`.
    pub malloced: u64,
    /// Listeners on shared emitters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listeners: Option<u32>,
    /// Live timers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timers: Option<u32>,
    /// Memory of `ArrayBuffer`s and `Buffer`s, bytes, garbage included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub array_buffers: Option<u64>,
    /// Open handles.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handles: Option<u32>,
    /// Own keys of `globalThis`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub global_keys: Option<u32>,
}

/// How floors are asked of shadows.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Investigation {
    /// `off` (floors come from elsewhere), `watch`, `investigate` or `known`.
    pub state: String,
    /// Why, in a few words.
    pub because: String,
    /// Floors by shadows since the start.
    pub floors: u32,
    /// The next one is not before, ms; absent while none is planned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_in_ms: Option<u64>,
}

/// State of one trigger.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TriggerStats {
    /// Its name.
    pub name: String,
    /// `warming up`, `armed`, `waiting`, `tripped`, `cooling down`, `throttled`, `out of budget` (tripped, and nothing
    /// may be frozen for it) or `unavailable` (this process does not have the readings).
    pub state: String,
    /// One sentence: the value against the threshold, or what it waits for.
    pub because: String,
    /// Trips since the start.
    pub trips: u64,
    /// Trips held back by the cooldown or a limit of trips.
    pub throttled: u64,
}

/// What came of the messages of one alarm since the start.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AlarmStats {
    /// Its name.
    pub name: String,
    /// Accepted by its server.
    pub delivered: u64,
    /// Given up: refused, failed too often, or not delivered before the end.
    pub given_up: u64,
    /// On their way, or waiting to be sent again.
    pub waiting: u64,
    /// Held back by the limit per hour.
    pub throttled: u64,
    /// Lost, because too many were waiting.
    pub dropped: u64,
    /// Attempts that failed.
    pub failures: u64,
    /// RFC 3339; absent before the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_delivered_at: Option<String>,
    /// Why the last attempt failed; absent once another one has succeeded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_failure: Option<String>,
}
