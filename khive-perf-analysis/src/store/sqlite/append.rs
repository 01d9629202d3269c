//! Puts the points of one batch into one transaction.

use std::collections::HashMap;

use rusqlite::{OptionalExtension, Transaction, params};

use crate::clock;
use crate::points::{self, Kind, MetricPoints, Point, ResourcePoints, Temporality, Value};
use crate::store::sqlite::row::{self, Columns, integer, json};
use crate::store::{Appended, SERIES_MAX_PER_RUN, Target, UNKNOWN_SERVICE, total};

/// The points of one batch on their way into one transaction.
pub(crate) struct Append<'a> {
    pub(crate) transaction: &'a Transaction<'a>,
    /// Number of series by run, for the limit.
    pub(crate) series: &'a mut HashMap<i64, u64>,
    pub(crate) appended: &'a mut Appended,
}

impl Append<'_> {
    pub(crate) fn resource(
        &mut self,
        target: Target,
        points: &ResourcePoints,
    ) -> rusqlite::Result<()> {
        if points.metrics.iter().all(|metric| metric.points.is_empty()) {
            return Ok(());
        }
        let run = match target {
            Target::Run(run) => run,
            Target::PerInstance => self.instance_run(points)?,
        };
        if !self.appended.runs.contains(&run) {
            self.appended.runs.push(run);
        }
        let attributes = json(&points.resource);
        let resource: i64 = self
            .transaction
            .prepare_cached(
                "INSERT INTO resource (run_id, attributes) VALUES (?1, ?2)
                 ON CONFLICT DO UPDATE SET attributes = excluded.attributes RETURNING id",
            )?
            .query_row(params![run, attributes], |row| row.get(0))?;
        for metric in &points.metrics {
            for point in &metric.points {
                match self.series(run, resource, metric, point)? {
                    Some(series) => self.point(series, metric, point)?,
                    None => self.appended.rejected += 1,
                }
            }
        }
        Ok(())
    }

    /// The run of the service instance, created or opened again where needed.
    fn instance_run(&self, points: &ResourcePoints) -> rusqlite::Result<i64> {
        let text = |key: &str| points.resource.get(key).map(points::text);
        let service = text("service.name").unwrap_or_else(|| UNKNOWN_SERVICE.into());
        let instance = text("service.instance.id").unwrap_or_default();
        let starts = points.metrics.iter().flat_map(|metric| &metric.points);
        let started = starts
            .map(|point| point.start_unix_ns)
            .filter(|&start| start > 0)
            .min();
        self.transaction
            .prepare_cached(
                "INSERT INTO run (name, source, status, started_unix_ns, service_name, service_instance_id)
                 VALUES (?1, 'serve', 'open', ?3, ?1, ?2)
                 ON CONFLICT (service_name, service_instance_id) WHERE source = 'serve'
                 DO UPDATE SET status = 'open', ended_unix_ns = NULL RETURNING id",
            )?
            .query_row(
                params![service, instance, integer(started.unwrap_or_else(clock::unix_now_ns))],
                |row| row.get(0),
            )
    }

    /// The series a point belongs to, or `None` where the run may have no more.
    fn series(
        &mut self,
        run: i64,
        resource: i64,
        metric: &MetricPoints,
        point: &Point,
    ) -> rusqlite::Result<Option<i64>> {
        let attributes = json(&point.attributes);
        let scope_attributes = json(&metric.scope_attributes);
        let identity = params![
            resource,
            metric.name,
            attributes,
            metric.scope_name,
            metric.scope_version,
            scope_attributes,
            metric.unit,
            metric.kind.as_str(),
            metric.temporality.as_str(),
            metric.monotonic,
        ];
        let known = self
            .transaction
            .prepare_cached(
                "SELECT id FROM series WHERE resource_id = ?1 AND metric = ?2 AND attributes = ?3
                 AND scope_name = ?4 AND scope_version = ?5 AND scope_attributes = ?6
                 AND unit = ?7 AND kind = ?8 AND temporality = ?9 AND monotonic = ?10",
            )?
            .query_row(identity, |row| row.get(0))
            .optional()?;
        if known.is_some() {
            return Ok(known);
        }
        if self.series_count(run)? >= SERIES_MAX_PER_RUN {
            return Ok(None);
        }
        self.transaction
            .prepare_cached(
                "INSERT INTO series (resource_id, metric, attributes, scope_name, scope_version,
                                     scope_attributes, unit, kind, temporality, monotonic)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
            )?
            .execute(identity)?;
        *self.series.entry(run).or_default() += 1;
        Ok(Some(self.transaction.last_insert_rowid()))
    }

    fn series_count(&mut self, run: i64) -> rusqlite::Result<u64> {
        if let Some(&count) = self.series.get(&run) {
            return Ok(count);
        }
        let count = self
            .transaction
            .prepare_cached(
                "SELECT count(*) FROM series JOIN resource ON resource.id = resource_id WHERE run_id = ?1",
            )?
            .query_row([run], |row| row.get(0))?;
        self.series.insert(run, count);
        Ok(count)
    }

    /// Deltas are all kept. Of cumulative points with one start the latest says everything, and of
    /// gauges the latest is all that is asked for; so those replace what they make obsolete.
    fn point(&mut self, series: i64, metric: &MetricPoints, point: &Point) -> rusqlite::Result<()> {
        let replaced = match metric.temporality {
            Temporality::Delta => None,
            Temporality::Instant => self.latest(series, None)?,
            Temporality::Cumulative => self.latest(series, Some(point.start_unix_ns))?,
        };
        let Some((id, latest, value)) = replaced else {
            return self.insert(series, point);
        };
        if integer(point.time_unix_ns) <= latest {
            self.appended.repeated += 1;
            return Ok(());
        }
        let counts = metric.monotonic || !matches!(metric.kind, Kind::Sum | Kind::Gauge);
        if !(counts && total::is_reset(&value, &point.value)) {
            self.transaction
                .prepare_cached("DELETE FROM point WHERE id = ?1")?
                .execute([id])?;
        }
        self.insert(series, point)
    }

    fn latest(
        &self,
        series: i64,
        start: Option<u64>,
    ) -> rusqlite::Result<Option<(i64, i64, Value)>> {
        self.transaction
            .prepare_cached(
                "SELECT id, time_unix_ns, value_int, value_double, count, sum, min, max,
                        scale, zero_count, zero_threshold, bounds, buckets
                 FROM point WHERE series_id = ?1 AND (?2 IS NULL OR start_unix_ns = ?2)
                 ORDER BY time_unix_ns DESC LIMIT 1",
            )?
            .query_row(params![series, start.map(integer)], |row| {
                Ok((row.get(0)?, row.get(1)?, row::value(row, 2)?))
            })
            .optional()
    }

    fn insert(&mut self, series: i64, point: &Point) -> rusqlite::Result<()> {
        let columns = Columns::of(&point.value);
        let inserted = self
            .transaction
            .prepare_cached(
                "INSERT INTO point (series_id, start_unix_ns, time_unix_ns, value_int, value_double,
                                    count, sum, min, max, scale, zero_count, zero_threshold,
                                    bounds, buckets)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)
                 ON CONFLICT (series_id, start_unix_ns, time_unix_ns) DO NOTHING",
            )?
            .execute(params![
                series,
                integer(point.start_unix_ns),
                integer(point.time_unix_ns),
                columns.value_int,
                columns.value_double,
                columns.count,
                columns.sum,
                columns.min,
                columns.max,
                columns.scale,
                columns.zero_count,
                columns.zero_threshold,
                columns.bounds,
                columns.buckets,
            ])?;
        if inserted == 0 {
            self.appended.repeated += 1;
        } else {
            self.appended.stored += 1;
        }
        Ok(())
    }
}
