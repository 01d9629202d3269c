//! HistogramCell: a histogram that one thread writes, in ticks, and any thread reads, in nanoseconds.

use std::hint::assert_unchecked;

use crate::clock::Scale;
use crate::recorder::local::quiet;
use crate::recorder::part::Part;
use crate::stats::Histogram;
use crate::stats::buckets::{Buckets, PLACES};
use crate::sync::{OwnedU64, prefetch};

/// Octaves of ticks that have room. No clock ticks so fast that less than nine days do not fit; what took longer is in
/// the last bucket of these, and exact in the sum, the least and the most.
const OCTAVES: usize = 52;
/// The most ticks that have a bucket of their own.
const TICKS_MAX: u64 = (1 << OCTAVES) - 1;

/// Counts of the places of one octave.
struct Octave {
    counts: [OwnedU64; PLACES],
}

/// A histogram that one thread writes; an octave takes room once it was hit.
#[repr(C)]
pub(crate) struct HistogramCell {
    sum_ticks: OwnedU64,
    min_ticks: OwnedU64,
    max_ticks: OwnedU64,
    zeros: OwnedU64,
    /// A bit for each octave that has counts, so that readers need not look for them; raised with `Release`.
    used: OwnedU64,
    /// Made when first hit.
    octaves: [Part<Octave>; OCTAVES],
}

/// What a clock's ticks mean.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Units {
    pub(crate) scale: Scale,
    pub(crate) buckets: &'static Buckets,
}

impl HistogramCell {
    pub(crate) const fn new() -> Self {
        Self {
            sum_ticks: OwnedU64::new(0),
            min_ticks: OwnedU64::new(u64::MAX),
            max_ticks: OwnedU64::new(0),
            zeros: OwnedU64::new(0),
            used: OwnedU64::new(0),
            octaves: [const { Part::new() }; OCTAVES],
        }
    }

    /// Adds a measurement of so many ticks, less those that the clock takes itself, if there is room for it already; by
    /// the owner. Returns what was added.
    #[inline(always)]
    pub(crate) fn record_one(&self, ticks: u64, bias: u64, buckets: &Buckets) -> Option<u64> {
        let mut ticks = ticks.wrapping_sub(bias);
        if (ticks as i64) < buckets.measurable as i64 {
            ticks = (ticks as i64).max(0) as u64;
            self.zeros.add(1);
        } else {
            // SAFETY: what is measurable is more than nothing.
            unsafe { assert_unchecked(ticks > 0) };
            let (octave, place) = buckets.place_of(ticks);
            let octave = self.octaves.get(octave)?.owned()?;
            debug_assert!(place < PLACES);
            // SAFETY: a place is a number of boundaries in an octave, of which there are `PLACES - 1`.
            unsafe { octave.counts.get_unchecked(place) }.add(1);
        }
        self.sum_ticks.add(ticks);
        self.min_ticks.lower(ticks);
        self.max_ticks.raise(ticks);
        Some(ticks)
    }

    /// Adds a measurement that stands for `weight` calls; by the owner.
    pub(crate) fn record(&self, ticks: u64, weight: u64, buckets: &Buckets) {
        self.sum_ticks.add(ticks.wrapping_mul(weight));
        self.min_ticks.lower(ticks);
        self.max_ticks.raise(ticks);
        if ticks < buckets.measurable {
            self.zeros.add(weight);
            return;
        }
        let (number, place) = buckets.place_of(ticks.min(TICKS_MAX));
        let Some(octave) = self.octaves.get(number) else {
            return;
        };
        let octave = octave.owned().unwrap_or_else(|| self.grow(octave, number));
        if let Some(count) = octave.counts.get(place) {
            count.add(weight);
        }
    }

    #[cold]
    #[inline(never)]
    fn grow<'a>(&self, place: &'a Part<Octave>, number: usize) -> &'a Octave {
        let _quiet = quiet();
        let octave = place.make(Octave {
            counts: [const { OwnedU64::new(0) }; PLACES],
        });
        self.used.add_release(1 << number);
        octave
    }

    /// Has its counts fetched, for a reader that comes to them soon.
    pub(crate) fn prefetch_counts(&self) {
        let mut used = self.used.read_acquire();
        while used != 0 {
            let octave = self.octaves.get(used.trailing_zeros() as usize);
            used &= used - 1;
            if let Some(counts) = octave.and_then(Part::read) {
                prefetch(counts);
            }
        }
    }

    /// Adds what was recorded to `into`, and a measurement that has not been recorded yet: its ticks, and how many
    /// calls it stands for; by any thread. Both are turned into nanoseconds together, so that nothing changes by
    /// rounding when it is recorded.
    pub(crate) fn read_into(
        &self,
        into: &mut Histogram,
        units: Units,
        waiting: Option<(u64, u64)>,
    ) {
        let (mut min, mut max) = (self.min_ticks.read(), self.max_ticks.read());
        let (mut sum, mut zeros) = (self.sum_ticks.read(), self.zeros.read());
        let mut slot = None;
        if let Some((ticks, weight)) = waiting {
            (min, max) = (min.min(ticks), max.max(ticks));
            sum = sum.wrapping_add(ticks.wrapping_mul(weight));
            if ticks < units.buckets.measurable {
                zeros += weight;
            } else {
                let (octave, place) = units.buckets.place_of(ticks.min(TICKS_MAX));
                slot = Some((units.buckets.slot(octave, place), weight));
            }
        }
        if min > max {
            return;
        }
        let ns = |ticks| units.scale.ns(ticks);
        into.add_moments(zeros, ns(sum), ns(min), ns(max));
        if let Some((slot, weight)) = slot {
            into.add_recorded(slot, weight);
        }
        let mut used = self.used.read_acquire();
        while used != 0 {
            let octave = used.trailing_zeros() as usize;
            used &= used - 1;
            let Some(counts) = self.octaves.get(octave).and_then(Part::read) else {
                continue;
            };
            for (place, count) in counts.counts.iter().enumerate() {
                let count = count.read();
                if count > 0 {
                    into.add_recorded(units.buckets.slot(octave, place), count);
                }
            }
        }
    }
}
