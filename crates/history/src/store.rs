//! The open file: who writes to it, and each second's batch.
//!
//! **Invariant:** a batch is one transaction; whatever ends the process, a second is there as a whole or not at all. No
//! call waits longer than [`WAIT`] for another process.

use crate::aside::{self, Identity};
use crate::windows::{self, Rows};
use crate::{Error, Keep, Life, budget, events, keep, life, rollup, schema};
use leakprobe_core::history::Slice;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};
use std::collections::HashMap;
use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Name of the file.
pub const FILE: &str = "history.sqlite";
/// How long a call waits for another process's transaction.
const WAIT: Duration = Duration::from_millis(50);
/// Names of routes remembered with their ids.
const MOST_NAMES: usize = 10_000;

/// What was found when the file was opened.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Opened {
    /// It was there, or was made.
    Usable,
    /// The one that was there was damaged; it has this name now.
    SetAside(PathBuf),
}

/// The history of a service, open for one process.
#[derive(Debug)]
pub struct Store {
    connection: Connection,
    path: PathBuf,
    identity: Option<Identity>,
    pub(crate) life: i64,
    routes: HashMap<String, i64>,
}

impl Store {
    /// Opens, or makes, the history in `directory` for a new process. A damaged file is set aside.
    pub fn open(directory: &Path, life: &Life, now_ms: u64) -> Result<(Self, Opened), Error> {
        let path = directory.join(FILE);
        match Self::open_file(&path, life) {
            Err(Error::Damaged(_)) => {
                let lock = aside::lock(directory)?;
                let damaged = aside::identity(&path);
                // Another process may have replaced it since.
                let opened = match Self::open_file(&path, life) {
                    Err(Error::Damaged(_)) => aside::set_aside(&path, damaged, now_ms)?,
                    other => return other.map(|store| (store, Opened::Usable)),
                };
                let store = Self::open_file(&path, life)?;
                drop(lock);
                Ok((store, opened.map_or(Opened::Usable, Opened::SetAside)))
            }
            other => other.map(|store| (store, Opened::Usable)),
        }
    }

    /// Sets a file aside that turned out to be damaged while it was open, when it is still the one at its place.
    pub fn set_aside(self, now_ms: u64) -> Result<Opened, Error> {
        let Self { connection, path, identity, .. } = self;
        drop(connection);
        let directory = path.parent().unwrap_or(Path::new("."));
        let _lock = aside::lock(directory)?;
        Ok(aside::set_aside(&path, identity, now_ms)?.map_or(Opened::Usable, Opened::SetAside))
    }

