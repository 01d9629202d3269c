//! Spans, and what they add up to, in SQL.
//!
//! A span that is new adds its duration to the histogram of its operation, in the same transaction, so that one that comes
//! again changes nothing. Of each run the newest spans are kept; histograms have them all.

use std::collections::BTreeMap;

use rusqlite::types::Type;
use rusqlite::{Row, TransactionBehavior, params};

use crate::error::Error;
use crate::model::ExpHistogram;
use crate::points::spans::{
    Id, Operation, OperationSpans, ResourceSpans, Span, SpanKind, SpanStatus,
};
use crate::points::{Attributes, ExpPoint, Kind, MetricPoints, Point, Temporality, Value};
use crate::store::row::{failed, integer, json, parse, unreadable, word};
use crate::store::sqlite::{Append, Sqlite};
use crate::store::{Appended, SPAN_DURATION, SPANS_MAX_PER_RUN, Target};

/// Resolution of the histograms that are made here: buckets 2.2 % wide, as those of the SDK.
const SCALE: i32 = 5;

/// Where there are too many spans, so many more go, so that not every request has to look.
const SLACK: u64 = SPANS_MAX_PER_RUN / 10;

impl Sqlite {
    pub(crate) fn append_spans(
        &mut self,
        target: Target,
        resources: &[ResourceSpans],
    ) -> Result<Appended, Error> {
        self.append_with("storing spans in", |append| {
            for resource in resources {
                append.spans(target, resource)?;
            }
            Ok(true)
        })
    }

    /// The spans that are kept of a run, by resource and operation, in the order of their start.
    pub(crate) fn spans(&self, run: i64) -> Result<Vec<ResourceSpans>, Error> {
        let reading = |error| failed(&self.path, "reading the spans of", error);
        let mut statement = self
            .connection
            .prepare_cached(
                "SELECT resource.attributes, scope_name, name, kind, operation.attributes, trace_id,
                        span_id, parent_span_id, start_unix_ns, duration_ns, status, span.attributes
                 FROM resource
                 JOIN operation ON operation.resource_id = resource.id
                 JOIN span ON span.operation_id = operation.id
                 WHERE resource.run_id = ?1
                 ORDER BY resource.attributes, name, kind, scope_name, operation.attributes,
                          start_unix_ns, trace_id, span_id",
            )
            .map_err(reading)?;
        let mut rows = statement.query([run]).map_err(reading)?;
        let mut all: Vec<ResourceSpans> = Vec::new();
        while let Some(row) = rows.next().map_err(reading)? {
            let (resource, operation, span) = spanned(row).map_err(reading)?;
            if all.last().is_none_or(|last| last.resource != resource) {
                all.push(ResourceSpans {
                    resource,
                    operations: Vec::new(),
                });
            }
            let Some(last) = all.last_mut() else { continue };
            match last.operations.last_mut() {
                Some(of) if of.operation == operation => of.spans.push(span),
                _ => last.operations.push(OperationSpans {
                    operation,
                    spans: vec![span],
                }),
            }
        }
        Ok(all)
    }

    /// Deletes the spans and log records of these runs; what they add up to stays. Returns how many went.
    pub(crate) fn forget_details(&mut self, ids: &[i64]) -> Result<u64, Error> {
        let writing = |error| failed(&self.path, "deleting the spans of", error);
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(writing)?;
        let mut gone = 0;
        for id in ids {
            for statement in [
                "DELETE FROM span WHERE operation_id IN
                 (SELECT operation.id FROM operation JOIN resource ON resource.id = resource_id
                  WHERE run_id = ?1)",
                "DELETE FROM log WHERE resource_id IN (SELECT id FROM resource WHERE run_id = ?1)",
            ] {
                gone += transaction.execute(statement, [id]).map_err(writing)? as u64;
            }
        }
        transaction.commit().map_err(writing)?;
        for id in ids {
            self.spans.remove(id);
        }
        Ok(gone)
    }
}

