//! Runs, series and what they measured: plain values that know neither OTLP nor SQL.

use std::collections::BTreeMap;

/// Base-2 exponential histogram of durations, in seconds.
///
/// Bucket `i` holds `(base^i, base^(i+1)]` with `base = 2^(2^-scale)`, as OpenTelemetry defines it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ExpHistogram {
    /// Resolution; 5 gives buckets 2.2 % wide. `-10..=20`.
    pub scale: i32,
    /// Number of measurements, zeros included.
    pub count: u64,
    /// Sum of the measurements, in the metric's unit.
    pub sum: f64,
    /// Smallest measurement, where the source sent it.
    pub min: Option<f64>,
    /// Largest measurement, where the source sent it.
    pub max: Option<f64>,
    /// Measurements too small for a bucket.
    pub zero_count: u64,
    /// Non-empty positive buckets, index to count.
    pub buckets: BTreeMap<i32, u64>,
}

/// What is measured: one function (or span, or endpoint) of one service.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CallsiteKey {
    /// `service.name` of the source.
    pub service: String,
    /// `khive.perf.group`, or empty.
    pub group: String,
    /// `khive.perf.name` where given, else `code.function.name`, with the `fields` of the series.
    pub name: String,
}

/// All that one run recorded of one callsite.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CallsiteRun {
    /// Wall time of calls that ended well, in seconds.
    pub ok: ExpHistogram,
    /// Finished calls by outcome: ok, error, panic, cancelled.
    pub calls: [u64; 4],
    /// Seconds on a thread outside measured callees.
    pub self_time_s: f64,
    /// Seconds on a thread, callees included.
    pub busy_time_s: f64,
    /// Seconds between polls (futures only).
    pub idle_time_s: f64,
    /// Number of polls (futures only).
    pub polls: u64,
}

/// One execution of a program under measurement.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// Row id in the store.
    pub id: i64,
    /// The name given by `--name`; several runs may share it.
    pub name: String,
    /// When it started, nanoseconds since the Unix epoch.
    pub started_unix_ns: u64,
    /// What it recorded.
    pub callsites: BTreeMap<CallsiteKey, CallsiteRun>,
}
