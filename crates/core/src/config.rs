//! Settings of the measuring and judging, as the JavaScript side hands them over: complete, validated there once.
//!
//! Every field's default stands in `lib/options.js`, the only place that fills them in.

use serde::Deserialize;

/// Everything [`crate::Monitor`] needs to know.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Config {
    /// Most routes told apart; later ones are counted as `other`. 1 to 5 000.
    pub max_routes: u16,
    /// Length of a window, ms.
    pub window_ms: u64,
    /// Readings of this long after the start are kept out of the attribution, ms.
    pub warm_up_ms: u64,
    /// The event loop's sign of life comes this often, ms.
    #[serde(default = "tick_ms")]
    pub tick_ms: u64,
    /// The app collects twice in a row for a floor; then no other collection is one.
    #[serde(default)]
    pub forced_floors: bool,
    /// The triggers.
    pub triggers: Vec<Trigger>,
}

/// The default of `tickMs`.
const fn tick_ms() -> u64 {
    250
}

/// A condition with its limits and what to do when it holds.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Trigger {
    /// Unique name, `[a-z0-9-]{1,40}`; part of the incident's directory name.
    pub name: String,
    /// What has to hold.
    pub when: Condition,
    /// Route globs (`*` matches any text) for [`Condition::Latency`]; empty means every route.
    pub routes: Vec<String>,
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
    /// Also take a heap snapshot.
    pub heap_snapshot: bool,
}

/// What a trigger watches.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Condition {
    /// A route's latency quantile over the windows of the last `forMs` (at least one window).
    Latency {
        /// 0 to 1.
        quantile: f64,
        /// Threshold, ms.
        above_ms: f64,
        /// Fewer requests than this in the span: not judged.
        min_requests: u64,
    },
    /// Used heap as a share of the real limit: V8's `heap_size_limit` or the cgroup's memory limit, the smaller.
    Heap {
        /// 0 to 1.
        above_share: f64,
    },
    /// The event loop has not turned for this long.
    Stall {
        /// Threshold, ms.
        above_ms: f64,
    },
    /// V8 is about to give up: the heap is at its limit, and even a last collection did not help.
    #[serde(rename = "heap-limit")]
    HeapLimit,
    /// Listeners on shared emitters.
    Listeners {
        /// Threshold, count.
        above: f64,
    },
    /// Live timers.
    Timers {
        /// Threshold, count.
        above: f64,
    },
}
