//! Memory maps over time, bounded: when there are too many, neighbours become one, and the span doubles.

use crate::memory_map::{MemoryMap, NAMES};
use crate::number;
use serde::{Deserialize, Serialize};

/// Points kept at most.
pub const MOST: usize = 360;

/// The maps since the start, oldest first. A point is the mean of the maps that it stands for, so its parts add up, too.
#[derive(Clone, Debug, Default)]
pub struct MemorySeries {
    points: Vec<Point>,
    /// Maps that make a point.
    per_point: u32,
    last: Option<MemoryMap>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Point {
    /// Of its last map, ms since the epoch.
    time: u64,
    count: u32,
    bytes: [f64; NAMES.len()],
    told: [bool; NAMES.len()],
}

/// A series as it is written: columns of equal length.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Columns {
    /// ms since the epoch, oldest first.
    pub times: Vec<u64>,
    /// One for each part that was told at least once, in the order of [`NAMES`].
    pub parts: Vec<Column>,
}

/// One part over time.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Column {
    /// One of [`NAMES`].
    pub name: String,
    /// Bytes; `null` where the part was not told.
    pub bytes: Vec<Option<u64>>,
}

impl MemorySeries {
    /// Adds a map of the time `at_ms` since the epoch.
    pub fn add(&mut self, at_ms: u64, map: MemoryMap) {
        self.per_point = self.per_point.max(1);
        if self.points.len() == MOST && self.points.last().is_some_and(|last| last.count >= self.per_point) {
            self.merge();
        }
        let mut point = Point { time: at_ms, count: 1, ..Point::default() };
        for ((name, bytes), told) in NAMES.iter().zip(&mut point.bytes).zip(&mut point.told) {
            let found = map.bytes(name);
            *told = found.is_some();
            *bytes = number(found.unwrap_or(0));
        }
        match self.points.last_mut() {
            Some(last) if last.count < self.per_point => last.take(&point),
            _ => self.points.push(point),
        }
        self.last = Some(map);
    }

    fn merge(&mut self) {
        self.per_point = self.per_point.saturating_mul(2);
        let pairs = self.points.chunks(2).map(|pair| {
            let mut merged = pair.first().copied().unwrap_or_default();
            pair.iter().skip(1).for_each(|point| merged.take(point));
            merged
        });
        self.points = pairs.collect();
    }

    /// The map added last.
    pub fn last(&self) -> Option<&MemoryMap> {
        self.last.as_ref()
    }

    /// Memory that it takes at most, bytes.
    pub const fn bytes() -> usize {
        MOST * size_of::<Point>()
    }

    /// As it is written.
    pub fn columns(&self) -> Columns {
        let parts = NAMES.iter().enumerate().filter_map(|(index, name)| {
            let cell = |point: &Point| {
                let told = point.told.get(index).copied().unwrap_or(false);
                told.then(|| whole(point.bytes.get(index).copied().unwrap_or(0.0)))
            };
            let bytes: Vec<Option<u64>> = self.points.iter().map(cell).collect();
            bytes.iter().any(Option::is_some).then(|| Column { name: (*name).to_owned(), bytes })
        });
        Columns { times: self.points.iter().map(|point| point.time).collect(), parts: parts.collect() }
    }
}

impl Point {
    /// Takes the maps of a later point into this one.
    fn take(&mut self, later: &Self) {
        let (own, new) = (f64::from(self.count), f64::from(later.count));
        for (bytes, more) in self.bytes.iter_mut().zip(&later.bytes) {
            *bytes = (*bytes * own + more * new) / (own + new);
        }
        for (told, more) in self.told.iter_mut().zip(&later.told) {
            *told |= more;
        }
        self.time = later.time;
        self.count = self.count.saturating_add(later.count);
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "bytes, from 0 to 2^53")]
fn whole(bytes: f64) -> u64 {
    bytes.round().max(0.0) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory_map::{HeapSpaces, Resident};

    fn map(files: u64) -> MemoryMap {
        let resident = Resident { v8: 100, files, ..Resident::default() };
        MemoryMap::of(files.to_string(), &resident, None, None)
    }

    fn column<'a>(columns: &'a Columns, name: &str) -> &'a [Option<u64>] {
        columns.parts.iter().find(|column| column.name == name).map_or(&[], |column| &column.bytes)
    }

    #[test]
    fn a_series_is_kept_as_it_is_while_it_is_short() {
        let mut series = MemorySeries::default();
        (1..=MOST as u64).for_each(|at| series.add(at, map(at * 10)));
        let columns = series.columns();
        assert_eq!(columns.times, (1..=MOST as u64).collect::<Vec<_>>());
        assert_eq!(column(&columns, "mapped files").last(), Some(&Some(MOST as u64 * 10)));
        assert_eq!(column(&columns, "v8 old space"), []);
    }

    #[test]
    fn a_long_one_is_bounded_spans_all_and_keeps_its_mean() {
        let mut series = MemorySeries::default();
        (1..=50_000_u64).for_each(|at| series.add(at, map(at)));
        let columns = series.columns();
        assert!((MOST / 2..=MOST).contains(&columns.times.len()), "{}", columns.times.len());
        assert_eq!(columns.times.last(), Some(&50_000));
        let files = column(&columns, "mapped files");
        // Each point is the mean of its maps: the first of 1 to as many as it stands for.
        assert_eq!(files.first(), Some(&Some(columns.times[0].div_ceil(2) + (columns.times[0] + 1) % 2)));
        assert_eq!(series.last().map(|map| map.at.as_str()), Some("50000"));
    }

    #[test]
    fn a_part_that_comes_later_is_absent_before() {
        let mut series = MemorySeries::default();
        series.add(1, map(5));
        let spaces = HeapSpaces { old: 40, physical: 100, ..HeapSpaces::default() };
        let resident = Resident { v8: 100, ..Resident::default() };
        series.add(2, MemoryMap::of(String::new(), &resident, Some(&spaces), None));
        let columns = series.columns();
        assert_eq!(column(&columns, "v8 old space"), [None, Some(40)]);
    }
}
