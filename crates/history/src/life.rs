//! Lives: one run of a process each, and what it knew of its routes by age.

use crate::windows::{signed, unsigned};
use crate::{Error, Store};
use rusqlite::{Transaction, params};

/// A process that begins to write.
#[derive(Clone, Debug, Default)]
pub struct Life {
    /// Process id.
    pub pid: u32,
    /// `process.version`.
    pub node: String,
    /// Version of the application; empty when it is not known.
    pub version: String,
    /// Revision of its source, of git; empty when it is not known.
    pub revision: String,
    /// Start, ms since the epoch.
    pub started_ms: u64,
}

/// What a life knew of one route by age.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredRoute {
    /// The route's name.
    pub route: String,
    /// In the form of `leakprobe_core::slowdown`.
    pub data: Vec<u8>,
}

/// A life that left something to learn from.
#[derive(Clone, Debug, PartialEq)]
pub struct PastLife {
    /// Its number.
    pub life: i64,
    /// Start, ms since the epoch.
    pub started_ms: u64,
    /// What its process did by age.
    pub process: Vec<u8>,
    /// What its routes did by age.
    pub routes: Vec<StoredRoute>,
}

/// Makes a new life, and its deployment where that is new.
pub(crate) fn begin(transaction: &Transaction<'_>, life: &Life) -> Result<i64, Error> {
    let started = signed(life.started_ms);
    transaction.execute(
        "INSERT INTO deployments (version, revision, first_ms, last_ms) VALUES (?1, ?2, ?3, ?3) \
         ON CONFLICT (version, revision) DO UPDATE SET last_ms = max(last_ms, excluded.last_ms)",
        params![life.version, life.revision, started],
    )?;
    let deployment: i64 = transaction.query_row(
        "SELECT id FROM deployments WHERE version = ? AND revision = ?",
        params![life.version, life.revision],
        |row| row.get(0),
    )?;
    let second = started / 1_000;
    transaction.execute(
        "INSERT INTO lives (pid, node, deployment, started_ms, seen_ms, minutes_until, hours_until) \
         VALUES (?, ?, ?, ?4, ?4, ?5, ?6)",
        params![
            life.pid,
            life.node,
            deployment,
            started,
            second - second.rem_euclid(60),
            second - second.rem_euclid(3_600)
        ],
    )?;
    Ok(transaction.last_insert_rowid())
}

/// The life is still there.
pub(crate) fn seen(transaction: &Transaction<'_>, life: i64, now_ms: u64) -> Result<(), Error> {
    let sql = "UPDATE lives SET seen_ms = ?, ended = 0 WHERE id = ?";
    transaction.prepare_cached(sql)?.execute(params![signed(now_ms), life])?;
    Ok(())
}

/// It has ended.
pub(crate) fn end(transaction: &Transaction<'_>, life: i64, now_ms: u64) -> Result<(), Error> {
    transaction
        .execute("UPDATE lives SET seen_ms = ?, ended = 1 WHERE id = ?", params![signed(now_ms), life])?;
    let sql = "UPDATE deployments SET last_ms = max(last_ms, ?) \
               WHERE id = (SELECT deployment FROM lives WHERE id = ?)";
    transaction.execute(sql, params![signed(now_ms), life])?;
    Ok(())
}

impl Store {
    /// Replaces what this life knows by age.
    pub fn keep_life(&mut self, process: &[u8], routes: &[StoredRoute]) -> Result<(), Error> {
        let life = self.life;
        let ids = self.ids(routes.iter().map(|route| &route.route))?;
        self.change(|transaction| {
            let sql = "INSERT OR REPLACE INTO life_process (life, data) VALUES (?, ?)";
            transaction.prepare_cached(sql)?.execute(params![life, process])?;
            let sql = "INSERT OR REPLACE INTO life_routes (life, route, data) VALUES (?, ?, ?)";
            let mut statement = transaction.prepare_cached(sql)?;
            for route in routes {
                if let Some(id) = ids.get(&route.route) {
                    statement.execute(params![life, id, route.data])?;
                }
            }
            Ok(())
        })
    }

    /// The last `most` other lives that knew something by age, oldest first.
    pub fn past_lives(&self, most: u32) -> Result<Vec<PastLife>, Error> {
        let sql = "SELECT lives.id, started_ms, data FROM life_process JOIN lives ON lives.id = life_process.life \
                   WHERE lives.id <> ? ORDER BY started_ms DESC, lives.id DESC LIMIT ?";
        let mut lives: Vec<PastLife> = self
            .connection()
            .prepare(sql)?
            .query_map(params![self.life, most], |row| {
                Ok(PastLife {
                    life: row.get(0)?,
                    started_ms: unsigned(row.get(1)?),
                    process: row.get(2)?,
                    routes: Vec::new(),
                })
            })?
            .collect::<Result<_, _>>()?;
        lives.reverse();
        let sql =
            "SELECT name, data FROM life_routes JOIN routes ON routes.id = life_routes.route WHERE life = ?";
        let mut statement = self.connection().prepare(sql)?;
        for life in &mut lives {
            let routes = statement
                .query_map([life.life], |row| Ok(StoredRoute { route: row.get(0)?, data: row.get(1)? }))?;
            life.routes = routes.collect::<Result<_, _>>()?;
        }
        Ok(lives)
    }

    /// Keeps the latencies of routes at low age, as bytes of `leakprobe_core::history::Durations`.
    pub fn keep_baselines(&mut self, baselines: &[StoredRoute], now_ms: u64) -> Result<(), Error> {
        let life = self.life;
        let ids = self.ids(baselines.iter().map(|route| &route.route))?;
        self.change(|transaction| {
            let sql = "INSERT OR REPLACE INTO baselines (route, life, at_ms, durations) VALUES (?, ?, ?, ?)";
            let mut statement = transaction.prepare_cached(sql)?;
            for baseline in baselines {
                if let Some(id) = ids.get(&baseline.route) {
                    statement.execute(params![id, life, signed(now_ms), baseline.data])?;
                }
            }
            Ok(())
        })
    }

    /// The last ones that any life kept.
    pub fn baselines(&self) -> Result<Vec<StoredRoute>, Error> {
        let sql = "SELECT name, durations FROM baselines JOIN routes ON routes.id = baselines.route";
        let mut statement = self.connection().prepare(sql)?;
        let rows =
            statement.query_map([], |row| Ok(StoredRoute { route: row.get(0)?, data: row.get(1)? }))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}