impl Append<'_> {
    fn spans(&mut self, target: Target, of: &ResourceSpans) -> rusqlite::Result<()> {
        let all = of.operations.iter().flat_map(|of| &of.spans);
        let Some(started) = all.map(|span| span.start_unix_ns).min() else {
            return Ok(());
        };
        let (run, resource) = self.resource_row(target, &of.resource, Some(started))?;
        for operation in &of.operations {
            self.operation(run, resource, operation)?;
        }
        self.make_room(run)
    }

    /// Puts in spans whose histograms are there already.
    pub(super) fn restored_spans(&mut self, run: i64, of: &ResourceSpans) -> rusqlite::Result<()> {
        if of.operations.is_empty() {
            return Ok(());
        }
        let (_, resource) = self.resource_row(Target::Run(run), &of.resource, None)?;
        for of in &of.operations {
            let operation = self.operation_row(resource, &of.operation)?;
            for span in &of.spans {
                self.span(operation, span)?;
            }
        }
        Ok(())
    }

    fn operation(&mut self, run: i64, resource: i64, of: &OperationSpans) -> rusqlite::Result<()> {
        // A series that may not be made is known before anything of it is kept.
        let mut series = BTreeMap::new();
        for is_error in [false, true] {
            let is_of = |span: &&Span| (span.status == SpanStatus::Error) == is_error;
            let count = of.spans.iter().filter(is_of).count();
            if count == 0 {
                continue;
            }
            match self.duration_series(run, resource, &of.operation, is_error)? {
                Some(id) => {
                    series.insert(is_error, id);
                }
                None => self.appended.rejected += count as u64,
            }
        }
        if series.is_empty() {
            return Ok(());
        }
        let operation = self.operation_row(resource, &of.operation)?;
        let mut new: BTreeMap<i64, Total> = BTreeMap::new();
        for span in &of.spans {
            let Some(&id) = series.get(&(span.status == SpanStatus::Error)) else {
                continue;
            };
            if self.span(operation, span)? {
                new.entry(id).or_default().add(span);
                self.appended.stored += 1;
                *self.spans.entry(run).or_default() += 1;
            } else {
                self.appended.repeated += 1;
            }
        }
        for (id, total) in new {
            let times = [total.start_unix_ns, total.end_unix_ns];
            let value = Value::ExpHistogram(ExpPoint {
                histogram: total.histogram,
                has_sum: true,
                zero_threshold: 0.0,
            });
            self.accumulate(id, times, value)?;
        }
        Ok(())
    }

    /// The series that a span's duration goes to, or `None` where the run may have no more.
    fn duration_series(
        &mut self,
        run: i64,
        resource: i64,
        operation: &Operation,
        is_error: bool,
    ) -> rusqlite::Result<Option<i64>> {
        let status = if is_error { "error" } else { "ok" };
        let mut attributes = Attributes::from([
            ("span.name".to_owned(), operation.name.clone().into()),
            ("span.kind".to_owned(), operation.kind.as_str().into()),
            ("khive.perf.outcome".to_owned(), status.into()),
        ]);
        attributes.extend(operation.attributes.clone());
        let point = Point {
            attributes,
            start_unix_ns: 0,
            time_unix_ns: 0,
            value: Value::Int(0),
        };
        let metric = MetricPoints {
            scope_name: operation.scope_name.clone(),
            scope_version: String::new(),
            scope_attributes: Attributes::new(),
            name: SPAN_DURATION.to_owned(),
            unit: "s".to_owned(),
            kind: Kind::ExpHistogram,
            temporality: Temporality::Cumulative,
            monotonic: false,
            points: Vec::new(),
        };
        self.series(run, resource, &metric, &point)
    }

    fn operation_row(&self, resource: i64, operation: &Operation) -> rusqlite::Result<i64> {
        self.transaction
            .prepare_cached(
                "INSERT INTO operation (resource_id, scope_name, name, kind, attributes)
                 VALUES (?1, ?2, ?3, ?4, ?5)
                 ON CONFLICT DO UPDATE SET name = excluded.name RETURNING id",
            )?
            .query_row(
                params![
                    resource,
                    operation.scope_name,
                    operation.name,
                    operation.kind.as_str(),
                    json(&operation.attributes),
                ],
                |row| row.get(0),
            )
    }

    /// Keeps a span; says whether it is new.
    fn span(&self, operation: i64, span: &Span) -> rusqlite::Result<bool> {
        let rows = self
            .transaction
            .prepare_cached(
                "INSERT INTO span (operation_id, trace_id, span_id, parent_span_id, start_unix_ns,
                                   duration_ns, status, attributes)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT DO NOTHING",
            )?
            .execute(params![
                operation,
                span.trace_id.0,
                span.span_id.0,
                span.parent_span_id.map(|id| id.0),
                integer(span.start_unix_ns),
                integer(span.duration_ns),
                span.status.as_str(),
                json(&span.attributes),
            ])?;
        Ok(rows == 1)
    }

    /// Deletes the oldest spans of a run that has too many.
    fn make_room(&mut self, run: i64) -> rusqlite::Result<()> {
        let of_run = "FROM span JOIN operation ON operation.id = operation_id
                      JOIN resource ON resource.id = resource_id WHERE run_id = ?1";
        // What was counted since this process began may be less than there is; it is counted anew before anything goes.
        let counted = self.spans.entry(run).or_insert(SPANS_MAX_PER_RUN + SLACK);
        if *counted < SPANS_MAX_PER_RUN + SLACK {
            return Ok(());
        }
        let count: u64 = self
            .transaction
            .prepare_cached(&format!("SELECT count(*) {of_run}"))?
            .query_row([run], |row| row.get(0))?;
        *counted = count;
        if count < SPANS_MAX_PER_RUN + SLACK {
            return Ok(());
        }
        let too_many = count - SPANS_MAX_PER_RUN;
        self.transaction
            .prepare_cached(&format!(
                "DELETE FROM span WHERE id IN (SELECT span.id {of_run} ORDER BY span.id LIMIT ?2)"
            ))?
            .execute(params![run, too_many])?;
        *counted = SPANS_MAX_PER_RUN;
        Ok(())
    }
}

