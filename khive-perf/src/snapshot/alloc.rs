//! AllocStats: what calls of one callsite have allocated, and what is left of it.

use std::ops::RangeInclusive;
use std::time::Duration;

use crate::heap::ledger::whole;
use crate::recorder::totals::AllocTotals;
use crate::stats::estimate::Estimate;

/// What calls of one callsite have allocated, measured callees included, and what is left of it.
///
/// # What is exact
///
/// [`bytes`](Self::bytes), [`allocations`](Self::allocations) and [`max_bytes`](Self::max_bytes) are counted, for
/// functions with `#[measure(alloc)]`. What a call frees is not taken off; of recursive calls the outermost counts, of
/// which the inner ones are part.
///
/// All else is known of every measured function, from [sampled](crate::Config::heap_sample_bytes) blocks: unbiased
/// estimates, that are exact where each block is sampled, as it is inside of a [capture](crate::testing::capture). A free
/// is taken off where the block was allocated, whichever thread frees it, and whenever.
#[derive(Clone, Copy, Debug)]
pub struct AllocStats {
    totals: AllocTotals,
}

impl AllocStats {
    pub(super) const fn of(totals: AllocTotals) -> Self {
        Self { totals }
    }

    /// Bytes, in all. A block that grew counts with what it grew by.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.totals.bytes
    }

    /// Allocations and reallocations.
    #[must_use]
    pub const fn allocations(&self) -> u64 {
        self.totals.allocations
    }

    /// Bytes of the call that allocated most since the process started; of futures, of those that ended.
    #[must_use]
    pub const fn max_bytes(&self) -> u64 {
        self.totals.max_bytes
    }

    /// Bytes allocated, by sampled blocks: for functions without `#[measure(alloc)]`, too.
    #[must_use]
    pub const fn sampled_bytes(&self) -> u64 {
        self.totals.heap.allocated_bytes
    }

    /// Bytes allocated here that were freed since, by whichever thread.
    #[must_use]
    pub const fn freed(&self) -> u64 {
        self.totals.heap.freed_bytes
    }

    /// Bytes allocated here that are alive.
    #[must_use]
    pub fn retained(&self) -> u64 {
        self.totals.retained.bytes.round() as u64
    }

    /// What [`retained`](Self::retained) is within, in at least 95 of 100 cases.
    ///
    /// Where nothing was sampled up to 3.7 times the [mean](crate::Config::heap_sample_bytes) may have been missed.
    #[must_use]
    pub fn retained_interval(&self) -> RangeInclusive<u64> {
        interval(&self.totals.retained)
    }

    /// Blocks allocated here that are alive.
    #[must_use]
    pub fn retained_blocks(&self) -> f64 {
        self.totals.retained_blocks
    }

    /// Bytes that are alive and were allocated by the calls themselves, measured callees left out.
    #[must_use]
    pub fn own_retained(&self) -> u64 {
        self.totals.own.bytes.round() as u64
    }

    /// What [`own_retained`](Self::own_retained) is within, in at least 95 of 100 cases.
    #[must_use]
    pub fn own_retained_interval(&self) -> RangeInclusive<u64> {
        interval(&self.totals.own)
    }

    /// Most bytes allocated here that were alive at once, since the process started.
    #[must_use]
    pub const fn peak(&self) -> u64 {
        self.totals.heap.peak_bytes
    }

    /// How long blocks lived that were freed: an upper bound of so many nanoseconds, a power of two, with the number of
    /// blocks below it and not below half of it; those with none are left out.
    pub fn lifetimes(&self) -> impl Iterator<Item = (Duration, f64)> + '_ {
        let counts = (1_u32..).zip(self.totals.lives.by_power);
        counts
            .filter(|(_, blocks)| *blocks > 0)
            .map(|(power, blocks)| (Duration::from_nanos(1_u64 << power.min(63)), whole(blocks)))
    }

    /// Share of the blocks freed so far that were temporary: freed by the thread that made them, before it made any other.
    /// 0 if none was freed.
    #[must_use]
    pub fn temporary_share(&self) -> f64 {
        let freed: u64 = self.totals.lives.by_power.iter().sum();
        if freed == 0 {
            return 0.0;
        }
        self.totals.lives.temporary as f64 / freed as f64
    }
}

fn interval(estimate: &Estimate) -> RangeInclusive<u64> {
    let (low, high) = estimate.interval();
    low.floor() as u64..=high.ceil() as u64
}
