//! What is kept of a second, or of some.

use super::ring::Merge;

/// Upper bounds of the heat map's bins, ms; the last bin has none.
pub const BOUNDS_MS: [f64; 15] =
    [1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1e3, 2e3, 5e3, 1e4, 3e4, 6e4];

/// The process.
#[derive(Clone, Debug, Default)]
pub(super) struct ProcessPoint {
    pub(super) heap_used: Option<f64>,
    pub(super) floor: Option<f64>,
    pub(super) external: Option<f64>,
    pub(super) rss: Option<f64>,
    pub(super) gc_pause_ms: f64,
    pub(super) gc_count: u32,
    pub(super) stall_ms: f64,
    pub(super) cpu_share: Option<f64>,
    pub(super) requests: u64,
    pub(super) parts: Box<[Option<f64>]>,
}

impl Merge for ProcessPoint {
    fn merge(&mut self, later: Self) {
        self.heap_used = later.heap_used.or(self.heap_used);
        self.floor = later.floor.or(self.floor);
        self.external = later.external.or(self.external);
        self.rss = later.rss.or(self.rss);
        self.gc_pause_ms += later.gc_pause_ms;
        self.gc_count = self.gc_count.saturating_add(later.gc_count);
        self.stall_ms = self.stall_ms.max(later.stall_ms);
        // A mean that leans on the later half: the weights of points that were merged before are not kept.
        self.cpu_share = match (self.cpu_share, later.cpu_share) {
            (Some(one), Some(other)) => Some(f64::midpoint(one, other)),
            (one, other) => one.or(other),
        };
        self.requests += later.requests;
        if !later.parts.is_empty() {
            self.parts = later.parts;
        }
    }

    fn more_bytes(&self) -> usize {
        self.parts.len() * size_of::<Option<f64>>()
    }
}

/// A route; what is not known is not a number.
#[derive(Clone, Copy, Debug)]
pub(super) struct RoutePoint {
    pub(super) requests: u32,
    pub(super) p50_ms: f32,
    pub(super) p95_ms: f32,
    pub(super) kept: f32,
    pub(super) bins: [u32; BOUNDS_MS.len() + 1],
}

impl Default for RoutePoint {
    fn default() -> Self {
        Self { requests: 0, p50_ms: f32::NAN, p95_ms: f32::NAN, kept: f32::NAN, bins: Default::default() }
    }
}

impl RoutePoint {
    /// Requests that have a duration.
    fn timed(&self) -> f32 {
        #[expect(clippy::cast_precision_loss, reason = "a weight")]
        let timed = self.bins.iter().map(|count| u64::from(*count)).sum::<u64>() as f32;
        timed
    }
}

impl Merge for RoutePoint {
    fn merge(&mut self, later: Self) {
        let (mine, theirs) = (self.timed(), later.timed());
        let mean = |one: f32, other: f32| match (one.is_nan(), other.is_nan()) {
            (true, _) => other,
            (_, true) => one,
            _ => (one * mine + other * theirs) / (mine + theirs),
        };
        self.p50_ms = mean(self.p50_ms, later.p50_ms);
        self.p95_ms = mean(self.p95_ms, later.p95_ms);
        self.kept = if later.kept.is_nan() { self.kept } else { later.kept };
        self.requests = self.requests.saturating_add(later.requests);
        for (count, more) in self.bins.iter_mut().zip(later.bins) {
            *count = count.saturating_add(more);
        }
    }
}
