//! Value to bucket: OpenTelemetry's base-2 exponential histogram at scale 5, in seconds, from whole
//! nanoseconds.
//!
//! Bucket `i` holds `(base^i, base^(i+1)]` seconds, `base = 2^(1/32)`. One second is 10^9 ns and
//! `log2(10^9)` is not whole, but the 32 boundaries repeat in every octave of the nanosecond count:
//! they are the 32 mantissas of [`BOUNDS`], whatever the exponent. So the exponent comes from the
//! leading zeros, and one look into a table of 64 slices of the mantissa, with one comparison,
//! finds the bucket exactly: no logarithm, no rounding error.
//!
//! ```text
//! nanoseconds   1 x x x x x x y y y ...        normalised to 64 bits
//!               | '----,----'                  slice: which boundary may lie here
//!               '- exponent: which octave
//! slot          32 * octave + boundaries of this octave that are below the value
//! OTLP index    slot - 957
//! ```

/// OpenTelemetry's scale: 32 buckets per power of two.
pub(crate) const SCALE: i32 = 5;
/// Buckets per power of two.
pub(crate) const SLOTS_PER_OCTAVE: usize = 1 << SCALE;
/// Powers of two that have buckets of their own: 1 ns to 78 hours. Longer values are counted in the
/// last bucket; their sum, minimum and maximum stay exact.
pub(crate) const OCTAVES: usize = 48;
/// Number of slots.
pub(crate) const SLOTS: usize = OCTAVES * SLOTS_PER_OCTAVE;
/// OTLP bucket index of slot 0.
const OTLP_INDEX_OF_SLOT_0: i32 = -957;

/// Mantissas of `10^9 * 2^(i/32)` in one octave, rounded down, ascending. Verified by a test.
pub(super) const BOUNDS: [u64; SLOTS_PER_OCTAVE] = [
    0x81ff_a7a9_549c_a6e3,
    0x84d8_626d_3118_d396,
    0x87c1_1235_836d_16a3,
    0x8aba_1075_8e1e_a3cf,
    0x8dc3_b896_0164_a7d9,
    0x90de_67ff_f600_044c,
    0x940a_7e28_259f_b382,
    0x9748_5c9a_622a_db60,
    0x9a98_6705_4d51_2391,
    0x9dfb_0346_51c9_9c68,
    0xa170_9975_dfb0_6757,
    0xa4f9_93f3_ed7b_61ca,
    0xa896_5f74_bf06_5071,
    0xac47_6b0d_f43f_745f,
    0xb00d_2843_e106_0dc2,
    0xb3e8_0b17_2fd5_1af7,
    0xb7d8_8a12_d0dd_9ea0,
    0xbbdf_1e5a_373c_e5c6,
    0xbffc_43b7_e604_a922,
    0xc430_78ac_4ed4_7ae7,
    0xc87c_3e7d_03cd_bec3,
    0xcce0_1944_3eb5_6ce4,
    0xd15c_9000_bf21_1c1f,
    0xd5f2_2ca6_0197_43e0,
    0xdaa1_7c2c_d195_55db,
    0xdf6b_0ea4_3879_3a89,
    0xe44f_7742_cb56_e3dd,
    0xe94f_4c78_59ce_1066,
    0xee6b_2800_0000_0000,
    0xf3a3_a6f2_9dd0_c333,
    0xf8f9_69d9_b5ab_f948,
    0xfe6d_14c2_b511_4024,
];

/// Half of them are of mantissas without their leading one, which there are not: so the index needs no mask.
pub(super) const SLICES: usize = 128;
pub(super) const SLICE_SHIFT: u32 = 64 - SLICES.trailing_zeros();

/// One slice of the mantissa: how many boundaries lie below it, and the one that may lie inside.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slice {
    pub(super) bound: u64,
    pub(super) below: u64,
}

static TABLE: [Slice; SLICES] = slices(&BOUNDS);

#[expect(
    clippy::indexing_slicing,
    reason = "evaluated by the compiler, which checks it"
)]
pub(super) const fn slices(bounds: &[u64; SLOTS_PER_OCTAVE]) -> [Slice; SLICES] {
    let mut table = [Slice {
        bound: u64::MAX,
        below: 0,
    }; SLICES];
    let mut slice = SLICES / 2;
    let mut next = 0;
    while slice < SLICES {
        let last = ((slice as u64) << SLICE_SHIFT) | ((1 << SLICE_SHIFT) - 1);
        table[slice].below = next as u64;
        if next < bounds.len() && bounds[next] <= last {
            table[slice].bound = bounds[next];
            next += 1;
        }
        assert!(
            next == bounds.len() || bounds[next] > last,
            "a slice holds one boundary at most"
        );
        slice += 1;
    }
    assert!(next == bounds.len());
    table
}

/// Slot of a value of at least one nanosecond; `0..SLOTS`.
#[inline(always)]
pub(crate) fn slot_of(ns: u64) -> usize {
    debug_assert!(ns > 0, "zero has a count of its own");
    let zeros = ns.leading_zeros() & 63;
    let mantissa = ns << zeros;
    let slice = TABLE
        .get((mantissa >> SLICE_SHIFT) as usize)
        .unwrap_or(&Slice {
            bound: u64::MAX,
            below: 0,
        });
    let octave = u64::from(63 - zeros);
    let slot = octave * SLOTS_PER_OCTAVE as u64 + slice.below + u64::from(mantissa > slice.bound);
    (slot as usize).min(SLOTS - 1)
}

/// OTLP bucket index of a slot.
pub(crate) fn otlp_index(slot: usize) -> i32 {
    i32::try_from(slot)
        .unwrap_or(i32::MAX)
        .saturating_add(OTLP_INDEX_OF_SLOT_0)
}

/// Upper bound of a slot in nanoseconds, itself inside the slot; the lower bound of the next.
pub(crate) fn upper_bound_ns(slot: usize) -> f64 {
    1e9 * (f64::from(otlp_index(slot) + 1) / SLOTS_PER_OCTAVE as f64).exp2()
}

#[cfg(test)]
#[path = "layout_tests.rs"]
mod tests;
