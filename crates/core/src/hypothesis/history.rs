//! The process over its whole life in bounded memory: rows whose length doubles each time they are full.
//!
//! **Invariant:** at most [`ROWS`] rows, all but the last of the same length.

use super::reading::{COUNTERS, Counter, LEVELS, Level};
use crate::event::Nanos;

/// Rows kept. 240 rows of a second are four minutes, of a minute four hours.
const ROWS: usize = 240;
/// Fewer full rows than this are not judged.
const LEAST_ROWS: usize = 12;

#[derive(Clone, Copy, Debug, Default)]
struct Row {
    /// Mean of each level, with how often it was read.
    levels: [(f64, u32); LEVELS],
    /// Sum of each counter; `None` when it was never read.
    counters: [Option<f64>; COUNTERS],
    ns: u64,
}

impl Row {
    fn join(&mut self, later: &Self) {
        for (mine, theirs) in self.levels.iter_mut().zip(&later.levels) {
            let count = mine.1 + theirs.1;
            if count > 0 {
                mine.0 = (mine.0 * f64::from(mine.1) + theirs.0 * f64::from(theirs.1)) / f64::from(count);
            }
            mine.1 = count;
        }
        for (mine, theirs) in self.counters.iter_mut().zip(&later.counters) {
            if let Some(theirs) = theirs {
                *mine = Some(mine.unwrap_or(0.0) + theirs);
            }
        }
        self.ns += later.ns;
    }
}

/// Which part of the history: what is normal, and what is now.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Span {
    /// The first quarter.
    Baseline,
    /// The last quarter.
    Recent,
}

/// Levels and counters since the start.
#[derive(Clone, Debug)]
pub struct History {
    rows: Vec<Row>,
    row_ns: u64,
    at: Option<Nanos>,
}

impl History {
    /// An empty one, whose rows are `row_ns` long at first.
    pub fn new(row_ns: u64) -> Self {
        Self { rows: Vec::new(), row_ns: row_ns.max(1), at: None }
    }

    /// Time has come to `now`: later levels and counters belong to the row that holds it.
    pub fn advance(&mut self, now: Nanos) {
        let since = self.at.replace(now).map_or(0, |at| now.since(at));
        match self.rows.last_mut() {
            Some(row) if row.ns < self.row_ns => row.ns += since,
            _ => {
                if self.rows.len() == ROWS {
                    self.halve();
                }
                self.rows.push(Row { ns: since, ..Row::default() });
            }
        }
    }

    /// A level as it is now.
    pub fn level(&mut self, level: Level, value: f64) {
        let Some((mean, count)) = self.rows.last_mut().and_then(|row| row.levels.get_mut(level as usize))
        else {
            return;
        };
        *count += 1;
        *mean += (value - *mean) / f64::from(*count);
    }

    /// `amount` more of a counter.
    pub fn count(&mut self, counter: Counter, amount: f64) {
        if let Some(sum) = self.rows.last_mut().and_then(|row| row.counters.get_mut(counter as usize)) {
            *sum = Some(sum.unwrap_or(0.0) + amount.max(0.0));
        }
    }

    /// Memory held, bytes.
    pub fn bytes(&self) -> usize {
        self.rows.capacity() * size_of::<Row>()
    }

    /// The full rows of a span; `None` when there are too few for a verdict.
    fn span(&self, span: Span) -> Option<&[Row]> {
        let full = self.rows.get(..self.rows.len().checked_sub(1)?)?;
        if full.len() < LEAST_ROWS {
            return None;
        }
        let quarter = full.len() / 4;
        match span {
            Span::Baseline => full.get(..quarter),
            Span::Recent => full.get(full.len() - quarter..),
        }
    }

    /// The median of a level.
    pub(crate) fn typical(&self, level: Level, span: Span) -> Option<f64> {
        let mut values: Vec<f64> = self.span(span)?.iter().filter_map(|row| value(row, level)).collect();
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied()
    }

    /// The smallest value of a level.
    pub(crate) fn least(&self, level: Level, span: Span) -> Option<f64> {
        self.span(span)?.iter().filter_map(|row| value(row, level)).min_by(f64::total_cmp)
    }

    /// A counter per second.
    pub(crate) fn rate(&self, counter: Counter, span: Span) -> Option<f64> {
        let rows = self.span(span)?;
        let mut sum = None;
        let mut seconds = 0.0;
        for row in rows {
            if let Some(amount) = row.counters.get(counter as usize).copied().flatten() {
                sum = Some(sum.unwrap_or(0.0) + amount);
                seconds += seconds_of(row);
            }
        }
        sum.filter(|_| seconds > 0.0).map(|sum| sum / seconds)
    }

    /// A counter of milliseconds as a share of the time, 0 to 1 and more.
    pub(crate) fn share(&self, counter: Counter, span: Span) -> Option<f64> {
        self.rate(counter, span).map(|ms| ms / 1_000.0)
    }

    /// A level over all full rows: seconds since the start, and value.
    pub(crate) fn points(&self, level: Level) -> Vec<(f64, f64)> {
        let mut at = 0.0;
        let full = self.rows.get(..self.rows.len().saturating_sub(1)).unwrap_or(&[]);
        full.iter()
            .filter_map(|row| {
                at += seconds_of(row);
                Some((at, value(row, level)?))
            })
            .collect()
    }

    fn halve(&mut self) {
        let mut joined = Vec::with_capacity(ROWS);
        for pair in self.rows.chunks(2) {
            if let [first, rest @ ..] = pair {
                let mut row = *first;
                for later in rest {
                    row.join(later);
                }
                joined.push(row);
            }
        }
        self.rows = joined;
        self.row_ns = self.row_ns.saturating_mul(2);
    }
}

fn value(row: &Row, level: Level) -> Option<f64> {
    row.levels.get(level as usize).filter(|(_, count)| *count > 0).map(|(mean, _)| *mean)
}

fn seconds_of(row: &Row) -> f64 {
    crate::number(row.ns) / 1e9
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(seconds: u64) -> History {
        let mut history = History::new(1_000_000_000);
        for second in 0..seconds {
            history.advance(Nanos::from_ms(second * 1_000));
            history.level(Level::Floor, crate::number(second));
            history.count(Counter::Requests, 10.0);
        }
        history
    }

    #[test]
    fn a_few_seconds_are_not_judged() {
        assert_eq!(filled(10).rate(Counter::Requests, Span::Recent), None);
        assert_eq!(filled(10).typical(Level::Floor, Span::Baseline), None);
    }

    #[test]
    fn days_take_no_more_room_than_minutes_and_rates_stay() {
        let history = filled(300_000);

        assert!(history.rows.len() <= ROWS && history.bytes() < 128 * 1024, "{}", history.bytes());
        let rate = history.rate(Counter::Requests, Span::Recent).unwrap();
        assert!((rate - 10.0).abs() < 0.2, "{rate}");
        let (first, last) =
            (history.typical(Level::Floor, Span::Baseline), history.typical(Level::Floor, Span::Recent));
        assert!(first.unwrap() < 75_000.0 && last.unwrap() > 200_000.0, "{first:?} {last:?}");
    }

    #[test]
    fn what_was_never_read_is_absent() {
        assert_eq!(filled(100).typical(Level::Swap, Span::Recent), None);
        assert_eq!(filled(100).rate(Counter::MajorFaults, Span::Recent), None);
    }
}
