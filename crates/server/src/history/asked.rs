//! The query: what of the history, and when. The clock is an argument.

use super::windows::{OF_PROCESS, OF_ROUTE};
use crate::limits::HISTORY_WINDOWS;
use crate::query::pairs;
use leakprobe_history::Resolution;

const MINUTE_S: i64 = 60;
const HOUR_S: i64 = 3_600;
const DAY_S: i64 = 86_400;
/// As long as anything is kept.
const MOST_MINUTES: i64 = 400 * DAY_S / MINUTE_S;
const USUAL_MINUTES: i64 = 7 * DAY_S / MINUTE_S;
/// Minutes are kept so long, seconds.
const MINUTES_KEPT_S: i64 = 7 * DAY_S;
/// The end of the year 9999, ms since the epoch.
const LAST_MS: i64 = 253_402_300_799_000;
/// Lengths of windows, seconds.
const STEPS_S: [i64; 5] = [MINUTE_S, 5 * MINUTE_S, HOUR_S, 6 * HOUR_S, DAY_S];
/// Without a step asked for there are at most so many windows: what a chart can show.
const USUAL_WINDOWS: i64 = 400;

const UNKNOWN: &str = "expected `name=value` with `route`, `metric`, `minutes`, `from`, `to` and `stepMs`, each at most once, in UTF-8";
const MINUTES: &str = "minutes: expected a whole number from 1 to 576000";
const FROM: &str =
    "from: expected whole milliseconds since the epoch, before `to`, and not together with `minutes`";
const TO: &str = "to: expected whole milliseconds since the epoch, from 1970 to 9999";
const SPAN: &str = "from: expected at most 400 days before `to`; nothing is kept for longer";
const STEP: &str = "stepMs: expected 60000, 300000, 3600000, 21600000 or 86400000";
const WINDOWS: &str = "stepMs: expected a longer step, or a shorter span: an answer has at most 1500 windows";
pub(super) const ROUTE_METRIC: &str =
    "metric: expected some of requests, failed, threadMs, p50Ms, p95Ms, p99Ms, with commas between";
pub(super) const PROCESS_METRIC: &str = "metric: without a route expected some of requests, failed, gcCount, gcPauseMs, gcLongestMs, cpuMs, \
     loopStallMs, heapUsedBytes, floorBytes, externalBytes, rssBytes, listeners, timers, handles, descriptors, with commas between";

/// What is asked for.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Asked {
    /// A route; else the processes.
    pub(super) route: Option<String>,
    /// Names of metrics; all of them when there is none.
    pub(super) metrics: Vec<String>,
    minutes: Option<i64>,
    from_ms: Option<i64>,
    to_ms: Option<i64>,
    step_s: Option<i64>,
}

/// A span in steps. Seconds since the epoch; **invariant:** `from` and `to` are multiples of `step`, `from < to`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Grid {
    pub(super) from: i64,
    pub(super) to: i64,
    pub(super) step: i64,
}

impl Grid {
    /// What it is read from.
    pub(super) fn resolution(self) -> Resolution {
        if self.step < HOUR_S { Resolution::Minute } else { Resolution::Hour }
    }

    /// The beginnings of its windows.
    pub(super) fn times(self) -> impl Iterator<Item = i64> {
        (0..self.windows()).map(move |index| self.from + index * self.step)
    }

    fn over(from: i64, to: i64, step: i64) -> Self {
        let to = to + step - 1;
        Self { from: from - from.rem_euclid(step), to: to - to.rem_euclid(step), step }
    }

    fn windows(self) -> i64 {
        (self.to - self.from) / self.step
    }
}

/// Reads a query; else what was expected.
pub(super) fn read(query: &str) -> Result<Asked, &'static str> {
    let mut asked = Asked::default();
    for (name, value) in pairs(query).ok_or(UNKNOWN)? {
        match name {
            "route" if asked.route.is_none() => asked.route = Some(value),
            "metric" if asked.metrics.is_empty() => {
                asked.metrics = value.split(',').map(str::to_owned).collect();
            }
            "minutes" if asked.minutes.is_none() => {
                asked.minutes = Some(number(&value, MOST_MINUTES, MINUTES)?);
            }
            "from" if asked.from_ms.is_none() => asked.from_ms = Some(number(&value, LAST_MS, FROM)?),
            "to" if asked.to_ms.is_none() => asked.to_ms = Some(number(&value, LAST_MS, TO)?),
            "stepMs" if asked.step_s.is_none() => {
                let step = number(&value, LAST_MS, STEP)?;
                asked.step_s = STEPS_S.into_iter().find(|known| known * 1_000 == step);
                asked.step_s.ok_or(STEP)?;
            }
            _ => return Err(UNKNOWN),
        }
    }
    if asked.minutes == Some(0) {
        return Err(MINUTES);
    }
    if asked.minutes.is_some() && asked.from_ms.is_some() {
        return Err(FROM);
    }
    asked.check_metrics()?;
    Ok(asked)
}

