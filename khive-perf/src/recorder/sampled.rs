//! Sampled: which calls on one path one thread times, and what is known of those that it does not.
//!
//! Each call is timed with the same probability, whatever came before it, so that nothing periodic in the
//! calls can hide. The gaps between timed calls are then geometric, and are drawn one at a time: a call
//! that is not timed costs a comparison and an addition. A timed call stands for as many calls as one in how many was
//! to be timed when its gap was drawn; so estimates stay unbiased while that number changes.

use crate::recorder::frame::Finished;
use crate::sync::{OwnedF64, OwnedU64, OwnerCell};

/// Which calls on one path one thread times. Touched by the owner only, but for the counters.
pub(crate) struct Sampled {
    /// One call in so many is timed from the next gap on; 1 times every call.
    every: OwnerCell<u32>,
    /// How many calls the next timed one stands for.
    weight: OwnerCell<u32>,
    /// And the one that is open, if one is that went the short way.
    open_weight: OwnerCell<u32>,
    /// Timed calls since the path is sampled.
    fires: OwnerCell<u64>,
    /// Since when, in ticks, and at which counts, the budget has been looked at last.
    pub(crate) reviewed: OwnerCell<Reviewed>,
    /// Outermost calls that were timed for others, too; what they stand for, and took as often.
    timed: OwnedU64,
    weights: OwnedU64,
    ticks: OwnedU64,
    /// Sums of `w (w - 1)`, and of that times the call's ticks, and times their square: what the variance of the
    /// estimates is made of.
    spread: [OwnedF64; 3],
    /// At the last reading that looked whether calls have become rare: ticks, and finished calls. Readers' alone.
    pub(crate) read_at: OwnedU64,
    pub(crate) read_calls: OwnedU64,
}

/// Where a path stood when the budget was looked at.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Reviewed {
    pub(crate) at: u64,
    pub(crate) calls: u64,
    pub(crate) timed: u64,
    pub(crate) self_ticks: u64,
    pub(crate) polls: u64,
}

impl Sampled {
    pub(crate) const fn new(made_at: u64) -> Self {
        Self {
            every: OwnerCell::new(1),
            weight: OwnerCell::new(1),
            open_weight: OwnerCell::new(1),
            fires: OwnerCell::new(0),
            reviewed: OwnerCell::new(Reviewed {
                at: made_at,
                calls: 0,
                timed: 0,
                self_ticks: 0,
                polls: 0,
            }),
            timed: OwnedU64::new(0),
            weights: OwnedU64::new(0),
            ticks: OwnedU64::new(0),
            spread: [const { OwnedF64::new(0.0) }; 3],
            read_at: OwnedU64::new(made_at),
            read_calls: OwnedU64::new(0),
        }
    }

    /// One call in so many is timed.
    ///
    /// # Safety
    ///
    /// The calling thread owns the shard.
    pub(crate) unsafe fn every(&self) -> u32 {
        // SAFETY: as the caller vouches.
        unsafe { self.every.get() }
    }

    /// Times one call in `every`, from the next gap on.
    ///
    /// # Safety
    ///
    /// The calling thread owns the shard.
    pub(crate) unsafe fn set_every(&self, every: u32) {
        // SAFETY: as the caller vouches.
        unsafe { self.every.set(every) };
    }

    /// Draws the gap before the next timed call; returns how many calls are left untimed until then.
    ///
    /// # Safety
    ///
    /// The calling thread owns the shard.
    pub(crate) unsafe fn draw(&self, random: &Random) -> u64 {
        // SAFETY: as the caller vouches, here and below.
        let every = unsafe { self.every.get() };
        // SAFETY: see above.
        unsafe { self.weight.set(every) };
        random.gap(every)
    }

    /// How many calls the one stands for whose turn it is now.
    ///
    /// # Safety
    ///
    /// The calling thread owns the shard.
    pub(crate) unsafe fn weight(&self) -> u32 {
        // SAFETY: as the caller vouches.
        unsafe { self.weight.get() }
    }

    /// Says how many calls the one stands for that is opened now.
    ///
    /// # Safety
    ///
    /// The calling thread owns the shard.
    pub(crate) unsafe fn open_for(&self, weight: u32) {
        // SAFETY: as the caller vouches.
        unsafe { self.open_weight.set(weight) };
    }

    /// How many calls the open one stands for, which was opened for so many.
    ///
    /// # Safety
    ///
    /// The calling thread owns the shard.
    pub(crate) unsafe fn open_weight(&self) -> u32 {
        // SAFETY: as the caller vouches.
        unsafe { self.open_weight.get() }
    }

