//! What is kept for how long, and the cap on the file's size.

use crate::Error;
use crate::windows::{signed, unsigned};
use rusqlite::{Connection, OptionalExtension, Transaction, params};

const MINUTE_S: i64 = 60;
const DAY_S: i64 = 86_400;
/// Maintenance is due this often, over all processes.
const EVERY_MS: i64 = 600_000;
/// Minutes are kept for so long, hours and what happened for so long.
const MINUTES_KEPT_S: i64 = 7 * DAY_S;
const HOURS_KEPT_S: i64 = 400 * DAY_S;
const TRIPS_KEPT_S: i64 = 90 * DAY_S;
const SPENT_KEPT_S: i64 = 2 * DAY_S;
/// Lives whose routes are kept by age.
const LIVES_KEPT: i64 = 64;
/// Minutes are never given up below this for want of room.
const LEAST_MINUTES_S: i64 = 6 * 3_600;
/// Pages given back to the file system at once.
const PAGES_AT_ONCE: i64 = 2_000;

/// What is kept.
#[derive(Clone, Copy, Debug)]
pub struct Keep {
    /// Most bytes of the file.
    pub most_bytes: u64,
}

/// Whether maintenance is due; then this process has taken it on.
pub(crate) fn take_turn(transaction: &Transaction<'_>, now_ms: u64) -> Result<bool, Error> {
    let now = signed(now_ms);
    let last: Option<i64> = transaction
        .query_row("SELECT at_ms FROM done WHERE what = 'pruned'", [], |row| row.get(0))
        .optional()?;
    // A time in the future is of a clock that was set back.
    if last.is_some_and(|last| last <= now && now - last < EVERY_MS) {
        return Ok(false);
    }
    transaction.execute("INSERT OR REPLACE INTO done (what, at_ms) VALUES ('pruned', ?)", [now])?;
    Ok(true)
}

/// What is older than it is kept goes; of minutes the oldest, too, while the file is larger than it may be.
pub(crate) fn forget_old(transaction: &Transaction<'_>, keep: Keep, now_ms: u64) -> Result<(), Error> {
    let now = signed(now_ms) / 1_000;
    forget_windows(transaction, "minute", now - MINUTES_KEPT_S)?;
    forget_windows(transaction, "hour", now - HOURS_KEPT_S)?;
    for (sql, kept) in [
        ("DELETE FROM trips WHERE at_ms < ?", TRIPS_KEPT_S),
        ("DELETE FROM spent WHERE at_ms < ?", SPENT_KEPT_S),
        ("DELETE FROM findings WHERE last_ms < ?", HOURS_KEPT_S),
        (
            "DELETE FROM incident_leaks WHERE incident IN (SELECT id FROM incidents WHERE at_ms < ?)",
            HOURS_KEPT_S,
        ),
        ("DELETE FROM incidents WHERE at_ms < ?", HOURS_KEPT_S),
        ("DELETE FROM baselines WHERE at_ms < ?", HOURS_KEPT_S),
        ("DELETE FROM lives WHERE ended = 1 AND seen_ms < ?", HOURS_KEPT_S),
    ] {
        transaction.execute(sql, [(now - kept) * 1_000])?;
    }
    let few =
        "(SELECT life FROM life_process JOIN lives ON lives.id = life ORDER BY started_ms DESC LIMIT ?)";
    for table in ["life_routes", "life_process"] {
        transaction.execute(&format!("DELETE FROM {table} WHERE life NOT IN {few}"), [LIVES_KEPT])?;
    }
    let mut kept = MINUTES_KEPT_S;
    while used(transaction)? > keep.most_bytes && kept > LEAST_MINUTES_S {
        kept -= kept / 4;
        forget_windows(transaction, "minute", now - kept)?;
    }
    let mut kept = HOURS_KEPT_S;
    while used(transaction)? > keep.most_bytes && kept > DAY_S {
        kept -= kept / 4;
        forget_windows(transaction, "hour", now - kept)?;
    }
    Ok(())
}

fn forget_windows(transaction: &Transaction<'_>, table: &str, before: i64) -> Result<(), Error> {
    let before = before - before.rem_euclid(MINUTE_S);
    // By route and by life the rows to go are next to one another.
    let sql = format!("DELETE FROM route_{table} WHERE route = ? AND at < ?");
    let routes: Vec<i64> = ids(transaction, "SELECT id FROM routes")?;
    let mut statement = transaction.prepare_cached(&sql)?;
    for route in routes {
        statement.execute(params![route, before])?;
    }
    let sql = format!("DELETE FROM process_{table} WHERE life = ? AND at < ?");
    let mut statement = transaction.prepare_cached(&sql)?;
    for life in ids(transaction, "SELECT id FROM lives")? {
        statement.execute(params![life, before])?;
    }
    Ok(())
}

fn ids(transaction: &Transaction<'_>, sql: &str) -> Result<Vec<i64>, Error> {
    let mut statement = transaction.prepare_cached(sql)?;
    let found = statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    Ok(found)
}

/// Gives pages that hold nothing any more back to the file system, when there are many.
pub(crate) fn shrink(connection: &Connection, keep: Keep) -> Result<(), Error> {
    let free = pragma(connection, "freelist_count")?;
    let many = bytes(connection)? > keep.most_bytes || free > 4 * PAGES_AT_ONCE;
    if free > 0 && many {
        let mut statement = connection.prepare(&format!("PRAGMA incremental_vacuum({PAGES_AT_ONCE})"))?;
        let mut rows = statement.query([])?;
        while rows.next()?.is_some() {}
    }
    Ok(())
}

/// Bytes of the file.
pub(crate) fn bytes(connection: &Connection) -> Result<u64, Error> {
    Ok(unsigned(pragma(connection, "page_count")? * pragma(connection, "page_size")?))
}

/// Bytes of its pages that hold something.
fn used(connection: &Connection) -> Result<u64, Error> {
    let pages = pragma(connection, "page_count")? - pragma(connection, "freelist_count")?;
    Ok(unsigned(pages * pragma(connection, "page_size")?))
}

fn pragma(connection: &Connection, name: &str) -> Result<i64, Error> {
    Ok(connection.pragma_query_value(None, name, |row| row.get(0))?)
}