impl Asked {
    fn check_metrics(&self) -> Result<(), &'static str> {
        let wrong = if self.route.is_some() { ROUTE_METRIC } else { PROCESS_METRIC };
        let known = |name: &str| match self.route {
            Some(_) => OF_ROUTE.iter().any(|(known, _)| *known == name),
            None => OF_PROCESS.iter().any(|(known, _)| *known == name),
        };
        let once =
            |(index, name): (usize, &String)| !self.metrics.iter().take(index).any(|other| other == name);
        let right = self.metrics.iter().all(|name| known(name)) && self.metrics.iter().enumerate().all(once);
        if right { Ok(()) } else { Err(wrong) }
    }

    /// Whether a metric is wanted.
    pub(super) fn wants(&self, metric: &str) -> bool {
        self.metrics.is_empty() || self.metrics.iter().any(|name| name == metric)
    }

    /// The span and its step; `now` is in seconds since the epoch. Without a step it is the shortest that is still kept and leaves
    /// [`USUAL_WINDOWS`].
    pub(super) fn grid(&self, now: i64) -> Result<Grid, &'static str> {
        // The second that has just begun belongs to it.
        let to = self.to_ms.map_or(now + 1, |ms| (ms + 999) / 1_000);
        let back = self.minutes.unwrap_or(USUAL_MINUTES) * MINUTE_S;
        let from = self.from_ms.map_or((to - back).max(0), |ms| ms / 1_000);
        if from >= to {
            return Err(if self.from_ms.is_some() { FROM } else { TO });
        }
        if to - from > MOST_MINUTES * MINUTE_S {
            return Err(SPAN);
        }
        if let Some(step) = self.step_s {
            let grid = Grid::over(from, to, step);
            // One more where both ends are within a window.
            return if grid.windows() <= HISTORY_WINDOWS + 1 { Ok(grid) } else { Err(WINDOWS) };
        }
        let kept = |step: i64| step >= HOUR_S || from >= now - MINUTES_KEPT_S;
        let few = |step: i64| (to - from) / step <= USUAL_WINDOWS;
        let step = STEPS_S.into_iter().find(|step| kept(*step) && few(*step));
        Ok(Grid::over(from, to, step.unwrap_or(DAY_S)))
    }
}

fn number(text: &str, most: i64, wrong: &'static str) -> Result<i64, &'static str> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|number| digits && (0..=most).contains(number)).ok_or(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-01-05, a Monday, at noon.
    const NOON_S: i64 = 1_767_614_400;

    #[test]
    fn the_step_is_the_shortest_that_is_kept_and_leaves_few_windows() {
        let grid = |query: &str| read(query).unwrap().grid(NOON_S).unwrap();
        for (query, step, windows) in [
            ("minutes=1", 60, 2),
            ("minutes=60", 60, 61),
            ("minutes=720", 300, 145),
            ("minutes=1440", 300, 289),
            ("", 3_600, 169),
            ("minutes=43200", 21_600, 121),
            ("minutes=576000", 86_400, 401),
            ("minutes=1440&to=1766000000000", 3_600, 25),
            ("minutes=1440&stepMs=60000", 60, 1_441),
            ("from=1767610800000&to=1767614400000", 60, 60),
        ] {
            let found = grid(query);
            assert_eq!((found.step, found.windows()), (step, windows), "{query}");
            assert!(found.from % step == 0 && found.to % step == 0 && found.to - step <= NOON_S, "{query}");
            assert_eq!(i64::try_from(found.times().count()), Ok(windows));
        }
        assert_eq!(grid("to=1000"), Grid { from: 0, to: 3_600, step: 3_600 });
    }

    #[test]
    fn a_wrong_query_is_told_where_it_is_wrong() {
        for (query, said) in [
            ("x=1", UNKNOWN),
            ("route", UNKNOWN),
            ("route=%ff", UNKNOWN),
            ("route=a&route=b", UNKNOWN),
            ("minutes=0", MINUTES),
            ("minutes=-1", MINUTES),
            ("minutes=%2B1", MINUTES),
            ("minutes=1e3", MINUTES),
            ("minutes=576001", MINUTES),
            ("minutes=99999999999999999999", MINUTES),
            ("from=yesterday", FROM),
            ("from=1&minutes=1", FROM),
            ("from=2000&to=1000", FROM),
            ("from=1000&to=1000", FROM),
            ("from=253402300799000", FROM),
            ("from=253402300799001", FROM),
            ("to=253402300799001", TO),
            ("to=0", TO),
            ("from=1000&to=35000000000", SPAN),
            ("stepMs=1000", STEP),
            ("stepMs=", STEP),
            ("stepMs=60000", WINDOWS),
            ("minutes=576000&stepMs=3600000", WINDOWS),
            ("metric=", PROCESS_METRIC),
            ("metric=p95Ms", PROCESS_METRIC),
            ("metric=rssBytes,rssBytes", PROCESS_METRIC),
            ("route=a&metric=rssBytes", ROUTE_METRIC),
            ("metric=p95Ms,&route=a", ROUTE_METRIC),
        ] {
            let wrong = read(query).and_then(|asked| asked.grid(NOON_S)).unwrap_err();
            assert_eq!(wrong, said, "{query}");
        }
    }

    #[test]
    fn metrics_are_those_that_the_messages_name() {
        for (name, _) in OF_ROUTE {
            assert!(ROUTE_METRIC.contains(name), "{name}");
        }
        for (name, _) in OF_PROCESS {
            assert!(PROCESS_METRIC.contains(name), "{name}");
        }
        let asked = read("route=a&metric=p95Ms,requests").unwrap();
        assert!(asked.wants("p95Ms") && asked.wants("requests") && !asked.wants("failed"));
        assert!(read("").unwrap().wants("rssBytes"));
    }
}
