//! The reading side: what a person, a page or a replay asks. It changes nothing.

use crate::events::deployment;
use crate::store::FILE;
use crate::windows::{
    OF_PROCESS, OF_PROCESS_TOGETHER, OF_ROUTE, Resolution, add_up, read_process, read_route, unsigned,
};
use crate::{Deployment, Error, Finding, Incident, schema};
use leakprobe_core::history::{ProcessSlice, RouteSlice, Slice};
use rusqlite::{Connection, OpenFlags, Row, params};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Another process that writes is waited for so long.
const PATIENCE: Duration = Duration::from_secs(2);
/// The same by who must not wait.
const SHORT_PATIENCE: Duration = Duration::from_millis(100);
/// Steps of SQLite's machine between two questions whether to go on: well below a millisecond.
const STEPS: i32 = 10_000;

type GoOn = Arc<dyn Fn() -> bool + Send + Sync>;

/// One window of a route, over all processes.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// Its beginning, seconds since the epoch.
    pub at: i64,
    /// Its numbers.
    pub slice: RouteSlice,
}

/// One window of a process.
#[derive(Clone, Debug, PartialEq)]
pub struct ProcessPoint {
    /// Its beginning, seconds since the epoch.
    pub at: i64,
    /// Whose.
    pub life: i64,
    /// Its numbers.
    pub slice: ProcessSlice,
}

/// What a route did in a span.
#[derive(Clone, Debug, PartialEq)]
pub struct RouteTotal {
    /// Its numbers, and its name.
    pub slice: RouteSlice,
}

/// Something that was found or that happened, and when.
#[derive(Clone, Debug, PartialEq)]
pub struct Told<T> {
    /// First seen, ms since the epoch.
    pub first_ms: u64,
    /// Last seen, ms since the epoch.
    pub last_ms: u64,
    /// The version of the application then.
    pub deployment: Deployment,
    /// What it was.
    pub what: T,
}

/// A process that ran.
#[derive(Clone, Debug, PartialEq)]
pub struct LifeSpan {
    /// Its number.
    pub id: i64,
    /// Process id.
    pub pid: u32,
    /// Began, ms since the epoch.
    pub started_ms: u64,
    /// Last seen, ms since the epoch.
    pub seen_ms: u64,
    /// Said that it ended, or was not seen any more.
    pub ended: bool,
}

/// A history, open for reading.
#[derive(Debug)]
pub struct Reader(Connection);

impl Reader {
    /// Opens the history in `directory`, also where nothing can be written.
    pub fn open(directory: &Path) -> Result<Self, Error> {
        Self::open_with(directory, PATIENCE, None)
    }

    /// As [`Reader::open`], for who must not wait for long: it, and every question, ends with [`Error::Stopped`] within
    /// milliseconds of `go_on` saying no (unless the disk itself hangs), and waits for another process for 100 ms at most.
    /// `go_on` is asked some thousand times a second of reading, by the thread that reads.
    pub fn open_while(
        directory: &Path,
        go_on: impl Fn() -> bool + Send + Sync + 'static,
    ) -> Result<Self, Error> {
        Self::open_with(directory, SHORT_PATIENCE, Some(&(Arc::new(go_on) as GoOn)))
    }

    fn open_with(directory: &Path, patience: Duration, go_on: Option<&GoOn>) -> Result<Self, Error> {
        let path = directory.join(FILE);
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let open = |connection: Connection| -> Result<Self, Error> {
            connection.busy_timeout(patience)?;
            if let Some(go_on) = go_on.cloned() {
                connection.progress_handler(STEPS, Some(move || !go_on()));
            }
            connection.pragma_update(None, "trusted_schema", "OFF")?;
            match schema::version(&connection)? {
                0 => Err(Error::Foreign),
                found if found > schema::VERSION => Err(Error::Newer { found }),
                _ => Ok(Self(connection)),
            }
        };
        match Connection::open_with_flags(&path, flags).map_err(Error::from).and_then(open) {
            // Its log needs a file beside it, which cannot be made here: then what is in the file itself is read.
            Err(Error::ReadOnly) if path.exists() => {
                let flags = flags | OpenFlags::SQLITE_OPEN_URI;
                open(Connection::open_with_flags(immutable(&path), flags)?)
            }
            other => other,
        }
    }