/// What new spans add up to.
struct Total {
    histogram: ExpHistogram,
    start_unix_ns: u64,
    end_unix_ns: u64,
}

impl Default for Total {
    fn default() -> Self {
        Self {
            histogram: ExpHistogram {
                scale: SCALE,
                ..ExpHistogram::default()
            },
            start_unix_ns: u64::MAX,
            end_unix_ns: 0,
        }
    }
}

impl Total {
    fn add(&mut self, span: &Span) {
        let seconds = span.duration_ns as f64 / 1e9;
        let histogram = &mut self.histogram;
        histogram.count += 1;
        histogram.sum += seconds;
        histogram.min = Some(histogram.min.map_or(seconds, |min| min.min(seconds)));
        histogram.max = Some(histogram.max.map_or(seconds, |max| max.max(seconds)));
        if span.duration_ns == 0 {
            histogram.zero_count += 1;
        } else {
            *histogram.buckets.entry(bucket(seconds)).or_default() += 1;
        }
        self.start_unix_ns = self.start_unix_ns.min(span.start_unix_ns);
        let end = span.start_unix_ns.saturating_add(span.duration_ns);
        self.end_unix_ns = self.end_unix_ns.max(end);
    }
}

/// The bucket `(base^i, base^(i+1)]` that holds a time above 0.
fn bucket(seconds: f64) -> i32 {
    let place = (seconds.log2() * f64::from(SCALE).exp2()).ceil();
    #[expect(clippy::cast_possible_truncation, reason = "the cast saturates")]
    let above = place as i32;
    above.saturating_sub(1)
}

fn spanned(row: &Row<'_>) -> rusqlite::Result<(Attributes, Operation, Span)> {
    let resource = parse(0, &row.get::<_, String>(0)?)?;
    let operation = Operation {
        scope_name: row.get(1)?,
        name: row.get(2)?,
        kind: word(row, 3, SpanKind::parse)?,
        attributes: parse(4, &row.get::<_, String>(4)?)?,
    };
    let span = Span {
        trace_id: id(row, 5)?,
        span_id: id(row, 6)?,
        parent_span_id: match row.get::<_, Option<Vec<u8>>>(7)? {
            Some(_) => Some(id(row, 7)?),
            None => None,
        },
        start_unix_ns: row.get(8)?,
        duration_ns: row.get(9)?,
        status: word(row, 10, SpanStatus::parse)?,
        attributes: parse(11, &row.get::<_, String>(11)?)?,
    };
    Ok((resource, operation, span))
}

fn id<const N: usize>(row: &Row<'_>, column: usize) -> rusqlite::Result<Id<N>> {
    Id::of(&row.get::<_, Vec<u8>>(column)?)
        .ok_or_else(|| unreadable(column, Type::Blob, "an id is cut or foreign"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_power_of_two_is_the_upper_end_of_its_bucket() {
        assert_eq!(bucket(1.0), -1);
        assert_eq!(bucket(1.000_001), 0);
        assert_eq!(bucket(2.0), 31);
        assert_eq!(bucket(0.5), -33);
    }
}
