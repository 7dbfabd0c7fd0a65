//! Per-route counters and latency distributions: since the start, of the last full window, and of the recent windows
//! that triggers look back on.
//!
//! **Invariant:** a route without requests in a window holds no distribution for it, so memory follows traffic.

use crate::event::{Outcome, RequestRecord};
use crate::stats::Distribution;
use hdrhistogram::Histogram;
use std::collections::VecDeque;

/// One significant digit: 6 % resolution, about 1 kB for latencies up to a second.
const SIGNIFICANT_DIGITS: u8 = 1;
/// Longest latency told apart, µs: one hour.
const LONGEST_US: u64 = 3_600_000_000;

/// A latency distribution in microseconds.
#[derive(Clone, Debug)]
pub struct Latencies(Option<Histogram<u32>>);

impl Default for Latencies {
    fn default() -> Self {
        let mut histogram = Histogram::new(SIGNIFICANT_DIGITS).ok();
        if let Some(histogram) = &mut histogram {
            histogram.auto(true);
        }
        Self(histogram)
    }
}

impl Latencies {
    /// Counts one.
    pub fn record(&mut self, ns: u64) {
        if let Some(histogram) = &mut self.0 {
            // The only error is a value that does not fit; it is clamped, and `auto` grows the table.
            let _ = histogram.record((ns / 1_000).clamp(1, LONGEST_US));
        }
    }

    /// Adds all of `other`.
    pub fn add(&mut self, other: &Self) {
        if let (Some(mine), Some(theirs)) = (&mut self.0, &other.0) {
            // As in `record`: the table grows.
            let _ = mine.add(theirs);
        }
    }

    /// How many.
    pub fn count(&self) -> u64 {
        self.0.as_ref().map_or(0, Histogram::len)
    }

    /// The quantile, ms; `None` without any.
    pub fn quantile_ms(&self, quantile: f64) -> Option<f64> {
        let histogram = self.0.as_ref().filter(|histogram| !histogram.is_empty())?;
        Some(ms(histogram.value_at_quantile(quantile)))
    }

    /// The usual quantiles; `None` without any.
    pub fn distribution(&self) -> Option<Distribution> {
        let histogram = self.0.as_ref().filter(|histogram| !histogram.is_empty())?;
        Some(Distribution {
            count: histogram.len(),
            p50: ms(histogram.value_at_quantile(0.5)),
            p95: ms(histogram.value_at_quantile(0.95)),
            p99: ms(histogram.value_at_quantile(0.99)),
            max: ms(histogram.max()),
            mean: histogram.mean() / 1_000.0,
        })
    }

    fn bytes(&self) -> usize {
        self.0.as_ref().map_or(0, |histogram| histogram.distinct_values() * 4 + 160)
    }
}

#[expect(clippy::cast_precision_loss, reason = "microseconds of at most an hour are exact")]
fn ms(us: u64) -> f64 {
    us as f64 / 1_000.0
}

/// One route's numbers.
#[derive(Debug, Default)]
pub struct RouteWindows {
    /// Requests that ended.
    pub requests: u64,
    /// Of them aborted.
    pub aborted: u64,
    /// Of them upgraded.
    pub upgraded: u64,
    /// Of them answered 500 and above, or failed as a job.
    pub failed: u64,
    /// Sums over all requests.
    pub sums: Sums,
    total: Latencies,
    current: Option<Latencies>,
    last: Option<Latencies>,
    recent: VecDeque<(u64, Latencies)>,
}

/// Sums of what the requests cost; means are made when asked for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sums {
    /// Shares of app-thread time, ns.
    pub thread_ns: f64,
    /// Overlaps.
    pub overlap: f64,
    /// Used-heap differences, bytes.
    pub heap_delta: f64,
    /// Shares of allocated bytes.
    pub allocated: f64,
    /// External-memory differences, bytes.
    pub external_delta: f64,
}

