//! Values as the columns of a row and back, and what SQLite's errors mean.

use std::path::Path;

use rusqlite::types::Type;
use rusqlite::{ErrorCode, Row};

use crate::error::Error;
use crate::model::ExpHistogram;
use crate::points::{Attributes, BoundedHistogram, ExpPoint, Kind, Temporality, Value};
use crate::store::{RunInfo, SeriesTotal, Status, blob, total};

/// The columns of a point's value, in the order of the schema.
#[derive(Default)]
pub(crate) struct Columns {
    pub(crate) value_int: Option<i64>,
    pub(crate) value_double: Option<f64>,
    pub(crate) count: Option<i64>,
    pub(crate) sum: Option<f64>,
    pub(crate) min: Option<f64>,
    pub(crate) max: Option<f64>,
    pub(crate) scale: Option<i32>,
    pub(crate) zero_count: Option<i64>,
    pub(crate) zero_threshold: Option<f64>,
    pub(crate) bounds: Option<Vec<u8>>,
    pub(crate) buckets: Option<Vec<u8>>,
}

impl Columns {
    pub(crate) fn of(value: &Value) -> Self {
        match value {
            Value::Int(value) => Self {
                value_int: Some(*value),
                ..Self::default()
            },
            Value::Double(value) => Self {
                value_double: Some(*value),
                ..Self::default()
            },
            Value::Histogram(point) => Self {
                count: Some(integer(point.count)),
                sum: point.sum,
                min: point.min,
                max: point.max,
                bounds: Some(blob::encode_bounds(&point.bounds)),
                buckets: Some(blob::encode_buckets(
                    (0i32..).zip(point.counts.iter().copied()),
                )),
                ..Self::default()
            },
            Value::ExpHistogram(point) => {
                let histogram = &point.histogram;
                let buckets = histogram
                    .buckets
                    .iter()
                    .map(|(&index, &count)| (index, count));
                Self {
                    count: Some(integer(histogram.count)),
                    sum: point.has_sum.then_some(histogram.sum),
                    min: histogram.min,
                    max: histogram.max,
                    scale: Some(histogram.scale),
                    zero_count: Some(integer(histogram.zero_count)),
                    zero_threshold: Some(point.zero_threshold),
                    buckets: Some(blob::encode_buckets(buckets)),
                    ..Self::default()
                }
            }
        }
    }
}

/// SQLite's integers have a sign; times after 2262 and counts beyond 63 bits stay at the largest.
pub(crate) fn integer(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// Attributes as text: a JSON object with sorted keys, so that equal attributes are equal text.
pub(crate) fn json(attributes: &Attributes) -> String {
    serde_json::to_string(attributes).unwrap_or_default()
}

/// The value whose columns begin at `first`.
pub(crate) fn value(row: &Row<'_>, first: usize) -> rusqlite::Result<Value> {
    if let Some(value) = row.get(first)? {
        return Ok(Value::Int(value));
    }
    if let Some(value) = row.get(first + 1)? {
        return Ok(Value::Double(value));
    }
    let count = row.get(first + 2)?;
    let sum: Option<f64> = row.get(first + 3)?;
    let (min, max) = (row.get(first + 4)?, row.get(first + 5)?);
    let scale: Option<i32> = row.get(first + 6)?;
    let bounds = first + 9;
    let buckets = first + 10;
    let non_empty = blob::decode_buckets(&row.get::<_, Vec<u8>>(buckets)?).ok_or_else(|| {
        unreadable(
            buckets,
            Type::Blob,
            "the buckets of a point are cut or foreign",
        )
    })?;
    if let Some(scale) = scale {
        let histogram = ExpHistogram {
            scale,
            count,
            sum: sum.unwrap_or_default(),
            min,
            max,
            zero_count: row.get(first + 7)?,
            buckets: non_empty,
        };
        let zero_threshold = row.get(first + 8)?;
        return Ok(Value::ExpHistogram(ExpPoint {
            histogram,
            has_sum: sum.is_some(),
            zero_threshold,
        }));
    }
    let bounds_read = blob::decode_bounds(&row.get::<_, Vec<u8>>(bounds)?).ok_or_else(|| {
        unreadable(
            bounds,
            Type::Blob,
            "the bounds of a point are cut or foreign",
        )
    })?;
    let with_buckets = !bounds_read.is_empty() || !non_empty.is_empty();
    let mut counts = vec![
        0;
        if with_buckets {
            bounds_read.len() + 1
        } else {
            0
        }
    ];
    for (index, count) in non_empty {
        let slot = usize::try_from(index)
            .ok()
            .and_then(|index| counts.get_mut(index));
        *slot.ok_or_else(|| {
            unreadable(buckets, Type::Blob, "a point has more buckets than bounds")
        })? = count;
    }
    Ok(Value::Histogram(BoundedHistogram {
        count,
        sum,
        min,
        max,
        bounds: bounds_read,
        counts,
    }))
}

/// The run of a row of `Sqlite::select_runs`.
pub(crate) fn run_info(row: &Row<'_>) -> rusqlite::Result<RunInfo> {
    Ok(RunInfo {
        id: row.get(0)?,
        name: row.get(1)?,
        status: word(row, 2, Status::parse)?,
        started_unix_ns: row.get(3)?,
        ended_unix_ns: row.get(4)?,
        command: match row.get::<_, Option<String>>(5)? {
            Some(text) => parse(5, &text)?,
            None => Vec::new(),
        },
        exit_code: row.get(6)?,
        series: row.get(7)?,
        resources: parse(8, &row.get::<_, String>(8)?)?,
    })
}

/// The series of a row of `Sqlite::series`, with the row's point as its total.
pub(crate) fn series_total(row: &Row<'_>) -> rusqlite::Result<SeriesTotal> {
    Ok(SeriesTotal {
        resource: parse(1, &row.get::<_, String>(1)?)?,
        scope_name: row.get(2)?,
        scope_version: row.get(3)?,
        scope_attributes: parse(4, &row.get::<_, String>(4)?)?,
        metric: row.get(5)?,
        unit: row.get(6)?,
        kind: word(row, 7, Kind::parse)?,
        temporality: word(row, 8, Temporality::parse)?,
        monotonic: row.get(9)?,
        attributes: parse(10, &row.get::<_, String>(10)?)?,
        start_unix_ns: row.get(11)?,
        time_unix_ns: row.get(12)?,
        value: value(row, 13)?,
    })
}

/// Adds a later point of the same series.
pub(crate) fn add_later(series: &mut SeriesTotal, later: &SeriesTotal) {
    series.start_unix_ns = series.start_unix_ns.min(later.start_unix_ns);
    series.time_unix_ns = series.time_unix_ns.max(later.time_unix_ns);
    let a_level = series.kind == Kind::Sum
        && !series.monotonic
        && series.temporality == Temporality::Cumulative;
    if series.kind == Kind::Gauge || a_level {
        series.value = later.value.clone();
    } else {
        total::add(&mut series.value, &later.value);
    }
}

pub(crate) fn word<T>(
    row: &Row<'_>,
    column: usize,
    read: fn(&str) -> Option<T>,
) -> rusqlite::Result<T> {
    let word: String = row.get(column)?;
    read(&word)
        .ok_or_else(|| unreadable(column, Type::Text, format!("`{word}` is not a known word")))
}

pub(crate) fn parse<T: serde::de::DeserializeOwned>(
    column: usize,
    text: &str,
) -> rusqlite::Result<T> {
    serde_json::from_str(text).map_err(|error| unreadable(column, Type::Text, error))
}

pub(crate) fn unreadable(
    column: usize,
    kind: Type,
    why: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, kind, why.into())
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
