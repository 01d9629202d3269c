//! Sampler: which calls of a series one thread times.
//!
//! Each call is timed with the same probability, whatever came before it, so that nothing periodic in the
//! calls can hide. The gaps between timed calls are then geometric, and are drawn one at a time: a call
//! that is not timed costs a countdown.

use crate::sync::OwnedU64;

/// Which calls of a series one thread times; touched by the owner only.
pub(crate) struct Sampler {
    /// Calls up to the next one that is timed, itself included; 0 where every call is timed.
    countdown: OwnedU64,
    state: OwnedU64,
    every: u32,
}

impl Sampler {
    /// One call in `every`, on average.
    pub(crate) fn new(every: u32) -> Self {
        let sampler = Self {
            countdown: OwnedU64::new(0),
            state: OwnedU64::new(seed()),
            every,
        };
        if every > 1 {
            sampler.countdown.set(sampler.gap());
        }
        sampler
    }

    /// One call in so many is timed.
    pub(crate) const fn every(&self) -> u32 {
        self.every
    }

    /// How many calls the next one stands for: 1 where every call is timed, 0 if it is not timed.
    #[inline(always)]
    pub(crate) fn next(&self) -> u32 {
        match self.countdown.read() {
            0 => 1,
            left => self.count_down(left),
        }
    }

    #[inline(never)]
    fn count_down(&self, left: u64) -> u32 {
        if left > 1 {
            self.countdown.set(left - 1);
            return 0;
        }
        self.countdown.set(self.gap());
        self.every
    }

    /// Geometric by inversion, on `1..`.
    fn gap(&self) -> u64 {
        let survives = (-1.0 / f64::from(self.every)).ln_1p();
        let gap = self.uniform().ln() / survives;
        // A cast from float saturates.
        (gap as u64).saturating_add(1)
    }

    /// A number in `(0, 1]`, by xorshift64* (Vigna, "An experimental exploration of Marsaglia's xorshift
    /// generators, scrambled", 2016).
    fn uniform(&self) -> f64 {
        let mut state = self.state.read();
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        self.state.set(state);
        let bits = state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11;
        (bits + 1) as f64 / (1u64 << 53) as f64
    }
}

/// Another number for each sampler, never zero.
fn seed() -> u64 {
    use crate::sync::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(1);
    // Numbers in a row become far ones by the finalizer of splitmix64.
    let mut seed = NEXT
        .fetch_add(1, Ordering::Relaxed)
        .wrapping_mul(0x9e37_79b9_7f4a_7c15);
    seed = (seed ^ (seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    seed = (seed ^ (seed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (seed ^ (seed >> 31)) | 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_call_is_timed_where_nothing_else_is_asked() {
        let sampler = Sampler::new(1);
        assert!((0..100).all(|_| sampler.next() == 1));
    }

    #[test]
    fn a_call_is_timed_with_one_probability_whatever_its_place() {
        const CALLS: usize = 200_000;
        let sampler = Sampler::new(10);
        let timed: Vec<bool> = (0..CALLS)
            .map(|_| match sampler.next() {
                0 => false,
                weight => {
                    assert_eq!(weight, 10);
                    true
                }
            })
            .collect();
        // Binomial: 20,000 expected with a standard deviation of 134; five of them are allowed.
        let all = timed.iter().filter(|timed| **timed).count();
        assert!((19_330..=20_670).contains(&all), "{all}");
        // In any residue class as well: 2,000 with 42.
        for start in 0..10 {
            let class = timed.iter().skip(start).step_by(10);
            let some = class.filter(|timed| **timed).count();
            assert!((1_788..=2_212).contains(&some), "{some} from {start}");
        }
        // And directly after one that was timed: as many as ever.
        let twice = timed.windows(2).filter(|pair| **pair == [true, true]);
        let twice = twice.count();
        assert!((1_760..=2_240).contains(&twice), "{twice}");
    }
}
