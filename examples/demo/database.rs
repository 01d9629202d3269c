//! SQLite connections: one for writing, several for reading, all used off the async worker threads.
//!
//! The pools share nothing: in WAL mode a reader sees its own moment of the file while the writer appends,
//! so that slow reads leave writes as they were; and long histories, read through connections of their
//! own, push no result out of a page cache.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use khive_perf::Context;
use rusqlite::{Connection, OpenFlags};
use tokio::sync::Semaphore;

use crate::demo::error::{Error, Result};

/// The connections to one SQLite file.
#[derive(Clone, Debug)]
pub(crate) struct Database {
    /// Reads sessions and their histories.
    pub(crate) sessions: Pool,
    /// Reads results.
    pub(crate) results: Pool,
    pub(crate) writer: Pool,
}

/// Connections that are lent to one job at a time.
#[derive(Clone, Debug)]
pub(crate) struct Pool {
    idle: Arc<Mutex<Vec<Connection>>>,
    permits: Arc<Semaphore>,
}

/// A connection on loan; goes back when dropped, also when the job panics.
struct Loan {
    idle: Arc<Mutex<Vec<Connection>>>,
    connection: Option<Connection>,
}

const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Pages of the log before a commit copies them into the file: 32 MiB.
const CHECKPOINT_PAGES: u32 = 8192;
const STATEMENTS_CACHED: usize = 32;

const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS sessions (
        id              INTEGER PRIMARY KEY,
        title           TEXT    NOT NULL,
        created_unix_ms INTEGER NOT NULL,
        entries         INTEGER NOT NULL
    );
    CREATE TABLE IF NOT EXISTS history (
        id         INTEGER PRIMARY KEY,
        session_id INTEGER NOT NULL REFERENCES sessions (id),
        seq        INTEGER NOT NULL,
        body       TEXT    NOT NULL
    );
    CREATE UNIQUE INDEX IF NOT EXISTS history_by_session ON history (session_id, seq);
    CREATE TABLE IF NOT EXISTS orchestrations (
        id              INTEGER PRIMARY KEY,
        session_id      INTEGER NOT NULL REFERENCES sessions (id),
        created_unix_ms INTEGER NOT NULL,
        outcome         TEXT    NOT NULL
    );
    CREATE INDEX IF NOT EXISTS orchestrations_by_session ON orchestrations (session_id);
";

// === impl Database ===

impl Database {
    /// Opens the file, creates what is missing, and connects one writer and `readers` readers of each kind.
    pub(crate) fn open(path: &Path, readers: usize) -> Result<Self> {
        let context = |error: rusqlite::Error| {
            Error::internal(format!("cannot open database {}", path.display()), error)
        };
        let writer = Connection::open(path).map_err(context)?;
        prepare(&writer).map_err(context)?;
        writer.execute_batch(SCHEMA).map_err(context)?;
        let readers = || Pool::of_readers(path, readers).map_err(context);
        Ok(Self {
            sessions: readers()?,
            results: readers()?,
            writer: Pool::new(vec![writer]),
        })
    }
}

fn prepare(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_CACHED);
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)
}

// === impl Pool ===

impl Pool {
    fn new(connections: Vec<Connection>) -> Self {
        Self {
            permits: Arc::new(Semaphore::new(connections.len())),
            idle: Arc::new(Mutex::new(connections)),
        }
    }

    fn of_readers(path: &Path, count: usize) -> rusqlite::Result<Self> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let readers = (0..count.max(1)).map(|_| {
            let reader = Connection::open_with_flags(path, flags)?;
            prepare(&reader)?;
            reader.pragma_update(None, "query_only", true)?;
            Ok(reader)
        });
        Ok(Self::new(readers.collect::<rusqlite::Result<_>>()?))
    }

    /// Runs a job with one of the connections on a thread that may block.
    ///
    /// A caller that goes away does not stop the job: a transaction ends as it would have.
    pub(crate) async fn run<R, J>(&self, job: J) -> Result<R>
    where
        R: Send + 'static,
        J: FnOnce(&mut Connection) -> Result<R> + Send + 'static,
    {
        let permit = Arc::clone(&self.permits)
            .acquire_owned()
            .await
            .map_err(|_| Error::busy("the database is shutting down; try again"))?;
        let mut loan = self.lend();
        let context = Context::current();
        tokio::task::spawn_blocking(move || {
            let answer = match &mut loan.connection {
                Some(connection) => context.scope(|| job(connection)),
                None => Err(Error::busy("no database connection is left; try again")),
            };
            drop(loan); // before the permit, so that whoever gets it finds the connection
            drop(permit);
            answer
        })
        .await?
    }

    fn lend(&self) -> Loan {
        let connection = self
            .idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop();
        Loan {
            idle: Arc::clone(&self.idle),
            connection,
        }
    }
}

// === impl Loan ===

impl Drop for Loan {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            self.idle
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(connection);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open() -> (tempfile::TempDir, Database) {
        let dir = tempfile::tempdir().unwrap();
        let database = Database::open(&dir.path().join("demo.sqlite"), 2).unwrap();
        (dir, database)
    }

    #[tokio::test]
    async fn a_reader_cannot_write() {
        let (_dir, database) = open();
        let refused = database
            .sessions
            .run(|connection| Ok(connection.execute("DELETE FROM sessions", [])?))
            .await;
        assert!(refused.unwrap_err().is_internal());
    }

    #[tokio::test]
    async fn a_job_that_panics_gives_its_connection_back() {
        let (_dir, database) = open();
        for _ in 0..3 {
            let failed = database.writer.run::<(), _>(|_| panic!("injected")).await;
            assert!(failed.unwrap_err().is_internal());
        }
        let one: i64 = database
            .writer
            .run(|connection| Ok(connection.query_row("SELECT 1", [], |row| row.get(0))?))
            .await
            .unwrap();
        assert_eq!(one, 1);
    }

    #[test]
    fn a_path_that_cannot_be_opened_is_named_in_the_error() {
        let dir = tempfile::tempdir().unwrap();
        let error = Database::open(dir.path(), 1).unwrap_err();
        assert!(
            error
                .to_string()
                .contains(&dir.path().display().to_string())
        );
    }
}
