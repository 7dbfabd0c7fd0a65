//! The rule format: a trigger as it is written, complete. `docs/triggers.md` says what each field means to people.
//!
//! **Invariant:** what [`super::read()`] returns is within every range named here; written as JSON and read again it is the same.

use serde::{Deserialize, Serialize};

/// A condition with its limits and what to do when it holds.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Trigger {
    /// Unique name, `[a-z0-9-]{1,40}`; part of the incident's directory name.
    pub name: String,
    /// What has to hold.
    pub when: When,
    /// Route globs (`*` matches any text) for conditions of routes; empty means every route.
    pub routes: Vec<String>,
    /// Route globs left out of `routes`.
    #[serde(default)]
    pub except_routes: Vec<String>,
    /// The condition must hold this long without a break, ms.
    pub for_ms: u64,
    /// After a trip the value must fall below this share of the threshold before the trigger arms again. 0 to 1.
    pub clear_ratio: f64,
    /// Not judged before this age of the process, ms.
    pub warm_up_ms: u64,
    /// At least this long between two trips, ms.
    pub cooldown_ms: u64,
    /// At most this many trips in any 3 600 s.
    pub max_per_hour: u32,
    /// At most so many trips in any span of another length, besides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_trips: Option<MaxTrips>,
    /// Also take a heap snapshot; the same as [`Action::HeapSnapshot`].
    pub heap_snapshot: bool,
    /// What is done at a trip, in the order of [`Action`].
    #[serde(default = "record")]
    pub actions: Vec<Action>,
    /// Names of the alarms that [`Action::Webhook`] tells; `None`: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alarms: Option<Vec<String>>,
}

/// The default of `actions`.
fn record() -> Vec<Action> {
    vec![Action::Record]
}

/// A limit of trips in a span.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MaxTrips {
    /// Trips, 1 to 1 000.
    pub count: u32,
    /// Length of the span, ms, a second to 30 days.
    pub per_ms: u64,
}

/// What is done at a trip.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// An incident is written. The next two and the CPU profile need it, and bring it.
    Record,
    /// A shadow is asked for the stack, the exact floor and a walk over the heap.
    ShadowCollection,
    /// A heap snapshot.
    HeapSnapshot,
    /// V8's sampling heap profiler runs for a while: the code that makes what is alive.
    HeapSamples,
    /// V8's CPU profiler runs for some seconds, while the event loop turns.
    CpuProfile,
    /// Alarms are told.
    Webhook,
    /// The application, or what watches it, is told that a restart would help. Nothing is ended by it.
    AdviseRestart,
}

impl Action {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Record,
        Self::ShadowCollection,
        Self::HeapSnapshot,
        Self::HeapSamples,
        Self::CpuProfile,
        Self::Webhook,
        Self::AdviseRestart,
    ];

    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            Self::Record => "record",
            Self::ShadowCollection => "shadow-collection",
            Self::HeapSnapshot => "heap-snapshot",
            Self::HeapSamples => "heap-samples",
            Self::CpuProfile => "cpu-profile",
            Self::Webhook => "webhook",
            Self::AdviseRestart => "advise-restart",
        }
    }
}

/// One condition, or several.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(untagged)]
pub enum When {
    /// All have to hold at once; those of routes for the same route.
    All {
        /// Two or more.
        all: Vec<When>,
    },
    /// One of them is enough.
    Any {
        /// Two or more.
        any: Vec<When>,
    },
    /// This one.
    One(Condition),
}

impl When {
    /// The conditions in it, in order.
    pub fn conditions(&self) -> Vec<&Condition> {
        match self {
            Self::One(condition) => vec![condition],
            Self::All { all: several } | Self::Any { any: several } => {
                several.iter().flat_map(Self::conditions).collect()
            }
        }
    }
}

/// A number of bytes that is too much, or that is too much growth.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BytesLimit {
    /// More bytes than this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub above_bytes: Option<f64>,
    /// Grown by more bytes than this, in `within_ms`. Exactly one of the two is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grows_bytes: Option<f64>,
    /// The span of the growth, ms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub within_ms: Option<u64>,
}

/// A count that is too much, or that is too much growth.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CountLimit {
    /// More than this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub above: Option<f64>,
    /// Grown by more than this, in `within_ms`. Exactly one of the two is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grows: Option<f64>,
    /// The span of the growth, ms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub within_ms: Option<u64>,
}

