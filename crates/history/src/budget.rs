//! What freezing and heap snapshots may cost, counted over all processes of the service, and over their restarts.
//!
//! **Invariant:** whoever is granted something has it written down before it happens, in the transaction that looked
//! whether there is something left; so two processes are never granted the same last piece.

use crate::windows::signed;
use crate::{Error, Store, Trip};
use rusqlite::{OptionalExtension, Transaction, params};
use std::fmt;

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 86_400_000;
/// Trips of one trigger in several processes within this time are one event, ms.
const SAME_TRIP_MS: i64 = 60_000;

/// What may be spent.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Freezes in any hour.
    pub freezes_per_hour: u32,
    /// Pause for them in any hour, ms, from which on there are none.
    pub pause_ms_per_hour: f64,
    /// Heap snapshots in any day.
    pub captures_per_day: u32,
}

/// What somebody wants.
#[derive(Clone, Copy, Debug)]
pub struct Claim<'a> {
    /// Whose it is.
    pub incident: &'a str,
    /// A freeze.
    pub freeze: bool,
    /// A heap snapshot.
    pub capture: bool,
    /// The share of the limits on freezes that it may use: 1 for all.
    pub share: f64,
}

/// What has been spent, by all processes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Spent {
    /// Freezes in the last hour.
    pub freezes: u32,
    /// Pause for them, ms.
    pub pause_ms: f64,
    /// Heap snapshots in the last day.
    pub captures: u32,
}

/// A freeze that happened.
#[derive(Clone, Copy, Debug)]
pub struct Freeze {
    /// When, ms since the epoch.
    pub at_ms: u64,
    /// How long the app stood still, ms.
    pub pause_ms: f64,
}

/// The limit that is used up.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Refused {
    /// So many freezes in an hour.
    Freezes(u32),
    /// This much pause in an hour; and what was used, ms.
    Pause(f64, f64),
    /// The share that what is not urgent may use.
    Share(f64),
    /// So many heap snapshots in a day.
    Captures(u32),
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Freezes(most) => write!(f, "the budget of {most} freezes per hour is used up"),
            Self::Pause(most, used) => {
                write!(f, "the budget of {most:.0} ms of pause per hour is used up: {used:.0} ms")
            }
            Self::Share(share) => {
                write!(f, "floors have used {share} of the budget of freezes or pauses per hour")
            }
            Self::Captures(most) => write!(f, "the budget of {most} heap snapshots per day is used up"),
        }
    }
}

impl Limits {
    /// Whether `claim` is within what is left; the freeze is judged first.
    pub fn allow(&self, claim: &Claim<'_>, spent: &Spent) -> Result<(), Refused> {
        if claim.freeze {
            if spent.freezes >= self.freezes_per_hour {
                return Err(Refused::Freezes(self.freezes_per_hour));
            }
            if spent.pause_ms >= self.pause_ms_per_hour {
                return Err(Refused::Pause(self.pause_ms_per_hour, spent.pause_ms));
            }
            let share = claim.share;
            let beyond = f64::from(spent.freezes) >= share * f64::from(self.freezes_per_hour)
                || spent.pause_ms >= share * self.pause_ms_per_hour;
            if share < 1.0 && beyond {
                return Err(Refused::Share(share));
            }
        }
        if claim.capture && spent.captures >= self.captures_per_day {
            return Err(Refused::Captures(self.captures_per_day));
        }
        Ok(())
    }
}

impl Store {
    /// Takes what is claimed, all of it or nothing.
    pub fn claim(
        &mut self,
        claim: &Claim<'_>,
        limits: &Limits,
        now_ms: u64,
    ) -> Result<Result<(), Refused>, Error> {
        let life = self.life;
        self.change(|transaction| {
            let spent = read(transaction, now_ms)?;
            if let Err(refused) = limits.allow(claim, &spent) {
                return Ok(Err(refused));
            }
            let sql = "INSERT INTO spent (at_ms, life, what, open, incident) VALUES (?, ?, ?, 1, ?)";
            let mut statement = transaction.prepare_cached(sql)?;
            for (what, wanted) in [("freeze", claim.freeze), ("capture", claim.capture)] {
                if wanted {
                    statement.execute(params![signed(now_ms), life, what, claim.incident])?;
                }
            }
            Ok(Ok(()))
        })
    }

    /// What all processes have spent by now.
    pub fn spent(&mut self, now_ms: u64) -> Result<Spent, Error> {
        self.change(|transaction| read(transaction, now_ms))
    }