    /// A route's windows from `from` to `to` (seconds since the epoch), all processes together, in order. What has not been
    /// rolled up to the resolution yet is there, too.
    pub fn route(
        &self,
        route: &str,
        (from, to): (i64, i64),
        resolution: Resolution,
    ) -> Result<Vec<Point>, Error> {
        let mut sums: BTreeMap<i64, RouteSlice> = BTreeMap::new();
        let id = "(SELECT id FROM routes WHERE name = ?1)";
        let step = resolution.seconds();
        for (table, only) in Self::tables(resolution) {
            let sql = format!(
                "SELECT at, {OF_ROUTE} FROM route_{table} AS windows WHERE route = {id} AND at >= ?2 AND at < ?3 {only}"
            );
            // Seconds are ordered by life: of each, those that are not rolled up yet are few.
            let sql = if *table == "second" {
                format!(
                    "SELECT at, {OF_ROUTE} FROM lives JOIN route_second AS windows ON windows.life = lives.id \
                     AND at >= max(?2, minutes_until) WHERE ended = 0 AND route = {id} AND at < ?3"
                )
            } else {
                sql
            };
            let mut statement = self.0.prepare_cached(&sql)?;
            let mut rows = statement.query(params![route, from, to])?;
            while let Some(row) = rows.next()? {
                let at: i64 = row.get(0)?;
                add_up(sums.entry(at - at.rem_euclid(step)).or_default(), &read_route(row, 1)?);
            }
        }
        Ok(sums.into_iter().map(|(at, slice)| Point { at, slice }).collect())
    }

