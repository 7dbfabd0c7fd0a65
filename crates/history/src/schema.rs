//! The form of the file, and how an older one becomes the present one.

use crate::Error;
use rusqlite::{Connection, TransactionBehavior};

/// Version of the form; `user_version` of the file.
#[expect(clippy::cast_possible_wrap, reason = "a handful")]
pub const VERSION: i64 = MIGRATIONS.len() as i64;

/// `application_id` of the file: "leak" in ASCII.
const APPLICATION: i64 = 0x6c65_616b;

/// The SQL that leads from version n to n + 1, in order. What was released is never changed.
const MIGRATIONS: [&str; 1] = [include_str!("schema-1.sql")];

/// Brings an open file to the present version; an empty one gets its tables.
pub(crate) fn prepare(connection: &mut Connection) -> Result<(), Error> {
    match version(connection)? {
        VERSION => return Ok(()),
        found if found > VERSION => return Err(Error::Newer { found }),
        _ => {}
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Another process may have done it in the meantime.
    let found = version(&transaction)?;
    if found > VERSION {
        return Err(Error::Newer { found });
    }
    for sql in MIGRATIONS.iter().skip(usize::try_from(found).unwrap_or(0)) {
        transaction.execute_batch(sql)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION)?;
    transaction.pragma_update(None, "user_version", VERSION)?;
    transaction.commit()?;
    Ok(())
}

/// The version of a file of ours, 0 for an empty one.
pub(crate) fn version(connection: &Connection) -> Result<i64, Error> {
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    let pragma = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    if tables == 0 {
        return Ok(0);
    }
    if pragma("application_id")? != APPLICATION {
        return Err(Error::Foreign);
    }
    Ok(pragma("user_version")?)
}
