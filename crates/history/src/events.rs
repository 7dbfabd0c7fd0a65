//! Findings, incidents, trips and deployments: what happened, in words.

use crate::windows::{signed, unsigned};
use crate::{Error, Store};
use rusqlite::{OptionalExtension, Transaction, params};

/// A finding as it is kept.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// `leak` or `slowdown`.
    pub kind: String,
    /// A leak's id; of a slowdown the route.
    pub fingerprint: String,
    /// The route.
    pub route: String,
    /// As in the report.
    pub json: String,
}

/// An incident as it is kept.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Incident {
    /// Its id.
    pub id: String,
    /// When, ms since the epoch.
    pub at_ms: u64,
    /// Trigger, or what `capture()` was given.
    pub reason: String,
    /// The route that tripped.
    pub route: Option<String>,
    /// One sentence.
    pub because: Option<String>,
    /// Where it is; absent when nothing was written.
    pub directory: Option<String>,
    /// State of its heap snapshot.
    pub heap_snapshot: String,
    /// Ids of the leaks that were reported then.
    pub leaks: Vec<String>,
}

/// A trigger that tripped.
#[derive(Clone, Copy, Debug)]
pub struct Trip<'a> {
    /// The trigger's name.
    pub name: &'a str,
    /// The route.
    pub route: Option<&'a str>,
    /// One sentence.
    pub because: &'a str,
    /// The incident that will be written.
    pub incident: Option<&'a str>,
}

/// A version of the application that ran.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Deployment {
    /// Version; empty when it was not known.
    pub version: String,
    /// Revision of git; empty when it was not known.
    pub revision: String,
    /// Its first process began, ms since the epoch.
    pub first_ms: u64,
    /// Its last one was there, ms since the epoch.
    pub last_ms: u64,
}

/// What is known of a leak from earlier lives.
#[derive(Clone, Debug, PartialEq)]
pub struct KnownLeak {
    /// First reported, ms since the epoch.
    pub first_ms: u64,
    /// The deployment in which it was.
    pub first: Deployment,
    /// Lives in which it was reported, this one included.
    pub lives: u32,
    /// How long earlier deployments were watched without it, ms.
    pub watched_before_ms: u64,
}

/// An earlier incident with the same leak.
#[derive(Clone, Debug, PartialEq)]
pub struct KnownIncident {
    /// Its id.
    pub id: String,
    /// Where it is or was.
    pub directory: Option<String>,
}

/// The id of a route's name.
pub(crate) fn route_id(transaction: &Transaction<'_>, name: &str) -> Result<i64, Error> {
    let find = "SELECT id FROM routes WHERE name = ?";
    let found = transaction.prepare_cached(find)?.query_row([name], |row| row.get(0)).optional()?;
    if let Some(id) = found {
        return Ok(id);
    }
    transaction.prepare_cached("INSERT INTO routes (name) VALUES (?)")?.execute([name])?;
    Ok(transaction.last_insert_rowid())
}

impl Store {
    /// Keeps findings of this life; those that were there before get their new numbers.
    pub fn find(&mut self, findings: &[Finding], now_ms: u64) -> Result<(), Error> {
        let life = self.life;
        self.change(|transaction| {
            let sql = "INSERT INTO findings (life, kind, fingerprint, route, first_ms, last_ms, json) \
                       VALUES (?1, ?2, ?3, ?4, ?5, ?5, ?6) ON CONFLICT (kind, fingerprint, life) \
                       DO UPDATE SET last_ms = excluded.last_ms, json = excluded.json";
            let mut statement = transaction.prepare_cached(sql)?;
            for found in findings {
                let Finding { kind, fingerprint, route, json } = found;
                statement.execute(params![life, kind, fingerprint, route, signed(now_ms), json])?;
            }
            Ok(())
        })
    }

    /// Keeps an incident; again: its new state. Its claim on the budget of heap snapshots ends when there is none.
    pub fn incident(&mut self, incident: &Incident) -> Result<(), Error> {
        let life = self.life;
        self.change(|transaction| {
            transaction.execute(
                "INSERT OR REPLACE INTO incidents (id, life, at_ms, reason, route, because, directory, heap_snapshot) \
                 VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                params![
                    incident.id,
                    life,
                    signed(incident.at_ms),
                    incident.reason,
                    incident.route,
                    incident.because,
                    incident.directory,
                    incident.heap_snapshot
                ],
            )?;
            for leak in &incident.leaks {
                let sql = "INSERT OR IGNORE INTO incident_leaks (fingerprint, incident) VALUES (?, ?)";
                transaction.execute(sql, params![leak, incident.id])?;
            }
            Ok(())
        })
    }

    /// What earlier lives knew of a leak; `None` when it was never reported.
    pub fn known_leak(&self, fingerprint: &str) -> Result<Option<KnownLeak>, Error> {
        let sql = "SELECT findings.first_ms, version, revision, deployments.first_ms, deployments.last_ms \
                   FROM findings JOIN lives ON lives.id = findings.life \
                   JOIN deployments ON deployments.id = lives.deployment \
                   WHERE kind = 'leak' AND fingerprint = ? ORDER BY findings.first_ms LIMIT 1";
        let first = self
            .connection()
            .prepare_cached(sql)?
            .query_row([fingerprint], |row| Ok((unsigned(row.get(0)?), deployment(row, 1)?)))
            .optional()?;
        let Some((first_ms, first)) = first else { return Ok(None) };
        let sql = "SELECT count(DISTINCT life) FROM findings WHERE kind = 'leak' AND fingerprint = ?";
        let lives = self.connection().prepare_cached(sql)?.query_row([fingerprint], |row| row.get(0))?;
        let sql = "SELECT coalesce(sum(min(seen_ms, ?1) - started_ms), 0) FROM lives \
                   JOIN deployments ON deployments.id = lives.deployment \
                   WHERE started_ms < ?1 AND NOT (version = ?2 AND revision = ?3)";
        let watched: i64 = self
            .connection()
            .prepare_cached(sql)?
            .query_row(params![signed(first.first_ms), first.version, first.revision], |row| row.get(0))?;
        Ok(Some(KnownLeak { first_ms, first, lives, watched_before_ms: unsigned(watched) }))
    }

    /// The first and the last incident before `before_ms` in which this leak was reported.
    pub fn incidents_of(&self, fingerprint: &str, except: &str) -> Result<Vec<KnownIncident>, Error> {
        let sql = "SELECT id, directory FROM incident_leaks JOIN incidents ON incidents.id = incident_leaks.incident \
                   WHERE fingerprint = ? AND id <> ? ORDER BY at_ms";
        let all: Vec<KnownIncident> = self
            .connection()
            .prepare_cached(sql)?
            .query_map(params![fingerprint, except], |row| {
                Ok(KnownIncident { id: row.get(0)?, directory: row.get(1)? })
            })?
            .collect::<Result<_, _>>()?;
        let ends = [all.first(), all.last().filter(|_| all.len() > 1)];
        Ok(ends.into_iter().flatten().cloned().collect())
    }
}

/// A deployment in a row that begins with it at `from`.
pub(crate) fn deployment(row: &rusqlite::Row<'_>, from: usize) -> rusqlite::Result<Deployment> {
    Ok(Deployment {
        version: row.get(from)?,
        revision: row.get(from + 1)?,
        first_ms: unsigned(row.get(from + 2)?),
        last_ms: unsigned(row.get(from + 3)?),
    })
}
