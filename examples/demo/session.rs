//! Sessions and their histories in SQLite.

use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::{Connection, OptionalExtension, params};
use serde::{Deserialize, Serialize};

use crate::clock::now_unix_ms;
use crate::demo::database::Database;
use crate::demo::error::{Error, Result};
use crate::demo::inject::Inject;
use crate::demo::score::Finding;

/// One line of a session's history, as it is stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Entry {
    pub(crate) author: String,
    pub(crate) text: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) findings: Vec<Finding>,
}

/// An entry and its place in the history, counted from 1.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Numbered {
    pub(crate) seq: i64,
    #[serde(flatten)]
    pub(crate) entry: Entry,
}

/// A session with the end of its history, oldest entry first.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Session {
    pub(crate) id: i64,
    pub(crate) title: String,
    pub(crate) created_unix_ms: i64,
    pub(crate) entries: i64,
    pub(crate) history: Vec<Numbered>,
}

/// The sessions of one database.
#[derive(Clone, Debug)]
pub(crate) struct SessionStore {
    database: Database,
    inject: Inject,
    retained: Arc<Mutex<Vec<Session>>>,
}

/// How much of a history is read to answer for its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reading {
    /// The wanted entries, found through the index from the end.
    End,
    /// All of them, parsed one by one, most of them for nothing.
    Whole,
}

// === impl SessionStore ===

impl SessionStore {
    pub(crate) fn new(database: Database, inject: Inject) -> Self {
        Self {
            database,
            inject,
            retained: Arc::default(),
        }
    }

    /// Creates a session with the entries it brings along, and returns its id.
    #[khive_perf::measure(name = "session::create", group = "session", err)]
    pub(crate) async fn create(&self, title: String, transcript: Vec<Entry>) -> Result<i64> {
        self.database
            .writer
            .run(move |connection| insert_session(connection, &title, &transcript))
            .await
    }

    /// Loads a session with the last `tail_len` entries of its history.
    #[khive_perf::measure(name = "session::load", group = "session", err)]
    pub(crate) async fn load(&self, id: i64, tail_len: usize) -> Result<Session> {
        let reading = match self.inject {
            Inject::SlowSession => Reading::Whole,
            _ => Reading::End,
        };
        let session = self
            .database
            .sessions
            .run(move |connection| load_session(connection, id, tail_len, reading))
            .await?;
        if self.inject == Inject::Leak {
            self.retain(session.clone());
        }
        Ok(session)
    }

    /// Appends an entry to a session's history and returns its number.
    #[khive_perf::measure(name = "session::append", group = "session", err)]
    pub(crate) async fn append(&self, id: i64, entry: Entry) -> Result<i64> {
        self.database
            .writer
            .run(move |connection| append_history(connection, id, &entry))
            .await
    }

    /// Number of sessions held in memory; 0 unless the leak is switched on.
    pub(crate) fn retained_len(&self) -> usize {
        self.retained
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .len()
    }

    fn retain(&self, session: Session) {
        self.retained
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(session);
    }
}

#[khive_perf::measure(name = "session::insert_session", group = "session", err)]
fn insert_session(connection: &mut Connection, title: &str, transcript: &[Entry]) -> Result<i64> {
    let transaction = connection.transaction()?;
    transaction
        .prepare_cached(
            "INSERT INTO sessions (title, created_unix_ms, entries) VALUES (?1, ?2, ?3)",
        )?
        .execute(params![
            title,
            now_unix_ms(),
            i64::try_from(transcript.len()).unwrap_or(i64::MAX)
        ])?;
    let id = transaction.last_insert_rowid();
    for (seq, entry) in (1_i64..).zip(transcript) {
        insert_entry(&transaction, id, seq, entry)?;
    }
    transaction.commit()?;
    Ok(id)
}

fn load_session(
    connection: &mut Connection,
    id: i64,
    tail_len: usize,
    reading: Reading,
) -> Result<Session> {
    let transaction = connection.transaction()?; // both queries see one moment
    let session = transaction
        .prepare_cached("SELECT title, created_unix_ms, entries FROM sessions WHERE id = ?1")?
        .query_row([id], |row| {
            Ok(Session {
                id,
                title: row.get(0)?,
                created_unix_ms: row.get(1)?,
                entries: row.get(2)?,
                history: Vec::new(),
            })
        })
        .optional()?
        .ok_or_else(|| no_session(id))?;
    let history = load_history(&transaction, id, tail_len, reading)?;
    Ok(Session { history, ..session })
}

/// Reads the last `tail_len` entries of a history, oldest first.
///
/// The answer does not depend on `reading`; what it costs does.
#[khive_perf::measure(name = "session::load_history", group = "session", err)]
fn load_history(
    connection: &Connection,
    id: i64,
    tail_len: usize,
    reading: Reading,
) -> Result<Vec<Numbered>> {
    let mut statement = connection.prepare_cached(
        "SELECT seq, body FROM history WHERE session_id = ?1 ORDER BY seq DESC LIMIT ?2",
    )?;
    let wanted = i64::try_from(tail_len).unwrap_or(i64::MAX);
    let read_len = match reading {
        Reading::End => wanted,
        Reading::Whole => i64::MAX,
    };
    let mut rows = statement.query([id, read_len])?;
    let mut history = Vec::with_capacity(tail_len);
    while let Some(row) = rows.next()? {
        let seq = row.get(0)?;
        let entry = parse_entry(
            row.get_ref(1)?.as_str().map_err(rusqlite::Error::from)?,
            id,
            seq,
        )?;
        history.push(Numbered { seq, entry });
    }
    history.truncate(tail_len);
    history.reverse();
    Ok(history)
}