    /// A heap snapshot that was asked for by hand; it is counted and was never refused.
    pub fn captured(&mut self, incident: &str, now_ms: u64) -> Result<(), Error> {
        let life = self.life;
        self.change(|transaction| {
            transaction.execute(
                "INSERT INTO spent (at_ms, life, what, incident) VALUES (?, ?, 'capture', ?)",
                params![signed(now_ms), life, incident],
            )?;
            Ok(())
        })
    }

    /// No heap snapshot came of it: what was claimed for it is given back.
    pub fn not_captured(&mut self, incident: &str) -> Result<(), Error> {
        self.change(|transaction| {
            transaction.execute("DELETE FROM spent WHERE what = 'capture' AND incident = ?", [incident])?;
            Ok(())
        })
    }

    /// Writes a trip down. `Err` when another process of the service captured the same trigger's within a minute: then
    /// the trip is written as throttled, and the text says who captured it.
    pub fn trip(&mut self, trip: &Trip<'_>, now_ms: u64) -> Result<Result<(), String>, Error> {
        let life = self.life;
        let now = signed(now_ms);
        self.change(|transaction| {
            let sql = "SELECT pid, incident FROM trips JOIN lives ON lives.id = trips.life \
                       WHERE name = ? AND outcome = 'captured' AND trips.life <> ? \
                       AND at_ms > ? AND at_ms <= ? ORDER BY at_ms DESC LIMIT 1";
            let other = transaction
                .prepare_cached(sql)?
                .query_row(params![trip.name, life, now - SAME_TRIP_MS, now + SAME_TRIP_MS], |row| {
                    Ok((row.get::<_, i64>(0)?, row.get::<_, Option<String>>(1)?))
                })
                .optional()?;
            let outcome = if other.is_some() { "throttled" } else { "captured" };
            let own = trip.incident.filter(|_| other.is_none());
            transaction
                .prepare_cached(
                    "INSERT INTO trips (at_ms, life, name, outcome, route, because, incident) \
                     VALUES (?, ?, ?, ?, ?, ?, ?)",
                )?
                .execute(params![now, life, trip.name, outcome, trip.route, trip.because, own])?;
            Ok(match other {
                None => Ok(()),
                Some((pid, incident)) => {
                    let incident = incident.map(|id| format!(" as incident {id}")).unwrap_or_default();
                    Err(format!("another process of the service captured it{incident}: pid {pid}"))
                }
            })
        })
    }
}

/// Writes freezes down that happened, in the place of what was claimed for them; what is still claimed when nothing is
/// under way any more is given back.
pub(crate) fn settle(
    transaction: &Transaction<'_>,
    life: i64,
    freezes: &[Freeze],
    idle: bool,
) -> Result<(), Error> {
    for freeze in freezes {
        let sql = "UPDATE spent SET open = 0, amount = ?, at_ms = ? WHERE id = \
                   (SELECT min(id) FROM spent WHERE what = 'freeze' AND open = 1 AND life = ?)";
        let found =
            transaction.prepare_cached(sql)?.execute(params![freeze.pause_ms, signed(freeze.at_ms), life])?;
        if found == 0 {
            let sql = "INSERT INTO spent (at_ms, life, what, amount) VALUES (?, ?, 'freeze', ?)";
            transaction.prepare_cached(sql)?.execute(params![signed(freeze.at_ms), life, freeze.pause_ms])?;
        }
    }
    if idle {
        let sql = "DELETE FROM spent WHERE what = 'freeze' AND open = 1 AND life = ?";
        transaction.prepare_cached(sql)?.execute([life])?;
    }
    Ok(())
}

/// The sums. What lies in the future was written before somebody set the clock back: it counts from now on.
fn read(transaction: &Transaction<'_>, now_ms: u64) -> Result<Spent, Error> {
    let now = signed(now_ms);
    transaction.prepare_cached("UPDATE spent SET at_ms = ?1 WHERE at_ms > ?1 + 60000")?.execute([now])?;
    let sql = "SELECT count(*), coalesce(sum(amount), 0) FROM spent WHERE what = ? AND at_ms > ?";
    let mut statement = transaction.prepare_cached(sql)?;
    let mut sum = |what: &str, since: i64| {
        statement.query_row(params![what, since], |row| Ok((row.get::<_, u32>(0)?, row.get::<_, f64>(1)?)))
    };
    let (freezes, pause_ms) = sum("freeze", now - HOUR_MS)?;
    let (captures, _) = sum("capture", now - DAY_MS)?;
    Ok(Spent { freezes, pause_ms, captures })
}
