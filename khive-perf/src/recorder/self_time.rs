//! SelfTime: a sum that readers see only grow, though what is added may be below zero.
//!
//! Where callees are sampled, a timed callee stands for several, and what they are taken to have cost may be
//! more than the call around it took. On average it comes out right; one by one, some self times are below
//! zero. These become a debt that later ones pay, so that the sum never falls, as a counter must not.

use crate::sync::OwnedU64;

/// Nanoseconds of self time; written by the owner, read by any thread.
pub(crate) struct SelfTime {
    sum_ns: OwnedU64,
    debt_ns: OwnedU64,
}

impl SelfTime {
    pub(crate) const fn new() -> Self {
        Self {
            sum_ns: OwnedU64::new(0),
            debt_ns: OwnedU64::new(0),
        }
    }

    /// Adds where there is no debt; by the owner.
    #[inline(always)]
    pub(crate) fn grow(&self, ns: u64) {
        self.sum_ns.add(ns);
    }

    /// Adds, or takes off what is added later; by the owner.
    pub(crate) fn add(&self, ns: i64) {
        if ns < 0 {
            self.debt_ns.add(ns.unsigned_abs());
            return;
        }
        let (ns, debt) = (ns.unsigned_abs(), self.debt_ns.read());
        let paid = ns.min(debt);
        if paid > 0 {
            self.debt_ns.sub(paid);
        }
        self.sum_ns.add(ns - paid);
    }

    pub(crate) fn read(&self) -> u64 {
        self.sum_ns.read()
    }

    /// What [`read`](Self::read) will be once this is added.
    pub(crate) fn read_with(&self, ns: i64) -> u64 {
        let gain = u64::try_from(ns).unwrap_or(0);
        self.read() + gain.saturating_sub(self.debt_ns.read())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sum_never_falls_and_comes_out_right() {
        let time = SelfTime::new();
        let mut seen = 0;
        for ns in [100, -250, 80, 90, -10, 200, 5] {
            let expected = time.read_with(ns);
            time.add(ns);
            assert_eq!(time.read(), expected);
            assert!(time.read() >= seen);
            seen = time.read();
        }
        assert_eq!(seen, 215);
    }
}
