//! Histogram: a mergeable distribution of durations with exact count, sum, minimum and maximum.

use std::fmt;
use std::time::Duration;

use crate::stats::layout;

/// A distribution of durations.
///
/// Count, sum, minimum and maximum are exact, to the nanosecond. Quantiles come from OpenTelemetry's
/// base-2 exponential buckets at [scale 5](Self::SCALE), 2.2 % wide; see [`quantile`](Self::quantile).
/// Buckets cover 1 ns to 78 hours.
///
/// # Limits
///
/// 264 bytes for each power of two that has measurements: 1 to 2 KiB for most functions, at most 13 KiB
/// when values from 1 ns to 78 hours have been seen.
#[derive(Clone, Default)]
pub struct Histogram {
    zero_count: u64,
    sum_ns: u64,
    min_ns: u64,
    max_ns: u64,
    range_is_bound: bool,
    /// Octaves with measurements, ascending, so that a stray outlier costs one octave and not the gap.
    octaves: Vec<Octave>,
}

/// Counts of one power of two of nanoseconds.
#[derive(Clone, Copy)]
struct Octave {
    number: usize,
    counts: [u64; layout::SLOTS_PER_OCTAVE],
}

impl Histogram {
    /// OpenTelemetry's scale of the buckets: bucket `i` holds `(2^(i/32), 2^((i+1)/32)]` seconds.
    pub const SCALE: i32 = layout::SCALE;
    /// Largest relative distance of a bucket's geometric middle from a value in the bucket.
    pub const QUANTILE_ERROR: f64 = 0.0109;

