//! Windows of routes and processes in three resolutions, all of one form.

use crate::Error;
use leakprobe_core::history::{Durations, ProcessSlice, RouteSlice};
use rusqlite::{Connection, Row, Statement, Transaction, params};

/// How long a window is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Resolution {
    /// Kept for a quarter of an hour.
    Second,
    /// Kept for a week.
    Minute,
    /// Kept for 400 days.
    Hour,
}

impl Resolution {
    /// Length, seconds.
    pub fn seconds(self) -> i64 {
        match self {
            Self::Second => 1,
            Self::Minute => 60,
            Self::Hour => 3_600,
        }
    }

    /// End of its tables' names.
    pub(crate) fn table(self) -> &'static str {
        match self {
            Self::Second => "second",
            Self::Minute => "minute",
            Self::Hour => "hour",
        }
    }
}

/// The numbers of a route, in the tables' order.
pub(crate) const OF_ROUTE: &str = "requests, failed, thread_us, sum_us, durations";
/// The numbers of a process, in the tables' order.
pub(crate) const OF_PROCESS: &str = "requests, failed, collections, gc_pause_us, gc_longest_us, cpu_ms, stall_ms, \
    heap_used, floor, external, rss, listeners, timers, handles, descriptors";
/// The same, of several windows together.
pub(crate) const OF_PROCESS_TOGETHER: &str = "sum(requests), sum(failed), sum(collections), sum(gc_pause_us), \
    max(gc_longest_us), sum(cpu_ms), max(stall_ms), cast(avg(heap_used) as integer), min(floor), \
    cast(avg(external) as integer), cast(avg(rss) as integer), cast(avg(listeners) as integer), \
    cast(avg(timers) as integer), cast(avg(handles) as integer), cast(avg(descriptors) as integer)";

/// Writes rows of one table of routes.
pub(crate) struct Rows<'a>(Statement<'a>);

impl<'a> Rows<'a> {
    pub(crate) fn prepare(connection: &'a Connection, resolution: Resolution) -> Result<Self, Error> {
        let sql = format!(
            "INSERT OR REPLACE INTO route_{} (life, at, route, requests, failed, thread_us, sum_us, p50_us, p95_us, \
             durations) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            resolution.table()
        );
        Ok(Self(connection.prepare(&sql)?))
    }

    pub(crate) fn add(&mut self, life: i64, at: i64, route: i64, slice: &RouteSlice) -> Result<(), Error> {
        let quantile = |share| slice.durations.quantile_us(share).map(signed);
        self.0.execute(params![
            life,
            at,
            route,
            signed(slice.requests),
            signed(slice.failed),
            signed(slice.thread_us),
            signed(slice.sum_us),
            quantile(0.5),
            quantile(0.95),
            slice.durations.to_bytes(),
        ])?;
        Ok(())
    }
}

/// Writes one second of the process.
pub(crate) fn add_process(
    transaction: &Transaction<'_>,
    life: i64,
    at: i64,
    slice: &ProcessSlice,
) -> Result<(), Error> {
    let sql = format!(
        "INSERT OR REPLACE INTO process_second (life, at, {OF_PROCESS}) \
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
    );
    transaction.prepare_cached(&sql)?.execute(params![
        life,
        at,
        signed(slice.requests),
        signed(slice.failed),
        signed(slice.collections),
        signed(slice.gc_pause_us),
        signed(slice.gc_longest_us),
        slice.cpu_ms.map(signed),
        slice.stall_ms.map(signed),
        slice.heap_used.map(signed),
        slice.floor.map(signed),
        slice.external.map(signed),
        slice.rss.map(signed),
        slice.listeners.map(signed),
        slice.timers.map(signed),
        slice.handles.map(signed),
        slice.descriptors.map(signed),
    ])?;
    Ok(())
}

/// A route's numbers in a row that begins with them at `from`, in the order of [`OF_ROUTE`].
pub(crate) fn read_route(row: &Row<'_>, from: usize) -> rusqlite::Result<RouteSlice> {
    let number = |index: usize| row.get::<_, i64>(from + index).map(unsigned);
    Ok(RouteSlice {
        route: String::new(),
        requests: number(0)?,
        failed: number(1)?,
        thread_us: number(2)?,
        sum_us: number(3)?,
        durations: Durations::from_bytes(row.get_ref(from + 4)?.as_blob()?),
    })
}

/// A process's numbers, in the order of [`OF_PROCESS`].
pub(crate) fn read_process(row: &Row<'_>, from: usize) -> rusqlite::Result<ProcessSlice> {
    let number = |index: usize| row.get::<_, i64>(from + index).map(unsigned);
    let maybe =
        |index: usize| Ok::<_, rusqlite::Error>(row.get::<_, Option<i64>>(from + index)?.map(unsigned));
    Ok(ProcessSlice {
        requests: number(0)?,
        failed: number(1)?,
        collections: number(2)?,
        gc_pause_us: number(3)?,
        gc_longest_us: number(4)?,
        cpu_ms: maybe(5)?,
        stall_ms: maybe(6)?,
        heap_used: maybe(7)?,
        floor: maybe(8)?,
        external: maybe(9)?,
        rss: maybe(10)?,
        listeners: maybe(11)?,
        timers: maybe(12)?,
        handles: maybe(13)?,
        descriptors: maybe(14)?,
    })
}

/// Adds a window of the same route.
pub(crate) fn add_up(sum: &mut RouteSlice, other: &RouteSlice) {
    sum.requests = sum.requests.saturating_add(other.requests);
    sum.failed = sum.failed.saturating_add(other.failed);
    sum.thread_us = sum.thread_us.saturating_add(other.thread_us);
    sum.sum_us = sum.sum_us.saturating_add(other.sum_us);
    sum.durations.add(&other.durations);
}

/// SQLite's integers are signed.
pub(crate) fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// What is below 0 was written by nobody of ours.
pub(crate) fn unsigned(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}
