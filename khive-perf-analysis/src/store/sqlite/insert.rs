//! The one way into the tables of points and totals.

use rusqlite::{Connection, params};

use crate::points::Value;
use crate::store::row::{Columns, integer};

/// A point, unless it is there already.
pub(super) const INSERT_POINT: &str = "INSERT INTO point
    (series_id, start_unix_ns, time_unix_ns, value_int, value_double, count, sum, min, max, scale,
     zero_count, zero_threshold, bounds, buckets)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)
    ON CONFLICT (series_id, start_unix_ns, time_unix_ns) DO NOTHING";

/// A total, in place of what was there.
pub(super) const INSERT_TOTAL: &str = "INSERT OR REPLACE INTO total
    (series_id, start_unix_ns, time_unix_ns, value_int, value_double, count, sum, min, max, scale,
     zero_count, zero_threshold, bounds, buckets)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)";

/// Inserts a point or a total, as `insert` says, unless it is there already; gives the number of rows that it made.
pub(super) fn insert_point(
    connection: &Connection,
    insert: &'static str,
    series: i64,
    [start_unix_ns, time_unix_ns]: [u64; 2],
    value: &Value,
) -> rusqlite::Result<usize> {
    let columns = Columns::of(value);
    connection.prepare_cached(insert)?.execute(params![
        series,
        integer(start_unix_ns),
        integer(time_unix_ns),
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
    ])
}
