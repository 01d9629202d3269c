//! Summaries of runs and the steps found in them, in SQL.

use rusqlite::{OptionalExtension, TransactionBehavior, params};

use crate::error::Error;
use crate::model::{CallsiteKey, Metric, Summary};
use crate::store::history::{History, HistoryPoint, KnownStep, Scope};
use crate::store::row::failed;
use crate::store::sqlite::Sqlite;

impl Sqlite {
    /// Complete runs that have no summary yet, oldest first.
    pub(crate) fn unsummarised(&self) -> Result<Vec<i64>, Error> {
        let reading = |error| failed(&self.path, "reading the runs of", error);
        let mut statement = self
            .connection
            .prepare_cached(
                "SELECT id FROM run WHERE summarised = 0 AND status = 'complete' ORDER BY id",
            )
            .map_err(reading)?;
        let rows = statement.query_map([], |row| row.get(0)).map_err(reading)?;
        rows.collect::<Result<_, _>>().map_err(reading)
    }

    pub(crate) fn summarise(
        &mut self,
        run: i64,
        summaries: &[(CallsiteKey, Summary)],
    ) -> Result<(), Error> {
        let writing = |error| failed(&self.path, "summarising a run of", error);
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(writing)?;
        let write = || -> rusqlite::Result<()> {
            transaction.execute("DELETE FROM summary WHERE run_id = ?1", [run])?;
            for (key, Summary(values)) in summaries {
                let callsite: i64 = transaction
                    .prepare_cached(
                        "INSERT INTO callsite (service, callsite_group, name) VALUES (?1, ?2, ?3)
                         ON CONFLICT DO UPDATE SET name = excluded.name RETURNING id",
                    )?
                    .query_row(params![key.service, key.group, key.name], |row| row.get(0))?;
                let mut statement = transaction.prepare_cached(
                    "INSERT INTO summary VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
                )?;
                statement.raw_bind_parameter(1, callsite)?;
                statement.raw_bind_parameter(2, run)?;
                for (position, value) in (3..).zip(values) {
                    statement.raw_bind_parameter(position, value)?;
                }
                statement.raw_execute()?;
            }
            transaction.execute("UPDATE run SET summarised = 1 WHERE id = ?1", [run])?;
            Ok(())
        };
        write().map_err(writing)?;
        transaction.commit().map_err(writing)
    }

    pub(crate) fn history(&self, metric: Metric, scope: &Scope) -> Result<Vec<History>, Error> {
        let reading = |error| failed(&self.path, "reading the history of", error);
        // The column's name is one of a fixed few.
        let select = format!(
            "SELECT service, callsite_group, callsite.name, run_id, started_unix_ns, {column}
             FROM callsite
             JOIN summary ON summary.callsite_id = callsite.id
             JOIN run ON run.id = summary.run_id
             WHERE {column} IS NOT NULL AND status = 'complete'
               AND (?1 IS NULL OR run.name = ?1 OR run.name GLOB ?1)
               AND (?2 IS NULL OR service = ?2)
               AND (?3 IS NULL OR callsite.name = ?3 OR callsite.name GLOB ?3)
               AND (?4 IS NULL OR EXISTS (SELECT 1 FROM resource WHERE resource.run_id = run.id
                    AND json_extract(attributes, '$.\"vcs.ref.head.name\"') = ?4))
             ORDER BY service, callsite_group, callsite.name, started_unix_ns, run_id",
            column = metric.as_str(),
        );
        let mut statement = self.connection.prepare_cached(&select).map_err(reading)?;
        let mut rows = statement
            .query(params![
                scope.runs,
                scope.service,
                scope.callsite,
                scope.branch
            ])
            .map_err(reading)?;
        let mut all: Vec<History> = Vec::new();
        while let Some(row) = rows.next().map_err(reading)? {
            let text = |column: usize| {
                let text = row.get_ref(column)?.as_str();
                text.map_err(rusqlite::Error::from)
            };
            let names = [0, 1, 2].map(text);
            let [service, group, name] = names;
            let (service, group, name) = (
                service.map_err(reading)?,
                group.map_err(reading)?,
                name.map_err(reading)?,
            );
            let point = HistoryPoint {
                run: row.get(3).map_err(reading)?,
                started_unix_ns: row.get(4).map_err(reading)?,
                value: row.get(5).map_err(reading)?,
            };
            let same = all.last_mut().filter(|history| {
                let key = &history.key;
                key.name == name && key.group == group && key.service == service
            });
            match same {
                Some(history) => history.points.push(point),
                None => all.push(History {
                    key: CallsiteKey {
                        service: service.to_owned(),
                        group: group.to_owned(),
                        name: name.to_owned(),
                    },
                    metric,
                    points: vec![point],
                }),
            }
        }
        Ok(all)
    }

    pub(crate) fn known_steps(
        &self,
        key: &CallsiteKey,
        metric: Metric,
        scope: &Scope,
    ) -> Result<Vec<KnownStep>, Error> {
        let reading = |error| failed(&self.path, "reading the steps of", error);
        let mut statement = self
            .connection
            .prepare_cached(
                "SELECT step.id, run_id, rises, state FROM step
                 JOIN callsite ON callsite.id = callsite_id
                 WHERE service = ?1 AND callsite_group = ?2 AND name = ?3
                   AND metric = ?4 AND scope = ?5 ORDER BY run_id, step.id",
            )
            .map_err(reading)?;
        let rows = statement
            .query_map(
                params![
                    key.service,
                    key.group,
                    key.name,
                    metric.as_str(),
                    scope.as_text()
                ],
                |row| {
                    Ok(KnownStep {
                        id: row.get(0)?,
                        run: row.get(1)?,
                        rises: row.get(2)?,
                        state: row.get(3)?,
                    })
                },
            )
            .map_err(reading)?;
        rows.collect::<Result<_, _>>().map_err(reading)
    }

    pub(crate) fn remember_steps(
        &mut self,
        key: &CallsiteKey,
        metric: Metric,
        scope: &Scope,
        steps: &[KnownStep],
    ) -> Result<(), Error> {
        let writing = |error| failed(&self.path, "remembering the steps of", error);
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(writing)?;
        let write = || -> rusqlite::Result<()> {
            let callsite: Option<i64> = transaction
                .query_row(
                    "SELECT id FROM callsite WHERE service = ?1 AND callsite_group = ?2 AND name = ?3",
                    params![key.service, key.group, key.name],
                    |row| row.get(0),
                )
                .optional()?;
            for step in steps {
                transaction
                    .prepare_cached(
                        "INSERT INTO step (id, callsite_id, metric, scope, run_id, rises, state)
                         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
                         ON CONFLICT (id) DO UPDATE SET run_id = excluded.run_id, state = excluded.state",
                    )?
                    .execute(params![
                        step.id,
                        callsite,
                        metric.as_str(),
                        scope.as_text(),
                        step.run,
                        step.rises,
                        step.state,
                    ])?;
            }
            Ok(())
        };
        write().map_err(writing)?;
        transaction.commit().map_err(writing)
    }
}
