//! Buckets: from ticks of a clock to the slots of [`layout`], with no conversion to nanoseconds on the way.
//!
//! A boundary in ticks is one in nanoseconds, divided by what a tick takes. So in every octave of the tick
//! count there are 32 of them again, with the same mantissas in each, and the same table serves that finds the
//! bucket of nanoseconds.
//!
//! ```text
//! nanoseconds   |  a  b  c  d  |  a  b  c  d  |  a  b  c  d        octaves, and boundaries in them
//! ticks            |  c' d' a' b' |  c' d' a' b' |                 at 0.6 ns a tick, say
//! ```

use crate::stats::layout::{BOUNDS, SLICE_SHIFT, SLICES, SLOTS, SLOTS_PER_OCTAVE, Slice, slices};

/// Places in one octave of ticks: between, below and above its 32 boundaries. What lies above the last is in the
/// same bucket as what lies below the first of the next octave.
pub(crate) const PLACES: usize = SLOTS_PER_OCTAVE + 1;

/// The buckets of one clock.
#[derive(Debug)]
pub(crate) struct Buckets {
    slices: [Slice; SLICES],
    /// Fewer ticks than this are no measurable time.
    pub(crate) measurable: u64,
    /// Slot of the first place of the first octave.
    slot_of_first: i64,
}

impl Buckets {
    /// Of a clock whose ticks are nanoseconds.
    pub(crate) const NANOSECONDS: Self = Self::new(1 << 32);

    /// Of a clock whose ticks take `factor` nanoseconds, in 32.32 fixed point; not zero.
    #[expect(
        clippy::indexing_slicing,
        reason = "the index is taken modulo the length"
    )]
    pub(crate) const fn new(factor: u64) -> Self {
        let zeros = factor.leading_zeros();
        let mantissa = factor << zeros;
        // Boundaries between the largest power of two in a tick, and the tick.
        let mut first = 0;
        while first < BOUNDS.len() && BOUNDS[first] < mantissa {
            first += 1;
        }
        let mut bounds = [0; SLOTS_PER_OCTAVE];
        let mut at = 0;
        while at < bounds.len() {
            let bound = BOUNDS[(first + at) % BOUNDS.len()];
            let quotient = ((bound as u128) << 64) / mantissa as u128;
            bounds[at] = if quotient >> 64 == 0 {
                quotient as u64
            } else {
                (quotient >> 1) as u64
            };
            at += 1;
        }
        let octave = 31 - zeros as i64;
        Self {
            slices: slices(&bounds),
            measurable: (1u64 << 31).div_ceil(factor),
            slot_of_first: octave * SLOTS_PER_OCTAVE as i64 + first as i64,
        }
    }

    /// Octave and place of a number of ticks, at least one.
    #[inline(always)]
    pub(crate) fn place_of(&self, ticks: u64) -> (usize, usize) {
        let octave = 63 ^ (ticks.leading_zeros() & 63);
        let mantissa = ticks << (63 ^ octave);
        let slice = self
            .slices
            .get((mantissa >> SLICE_SHIFT) as usize)
            .unwrap_or(&Slice {
                bound: u64::MAX,
                below: 0,
            });
        let place = slice.below + u64::from(mantissa > slice.bound);
        (octave as usize, place as usize)
    }

    /// Slot of a place; what is shorter or longer than all slots is in the first or last.
    pub(crate) fn slot(&self, octave: usize, place: usize) -> usize {
        let slot = self.slot_of_first + (octave * SLOTS_PER_OCTAVE + place) as i64;
        usize::try_from(slot).unwrap_or(0).min(SLOTS - 1)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::stats::layout::slot_of;

    fn slot(factor: u64, ticks: u64) -> usize {
        let buckets = Buckets::new(factor);
        let (octave, place) = buckets.place_of(ticks);
        assert!(place < PLACES && octave < 64);
        buckets.slot(octave, place)
    }

    proptest! {
        #[test]
        fn whole_nanoseconds_a_tick_give_the_bucket_of_the_nanoseconds(
            factor in 1..5_000u64,
            ticks in 1..(1u64 << 34),
        ) {
            prop_assert_eq!(slot(factor << 32, ticks), slot_of(factor * ticks));
        }

        #[test]
        fn parts_of_nanoseconds_do_so_where_ticks_make_whole_ones(
            shift in 0..32u32,
            odd in 1..500u64,
            ticks in 1..(1u64 << 30),
        ) {
            // `odd / 2^shift` nanoseconds a tick, and a number of ticks that takes away the fraction.
            let factor = (odd << 32) >> shift;
            let ns = odd * ticks;
            prop_assert_eq!(slot(factor, ticks << shift), slot_of(ns));
        }

        #[test]
        fn slots_rise_with_the_ticks(factor in (1u64 << 27)..(1 << 37), a in 1..u64::MAX, b in 1..u64::MAX) {
            prop_assert!(slot(factor, a.min(b)) <= slot(factor, a.max(b)));
        }

        #[test]
        fn what_is_measurable_rounds_to_a_nanosecond(factor in (1u64 << 27)..(1 << 37)) {
            let rounded = |ticks: u64| (u128::from(ticks) * u128::from(factor) + (1 << 31)) >> 32;
            let least = Buckets::new(factor).measurable;
            prop_assert!(rounded(least) >= 1);
            prop_assert_eq!(rounded(least - 1), 0);
        }
    }
}
