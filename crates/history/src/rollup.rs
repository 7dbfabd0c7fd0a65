//! Seconds become minutes, minutes hours. Each life is rolled up in order, up to a mark that is written in the same
//! transaction, so that nothing is counted twice or left out when a process dies in between.

use crate::Error;
use crate::windows::{
    OF_PROCESS, OF_PROCESS_TOGETHER, OF_ROUTE, Resolution, Rows, add_up, read_route, signed,
};
use leakprobe_core::history::RouteSlice;
use rusqlite::{Transaction, params};
use std::collections::HashMap;

/// Seconds are kept for so long after they were rolled up.
const SECONDS_KEPT: i64 = 900;
/// A life that was not seen for so long has ended, ms.
const DEAD_MS: i64 = 120_000;
/// Dead lives rolled up at once.
const MOST_DEAD: i64 = 32;

/// What is complete of a life that writes: its last second is `last`.
pub(crate) fn own(transaction: &Transaction<'_>, life: i64, last: i64) -> Result<(), Error> {
    let sql = "SELECT minutes_until, hours_until FROM lives WHERE id = ?";
    let (minutes, hours): (i64, i64) =
        transaction.prepare_cached(sql)?.query_row([life], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let minute = last - last.rem_euclid(60);
    if minute > minutes {
        to_minutes(transaction, life, minutes, minute)?;
    }
    // The last minute of an hour is rolled up when the next one begins.
    let hour = minute - minute.rem_euclid(3_600);
    if hour > hours {
        to_hours(transaction, life, hours, hour)?;
    }
    Ok(())
}

/// Lives that ended without saying so, or long ago.
pub(crate) fn dead(transaction: &Transaction<'_>, own: i64, now_ms: u64) -> Result<(), Error> {
    let sql = "SELECT id FROM lives WHERE id <> ? AND ended = 0 AND seen_ms < ? LIMIT ?";
    let before = signed(now_ms) - DEAD_MS;
    let lives: Vec<i64> = transaction
        .prepare_cached(sql)?
        .query_map([own, before, MOST_DEAD], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    for life in lives {
        all(transaction, life)?;
        transaction.prepare_cached("UPDATE lives SET ended = 1 WHERE id = ?")?.execute([life])?;
    }
    Ok(())
}

/// All of a life, its last minute and hour included.
pub(crate) fn all(transaction: &Transaction<'_>, life: i64) -> Result<(), Error> {
    let sql = "SELECT minutes_until, hours_until, \
               (SELECT max(at) FROM process_second WHERE life = lives.id) FROM lives WHERE id = ?";
    let (minutes, hours, last): (i64, i64, Option<i64>) = transaction
        .prepare_cached(sql)?
        .query_row([life], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    let until = last.map_or(minutes, |last| last - last.rem_euclid(60) + 60);
    if until > minutes {
        to_minutes(transaction, life, minutes, until)?;
    }
    let until = until.max(minutes);
    let hour = until + (3_600 - until.rem_euclid(3_600)) % 3_600;
    if hour > hours {
        to_hours(transaction, life, hours, hour)?;
    }
    transaction.prepare_cached("DELETE FROM route_second WHERE life = ?")?.execute([life])?;
    transaction.prepare_cached("DELETE FROM process_second WHERE life = ?")?.execute([life])?;
    Ok(())
}

fn to_minutes(transaction: &Transaction<'_>, life: i64, from: i64, to: i64) -> Result<(), Error> {
    let sql = format!("SELECT at, route, {OF_ROUTE} FROM route_second WHERE life = ? AND at >= ? AND at < ?");
    let mut statement = transaction.prepare_cached(&sql)?;
    let mut rows = statement.query([life, from, to])?;
    let mut sums: HashMap<(i64, i64), RouteSlice> = HashMap::new();
    while let Some(row) = rows.next()? {
        let at: i64 = row.get(0)?;
        add_up(sums.entry((row.get(1)?, at - at.rem_euclid(60))).or_default(), &read_route(row, 2)?);
    }
    put(transaction, life, Resolution::Minute, sums)?;
    process(transaction, life, (from, to), Resolution::Second, Resolution::Minute)?;
    transaction.prepare_cached("UPDATE lives SET minutes_until = ? WHERE id = ?")?.execute([to, life])?;
    let old = to - SECONDS_KEPT;
    transaction.prepare_cached("DELETE FROM route_second WHERE life = ? AND at < ?")?.execute([life, old])?;
    transaction
        .prepare_cached("DELETE FROM process_second WHERE life = ? AND at < ?")?
        .execute([life, old])?;
    Ok(())
}

fn to_hours(transaction: &Transaction<'_>, life: i64, from: i64, to: i64) -> Result<(), Error> {
    let routes: Vec<i64> = transaction
        .prepare_cached("SELECT id FROM routes")?
        .query_map([], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    let sql = format!("SELECT at, life, {OF_ROUTE} FROM route_minute WHERE route = ? AND at >= ? AND at < ?");
    let mut sums: HashMap<(i64, i64), RouteSlice> = HashMap::new();
    let mut statement = transaction.prepare_cached(&sql)?;
    for route in routes {
        let mut rows = statement.query([route, from, to])?;
        while let Some(row) = rows.next()? {
            if row.get::<_, i64>(1)? == life {
                let at: i64 = row.get(0)?;
                add_up(sums.entry((route, at - at.rem_euclid(3_600))).or_default(), &read_route(row, 2)?);
            }
        }
    }
    put(transaction, life, Resolution::Hour, sums)?;
    process(transaction, life, (from, to), Resolution::Minute, Resolution::Hour)?;
    transaction.prepare_cached("UPDATE lives SET hours_until = ? WHERE id = ?")?.execute([to, life])?;
    Ok(())
}

fn put(
    transaction: &Transaction<'_>,
    life: i64,
    resolution: Resolution,
    sums: HashMap<(i64, i64), RouteSlice>,
) -> Result<(), Error> {
    let mut sums: Vec<_> = sums.into_iter().collect();
    sums.sort_unstable_by_key(|(place, _)| *place);
    let mut rows = Rows::prepare(transaction, resolution)?;
    for ((route, at), slice) in sums {
        rows.add(life, at, route, &slice)?;
    }
    Ok(())
}

fn process(
    transaction: &Transaction<'_>,
    life: i64,
    (from, to): (i64, i64),
    finer: Resolution,
    coarser: Resolution,
) -> Result<(), Error> {
    let sql = format!(
        "INSERT OR REPLACE INTO process_{} (life, at, {OF_PROCESS}) \
         SELECT life, at / ?4 * ?4, {OF_PROCESS_TOGETHER} FROM process_{} \
         WHERE life = ?1 AND at >= ?2 AND at < ?3 GROUP BY at / ?4",
        coarser.table(),
        finer.table()
    );
    transaction.prepare_cached(&sql)?.execute(params![life, from, to, coarser.seconds()])?;
    Ok(())
}
