//! Recent series in bounded memory: the process, and the routes with the most requests, second by second at first and
//! coarser the longer ago.
//!
//! Three rings hold the same seconds: the last 100 one by one, the last 1 000 ten by ten, and all since the start in at most
//! 160 points, whose step doubles whenever they are full. Together at most 360 points for each series. Points that fall
//! together are merged: counts and pauses add up, levels are the last one, stalls the longest, and quantiles are the means
//! weighted by requests.
//!
//! **Invariant:** at most [`ROUTES`] routes have series, whatever the traffic; [`Series::bytes`] says what that takes.

mod point;
mod ring;
mod slots;
mod view;

use crate::event::{Nanos, RequestRecord, RouteId, TickReading};
use crate::hypothesis::SystemReading;
use crate::number;
use crate::route_table::RouteTable;
use crate::stats::Kept;
use point::ProcessPoint;
use ring::Rings;
use slots::Slots;
use std::collections::{BTreeMap, HashSet};

pub use point::BOUNDS_MS;
pub use view::{HeatView, ProcessView, RouteView, SeriesView};

/// Routes that have series of their own.
pub const ROUTES: usize = 50;
/// The finest step.
const SECOND_NS: u64 = 1_000_000_000;
/// Parts of the memory map that are told apart.
const PARTS: usize = 16;

/// What a point takes from the monitor besides what was counted.
pub(crate) struct Levels<'a> {
    pub(crate) tick: Option<&'a TickReading>,
    pub(crate) floor: Option<u64>,
    pub(crate) kept: &'a BTreeMap<RouteId, Kept>,
    pub(crate) leaking: HashSet<&'a str>,
    pub(crate) routes: &'a RouteTable,
}

/// The series.
#[derive(Debug)]
pub struct Series {
    started_wall_ms: u64,
    process: Rings<ProcessPoint>,
    slots: Slots,
    /// The second that is being counted, since the start.
    second: u32,
    current: ProcessPoint,
    /// CPU time of the app thread at the last reading, ms.
    cpu: Option<(Nanos, u64)>,
    /// Names of the memory map's parts, in the order of their values.
    parts: Vec<String>,
}

impl Series {
    /// Empty ones of a process that starts at `started_wall_ms` since the epoch.
    pub fn new(started_wall_ms: u64) -> Self {
        Self {
            started_wall_ms,
            process: Rings::default(),
            slots: Slots::default(),
            second: 0,
            current: ProcessPoint::default(),
            cpu: None,
            parts: Vec::new(),
        }
    }

    /// A request has ended. O(1).
    pub fn finished(&mut self, record: &RequestRecord) {
        self.current.requests += 1;
        self.slots.finished(record);
    }

    /// The app thread stood still for a collection.
    pub fn collected(&mut self, pause_ns: u64) {
        self.current.gc_pause_ms += number(pause_ns) / 1e6;
        self.current.gc_count += 1;
    }

    /// The event loop has not turned for so long.
    pub fn silent(&mut self, ns: u64) {
        self.current.stall_ms = self.current.stall_ms.max(number(ns) / 1e6);
    }

    /// The process from outside.
    pub fn read(&mut self, reading: &SystemReading) {
        self.current.rss = reading.rss.map(number);
        let Some(cpu_ms) = reading.app_cpu_ms else { return };
        if let Some((at, before)) = self.cpu {
            let wall_ms = number(reading.at.since(at)) / 1e6;
            let share = number(cpu_ms.saturating_sub(before)) / wall_ms;
            self.current.cpu_share = (wall_ms > 0.0).then_some(share);
        }
        self.cpu = Some((reading.at, cpu_ms));
    }

    /// What the process's memory consists of, bytes by part; of more than 16 parts the first.
    pub fn memory_map(&mut self, parts: &[(&str, u64)]) {
        for (name, _) in parts {
            if self.parts.len() < PARTS && !self.parts.iter().any(|known| known == name) {
                self.parts.push((*name).to_owned());
            }
        }
        let value =
            |name: &String| parts.iter().find(|(part, _)| part == name).map(|(_, bytes)| number(*bytes));
        self.current.parts = self.parts.iter().map(value).collect();
    }

    /// Closes the seconds that have passed, `since` the start.
    pub(crate) fn advance(&mut self, since_ns: u64, levels: &Levels<'_>) {
        let second = u32::try_from(since_ns / SECOND_NS).unwrap_or(u32::MAX);
        if second <= self.second {
            return;
        }
        self.current.heap_used = levels.tick.map(|tick| number(tick.heap_used));
        self.current.external = levels.tick.map(|tick| number(tick.external));
        self.current.floor = levels.floor.map(number);
        let next = ProcessPoint { parts: self.current.parts.clone(), ..ProcessPoint::default() };
        self.process.push(self.second, std::mem::replace(&mut self.current, next));
        self.slots.close(self.second, self.process.step_of_all(), levels);
        self.second = second;
    }

    /// Memory held, bytes, about.
    pub fn bytes(&self) -> usize {
        self.process.bytes()
            + self.slots.bytes()
            + self.parts.iter().map(|name| name.len() + 24).sum::<usize>()
    }
}

#[cfg(test)]
mod tests;
