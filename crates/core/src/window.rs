//! Per-route counters and latency distributions: since the start, of the last full window, and of the recent windows
//! that triggers look back on.
//!
//! **Invariant:** a route without requests in a window holds no distribution for it, so memory follows traffic.

mod baseline;

use crate::event::{Outcome, RequestRecord};
use crate::history::Durations;
use crate::stats::Distribution;
use baseline::Baseline;
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

    /// Counts several of one length, µs.
    pub fn record_n(&mut self, us: u64, count: u32) {
        if let Some(histogram) = &mut self.0 {
            // As in `record`: the table grows.
            let _ = histogram.record_n(us.clamp(1, LONGEST_US), count);
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

    /// Forgets all of them, and keeps the room.
    pub fn clear(&mut self) {
        if let Some(histogram) = &mut self.0 {
            histogram.reset();
        }
    }

    /// Adds those of a closed window.
    pub fn add_closed(&mut self, closed: &Closed) {
        if let Some(histogram) = &mut self.0 {
            for (us, count) in &closed.latencies {
                // As in `record`: the table grows.
                let _ = histogram.record_n(u64::from(*us), *count);
            }
        }
    }

    /// Each latency, ms, with how many there are, in rising order.
    pub fn counted(&self) -> impl Iterator<Item = (f64, u64)> {
        let all = self.0.iter().flat_map(Histogram::iter_recorded);
        all.map(|step| (ms(step.value_iterated_to()), u64::from(step.count_at_value())))
    }

    fn close(&self) -> Box<[(u32, u32)]> {
        let all = self.0.iter().flat_map(Histogram::iter_recorded);
        let fits = |us: u64| u32::try_from(us).unwrap_or(u32::MAX);
        all.map(|step| (fits(step.value_iterated_to()), step.count_at_value())).collect()
    }

    /// Memory held, bytes, about.
    pub(crate) fn bytes(&self) -> usize {
        self.0.as_ref().map_or(0, |histogram| histogram.distinct_values() * 4 + 160)
    }
}

/// A window that has ended: as small as it can be, for triggers keep up to sixty of them for each route.
#[derive(Clone, Debug, Default)]
pub struct Closed {
    /// Its number.
    pub window: u64,
    /// Requests that failed.
    pub failed: u32,
    /// Each latency, µs, with how many there are.
    latencies: Box<[(u32, u32)]>,
}

impl Closed {
    fn bytes(&self) -> usize {
        size_of::<Self>() + self.latencies.len() * size_of::<(u32, u32)>()
    }
}

/// What triggers need of the windows that end.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Keep {
    /// Closed windows that are kept.
    pub windows: usize,
    /// Windows with requests that make a baseline; 0: none is learned.
    pub baseline: u32,
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
    /// Durations of those that finished, ns in all.
    pub timed_ns: u64,
    total: Latencies,
    current: Option<Latencies>,
    current_failed: u32,
    last: Option<Latencies>,
    recent: VecDeque<Closed>,
    baseline: Option<Baseline>,
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
            Outcome::Finished if record.status < 500 => {}
            Outcome::Failed | Outcome::Finished => {
                self.failed += 1;
                self.current_failed = self.current_failed.saturating_add(1);
            }
        }
        self.sums.thread_ns += record.thread_ns as f64;
        self.sums.overlap += f64::from(record.overlap);
        self.sums.heap_delta += record.heap_delta as f64;
        self.sums.allocated += record.allocated as f64;
        self.sums.external_delta += record.external_delta as f64;
        // How long a client stayed, or a handshake, says nothing of how fast the route answers.
        if matches!(record.outcome, Outcome::Finished | Outcome::Failed) {
            self.total.record(record.duration_ns);
            self.timed_ns = self.timed_ns.saturating_add(record.duration_ns);
            self.current.get_or_insert_default().record(record.duration_ns);
        }
    }

    /// Counts requests that were recorded: durations, µs, with how many there were, and how many of all failed.
    pub fn record_many(&mut self, durations: impl Iterator<Item = (u64, u32)>, failed: u64) {
        let current = self.current.get_or_insert_default();
        for (us, count) in durations {
            current.record_n(us, count);
        }
        self.current_failed = self.current_failed.saturating_add(u32::try_from(failed).unwrap_or(u32::MAX));
    }

    /// Window number `index` has ended.
    pub fn close(&mut self, index: u64, keep: Keep) {
        self.last = self.current.take();
        let failed = std::mem::take(&mut self.current_failed);
        if let Some(last) = &self.last {
            if keep.windows > 0 {
                self.recent.push_back(Closed { window: index, failed, latencies: last.close() });
            }
            if keep.baseline > 0 {
                self.baseline.get_or_insert_default().learn(last, keep.baseline);
            }
        }
        while self.recent.front().is_some_and(|old| index.saturating_sub(old.window) >= keep.windows as u64) {
            self.recent.pop_front();
        }
    }

    /// A quantile at low age of the process, ms; `None` while that is still being learned.
    pub fn baseline_ms(&self, quantile: f64) -> Option<f64> {
        self.baseline.as_ref()?.quantile_ms(quantile)
    }

    /// An earlier life's latencies at low age: they count until this one's are known.
    pub fn remember_baseline(&mut self, durations: &Durations) {
        self.baseline.get_or_insert_default().remember(durations);
    }

    /// This life's latencies at low age, once, as soon as they are known.
    pub fn new_baseline(&mut self) -> Option<Durations> {
        self.baseline.as_mut()?.take_new()
    }

    /// The closed windows that are kept, newest first.
    pub fn closed(&self) -> impl Iterator<Item = &Closed> {
        self.recent.iter().rev()
    }

    /// The latencies of the present window, and how many of its requests failed.
    pub fn current(&self) -> (Option<&Latencies>, u32) {
        (self.current.as_ref(), self.current_failed)
    }

    /// All since the start.
    pub fn total(&self) -> Option<Distribution> {
        self.total.distribution()
    }

    /// The durations of all since the start, ms, each with how many there are, in rising order.
    pub fn durations(&self) -> impl Iterator<Item = (f64, u64)> {
        self.total.counted()
    }

    /// The last full window.
    pub fn last(&self) -> Option<Distribution> {
        self.last.as_ref().and_then(Latencies::distribution)
    }

    /// Memory held, bytes, about.
    pub fn bytes(&self) -> usize {
        let kept = [Some(&self.total), self.current.as_ref(), self.last.as_ref()];
        size_of::<Self>()
            + kept.into_iter().flatten().map(Latencies::bytes).sum::<usize>()
            + self.recent.iter().map(Closed::bytes).sum::<usize>()
            + self.baseline.as_ref().map_or(0, Baseline::bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Nanos, RouteId};

    pub(super) fn record(ms: u64, outcome: Outcome, status: u16) -> RequestRecord {
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
        let keep = Keep { windows: 3, baseline: 0 };
        let kept = |route: &RouteWindows| route.closed().count();
        let mut route = RouteWindows::default();
        route.record(&record(100, Outcome::Finished, 500));
        route.close(0, keep);
        route.record(&record(1, Outcome::Finished, 200));

        let mut all = Latencies::default();
        route.closed().for_each(|closed| all.add_closed(closed));
        assert_eq!((kept(&route), all.count()), (1, 1));
        assert_eq!(route.closed().next().map(|closed| (closed.window, closed.failed)), Some((0, 1)));
        assert!((all.quantile_ms(0.5).unwrap() / 100.0 - 1.0).abs() < 0.07);
        assert_eq!(route.current().0.map(Latencies::count), Some(1));
        assert_eq!(route.last().map(|last| last.count), Some(1));
        for index in 1..=3 {
            route.close(index, keep);
        }
        assert_eq!(kept(&route), 1);
        assert!(route.last().is_none());
        route.close(4, keep);
        assert_eq!(kept(&route), 0);
    }
}
