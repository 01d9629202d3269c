//! Log records, and how many there were, in SQL.
//!
//! A record that is new is counted by its severity, in the same transaction, so that one that comes again changes nothing.
//! Of each run the newest records are kept, and those that warn longer than those that do not.

use std::collections::BTreeMap;

use rusqlite::params;

use crate::error::Error;
use crate::points::logs::{LogRecord, ResourceLogs, WARNING};
use crate::points::{Attributes, Kind, MetricPoints, Point, Temporality, Value};
use crate::store::row::{failed, integer, json, parse};
use crate::store::sqlite::{Append, Sqlite};
use crate::store::{Appended, LOG_RECORDS, LOGS_MAX_PER_RUN, Target};

impl Sqlite {
    pub(crate) fn append_logs(
        &mut self,
        target: Target,
        resources: &[ResourceLogs],
    ) -> Result<Appended, Error> {
        self.append_with("storing log records in", |append| {
            for resource in resources {
                append.logs(target, resource)?;
            }
            Ok(true)
        })
    }

    /// The log records that are kept of a run, by resource, in the order of their time.
    pub(crate) fn logs(&self, run: i64) -> Result<Vec<ResourceLogs>, Error> {
        let reading = |error| failed(&self.path, "reading the log records of", error);
        let mut statement = self
            .connection
            .prepare_cached(
                "SELECT resource.attributes, time_unix_ns, severity, event, body, log.attributes
                 FROM resource JOIN log ON log.resource_id = resource.id
                 WHERE resource.run_id = ?1
                 ORDER BY resource.attributes, time_unix_ns, fingerprint",
            )
            .map_err(reading)?;
        let rows = statement
            .query_map([run], |row| {
                let resource: Attributes = parse(0, &row.get::<_, String>(0)?)?;
                let record = LogRecord {
                    time_unix_ns: row.get(1)?,
                    severity: row.get(2)?,
                    event: row.get(3)?,
                    body: row.get(4)?,
                    attributes: parse(5, &row.get::<_, String>(5)?)?,
                };
                Ok((resource, record))
            })
            .map_err(reading)?;
        let mut all: Vec<ResourceLogs> = Vec::new();
        for row in rows {
            let (resource, record) = row.map_err(reading)?;
            match all.last_mut().filter(|last| last.resource == resource) {
                Some(last) => last.records.push(record),
                None => all.push(ResourceLogs {
                    resource,
                    records: vec![record],
                }),
            }
        }
        Ok(all)
    }
}

impl Append<'_> {
    fn logs(&mut self, target: Target, of: &ResourceLogs) -> rusqlite::Result<()> {
        let times = of.records.iter().map(|record| record.time_unix_ns);
        let Some(started) = times.min() else {
            return Ok(());
        };
        let started = Some(started).filter(|&started| started > 0);
        let (run, resource) = self.resource_row(target, &of.resource, started)?;
        let mut new: BTreeMap<&str, (i64, [u64; 2])> = BTreeMap::new();
        for record in &of.records {
            if !self.log(resource, record)? {
                self.appended.repeated += 1;
                continue;
            }
            self.appended.stored += 1;
            let time = record.time_unix_ns;
            let (count, times) = new
                .entry(record.severity_word())
                .or_insert((0, [time, time]));
            *count += 1;
            *times = [times[0].min(time), times[1].max(time)];
        }
        for (severity, (count, times)) in new {
            // Where the run may have no more series, records are kept and not counted.
            if let Some(series) = self.count_series(run, resource, severity)? {
                self.accumulate(series, times, Value::Int(count))?;
            }
        }
        self.forget_old_logs(run)
    }

    /// Puts in records that are counted already.
    pub(super) fn restored_logs(&mut self, run: i64, of: &ResourceLogs) -> rusqlite::Result<()> {
        if of.records.is_empty() {
            return Ok(());
        }
        let (_, resource) = self.resource_row(Target::Run(run), &of.resource, None)?;
        for record in &of.records {
            self.log(resource, record)?;
        }
        Ok(())
    }

    fn count_series(
        &mut self,
        run: i64,
        resource: i64,
        severity: &str,
    ) -> rusqlite::Result<Option<i64>> {
        let point = Point {
            attributes: Attributes::from([("severity".to_owned(), severity.into())]),
            start_unix_ns: 0,
            time_unix_ns: 0,
            value: Value::Int(0),
        };
        let metric = MetricPoints {
            scope_name: String::new(),
            scope_version: String::new(),
            scope_attributes: Attributes::new(),
            name: LOG_RECORDS.to_owned(),
            unit: "{record}".to_owned(),
            kind: Kind::Sum,
            temporality: Temporality::Cumulative,
            monotonic: true,
            points: Vec::new(),
        };
        self.series(run, resource, &metric, &point)
    }

    /// Keeps a record; says whether it is new.
    fn log(&self, resource: i64, record: &LogRecord) -> rusqlite::Result<bool> {
        let attributes = json(&record.attributes);
        let rows = self
            .transaction
            .prepare_cached(
                "INSERT INTO log (resource_id, fingerprint, time_unix_ns, severity, event, body,
                                  attributes)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT DO NOTHING",
            )?
            .execute(params![
                resource,
                fingerprint(record, &attributes),
                integer(record.time_unix_ns),
                record.severity,
                record.event,
                record.body,
                attributes,
            ])?;
        Ok(rows == 1)
    }

    fn forget_old_logs(&self, run: i64) -> rusqlite::Result<()> {
        self.transaction
            .prepare_cached(
                "DELETE FROM log WHERE id IN (
                     SELECT log.id FROM log JOIN resource ON resource.id = resource_id
                     WHERE run_id = ?1 ORDER BY severity >= ?2 DESC, log.id DESC LIMIT -1 OFFSET ?3)",
            )?
            .execute(params![run, WARNING, LOGS_MAX_PER_RUN])?;
        Ok(())
    }
}

/// Tells a record from others of its resource: 64 bits of FNV-1a over all of it, as SQLite's integers have a sign.
fn fingerprint(record: &LogRecord, attributes: &str) -> i64 {
    let numbers = [record.time_unix_ns, u64::from(record.severity)];
    let numbers = numbers.iter().flat_map(|number| number.to_le_bytes());
    let texts = [&record.event, &record.body, attributes];
    let texts = texts.iter().flat_map(|text| text.bytes().chain([0xff]));
    let hash = numbers
        .chain(texts)
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
    hash.cast_signed()
}
