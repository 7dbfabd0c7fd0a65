//! Per route, how long its requests took over the whole uptime, in at most [`MOST_BUCKETS`] buckets of equal length.
//!
//! **Invariant:** when the buckets are full, two and two are merged, so memory does not grow with the uptime; a day of
//! windows of a minute ends in buckets of 32 minutes.

use crate::event::{Outcome, RequestRecord};
use crate::slowdown::trend::quantile;

/// Buckets kept; an even number.
pub(crate) const MOST_BUCKETS: usize = 64;
/// Requests looked at in a window; of more, a random choice of so many.
const SAMPLE: usize = 64;
/// Durations below this are within what the clock and the machine add, ns.
const SHORTEST_NS: f64 = 1_000.0;

/// What is looked at for a trend.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Signal {
    /// The route's share of time on the app thread, the quicker part of the distribution.
    AppThread,
    /// Start to end, the middle of the distribution.
    Latency,
    /// The slow tenth of it.
    HighLatency,
}

impl Signal {
    pub(crate) const ALL: [Self; 3] = [Self::AppThread, Self::Latency, Self::HighLatency];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::AppThread => "app-thread-time",
            Self::Latency => "latency",
            Self::HighLatency => "high-latency",
        }
    }
}

/// One route in one bucket.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bucket {
    pub(crate) index: u16,
    pub(crate) requests: u32,
    /// Requests looked at: the weight of the logarithms.
    pub(super) sampled: f32,
    /// Sums of weight × ln(ns), in the order of [`Signal::ALL`].
    pub(super) logs: [f32; 3],
    /// Sum of the durations, ns.
    pub(crate) busy_ns: f32,
}

impl Bucket {
    /// Mean logarithm of ns; `None` with fewer than `least` requests looked at.
    pub(crate) fn log(&self, signal: Signal, least: f32) -> Option<f64> {
        let sum = f64::from(*self.logs.get(signal as usize)?);
        (self.sampled >= least && self.sampled > 0.0).then(|| sum / f64::from(self.sampled))
    }

    fn add(&mut self, other: &Self) {
        self.requests = self.requests.saturating_add(other.requests);
        self.sampled += other.sampled;
        for (mine, theirs) in self.logs.iter_mut().zip(other.logs) {
            *mine += theirs;
        }
        self.busy_ns += other.busy_ns;
    }
}

/// Requests of the present window.
#[derive(Debug, Default)]
struct Window {
    requests: u32,
    duration_ns: f64,
    /// Time on the app thread and duration, ns.
    sample: Vec<(f32, f32)>,
}

/// One route over the uptime.
#[derive(Debug, Default)]
pub(crate) struct RouteHistory {
    buckets: Vec<Bucket>,
    window: Window,
    random: u32,
}

impl RouteHistory {
    /// One that is over.
    pub(super) fn of(buckets: Vec<Bucket>) -> Self {
        Self { buckets, ..Self::default() }
    }

    /// A request that was answered; others say nothing of how fast the route answers.
    #[expect(clippy::cast_precision_loss, reason = "a duration")]
    pub(crate) fn record(&mut self, record: &RequestRecord) {
        if record.outcome != Outcome::Finished || record.status >= 500 {
            return;
        }
        let window = &mut self.window;
        window.requests = window.requests.saturating_add(1);
        window.duration_ns += record.duration_ns as f64;
        let pair = (record.thread_ns as f32, record.duration_ns as f32);
        if window.sample.len() < SAMPLE {
            window.sample.push(pair);
            return;
        }
        // Vitter's algorithm R: each request has the same chance to be in the sample.
        self.random = self.random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let place = (u64::from(self.random) * u64::from(window.requests)) >> 32;
        if let Some(kept) = usize::try_from(place).ok().and_then(|place| window.sample.get_mut(place)) {
            *kept = pair;
        }
    }

    /// The window has ended and belongs to bucket number `index`.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        reason = "sums of a few thousand"
    )]
    pub(crate) fn close(&mut self, index: u16) {
        let window = std::mem::take(&mut self.window);
        if window.requests == 0 {
            return;
        }
        let sorted = |ns: fn(&(f32, f32)) -> f32| {
            let mut logs: Vec<f64> =
                window.sample.iter().map(|pair| f64::from(ns(pair)).max(SHORTEST_NS).ln()).collect();
            logs.sort_unstable_by(f64::total_cmp);
            logs
        };
        let (threads, durations) = (sorted(|pair| pair.0), sorted(|pair| pair.1));
        let sampled = window.sample.len() as f32;
        let logs = [between(&threads, 0.1, 0.4), between(&durations, 0.25, 0.75), quantile(&durations, 0.9)];
        let closed = Bucket {
            index,
            requests: window.requests,
            sampled,
            logs: logs.map(|log| (log * f64::from(sampled)) as f32),
            busy_ns: window.duration_ns as f32,
        };
        match self.buckets.last_mut().filter(|last| last.index == index) {
            Some(last) => last.add(&closed),
            None => self.buckets.push(closed),
        }
        // The next sample's room is taken again by the next request, not by a route that has none.
        let mut sample = window.sample;
        sample.clear();
        self.window.sample = sample;
    }

    /// What was said of the present window is dropped: it belongs to the warm-up.
    pub(crate) fn forget_window(&mut self) {
        self.window = Window::default();
    }

    /// Two and two buckets become one.
    pub(crate) fn merge(&mut self) {
        let mut merged: Vec<Bucket> = Vec::with_capacity(self.buckets.len() / 2 + 1);
        for bucket in &self.buckets {
            let half = Bucket { index: bucket.index / 2, ..*bucket };
            match merged.last_mut().filter(|last| last.index == half.index) {
                Some(last) => last.add(&half),
                None => merged.push(half),
            }
        }
        self.buckets = merged;
    }

    pub(crate) fn buckets(&self) -> &[Bucket] {
        &self.buckets
    }

    /// Memory held, bytes.
    pub(crate) fn bytes(&self) -> usize {
        size_of::<Self>()
            + self.buckets.capacity() * size_of::<Bucket>()
            + self.window.sample.capacity() * size_of::<(f32, f32)>()
    }
}