#[expect(clippy::cast_precision_loss, reason = "bytes and nanoseconds stay below 2^53")]
impl RouteWindows {
    /// Counts a request.
    pub fn record(&mut self, record: &RequestRecord) {
        self.requests += 1;
        match record.outcome {
            Outcome::Aborted => self.aborted += 1,
            Outcome::Upgraded => self.upgraded += 1,
            Outcome::Failed => self.failed += 1,
            Outcome::Finished if record.status >= 500 => self.failed += 1,
            Outcome::Finished => {}
        }
        self.sums.thread_ns += record.thread_ns as f64;
        self.sums.overlap += f64::from(record.overlap);
        self.sums.heap_delta += record.heap_delta as f64;
        self.sums.allocated += record.allocated as f64;
        self.sums.external_delta += record.external_delta as f64;
        // How long a client stayed, or a handshake, says nothing of how fast the route answers.
        if matches!(record.outcome, Outcome::Finished | Outcome::Failed) {
            self.total.record(record.duration_ns);
            self.current.get_or_insert_default().record(record.duration_ns);
        }
    }

    /// Window number `index` has ended; at most `keep` recent ones stay for triggers.
    pub fn close(&mut self, index: u64, keep: usize) {
        self.last = self.current.take();
        if let Some(last) = &self.last
            && keep > 0
        {
            self.recent.push_back((index, last.clone()));
        }
        while self.recent.front().is_some_and(|(old, _)| index.saturating_sub(*old) >= keep as u64) {
            self.recent.pop_front();
        }
    }

    /// All since the start.
    pub fn total(&self) -> Option<Distribution> {
        self.total.distribution()
    }

    /// The last full window.
    pub fn last(&self) -> Option<Distribution> {
        self.last.as_ref().and_then(Latencies::distribution)
    }

    /// The windows from number `from` on, the current one included.
    pub fn since(&self, from: u64) -> Latencies {
        let mut all = Latencies::default();
        for (_, latencies) in self.recent.iter().filter(|(index, _)| *index >= from) {
            all.add(latencies);
        }
        if let Some(current) = &self.current {
            all.add(current);
        }
        all
    }

    /// Memory held, bytes, about.
    pub fn bytes(&self) -> usize {
        let kept = [Some(&self.total), self.current.as_ref(), self.last.as_ref()];
        size_of::<Self>()
            + kept
                .into_iter()
                .flatten()
                .chain(self.recent.iter().map(|(_, kept)| kept))
                .map(Latencies::bytes)
                .sum::<usize>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Nanos, RouteId};

    fn record(ms: u64, outcome: Outcome, status: u16) -> RequestRecord {
        RequestRecord {
            route: RouteId(1),
            outcome,
            status,
            ended: Nanos(0),
            duration_ns: ms * 1_000_000,
            thread_ns: 10,
            overlap: 2.0,
            heap_delta: -5,
            allocated: 7,
            external_delta: 1,
        }
    }

    #[test]
    fn outcomes_are_counted_apart_and_only_answers_have_a_latency() {
        let mut route = RouteWindows::default();
        for (outcome, status) in [
            (Outcome::Finished, 200),
            (Outcome::Finished, 503),
            (Outcome::Aborted, 0),
            (Outcome::Upgraded, 101),
            (Outcome::Failed, 0),
        ] {
            route.record(&record(10, outcome, status));
        }

        assert_eq!((route.requests, route.aborted, route.upgraded, route.failed), (5, 1, 1, 2));
        assert_eq!(route.total().map(|all| all.count), Some(3));
    }

    #[test]
    fn quantiles_are_within_the_resolution() {
        let mut latencies = Latencies::default();
        (1..=1_000).for_each(|ms| latencies.record(ms * 1_000_000));

        let all = latencies.distribution().unwrap();

        for (got, want) in
            [(all.p50, 500.0), (all.p95, 950.0), (all.p99, 990.0), (all.max, 1_000.0), (all.mean, 500.5)]
        {
            assert!((got / want - 1.0_f64).abs() < 0.07, "{got} for {want}");
        }
    }

    #[test]
    fn recent_windows_leave_after_their_time() {
        let mut route = RouteWindows::default();
        route.record(&record(100, Outcome::Finished, 200));
        route.close(0, 3);
        route.record(&record(1, Outcome::Finished, 200));

        assert_eq!(route.since(0).count(), 2);
        assert_eq!(route.since(1).count(), 1);
        assert_eq!(route.last().map(|last| last.count), Some(1));
        for index in 1..=3 {
            route.close(index, 3);
        }
        assert_eq!(route.since(0).count(), 1);
        assert!(route.last().is_none());
    }
}
