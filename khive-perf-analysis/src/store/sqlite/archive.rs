//! Whole runs, point by point, out of a database and into another one.

use std::collections::BTreeMap;

use rusqlite::params;

use crate::error::Error;
use crate::points::{MetricPoints, Point, ResourcePoints};
use crate::store::row::{failed, integer, json};
use crate::store::sqlite::Sqlite;
use crate::store::{RunPoints, SERIES_MAX_PER_RUN, SeriesTotal, Target};

impl Sqlite {
    /// Every point of a run, by resource and metric; in an order that says nothing of how they came.
    pub(crate) fn points(&self, run: i64) -> Result<Vec<ResourcePoints>, Error> {
        let reading = |error| failed(&self.path, "reading a run of", error);
        let mut by_resource: BTreeMap<String, ResourcePoints> = BTreeMap::new();
        self.for_each_row(run, "point", |_, row| {
            let key = json(&row.resource);
            let resource = by_resource.entry(key).or_insert_with(|| ResourcePoints {
                resource: row.resource.clone(),
                metrics: Vec::new(),
            });
            add(&mut resource.metrics, row);
        })
        .map_err(reading)?;
        Ok(by_resource.into_values().collect())
    }

    /// Puts runs in, all or none.
    pub(crate) fn restore(&mut self, runs: &[&RunPoints]) -> Result<(), Error> {
        let has_baseline = !self.baseline()?.is_empty();
        let appended = self.append_with("storing runs in", |append| {
            for run in runs {
                let id = insert(append.transaction, run)?;
                if run.baseline && !has_baseline {
                    append
                        .transaction
                        .prepare_cached("INSERT INTO baseline (run_id) VALUES (?1)")?
                        .execute([id])?;
                }
                for resource in &run.resources {
                    append.resource(Target::Run(id), resource)?;
                }
                for spans in &run.spans {
                    append.restored_spans(id, spans)?;
                }
                for logs in &run.logs {
                    append.restored_logs(id, logs)?;
                }
            }
            Ok(append.appended.rejected == 0)
        })?;
        if appended.rejected > 0 {
            let says = format!("a run has more than {SERIES_MAX_PER_RUN} series; split it");
            return Err(Error::refused(says));
        }
        Ok(())
    }
}

fn insert(transaction: &rusqlite::Transaction<'_>, run: &RunPoints) -> rusqlite::Result<i64> {
    let command = (!run.command.is_empty()).then(|| serde_json::json!(run.command).to_string());
    transaction
        .prepare_cached(
            "INSERT INTO run (name, source, status, started_unix_ns, ended_unix_ns, command, exit_code)
             VALUES (?1, 'run', ?2, ?3, ?4, ?5, ?6)",
        )?
        .execute(params![
            run.name,
            run.status.as_str(),
            integer(run.started_unix_ns),
            run.ended_unix_ns.map(integer),
            command,
            run.exit_code,
        ])?;
    Ok(transaction.last_insert_rowid())
}

/// Adds one row to the points of its metric. Those of one metric come together.
fn add(metrics: &mut Vec<MetricPoints>, row: SeriesTotal) {
    let point = Point {
        attributes: row.attributes,
        start_unix_ns: row.start_unix_ns,
        time_unix_ns: row.time_unix_ns,
        value: row.value,
    };
    let metric = MetricPoints {
        scope_name: row.scope_name,
        scope_version: row.scope_version,
        scope_attributes: row.scope_attributes,
        name: row.metric,
        unit: row.unit,
        kind: row.kind,
        temporality: row.temporality,
        monotonic: row.monotonic,
        points: Vec::new(),
    };
    match metrics
        .iter_mut()
        .rev()
        .find(|known| is_same(known, &metric))
    {
        Some(known) => known.points.push(point),
        None => metrics.push(MetricPoints {
            points: vec![point],
            ..metric
        }),
    }
}

/// Whether points of both are of one metric.
fn is_same(a: &MetricPoints, b: &MetricPoints) -> bool {
    let texts = |of: &MetricPoints| {
        [&of.name, &of.unit, &of.scope_name, &of.scope_version].map(String::clone)
    };
    let rest = |of: &MetricPoints| (of.kind, of.temporality, of.monotonic);
    texts(a) == texts(b) && rest(a) == rest(b) && a.scope_attributes == b.scope_attributes
}
