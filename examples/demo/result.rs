//! Outcomes of orchestrations in SQLite, kept as the JSON that was answered.

use rusqlite::{OptionalExtension, params};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::clock::now_unix_ms;
use crate::demo::database::Database;
use crate::demo::error::{Error, Result};
use crate::demo::orchestration::Outcome;

/// The outcomes of one database.
#[derive(Clone, Debug)]
pub(crate) struct ResultStore {
    database: Database,
}

/// An outcome as it was stored.
#[derive(Debug, Serialize)]
pub(crate) struct Stored {
    pub(crate) id: i64,
    pub(crate) session: i64,
    pub(crate) created_unix_ms: i64,
    pub(crate) outcome: Box<RawValue>,
}

// === impl ResultStore ===

impl ResultStore {
    pub(crate) fn new(database: Database) -> Self {
        Self { database }
    }

    /// Stores an outcome and returns it with its id.
    #[khive_perf::measure(name = "result::save", group = "orchestration", err)]
    pub(crate) async fn save(&self, session: i64, outcome: &Outcome) -> Result<Stored> {
        let outcome = serde_json::value::to_raw_value(outcome)
            .map_err(|error| Error::internal("cannot write an outcome as JSON", error))?;
        self.database
            .writer
            .run(move |connection| {
                let created_unix_ms = now_unix_ms();
                connection
                    .prepare_cached(
                        "INSERT INTO orchestrations (session_id, created_unix_ms, outcome)
                         VALUES (?1, ?2, ?3)",
                    )?
                    .execute(params![session, created_unix_ms, outcome.get()])?;
                Ok(Stored {
                    id: connection.last_insert_rowid(),
                    session,
                    created_unix_ms,
                    outcome,
                })
            })
            .await
    }

    /// Finds an outcome.
    #[khive_perf::measure(name = "result::find", group = "orchestration", err)]
    pub(crate) async fn find(&self, id: i64) -> Result<Stored> {
        self.database
            .results
            .run(move |connection| {
                let (session, created_unix_ms, outcome) = connection
                    .prepare_cached(
                        "SELECT session_id, created_unix_ms, outcome
                         FROM orchestrations WHERE id = ?1",
                    )?
                    .query_row([id], |row| {
                        Ok((row.get(0)?, row.get(1)?, row.get::<_, String>(2)?))
                    })
                    .optional()?
                    .ok_or_else(|| Error::not_found(format!("there is no orchestration {id}")))?;
                let outcome = RawValue::from_string(outcome).map_err(|error| {
                    Error::internal(format!("outcome {id} is not what was stored"), error)
                })?;
                Ok(Stored {
                    id,
                    session,
                    created_unix_ms,
                    outcome,
                })
            })
            .await
    }
}
