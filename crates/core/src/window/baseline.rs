//! A route's latencies at low age of the process, and until they are known those of an earlier life.

use super::{Closed, Latencies, ms};
use crate::history::Durations;

/// Fewer requests than this are no baseline.
const LEAST_BASELINE: u64 = 100;

#[derive(Debug)]
pub(super) enum Baseline {
    /// `earlier` is an earlier life's, which counts meanwhile.
    Learning { latencies: Latencies, windows: u32, earlier: Option<Closed> },
    /// `told`: to the history.
    Known { latencies: Closed, told: bool },
}

impl Default for Baseline {
    fn default() -> Self {
        Self::Learning { latencies: Latencies::default(), windows: 0, earlier: None }
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts of requests")]
impl Baseline {
    /// Adds a window, while it is not known yet.
    pub(super) fn learn(&mut self, last: &Latencies, least_windows: u32) {
        let Self::Learning { latencies, windows, .. } = self else { return };
        latencies.add(last);
        *windows = windows.saturating_add(1);
        if *windows >= least_windows && latencies.count() >= LEAST_BASELINE {
            let latencies = Closed { latencies: latencies.close(), ..Closed::default() };
            *self = Self::Known { latencies, told: false };
        }
    }

    /// An earlier life's, while this one's is not known yet.
    pub(super) fn remember(&mut self, durations: &Durations) {
        let Self::Learning { earlier, .. } = self else { return };
        let fits = |us: u64| u32::try_from(us).unwrap_or(u32::MAX);
        let latencies = durations.counted().map(|(us, count)| (fits(us), count)).collect();
        *earlier = Some(Closed { latencies, ..Closed::default() });
    }

    /// This life's, once, as soon as it is known.
    pub(super) fn take_new(&mut self) -> Option<Durations> {
        let Self::Known { latencies, told } = self else { return None };
        if std::mem::replace(told, true) {
            return None;
        }
        let mut durations = Durations::default();
        for (us, count) in &latencies.latencies {
            durations.record_n(u64::from(*us), *count);
        }
        Some(durations)
    }

    /// A quantile, ms; `None` while nothing is known.
    pub(super) fn quantile_ms(&self, quantile: f64) -> Option<f64> {
        let baseline = match self {
            Self::Known { latencies, .. } => latencies,
            Self::Learning { earlier, .. } => earlier.as_ref()?,
        };
        let total: u64 = baseline.latencies.iter().map(|(_, count)| u64::from(*count)).sum();
        let rank = quantile * total as f64;
        let mut seen = 0;
        let found = baseline.latencies.iter().find(|(_, count)| {
            seen += u64::from(*count);
            seen as f64 >= rank
        });
        found.map(|(us, _)| ms(u64::from(*us)))
    }

    /// Memory held, bytes.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Learning { latencies, earlier, .. } => {
                latencies.bytes() + earlier.as_ref().map_or(0, Closed::bytes)
            }
            Self::Known { latencies, .. } => latencies.bytes(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Outcome;
    use crate::window::tests::record;
    use crate::window::{Keep, RouteWindows};

    #[test]
    fn a_baseline_needs_windows_and_requests_and_stays() {
        let keep = Keep { windows: 0, baseline: 3 };
        let mut route = RouteWindows::default();
        for window in 0..20 {
            let ms = if window < 10 { 20 } else { 900 };
            (0..15).for_each(|_| route.record(&record(ms, Outcome::Finished, 200)));
            route.close(window, keep);
            assert_eq!(
                route.baseline_ms(0.95).is_some(),
                window >= 6,
                "100 requests are there in window 6: {window}"
            );
        }
        assert!((route.baseline_ms(0.95).unwrap() / 20.0 - 1.0).abs() < 0.07);
        assert!(route.bytes() < 4_096, "{}", route.bytes());
    }

    #[test]
    fn an_earlier_life_s_baseline_counts_until_there_is_an_own_one() {
        let keep = Keep { windows: 0, baseline: 2 };
        let near = |route: &RouteWindows, ms: f64| {
            let found = route.baseline_ms(0.95).unwrap();
            assert!((found / ms - 1.0).abs() < 0.07, "{found} for {ms}");
        };
        let mut earlier = Durations::default();
        earlier.record_n(20_000, 500);
        let mut route = RouteWindows::default();
        route.remember_baseline(&earlier);
        near(&route, 20.0);
        assert_eq!(route.new_baseline(), None);

        for window in 0..2 {
            (0..60).for_each(|_| route.record(&record(30, Outcome::Finished, 200)));
            route.close(window, keep);
            near(&route, if window == 0 { 20.0 } else { 30.0 });
        }

        assert_eq!(route.new_baseline().map(|own| own.count()), Some(120));
        assert_eq!(route.new_baseline(), None, "once");
        route.remember_baseline(&earlier);
        near(&route, 30.0);
    }
}