/// Adds one entry behind the last of its session.
#[khive_perf::measure(name = "session::append_history", group = "session", err)]
fn append_history(connection: &mut Connection, id: i64, entry: &Entry) -> Result<i64> {
    let transaction = connection.transaction()?;
    let seq = transaction
        .prepare_cached(
            "UPDATE sessions SET entries = entries + 1 WHERE id = ?1 RETURNING entries",
        )?
        .query_row([id], |row| row.get(0))
        .optional()?
        .ok_or_else(|| no_session(id))?;
    insert_entry(&transaction, id, seq, entry)?;
    transaction.commit()?;
    Ok(seq)
}

fn insert_entry(connection: &Connection, id: i64, seq: i64, entry: &Entry) -> Result<()> {
    let body = serde_json::to_string(entry)
        .map_err(|error| Error::internal("cannot write a history entry as JSON", error))?;
    connection
        .prepare_cached("INSERT INTO history (session_id, seq, body) VALUES (?1, ?2, ?3)")?
        .execute(params![id, seq, body])?;
    Ok(())
}

fn parse_entry(body: &str, id: i64, seq: i64) -> Result<Entry> {
    serde_json::from_str(body).map_err(|error| {
        Error::internal(
            format!("entry {seq} of session {id} is not what was stored"),
            error,
        )
    })
}

fn no_session(id: i64) -> Error {
    Error::not_found(format!(
        "there is no session {id}; create one with POST /sessions"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store(inject: Inject) -> (tempfile::TempDir, SessionStore) {
        let dir = tempfile::tempdir().unwrap();
        let database = Database::open(&dir.path().join("demo.sqlite"), 2).unwrap();
        (dir, SessionStore::new(database, inject))
    }

    fn entry(text: &str) -> Entry {
        Entry {
            author: "user".into(),
            text: text.into(),
            findings: Vec::new(),
        }
    }

    async fn ten_entries(store: &SessionStore) -> i64 {
        let transcript = (1..=8).map(|n| entry(&format!("line {n}"))).collect();
        let id = store.create("ten".into(), transcript).await.unwrap();
        assert_eq!(store.append(id, entry("line 9")).await.unwrap(), 9);
        assert_eq!(store.append(id, entry("line 10")).await.unwrap(), 10);
        id
    }

    #[tokio::test]
    async fn loading_returns_the_end_of_the_history_oldest_first() {
        let (_dir, store) = store(Inject::None);
        let id = ten_entries(&store).await;
        let session = store.load(id, 3).await.unwrap();
        assert_eq!(session.entries, 10);
        let texts: Vec<_> = session
            .history
            .iter()
            .map(|line| line.entry.text.as_str())
            .collect();
        assert_eq!(texts, ["line 8", "line 9", "line 10"]);
        assert_eq!(session.history[0].seq, 8);
    }

    #[tokio::test]
    async fn the_slow_load_answers_like_the_quick_one_after_reading_everything() {
        let (_dir, store) = store(Inject::None);
        let id = ten_entries(&store).await;
        let slow = SessionStore {
            inject: Inject::SlowSession,
            ..store.clone()
        };
        assert_eq!(
            store.load(id, 3).await.unwrap(),
            slow.load(id, 3).await.unwrap()
        );
        // An entry beyond the wanted end, made unreadable, is noticed by who reads it only.
        store
            .database
            .writer
            .run(move |connection| {
                Ok(connection.execute(
                    "UPDATE history SET body = 'x' WHERE session_id = ?1 AND seq = 1",
                    [id],
                )?)
            })
            .await
            .unwrap();
        assert!(store.load(id, 3).await.is_ok());
        assert!(slow.load(id, 3).await.unwrap_err().is_internal());
    }

    #[tokio::test]
    async fn only_the_leak_keeps_what_was_loaded() {
        let (_dir, store) = store(Inject::None);
        let id = ten_entries(&store).await;
        let leaking = SessionStore {
            inject: Inject::Leak,
            ..store.clone()
        };
        store.load(id, 3).await.unwrap();
        assert_eq!(store.retained_len(), 0);
        leaking.load(id, 3).await.unwrap();
        leaking.load(id, 3).await.unwrap();
        assert_eq!(leaking.retained_len(), 2);
    }

    #[tokio::test]
    async fn concurrent_appends_number_the_history_without_gaps() {
        let (_dir, store) = store(Inject::None);
        let id = store.create("busy".into(), Vec::new()).await.unwrap();
        let mut tasks = tokio::task::JoinSet::new();
        for n in 0..50 {
            let store = store.clone();
            tasks.spawn(async move { store.append(id, entry(&n.to_string())).await.unwrap() });
        }
        let mut seqs = tasks.join_all().await;
        seqs.sort_unstable();
        assert_eq!(seqs, (1..=50).collect::<Vec<_>>());
        assert_eq!(store.load(id, 100).await.unwrap().history.len(), 50);
    }

    #[tokio::test]
    async fn an_unknown_session_is_not_found() {
        let (_dir, store) = store(Inject::None);
        assert!(store.load(7, 3).await.unwrap_err().is_not_found());
        assert!(
            store
                .append(7, entry("lost"))
                .await
                .unwrap_err()
                .is_not_found()
        );
    }
}
