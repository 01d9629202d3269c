//! Opens a database: looks before it touches, migrates, and names what is wrong.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use crate::error::Error;
use crate::store::sqlite::failed;

/// Marks the file as ours: `khpf`.
const APPLICATION_ID: i64 = 0x6b68_7066;

/// Schema version `n` is what the first `n` of these make.
const MIGRATIONS: &[&str] = &[include_str!("../migrations/0001_runs_series_points.sql")];

const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Larger files are not read through when they are opened.
const CHECKED_BYTES_MAX: u64 = 64 << 20;

/// Opens the database at `path`, creating it or bringing its schema up to date where needed.
pub(crate) fn open(path: &Path) -> Result<Connection, Error> {
    let existed = std::fs::metadata(path).is_ok_and(|file| file.len() > 0);
    if existed {
        inspect(path)?;
    }
    let opening = |error| failed(path, "opening", error);
    let mut connection = Connection::open(path).map_err(opening)?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(opening)?;
    connection
        .execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = ON;",
        )
        .map_err(opening)?;
    migrate(path, &mut connection)?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

/// Looks at a file before anything may write to it: a foreign, damaged or newer one stays untouched.
fn inspect(path: &Path) -> Result<(), Error> {
    let doing = "opening";
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)
        .and_then(|connection| connection.busy_timeout(BUSY_TIMEOUT).map(|()| connection))
        .map_err(|error| failed(path, doing, error))?;
    let number = |pragma: &str| {
        connection
            .query_row(pragma, [], |row| row.get::<_, i64>(0))
            .map_err(|error| failed(path, doing, error))
    };
    let application = number("PRAGMA application_id")?;
    let version = number("PRAGMA user_version")?;
    let tables = number("SELECT count(*) FROM sqlite_schema")?;
    if application != APPLICATION_ID && (application != 0 || version != 0 || tables != 0) {
        return Err(Error::not_ours(
            path,
            "it is the SQLite database of another program",
        ));
    }
    let known = known_version();
    if version > known {
        return Err(Error::newer_schema(path, version, known));
    }
    if std::fs::metadata(path).is_ok_and(|file| file.len() <= CHECKED_BYTES_MAX) {
        let verdict: String = connection
            .query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
            .map_err(|error| failed(path, doing, error))?;
        if verdict != "ok" {
            return Err(Error::corrupt(path, verdict));
        }
    }
    Ok(())
}

/// Brings the schema up to date; of several processes that open a new file at once, one does it.
fn migrate(path: &Path, connection: &mut Connection) -> Result<(), Error> {
    let migrating = |error| failed(path, "migrating the schema of", error);
    let transaction = connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .map_err(migrating)?;
    let version: i64 = transaction
        .query_row("PRAGMA user_version", [], |row| row.get(0))
        .map_err(migrating)?;
    if version > known_version() {
        return Err(Error::newer_schema(path, version, known_version()));
    }
    if version < known_version() {
        let done = usize::try_from(version).unwrap_or_default();
        for migration in MIGRATIONS.iter().skip(done) {
            transaction.execute_batch(migration).map_err(migrating)?;
        }
        transaction
            .pragma_update(None, "user_version", known_version())
            .map_err(migrating)?;
        transaction
            .pragma_update(None, "application_id", APPLICATION_ID)
            .map_err(migrating)?;
    }
    transaction.commit().map_err(migrating)
}

fn known_version() -> i64 {
    i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX)
}
