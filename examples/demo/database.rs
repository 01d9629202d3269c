//! SQLite connections, each on a thread of its own: one for writing, several for reading.
//!
//! The pools share nothing, not even threads. In WAL mode a reader sees its own moment of the file while the
//! writer appends; long histories, read through connections of their own, push no result out of a page
//! cache; and a thread that has computed for long, and is put off by the scheduler for it, is not the one
//! that the next write waits for.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::Duration;

use khive_perf::Context;
use rusqlite::{Connection, OpenFlags};
use tokio::sync::{Semaphore, oneshot};

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

/// Connections that take jobs from one queue; their threads end when the last clone is dropped.
#[derive(Clone, Debug)]
pub(crate) struct Pool {
    jobs: mpsc::Sender<Job>,
    places: Arc<Semaphore>,
}

type Job = Box<dyn FnOnce(&mut Connection) + Send>;

/// Jobs that a pool has under way or waiting; more are refused.
const JOBS_MAX: usize = 1024;
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
        let context = |error| cannot_open(path, error);
        let writer = Connection::open(path).map_err(context)?;
        prepare(&writer).map_err(context)?;
        writer.execute_batch(SCHEMA).map_err(context)?;
        let readers = |name| Pool::of_readers(name, path, readers);
        Ok(Self {
            sessions: readers("sessions")?,
            results: readers("results")?,
            writer: Pool::start("writer", vec![writer])?,
        })
    }
}

#[cold]
fn cannot_open(path: &Path, error: rusqlite::Error) -> Error {
    Error::internal(format!("cannot open database {}", path.display()), error)
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
    fn of_readers(name: &str, path: &Path, count: usize) -> Result<Self> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let readers = (0..count.max(1)).map(|_| {
            let reader = Connection::open_with_flags(path, flags)?;
            prepare(&reader)?;
            reader.pragma_update(None, "query_only", true)?;
            Ok(reader)
        });
        let readers = readers
            .collect::<rusqlite::Result<_>>()
            .map_err(|error| cannot_open(path, error))?;
        Self::start(name, readers)
    }

    /// One thread for each connection.
    fn start(name: &str, connections: Vec<Connection>) -> Result<Self> {
        let (jobs, queue) = mpsc::channel();
        let queue = Arc::new(Mutex::new(queue));
        for connection in connections {
            let queue = Arc::clone(&queue);
            std::thread::Builder::new()
                .name(format!("demo-{name}"))
                .spawn(move || work(connection, &queue))
                .map_err(|error: io::Error| {
                    Error::internal("cannot start a database thread", error)
                })?;
        }
        Ok(Self {
            jobs,
            places: Arc::new(Semaphore::new(JOBS_MAX)),
        })
    }

    /// Runs a job with one of the connections.
    ///
    /// A caller that goes away does not stop the job: a transaction ends as it would have.
    pub(crate) async fn run<R, J>(&self, job: J) -> Result<R>
    where
        R: Send + 'static,
        J: FnOnce(&mut Connection) -> Result<R> + Send + 'static,
    {
        let place = Arc::clone(&self.places)
            .try_acquire_owned()
            .map_err(|_| Error::busy("too many requests wait for the database; try again"))?;
        let (answer, answered) = oneshot::channel();
        let context = Context::current();
        let job: Job = Box::new(move |connection| {
            let result = context.scope(|| job(connection));
            drop(place);
            let _ = answer.send(result); // a caller that went away needs no answer
        });
        self.jobs
            .send(job)
            .map_err(|_| Error::busy("the database threads have ended; restart the service"))?;
        answered
            .await
            .map_err(|failed| Error::internal("a database job did not finish", failed))?
    }
}

/// Takes jobs until nobody can send any more. A job that panics leaves no answer, and the thread goes on.
fn work(mut connection: Connection, queue: &Mutex<mpsc::Receiver<Job>>) {
    loop {
        // Whoever holds the lock waits for a job; the others wait for the lock.
        let next = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = next else {
            return;
        };
        // An open transaction was rolled back while unwinding; the statement cache holds no state of it.
        let _ = catch_unwind(AssertUnwindSafe(|| job(&mut connection)));
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
    async fn a_job_that_panics_leaves_its_connection_in_use() {
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

    /// Goal: a queue that is full refuses rather than grows. Method: all places but one are taken.
    #[tokio::test]
    async fn a_job_beyond_the_limit_is_refused_at_once() {
        let (_dir, database) = open();
        let taken = database
            .writer
            .places
            .try_acquire_many(u32::try_from(JOBS_MAX - 1).unwrap())
            .unwrap();
        assert!(database.writer.run(|_| Ok(())).await.is_ok());
        let last = database.writer.places.try_acquire().unwrap();
        let refused = database.writer.run(|_| Ok(())).await.unwrap_err();
        assert!(refused.to_string().contains("too many requests"));
        drop((taken, last));
        assert!(database.writer.run(|_| Ok(())).await.is_ok());
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