    fn open_file(path: &Path, life: &Life) -> Result<Self, Error> {
        // SQLite would make it readable for everybody whom the umask allows; its log gets the file's mode.
        OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path)?;
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(WAIT)?;
        // Without it the last one to close removes the log by its name, which may be another file's by then.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
        // Reading the schema is what finds a damaged header.
        schema::version(&connection)?;
        connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        // A commit survives the end of the process, not of the machine; the file stays whole in both.
        connection.pragma_update(None, "synchronous", "NORMAL")?;
        connection.pragma_update(None, "cache_size", -1_024)?;
        connection.pragma_update(None, "temp_store", "MEMORY")?;
        // A mapped file that somebody truncates would end the app.
        connection.pragma_update(None, "mmap_size", 0)?;
        connection.pragma_update(None, "wal_autocheckpoint", 256)?;
        connection.pragma_update(None, "journal_size_limit", 4 << 20)?;
        connection.pragma_update(None, "trusted_schema", "OFF")?;
        connection.pragma_update(None, "cell_size_check", "ON")?;
        schema::prepare(&mut connection)?;
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let id = life::begin(&transaction, life)?;
        transaction.commit()?;
        Ok(Self {
            connection,
            path: path.to_path_buf(),
            identity: aside::identity(path),
            life: id,
            routes: HashMap::new(),
        })
    }

    /// The number of this process's life in the file.
    pub fn life(&self) -> i64 {
        self.life
    }

    /// Whether the file at its place is still the one that is open: somebody may have removed or replaced it.
    pub fn is_in_place(&self) -> bool {
        aside::identity(&self.path) == self.identity
    }

    /// One transaction, which is given up when it fails.
    pub(crate) fn change<T>(
        &mut self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let result = work(&transaction)?;
        transaction.commit()?;
        Ok(result)
    }

    pub(crate) fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Writes what happened in some seconds (seconds since the epoch, rising), and the freezes since; `idle`: no freeze
    /// is under way. One transaction; what is old enough is rolled up with it.
    pub fn write(
        &mut self,
        seconds: &[(i64, Slice)],
        freezes: &[budget::Freeze],
        idle: bool,
        now_ms: u64,
    ) -> Result<(), Error> {
        let life = self.life;
        let ids = self.ids(seconds.iter().flat_map(|(_, slice)| &slice.routes).map(|route| &route.route))?;
        self.change(|transaction| {
            let mut rows = Rows::prepare(transaction, windows::Resolution::Second)?;
            for (at, slice) in seconds {
                for route in &slice.routes {
                    if let Some(id) = ids.get(&route.route) {
                        rows.add(life, *at, *id, route)?;
                    }
                }
                windows::add_process(transaction, life, *at, &slice.process)?;
            }
            drop(rows);
            budget::settle(transaction, life, freezes, idle)?;
            life::seen(transaction, life, now_ms)?;
            if let Some((last, _)) = seconds.last() {
                rollup::own(transaction, life, *last)?;
            }
            Ok(())
        })
    }

    /// What is too old or too much goes, and lives that ended without saying so are rolled up; done by one of the
    /// processes every ten minutes. `true` when this one did it.
    pub fn maintain(&mut self, keep: Keep, now_ms: u64) -> Result<bool, Error> {
        let life = self.life;
        let due = self.change(|transaction| {
            let due = keep::take_turn(transaction, now_ms)?;
            if due {
                rollup::dead(transaction, life, now_ms)?;
                keep::forget_old(transaction, keep, now_ms)?;
            }
            Ok(due)
        })?;
        if due {
            keep::shrink(&self.connection, keep)?;
        }
        Ok(due)
    }

    /// The process ends: everything is rolled up as far as it is complete, and the log goes into the file.
    pub fn end(mut self, now_ms: u64) -> Result<(), Error> {
        let life = self.life;
        self.change(|transaction| {
            budget::settle(transaction, life, &[], true)?;
            rollup::all(transaction, life)?;
            life::end(transaction, life, now_ms)
        })?;
        self.connection.pragma_update(None, "wal_checkpoint", "PASSIVE").or_else(|error| match error {
            rusqlite::Error::ExecuteReturnedResults => Ok(()),
            error => Err(error),
        })?;
        Ok(())
    }

    /// Bytes of the file, without its log.
    pub fn bytes(&self) -> Result<u64, Error> {
        keep::bytes(&self.connection)
    }

    /// Ids of routes; new ones are made.
    pub(crate) fn ids<'a>(
        &mut self,
        names: impl Iterator<Item = &'a String>,
    ) -> Result<HashMap<String, i64>, Error> {
        let mut found = HashMap::new();
        let mut missing = Vec::new();
        for name in names {
            match self.routes.get(name) {
                Some(id) => {
                    found.insert(name.clone(), *id);
                }
                None => missing.push(name),
            }
        }
        if missing.is_empty() {
            return Ok(found);
        }
        let made = self.change(|transaction| {
            let mut made = Vec::new();
            for name in missing {
                made.push((name.clone(), events::route_id(transaction, name)?));
            }
            Ok(made)
        })?;
        for (name, id) in made {
            if self.routes.len() < MOST_NAMES {
                self.routes.insert(name.clone(), id);
            }
            found.insert(name, id);
        }
        Ok(found)
    }
}
