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