    /// Counts a call whose turn has come; says how many there have been.
    ///
    /// # Safety
    ///
    /// The calling thread owns the shard.
    pub(crate) unsafe fn count_fire(&self) -> u64 {
        // SAFETY: as the caller vouches, here and below.
        let fires = unsafe { self.fires.get() } + 1;
        // SAFETY: see above.
        unsafe { self.fires.set(fires) };
        fires
    }

    /// Notes a timed call that has ended, of those that stand for others, too, with its ticks on threads; by the owner.
    pub(crate) fn note(&self, call: &Finished, busy: u64) {
        if !call.is_outermost {
            return;
        }
        self.timed.add(1);
        self.weights.add(call.weight);
        self.ticks.add(busy.wrapping_mul(call.weight));
        let weight = call.weight as f64;
        let ticks = busy as f64;
        let spread = weight * (weight - 1.0);
        for (sum, term) in self
            .spread
            .iter()
            .zip([spread, spread * ticks, spread * ticks * ticks])
        {
            sum.add(term);
        }
    }

    /// The time of all outermost calls of the path; by any thread. `total_ticks` is the sum of what was timed, each
    /// as often as it stands for calls, `exact` the number of outermost calls that were timed,
    /// and `untimed` of those that were not timed; `waiting` is in the sum, and has not been [noted](Self::note) yet.
    ///
    /// The part that is sampled is scaled to the number of calls that there were, which is known: a ratio estimate,
    /// with the variance of one (Särndal, Swensson, Wretman, "Model Assisted Survey Sampling", 1992, section 5.6,
    /// for Poisson sampling).
    pub(crate) fn estimate(
        &self,
        total_ticks: u64,
        exact: u64,
        untimed: u64,
        waiting: Option<&Finished>,
    ) -> Estimate {
        let waiting = waiting.filter(|call| call.weight > 1 && call.is_outermost);
        let of_waiting = |of: &dyn Fn(&Finished) -> u64| waiting.map_or(0, of);
        let timed = self.timed.read() + of_waiting(&|_| 1);
        let weights = (self.weights.read() + of_waiting(&|call| call.weight)) as f64;
        let ticks = (self.ticks.read() + of_waiting(&Finished::total_ticks)) as f64;
        let exact = exact.saturating_sub(timed);
        let exactly = total_ticks as f64 - ticks;
        let of_sampled = (untimed + timed) as f64;
        if timed == 0 || weights <= 0.0 {
            // Nothing is known of these calls but what others took.
            let others = exactly / (exact.max(1)) as f64 * of_sampled;
            return Estimate {
                ticks: exactly + others,
                variance: others * others,
                timed: 0,
            };
        }
        let mean = ticks / weights;
        let scale = of_sampled / weights;
        let [ones, linear, square] = self.spread.each_ref().map(OwnedF64::read);
        let residual = square - 2.0 * mean * linear + mean * mean * ones;
        Estimate {
            ticks: exactly + mean * of_sampled,
            variance: residual.max(0.0) * scale * scale,
            timed,
        }
    }
}

/// An estimate of the time of all calls.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Estimate {
    pub(crate) ticks: f64,
    /// Of the ticks.
    pub(crate) variance: f64,
    /// Number of timed calls that it rests on.
    pub(crate) timed: u64,
}

/// Random numbers of one thread; the owner's alone.
pub(crate) struct Random(OwnedU64);

impl Random {
    /// Another sequence for each number.
    pub(crate) const fn new(number: u64) -> Self {
        // Numbers in a row become far ones by the finalizer of splitmix64.
        let mut seed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        seed = (seed ^ (seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        seed = (seed ^ (seed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        Self(OwnedU64::new((seed ^ (seed >> 31)) | 1))
    }

    /// Calls before the next one that is timed, where one in `every` is: geometric by inversion, on `0..`.
    pub(crate) fn gap(&self, every: u32) -> u64 {
        if every <= 1 {
            return 0;
        }
        let survives = (-1.0 / f64::from(every)).ln_1p();
        // A cast from float saturates.
        (self.uniform().ln() / survives) as u64
    }

    /// A number in `(0, 1]`, by xorshift64* (Vigna, "An experimental exploration of Marsaglia's xorshift
    /// generators, scrambled", 2016).
    fn uniform(&self) -> f64 {
        let mut state = self.0.read();
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        self.0.set(state);
        let bits = state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11;
        (bits + 1) as f64 / (1u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_call_is_timed_where_nothing_else_is_asked() {
        let random = Random::new(1);
        assert!((0..100).all(|_| random.gap(1) == 0));
    }

    #[test]
    fn a_call_is_timed_with_one_probability_whatever_its_place() {
        const CALLS: usize = 200_000;
        let random = Random::new(7);
        let mut timed = Vec::with_capacity(CALLS + 100);
        while timed.len() < CALLS {
            timed.extend((0..random.gap(10)).map(|_| false));
            timed.push(true);
        }
        timed.truncate(CALLS);
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