/// What a trigger watches.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum Condition {
    /// A route's latency quantile over the windows of the last `forMs` (one to [`super::MOST_WINDOWS`] windows). With both
    /// thresholds it has to be above both.
    Latency {
        /// 0 to 1.
        quantile: f64,
        /// Threshold, ms.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        above_ms: Option<f64>,
        /// Threshold as a multiple of the same quantile at low age of the process.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        times_baseline: Option<f64>,
        /// Fewer requests than this in the span: not judged.
        min_requests: u64,
        /// Requests count that still run, are older than the threshold and have no response yet.
        #[serde(default = "yes")]
        running: bool,
    },
    /// A route is reported as a slowdown, and its time doubles this fast.
    Slowdown {
        /// Longest doubling time, ms.
        doubles_within_ms: f64,
    },
    /// Requests of a route that still run and have no response yet.
    Running {
        /// Older than this, ms.
        above_ms: f64,
        /// At least so many.
        count: u32,
    },
    /// Share of a route's requests that failed, over the windows of the last `forMs`.
    Errors {
        /// 0 to 1.
        above_share: f64,
        /// Fewer requests than this in the span: not judged.
        min_requests: u64,
    },
    /// A leak of a route is reported.
    Leak {
        /// At least so confident, 0 to 0.99.
        min_confidence: f64,
        /// Of this kind only.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        kind: Option<String>,
        /// That reaches the heap limit in this time at its present rate, ms.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        limit_within_ms: Option<f64>,
    },
    /// The heap right after a full collection.
    Floor(BytesLimit),
    /// Resident memory.
    Rss(BytesLimit),
    /// Used heap as a share of V8's `heap_size_limit`, or the floor as a share of what may be live, whichever is more; the cgroup's
    /// memory limit stands for either limit where it is smaller.
    Heap {
        /// 0 to 1.
        above_share: f64,
    },
    /// V8 is about to give up: the heap is at its limit, and even a last collection did not help.
    HeapLimit,
    /// Memory of the cgroup as a share of its limit, what the kernel could give up left out.
    Cgroup {
        /// 0 to 1.
        above_share: f64,
    },
    /// The event loop has not turned for this long.
    Stall {
        /// Threshold, ms.
        above_ms: f64,
    },
    /// Listeners on shared emitters.
    Listeners(CountLimit),
    /// Live timers.
    Timers(CountLimit),
    /// Open handles.
    Handles(CountLimit),
    /// Open descriptors.
    Descriptors(CountLimit),
    /// Requests in flight.
    InFlight(CountLimit),
}

/// The default of `running`.
const fn yes() -> bool {
    true
}

/// How a condition compares.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Limit {
    /// The value itself, against this.
    Above(f64),
    /// What it has grown by.
    Grows {
        /// By this.
        by: f64,
        /// In this span, ms.
        within_ms: u64,
    },
}

impl Condition {
    /// As it is written.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Latency { .. } => "latency",
            Self::Slowdown { .. } => "slowdown",
            Self::Running { .. } => "running",
            Self::Errors { .. } => "errors",
            Self::Leak { .. } => "leak",
            Self::Floor(_) => "floor",
            Self::Rss(_) => "rss",
            Self::Heap { .. } => "heap",
            Self::HeapLimit => "heap-limit",
            Self::Cgroup { .. } => "cgroup",
            Self::Stall { .. } => "stall",
            Self::Listeners(_) => "listeners",
            Self::Timers(_) => "timers",
            Self::Handles(_) => "handles",
            Self::Descriptors(_) => "descriptors",
            Self::InFlight(_) => "in-flight",
        }
    }

    /// What its value counts.
    pub fn unit(&self) -> &'static str {
        match self {
            Self::Latency { .. } | Self::Running { .. } | Self::Stall { .. } => "ms",
            Self::Slowdown { .. } => "ms to double",
            Self::Errors { .. } | Self::Heap { .. } | Self::Cgroup { .. } => "share",
            Self::Leak { .. } => "confidence",
            Self::Floor(_) | Self::Rss(_) => "bytes",
            Self::HeapLimit => "times reached",
            Self::Listeners(_) => "listeners",
            Self::Timers(_) => "timers",
            Self::Handles(_) => "handles",
            Self::Descriptors(_) => "descriptors",
            Self::InFlight(_) => "requests in flight",
        }
    }

    /// Whether it is judged for each route by itself.
    pub fn of_routes(&self) -> bool {
        matches!(
            self,
            Self::Latency { .. }
                | Self::Slowdown { .. }
                | Self::Running { .. }
                | Self::Errors { .. }
                | Self::Leak { .. }
        )
    }

    /// How one that has one number for the whole process compares; `None` for the others.
    pub fn limit(&self) -> Option<Limit> {
        let of = |above: Option<f64>, grows: Option<f64>, within_ms: Option<u64>| match (grows, within_ms) {
            (Some(by), Some(within_ms)) => Limit::Grows { by, within_ms },
            _ => Limit::Above(above.unwrap_or(f64::MAX)),
        };
        Some(match self {
            Self::Floor(limit) | Self::Rss(limit) => {
                of(limit.above_bytes, limit.grows_bytes, limit.within_ms)
            }
            Self::Listeners(limit)
            | Self::Timers(limit)
            | Self::Handles(limit)
            | Self::Descriptors(limit)
            | Self::InFlight(limit) => of(limit.above, limit.grows, limit.within_ms),
            Self::Heap { above_share } | Self::Cgroup { above_share } => Limit::Above(*above_share),
            Self::Stall { above_ms } => Limit::Above(*above_ms),
            Self::HeapLimit => Limit::Above(0.0),
            _ => return None,
        })
    }
}
