//! Finished: a call that has ended, as plain values, on its way into a cell and a node.

use crate::clock::Scale;
use crate::outcome::Outcome;

/// In a word beside the [`Outcome`] in the low bits: no call of the same series was around this one.
pub(crate) const OUTERMOST: u64 = 1 << 2;
/// Above it: how many calls this one stands for; 0 for one that is not timed.
pub(crate) const WEIGHT_SHIFT: u32 = 3;
/// An outermost call that stands for itself alone and ended well.
pub(crate) const PLAIN: u64 = OUTERMOST | 1 << WEIGHT_SHIFT | Outcome::Ok as u64;

/// A call that was timed and has ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Finished {
    pub(crate) wall_ns: u64,
    pub(crate) self_ns: i64,
    pub(crate) outcome: Outcome,
    pub(crate) outermost: bool,
    /// At least 1.
    pub(crate) weight: u64,
}

impl Finished {
    /// From ticks, and a word of outcome, [`OUTERMOST`] and weight.
    pub(crate) fn new(scale: Scale, ticks: u64, self_ticks: u64, how: u64) -> Self {
        Self {
            wall_ns: scale.region_ns(ticks),
            self_ns: self_ns(scale, self_ticks),
            outcome: Outcome::from_index(how & 3),
            outermost: how & OUTERMOST != 0,
            weight: (how >> WEIGHT_SHIFT).max(1),
        }
    }

    /// Self time of all calls that this one stands for.
    pub(crate) fn self_ns_of_all(&self) -> i64 {
        self.self_ns.wrapping_mul(self.weight as i64)
    }

    /// Time of all calls that this one stands for; none for a call inside one of the same series.
    pub(crate) fn total_ns_of_all(&self) -> u64 {
        if self.outermost {
            self.wall_ns.wrapping_mul(self.weight)
        } else {
            0
        }
    }
}

/// Nanoseconds of self time in ticks of two's complement: what sampled callees stand for may be more than the
/// call took, and must then count against other calls.
pub(crate) fn self_ns(scale: Scale, ticks: u64) -> i64 {
    let signed = ticks as i64;
    if signed >= 0 {
        scale.region_ns(ticks) as i64
    } else {
        -(scale.ns(signed.unsigned_abs()) as i64)
    }
}