    /// A histogram without measurements; allocates nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            zero_count: 0,
            sum_ns: 0,
            min_ns: 0,
            max_ns: 0,
            range_is_bound: false,
            octaves: Vec::new(),
        }
    }

    /// Adds one measurement.
    pub fn record(&mut self, value: Duration) {
        self.record_many(value, 1);
    }

    /// Adds the same measurement `count` times.
    pub fn record_many(&mut self, value: Duration, count: u64) {
        if count == 0 {
            return;
        }
        let ns = u64::try_from(value.as_nanos()).unwrap_or(u64::MAX);
        self.widen(ns, ns);
        self.sum_ns = self.sum_ns.saturating_add(ns.saturating_mul(count));
        if ns == 0 {
            self.zero_count = self.zero_count.saturating_add(count);
        } else {
            self.add_to_slot(layout::slot_of(ns), count);
        }
    }

    /// Number of measurements.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.slots()
            .fold(self.zero_count, |sum, (_, count)| sum.saturating_add(count))
    }

    /// Number of measurements below the clock's resolution, which belong to no bucket.
    #[must_use]
    pub const fn zero_count(&self) -> u64 {
        self.zero_count
    }

    /// Whether nothing was measured.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        // An octave is made for a measurement, and none is ever taken away.
        self.zero_count == 0 && self.octaves.is_empty()
    }

    /// Sum of the measurements. Exact.
    #[must_use]
    pub const fn sum(&self) -> Duration {
        Duration::from_nanos(self.sum_ns)
    }

    /// Smallest measurement; zero if there is none. Exact where [`range_is_exact`](Self::range_is_exact).
    #[must_use]
    pub const fn min(&self) -> Duration {
        Duration::from_nanos(self.min_ns)
    }

    /// Largest measurement; zero if there is none. Exact where [`range_is_exact`](Self::range_is_exact).
    #[must_use]
    pub const fn max(&self) -> Duration {
        Duration::from_nanos(self.max_ns)
    }

    /// Whether minimum and maximum are measurements. In a difference of two snapshots they are bounds
    /// of the outermost buckets instead, because a minimum cannot be subtracted.
    #[must_use]
    pub const fn range_is_exact(&self) -> bool {
        !self.range_is_bound
    }

    /// Arithmetic mean; zero if nothing was measured. Exact to the nanosecond.
    #[must_use]
    pub fn mean(&self) -> Duration {
        Duration::from_nanos(self.sum_ns.checked_div(self.count()).unwrap_or(0))
    }

    /// The value below which the fraction `q` of the measurements lies; zero if there are none.
    ///
    /// `q` is clamped to `0..=1`; NaN counts as 0. Inside a bucket the value is interpolated
    /// geometrically, as Prometheus and ClickHouse do for such histograms, and it never leaves
    /// `min()..=max()`. The bucket is the right one, so the relative error is below its width, 2.2 %;
    /// against the geometric middle it is at most [`QUANTILE_ERROR`](Self::QUANTILE_ERROR).
    #[must_use]
    pub fn quantile(&self, q: f64) -> Duration {
        let count = self.count();
        if count == 0 {
            return Duration::ZERO;
        }
        let rank = if q > 0.0 { q.min(1.0) } else { 0.0 } * count as f64;
        let mut below = self.zero_count as f64;
        if rank <= below && self.zero_count > 0 {
            return self.min();
        }
        for (slot, count) in self.slots() {
            let in_slot = count as f64;
            if rank <= below + in_slot {
                let upper = layout::upper_bound_ns(slot);
                let lower = slot.checked_sub(1).map_or(1.0, layout::upper_bound_ns);
                let part = ((rank - below) / in_slot).clamp(0.0, 1.0);
                let ns = lower * (upper / lower).powf(part);
                return Duration::from_nanos((ns.round() as u64).clamp(self.min_ns, self.max_ns));
            }
            below += in_slot;
        }
        self.max()
    }

    /// Buckets that are not empty, as OTLP index and count, ascending.
    ///
    /// Index `i` stands for `(2^(i/32), 2^((i+1)/32)]` seconds.
    pub fn buckets(&self) -> impl Iterator<Item = (i32, u64)> + '_ {
        self.slots()
            .map(|(slot, count)| (layout::otlp_index(slot), count))
    }

    /// Slots that are not empty, ascending, with their counts.
    fn slots(&self) -> impl Iterator<Item = (usize, u64)> + '_ {
        self.octaves.iter().flat_map(|octave| {
            let first = octave.number * layout::SLOTS_PER_OCTAVE;
            let slots = octave
                .counts
                .iter()
                .enumerate()
                .map(move |(at, count)| (first + at, *count));
            slots.filter(|(_, count)| *count > 0)
        })
    }

    /// Adds the measurements of `other`. Exact: buckets are the same everywhere.
    pub fn merge(&mut self, other: &Self) {
        if other.is_empty() {
            return;
        }
        self.widen(other.min_ns, other.max_ns);
        self.range_is_bound |= other.range_is_bound;
        self.sum_ns = self.sum_ns.saturating_add(other.sum_ns);
        self.zero_count += other.zero_count;
        for (slot, count) in other.slots() {
            self.add_to_slot(slot, count);
        }
    }

    /// What was measured since `earlier`, an earlier state of this same histogram.
    ///
    /// Count, sum and buckets are exact. If `earlier` is not an earlier state, differences below zero
    /// count as zero.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        if earlier.is_empty() {
            return self.clone();
        }
        let mut delta = Self::new();
        delta.zero_count = self.zero_count.saturating_sub(earlier.zero_count);
        delta.sum_ns = self.sum_ns.saturating_sub(earlier.sum_ns);
        for (slot, count) in self.slots() {
            delta.add_to_slot(slot, count.saturating_sub(earlier.count_in(slot)));
        }
        if !delta.is_empty() {
            delta.range_from_buckets(self);
        }
        delta
    }

    /// Sets minimum and maximum to what the outermost buckets and the whole range allow.
    fn range_from_buckets(&mut self, whole: &Self) {
        self.range_is_bound = true;
        let lowest = self.slots().next().filter(|_| self.zero_count == 0);
        let low = lowest
            .and_then(|(slot, _)| slot.checked_sub(1))
            .map_or(0.0, layout::upper_bound_ns);
        let high = self
            .slots()
            .last()
            .map_or(0.0, |(slot, _)| layout::upper_bound_ns(slot));
        let (low, high) = (low as u64, high.ceil() as u64);
        self.min_ns = low.clamp(whole.min_ns, whole.max_ns);
        self.max_ns = high.clamp(self.min_ns, whole.max_ns);
    }

    fn widen(&mut self, min_ns: u64, max_ns: u64) {
        if self.is_empty() {
            (self.min_ns, self.max_ns) = (min_ns, max_ns);
        } else {
            self.min_ns = self.min_ns.min(min_ns);
            self.max_ns = self.max_ns.max(max_ns);
        }
    }

    fn add_to_slot(&mut self, slot: usize, count: u64) {
        if count == 0 {
            return;
        }
        let number = slot / layout::SLOTS_PER_OCTAVE;
        let at = self
            .octaves
            .binary_search_by_key(&number, |octave| octave.number);
        let at = at.unwrap_or_else(|at| {
            self.octaves.reserve_exact(1);
            self.octaves.insert(
                at,
                Octave {
                    number,
                    counts: [0; layout::SLOTS_PER_OCTAVE],
                },
            );
            at
        });
        let octave = self.octaves.get_mut(at).map(|octave| &mut octave.counts);
        if let Some(cell) =
            octave.and_then(|counts| counts.get_mut(slot % layout::SLOTS_PER_OCTAVE))
        {
            *cell = cell.saturating_add(count);
        }
    }

    fn count_in(&self, slot: usize) -> u64 {
        let number = slot / layout::SLOTS_PER_OCTAVE;
        let at = self
            .octaves
            .binary_search_by_key(&number, |octave| octave.number);
        at.ok()
            .and_then(|at| {
                self.octaves
                    .get(at)?
                    .counts
                    .get(slot % layout::SLOTS_PER_OCTAVE)
            })
            .copied()
            .unwrap_or(0)
    }

    /// Adds what a recorder counted: whole slots of one octave, then sum and range apart.
    pub(crate) fn add_recorded(&mut self, slot: usize, count: u64) {
        self.add_to_slot(slot, count);
    }

    /// Adds zeros, sum and range that belong to slots added by [`add_recorded`](Self::add_recorded).
    ///
    /// Call it before the slots, while [`is_empty`](Self::is_empty) still tells about the old range.
    pub(crate) fn add_moments(&mut self, zeros: u64, sum_ns: u64, min_ns: u64, max_ns: u64) {
        if min_ns <= max_ns {
            self.widen(min_ns, max_ns);
        }
        self.zero_count += zeros;
        self.sum_ns = self.sum_ns.saturating_add(sum_ns);
    }
}

impl PartialEq for Histogram {
    /// Equal when they say the same, whatever the room they take.
    fn eq(&self, other: &Self) -> bool {
        self.zero_count == other.zero_count
            && self.sum_ns == other.sum_ns
            && self.min_ns == other.min_ns
            && self.max_ns == other.max_ns
            && self.range_is_bound == other.range_is_bound
            && self.buckets().eq(other.buckets())
    }
}

impl Eq for Histogram {}

impl fmt::Debug for Histogram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Histogram")
            .field("count", &self.count())
            .field("sum", &self.sum())
            .field("min", &self.min())
            .field("p50", &self.quantile(0.5))
            .field("p99", &self.quantile(0.99))
            .field("max", &self.max())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
#[path = "histogram_tests.rs"]
mod tests;
