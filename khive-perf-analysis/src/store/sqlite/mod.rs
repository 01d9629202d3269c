//! The only place with SQL: `schema` opens and migrates, `append` writes points, the rest is here.
//!
//! The journal is a write-ahead log with `synchronous = NORMAL`: what was committed survives the death of
//! this process at any moment; a power cut may take the last transactions, never the file.

mod append;
mod row;
mod schema;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, ErrorCode, TransactionBehavior, params};

use crate::error::Error;
use crate::points::Batch;
use crate::store::sqlite::append::Append;
use crate::store::sqlite::row::integer;
use crate::store::{Appended, Ending, NewRun, RunInfo, SeriesTotal, Target};

/// An open database.
pub(crate) struct Sqlite {
    path: PathBuf,
    connection: Connection,
    /// Number of series by run, for the limit.
    series: HashMap<i64, u64>,
}

// === impl Sqlite ===

impl Sqlite {
    pub(crate) fn open(path: &Path) -> Result<Self, Error> {
        let connection = schema::open(path)?;
        Ok(Self {
            path: path.to_owned(),
            connection,
            series: HashMap::new(),
        })
    }

    pub(crate) fn create_run(&self, run: &NewRun) -> Result<i64, Error> {
        let command = (!run.command.is_empty()).then(|| serde_json::json!(run.command).to_string());
        self.connection
            .execute(
                "INSERT INTO run (name, source, status, started_unix_ns, command)
                 VALUES (?1, 'run', 'open', ?2, ?3)",
                params![run.name, integer(run.started_unix_ns), command],
            )
            .map_err(|error| failed(&self.path, "creating a run in", error))?;
        Ok(self.connection.last_insert_rowid())
    }

    pub(crate) fn finish_run(&self, id: i64, ending: Ending) -> Result<(), Error> {
        let changed = self
            .connection
            .execute(
                "UPDATE run SET status = ?2, ended_unix_ns = ?3, exit_code = ?4 WHERE id = ?1",
                params![
                    id,
                    ending.status.as_str(),
                    integer(ending.ended_unix_ns),
                    ending.exit_code
                ],
            )
            .map_err(|error| failed(&self.path, "ending a run in", error))?;
        if changed == 0 {
            Err(Error::no_run(&self.path, format!("#{id}")))
        } else {
            Ok(())
        }
    }

    pub(crate) fn complete_served(&self) -> Result<(), Error> {
        self.connection
            .execute(
                "UPDATE run SET status = 'complete', ended_unix_ns =
                    (SELECT max(time_unix_ns) FROM resource
                     JOIN series ON series.resource_id = resource.id
                     JOIN point ON point.series_id = series.id
                     WHERE resource.run_id = run.id)
                 WHERE source = 'serve' AND status = 'open'",
                [],
            )
            .map_err(|error| failed(&self.path, "ending the runs of", error))?;
        Ok(())
    }

    pub(crate) fn append(&mut self, target: Target, batch: &Batch) -> Result<Appended, Error> {
        let Self {
            path,
            connection,
            series,
        } = self;
        let mut appended = Appended::default();
        let result = connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .and_then(|transaction| {
                let mut append = Append {
                    transaction: &transaction,
                    series,
                    appended: &mut appended,
                };
                for resource in &batch.resources {
                    append.resource(target, resource)?;
                }
                transaction.commit()
            });
        match result {
            Ok(()) => Ok(appended),
            Err(error) => {
                // What was counted may have been rolled back.
                series.clear();
                Err(failed(path, "storing points in", error))
            }
        }
    }

    pub(crate) fn runs(&self, pattern: Option<&str>) -> Result<Vec<RunInfo>, Error> {
        self.select_runs(
            "WHERE ?1 IS NULL OR name = ?1 OR name GLOB ?1 OR '#' || id = ?1",
            &pattern,
        )
    }

    pub(crate) fn run(&self, id: i64) -> Result<RunInfo, Error> {
        let mut runs = self.select_runs("WHERE id = ?1", &id)?;
        runs.pop()
            .ok_or_else(|| Error::no_run(&self.path, format!("#{id}")))
    }

    fn select_runs(
        &self,
        condition: &str,
        parameter: &dyn rusqlite::ToSql,
    ) -> Result<Vec<RunInfo>, Error> {
        let select = format!(
            "SELECT id, name, status, started_unix_ns, ended_unix_ns, command, exit_code,
                    (SELECT count(*) FROM series JOIN resource ON resource.id = resource_id
                     WHERE run_id = run.id),
                    (SELECT json_group_array(json(attributes)) FROM
                     (SELECT attributes FROM resource WHERE run_id = run.id ORDER BY id))
             FROM run {condition} ORDER BY started_unix_ns, id"
        );
        let reading = |error| failed(&self.path, "reading the runs of", error);
        let mut statement = self.connection.prepare_cached(&select).map_err(reading)?;
        let rows = statement
            .query_map([parameter], row::run_info)
            .map_err(reading)?;
        rows.collect::<Result<_, _>>().map_err(reading)
    }

    /// Every series of a run, in the order of metric, attributes and first appearance.
    pub(crate) fn series(&self, run: i64) -> Result<Vec<SeriesTotal>, Error> {
        let reading = |error| failed(&self.path, "reading a run of", error);
        let mut statement = self
            .connection
            .prepare_cached(
                "SELECT series.id, resource.attributes, scope_name, scope_version,
                        scope_attributes, metric, unit, kind, temporality, monotonic, series.attributes,
                        start_unix_ns, time_unix_ns, value_int, value_double, count, sum, min, max,
                        scale, zero_count, zero_threshold, bounds, buckets
                 FROM resource
                 JOIN series ON series.resource_id = resource.id
                 JOIN point ON point.series_id = series.id
                 WHERE resource.run_id = ?1
                 ORDER BY metric, series.attributes, series.id, time_unix_ns, start_unix_ns",
            )
            .map_err(reading)?;
        let mut rows = statement.query([run]).map_err(reading)?;
        let mut all: Vec<SeriesTotal> = Vec::new();
        let mut last = None;
        while let Some(row) = rows.next().map_err(reading)? {
            let id: i64 = row.get(0).map_err(reading)?;
            let point = row::series_total(row).map_err(reading)?;
            match all.last_mut().filter(|_| last == Some(id)) {
                Some(series) => row::add_later(series, &point),
                None => all.push(point),
            }
            last = Some(id);
        }
        Ok(all)
    }
}

/// What an error of SQLite means to whoever asked.
pub(crate) fn failed(path: &Path, doing: &'static str, error: rusqlite::Error) -> Error {
    match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => Error::not_ours(path, "it is not an SQLite file"),
        Some(ErrorCode::DatabaseCorrupt) => Error::corrupt(path, error.to_string()),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Error::busy(path, error),
        _ if matches!(error, rusqlite::Error::FromSqlConversionFailure(..)) => {
            Error::corrupt(path, error.to_string())
        }
        _ => Error::storage(path, doing, error),
    }
}
