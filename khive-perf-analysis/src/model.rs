//! Runs, series and what they measured: plain values that know neither OTLP nor SQL.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Base-2 exponential histogram of durations, in seconds.
///
/// Bucket `i` holds `(base^i, base^(i+1)]` with `base = 2^(2^-scale)`, as OpenTelemetry defines it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
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
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
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
    /// The longest single poll, in seconds (futures only).
    pub longest_poll_s: f64,
    /// Bytes that the calls allocated, callees included.
    pub allocated_bytes: u64,
    /// Allocations and reallocations of the calls, callees included.
    pub allocations: u64,
    /// Bytes allocated in its calls that a leak detector suspects to stay, at the end; `None` where none told of it.
    pub retained_bytes: Option<u64>,
}

/// One number that a run says of a callsite, kept for its history.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Metric {
    /// Mean wall time of the calls that ended well, without the slowest hundredth, in seconds.
    Typical,
    /// Mean wall time of all of them, in seconds.
    Mean,
    /// Their median, in seconds.
    P50,
    /// Their 99th percentile, in seconds.
    P99,
    /// Seconds on a thread outside measured callees, per call.
    SelfTime,
    /// Seconds on a thread, measured callees included, per call.
    BusyTime,
    /// Finished calls per second of the run.
    Throughput,
    /// Share of the calls that ended in an error or a panic.
    ErrorRate,
    /// Bytes allocated per call.
    Allocated,
    /// Allocations per call.
    Allocations,
    /// Polls per call.
    Polls,
    /// The longest single poll, in seconds.
    LongestPoll,
}

/// What a run says of a callsite: one number for each of [`Metric::ALL`], where it can say it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Summary(pub [Option<f64>; Metric::ALL.len()]);

/// One execution of a program under measurement.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// Row id in the store.
    pub id: i64,
    /// The name given by `--name`; several runs may share it.
    pub name: String,
    /// When it started, nanoseconds since the Unix epoch.
    pub started_unix_ns: u64,
    /// How long it took, in seconds, where it has ended.
    pub seconds: Option<f64>,
    /// What it recorded.
    pub callsites: BTreeMap<CallsiteKey, CallsiteRun>,
}

// === impl Metric ===

impl Metric {
    /// All of them, in the order of a summary.
    pub const ALL: [Self; 12] = [
        Self::Typical,
        Self::Mean,
        Self::P50,
        Self::P99,
        Self::SelfTime,
        Self::BusyTime,
        Self::Throughput,
        Self::ErrorRate,
        Self::Allocated,
        Self::Allocations,
        Self::Polls,
        Self::LongestPoll,
    ];

    /// The word that the command line and the database use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Typical => "typical",
            Self::Mean => "mean",
            Self::P50 => "p50",
            Self::P99 => "p99",
            Self::SelfTime => "self_time",
            Self::BusyTime => "busy_time",
            Self::Throughput => "throughput",
            Self::ErrorRate => "error_rate",
            Self::Allocated => "allocated",
            Self::Allocations => "allocations",
            Self::Polls => "polls",
            Self::LongestPoll => "longest_poll",
        }
    }

    /// The metric called `word`.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|metric| metric.as_str() == word)
    }

    /// Whether it is a time, in seconds.
    pub fn is_time(self) -> bool {
        matches!(
            self,
            Self::Typical
                | Self::Mean
                | Self::P50
                | Self::P99
                | Self::SelfTime
                | Self::BusyTime
                | Self::LongestPoll
        )
    }

    /// Whether more of it is worse.
    pub fn more_is_worse(self) -> bool {
        self != Self::Throughput
    }
}

// === impl ExpHistogram ===

impl ExpHistogram {
    /// Lowers the resolution to `scale`, adding neighbouring buckets; a no-op where it is not finer.
    pub fn downscale(&mut self, scale: i32) {
        if self.scale <= scale {
            return;
        }
        // An index fits in 32 bits, so a larger shift has nothing left to tell apart.
        let shift = self.scale.saturating_sub(scale).min(31);
        let mut buckets = BTreeMap::new();
        for (&index, &count) in &self.buckets {
            let slot: &mut u64 = buckets.entry(index >> shift).or_default();
            *slot = slot.saturating_add(count);
        }
        self.buckets = buckets;
        self.scale = scale;
    }

    /// Adds what `other` measured, at the coarser of both resolutions.
    pub fn merge(&mut self, other: &Self) {
        if other.count == 0 {
            return;
        }
        if self.count == 0 {
            self.clone_from(other);
            return;
        }
        self.downscale(other.scale);
        let shift = other.scale.saturating_sub(self.scale).clamp(0, 31);
        for (&index, &count) in &other.buckets {
            let slot = self.buckets.entry(index >> shift).or_default();
            *slot = slot.saturating_add(count);
        }
        self.count = self.count.saturating_add(other.count);
        self.zero_count = self.zero_count.saturating_add(other.zero_count);
        self.sum += other.sum;
        // An extreme is known only where both sides know theirs.
        self.min = self.min.zip(other.min).map(|(a, b)| a.min(b));
        self.max = self.max.zip(other.max).map(|(a, b)| a.max(b));
    }

    /// The boundary below bucket `index`: `base^index`, in the histogram's unit.
    pub fn lower_bound(scale: i32, index: i32) -> f64 {
        (f64::from(index) * f64::from(-scale).exp2()).exp2()
    }
}