    /// The tables that hold a resolution, and which of their rows are not in a coarser one of them.
    fn tables(resolution: Resolution) -> &'static [(&'static str, &'static str)] {
        match resolution {
            Resolution::Second => &[("second", "")],
            Resolution::Minute => &[("minute", ""), ("second", "")],
            Resolution::Hour => &[
                ("hour", ""),
                // The second says which; the first, that only the last hours need to be looked at.
                (
                    "minute",
                    "AND at >= (SELECT coalesce(min(hours_until), ?3) FROM lives WHERE ended = 0) \
                     AND at >= (SELECT hours_until FROM lives WHERE lives.id = windows.life)",
                ),
                ("second", ""),
            ],
        }
    }

    /// The names of all routes.
    pub fn routes(&self) -> Result<Vec<String>, Error> {
        self.all("SELECT name FROM routes ORDER BY name", [], |row| row.get(0))
    }

    /// Windows of each process, in order of time. What has not been rolled up to the resolution yet is there, too.
    pub fn process(
        &self,
        (from, to): (i64, i64),
        resolution: Resolution,
    ) -> Result<Vec<ProcessPoint>, Error> {
        let finer: &[(&str, &str)] = match resolution {
            Resolution::Second => &[],
            Resolution::Minute => &[("second", "minutes_until")],
            Resolution::Hour => &[("minute", "hours_until"), ("second", "minutes_until")],
        };
        let mut rows = format!(
            "SELECT at, life, {OF_PROCESS} FROM process_{} WHERE at >= ?1 AND at < ?2",
            resolution.table()
        );
        for (table, until) in finer {
            // Writing to a String cannot fail.
            let _ = write!(
                rows,
                " UNION ALL SELECT at, life, {OF_PROCESS} FROM lives CROSS JOIN process_{table} ON life = lives.id \
                 AND at >= max(?1, {until}) AND at < ?2 WHERE ended = 0"
            );
        }
        let sql = format!(
            "SELECT at / ?3 * ?3, life, {OF_PROCESS_TOGETHER} FROM ({rows}) \
             GROUP BY at / ?3, life ORDER BY at / ?3, life"
        );
        let point = |row: &Row<'_>| {
            Ok(ProcessPoint { at: row.get(0)?, life: row.get(1)?, slice: read_process(row, 2)? })
        };
        self.all(&sql, params![from, to, resolution.seconds()], point)
    }

    /// The minutes of one process with all of its routes, in order of time.
    pub fn minutes(&self, life: &LifeSpan, (from, to): (i64, i64)) -> Result<Vec<(i64, Slice)>, Error> {
        let second = |ms: u64| i64::try_from(ms / 1_000).unwrap_or(i64::MAX);
        // The rows of a route are in order of time, and those of other processes in between.
        let (from, to) =
            (from.max(second(life.started_ms) - 60), to.min(second(life.seen_ms).saturating_add(60)));
        let mut minutes: BTreeMap<i64, Slice> = BTreeMap::new();
        let sql =
            format!("SELECT at, {OF_PROCESS} FROM process_minute WHERE life = ? AND at >= ? AND at < ?");
        let mut statement = self.0.prepare_cached(&sql)?;
        let mut rows = statement.query(params![life.id, from, to])?;
        while let Some(row) = rows.next()? {
            minutes.entry(row.get(0)?).or_default().process = read_process(row, 1)?;
        }
        let sql = format!(
            "SELECT at, {OF_ROUTE} FROM route_minute WHERE route = (SELECT id FROM routes WHERE name = ?) \
             AND at >= ? AND at < ? AND life = ?"
        );
        let mut statement = self.0.prepare_cached(&sql)?;
        for name in self.routes()? {
            let mut rows = statement.query(params![name, from, to, life.id])?;
            while let Some(row) = rows.next()? {
                let slice = RouteSlice { route: name.clone(), ..read_route(row, 1)? };
                minutes.entry(row.get(0)?).or_default().routes.push(slice);
            }
        }
        Ok(minutes.into_iter().collect())
    }

    /// Deployments that ran in the span, oldest first.
    pub fn deployments(&self, (from, to): (i64, i64)) -> Result<Vec<Deployment>, Error> {
        let sql = "SELECT version, revision, first_ms, max(last_ms, (SELECT coalesce(max(seen_ms), 0) FROM lives \
                   WHERE deployment = deployments.id)) AS last FROM deployments \
                   WHERE first_ms < ?2 * 1000 AND last >= ?1 * 1000 ORDER BY first_ms";
        self.all(sql, params![from, to], |row| deployment(row, 0))
    }

    /// Processes that ran in the span, oldest first.
    pub fn lives(&self, (from, to): (i64, i64)) -> Result<Vec<LifeSpan>, Error> {
        let sql = "SELECT id, pid, started_ms, seen_ms, ended FROM lives \
                   WHERE started_ms < ?2 * 1000 AND seen_ms >= ?1 * 1000 ORDER BY started_ms, id";
        self.all(sql, params![from, to], |row| {
            Ok(LifeSpan {
                id: row.get(0)?,
                pid: row.get(1)?,
                started_ms: unsigned(row.get(2)?),
                seen_ms: unsigned(row.get(3)?),
                ended: row.get(4)?,
            })
        })
    }

    /// Findings that were there in the span, by their first time in it.
    pub fn findings(&self, (from, to): (i64, i64)) -> Result<Vec<Told<Finding>>, Error> {
        let sql = "SELECT kind, fingerprint, route, json, findings.first_ms, findings.last_ms, \
                   version, revision, deployments.first_ms, deployments.last_ms FROM findings \
                   JOIN lives ON lives.id = life JOIN deployments ON deployments.id = deployment \
                   WHERE findings.first_ms < ?2 * 1000 AND findings.last_ms >= ?1 * 1000 ORDER BY findings.first_ms";
        self.all(sql, params![from, to], |row| {
            let what = Finding {
                kind: row.get(0)?,
                fingerprint: row.get(1)?,
                route: row.get(2)?,
                json: row.get(3)?,
            };
            let (first_ms, last_ms) = (unsigned(row.get(4)?), unsigned(row.get(5)?));
            Ok(Told { first_ms, last_ms, deployment: deployment(row, 6)?, what })
        })
    }

    /// Incidents of the span, oldest first.
    pub fn incidents(&self, (from, to): (i64, i64)) -> Result<Vec<Told<Incident>>, Error> {
        let sql = "SELECT incidents.id, at_ms, reason, route, because, directory, heap_snapshot, \
                   (SELECT group_concat(fingerprint, ' ') FROM incident_leaks WHERE incident = incidents.id), \
                   version, revision, first_ms, last_ms FROM incidents \
                   JOIN lives ON lives.id = life JOIN deployments ON deployments.id = deployment \
                   WHERE at_ms >= ?1 * 1000 AND at_ms < ?2 * 1000 ORDER BY at_ms";
        self.all(sql, params![from, to], |row| {
            let at_ms = unsigned(row.get(1)?);
            let leaks: Option<String> = row.get(7)?;
            let what = Incident {
                id: row.get(0)?,
                at_ms,
                reason: row.get(2)?,
                route: row.get(3)?,
                because: row.get(4)?,
                directory: row.get(5)?,
                heap_snapshot: row.get(6)?,
                leaks: leaks.iter().flat_map(|all| all.split(' ')).map(str::to_owned).collect(),
            };
            Ok(Told { first_ms: at_ms, last_ms: at_ms, deployment: deployment(row, 8)?, what })
        })
    }

    /// How often each trigger tripped in the span, and how often another process had captured it.
    pub fn trips(&self, (from, to): (i64, i64)) -> Result<Vec<(String, u32, u32)>, Error> {
        let sql = "SELECT name, sum(outcome = 'captured'), sum(outcome = 'throttled') FROM trips \
                   WHERE at_ms >= ?1 * 1000 AND at_ms < ?2 * 1000 GROUP BY name ORDER BY name";
        self.all(sql, params![from, to], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
    }

    fn all<T>(
        &self,
        sql: &str,
        params: impl rusqlite::Params,
        row: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, Error> {
        let mut statement = self.0.prepare_cached(sql)?;
        let found = statement.query_map(params, row)?.collect::<Result<_, _>>()?;
        Ok(found)
    }
}

/// The name by which SQLite reads a file as it is, without its log.
fn immutable(path: &Path) -> String {
    let mut uri = "file:".to_owned();
    for byte in path.to_string_lossy().bytes() {
        if byte.is_ascii_alphanumeric() || b"/._-~".contains(&byte) {
            uri.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(uri, "%{byte:02x}");
        }
    }
    uri.push_str("?immutable=1");
    uri
}