/// Mean of the values between two shares of the distribution: as steady as a quantile against outliers, and steadier
/// against noise. Of the time on the app thread the quicker part: when the machine is busy, slow ones were preempted.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "at most 64"
)]
fn between(sorted: &[f64], from: f64, to: f64) -> f64 {
    let count = sorted.len() as f64;
    let from = (from * count) as usize;
    let to = ((to * count).ceil() as usize).max(from + 1);
    let part = sorted.get(from..to.min(sorted.len())).unwrap_or(&[]);
    part.iter().sum::<f64>() / part.len().max(1) as f64
}

/// The whole process in one bucket.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ProcessBucket {
    /// Length, ns.
    pub(crate) span_ns: f64,
    /// Requests that ended.
    pub(crate) requests: f64,
    /// Sum of the durations of all requests, ns: by Little's law their mean number in flight, times the length.
    pub(crate) in_flight_ns: f64,
    /// Pauses of collections, ns.
    pub(crate) gc_ns: f64,
    /// Time the event loop was not idle, ns.
    pub(crate) busy_ns: f64,
    /// Time by which the loop's heartbeat was late, ns.
    pub(crate) late_ns: f64,
}

impl ProcessBucket {
    pub(crate) fn add(&mut self, other: &Self) {
        self.span_ns += other.span_ns;
        self.requests += other.requests;
        self.in_flight_ns += other.in_flight_ns;
        self.gc_ns += other.gc_ns;
        self.busy_ns += other.busy_ns;
        self.late_ns += other.late_ns;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Nanos, RouteId};

    fn record(ms: u64, status: u16) -> RequestRecord {
        RequestRecord {
            route: RouteId(1),
            outcome: Outcome::Finished,
            status,
            ended: Nanos(0),
            duration_ns: ms * 1_000_000,
            thread_ns: ms * 500_000,
            overlap: 1.0,
            heap_delta: 0,
            allocated: 0,
            external_delta: 0,
        }
    }

    fn ms(bucket: &Bucket, signal: Signal) -> f64 {
        bucket.log(signal, 1.0).unwrap().exp() / 1e6
    }

    #[test]
    fn a_window_is_its_middle_whatever_lies_outside() {
        let mut route = RouteHistory::default();
        (0..1_000).for_each(|index| route.record(&record(if index % 10 == 0 { 9_000 } else { 20 }, 200)));
        route.record(&record(77, 503));

        route.close(0);

        let bucket = &route.buckets()[0];
        assert_eq!(bucket.requests, 1_000);
        assert!((ms(bucket, Signal::Latency) - 20.0).abs() < 0.1, "{bucket:?}");
        assert!((ms(bucket, Signal::AppThread) - 10.0).abs() < 0.1, "{bucket:?}");
        assert!(bucket.log(Signal::Latency, 65.0).is_none(), "64 are looked at");
    }

    #[test]
    fn every_request_of_a_busy_window_has_its_chance() {
        let mut route = RouteHistory::default();
        (0..10_000).for_each(|index| route.record(&record(if index < 5_000 { 10 } else { 40 }, 200)));
        let early = route.window.sample.iter().filter(|(_, ns)| *ns < 2e7).count();
        assert!((20..=44).contains(&early), "{early} of 64");
    }

    #[test]
    fn merged_buckets_keep_the_sums() {
        let mut route = RouteHistory::default();
        for index in 0..5 {
            (0..8).for_each(|_| route.record(&record(if index == 4 { 80 } else { 10 }, 200)));
            route.close(index);
        }

        route.merge();

        let found: Vec<_> = route
            .buckets()
            .iter()
            .map(|bucket| (bucket.index, bucket.requests, ms(bucket, Signal::Latency).round()))
            .collect();
        assert_eq!(found, [(0, 16, 10.0), (1, 16, 10.0), (2, 8, 80.0)]);
    }
}
