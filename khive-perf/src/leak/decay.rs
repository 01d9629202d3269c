//! Decay: whether those that have grown old still die, or have stopped.
//!
//! Two hypotheses about `g`, the hazard per unit of the logarithm of age (see [`ages`](super::ages)), beyond an age `M`:
//!
//! - **mortal**: `g` never falls, and is at least `a / (c A)` at age `a`, where `A` is the age of the oldest
//!   survivors: things die the sooner or later, on average within `c` times what was watched. Tails like
//!   `a^-alpha`, exponential, log-normal and Weibull lifetimes are of this kind;
//! - **immortal**: of those that reach `M`, a share `q` never dies, and the others have a tail like `a^-alpha`.
//!
//! The evidence is the likelihood of immortal, averaged over a fixed grid of `q` and `alpha`, by the best likelihood of mortal
//! (found by pooling adjacent violators). Its expectation is at most 1 wherever mortal is true, at
//! every moment at which one may look, so that the chance of it ever passing `1 / p` is at most `p`: "Universal
//! inference", Wasserman, Ramdas & Balakrishnan, PNAS 2020, with a mixture in place of the split.
//! The average over several `M` is such an evidence, too.
//!
//! Things that come by the dozen are one event: deaths and exposure are divided by the size of a clump.
//!
//! For an `M` below which most die and above which others, with long lives, die later, "never falls" is wrong, and a
//! leak is not the only other explanation. So an `M` counts only if immortal can explain the deaths at each age beyond it.

use crate::leak::ages::{AgeBin, Ages};

/// `c`: mortal things die within so many times what was watched, on average.
pub(super) const REACH: f64 = 1.5;
/// An `M` does not count if there are so many deaths beyond some age that immortal has them with less than this chance.
pub(super) const VETO_CHANCE: f64 = 0.001;
/// `M` goes down from `A` by so many half-octaves.
const HALF_OCTAVES: i32 = 12;
/// Hazard that is left to immortals, so that one accident refutes nothing.
const ACCIDENTS: f64 = 0.01;

const ALPHAS: [f64; 7] = [0.5, 0.75, 1.0, 1.5, 2.0, 4.0, 8.0];
const SHARES: [f64; 10] = [0.03, 0.06, 0.1, 0.2, 0.35, 0.5, 0.7, 0.85, 0.95, 1.0];

/// What the ages of one origin say.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Decay {
    /// Natural logarithm of the evidence that some are immortal; negative where they die.
    pub(super) evidence: f64,
    /// From this age on, in microseconds.
    pub(super) mature_us: f64,
    /// Survivors are told from this age on; the same, or later.
    pub(super) from_us: f64,
    /// Share of those that reach that age and never die.
    pub(super) immortal: f64,
    /// How fast the others die.
    pub(super) alpha: f64,
    /// Deaths beyond that age, and as many as mortals would at least have had.
    pub(super) deaths: f64,
    pub(super) expected: f64,
}

impl Decay {
    /// The chance that one of this age never dies.
    pub(super) fn immortal_at(&self, age_us: f64) -> f64 {
        if age_us < self.mature_us {
            return 0.0;
        }
        let mortal = (1.0 - self.immortal) * (age_us / self.mature_us).powf(-self.alpha);
        self.immortal / (self.immortal + mortal)
    }
}

/// Weighs the hypotheses. `span_us` is `A`, `youngest_us` the least `M`, `clump` how many things make one event.
pub(super) fn weigh(ages: &Ages, span_us: f64, youngest_us: f64, clump: f64) -> Option<Decay> {
    let mut all: Vec<Decay> = Vec::new();
    for half in 1..=HALF_OCTAVES {
        let mature_us = span_us * 0.5_f64.powf(f64::from(half) / 2.0);
        if mature_us >= youngest_us {
            all.extend(at(&ages.from(mature_us, clump), mature_us, span_us));
        }
    }
    let total = log_mean(all.iter().map(|decay| decay.evidence), all.len());
    // The youngest age at which the evidence is about as good as it gets, or better than anybody needs, sees the most
    // recent births.
    let best = all
        .iter()
        .map(|decay| decay.evidence)
        .fold(f64::MIN, f64::max);
    let chosen = all
        .iter()
        .rev()
        .find(|decay| decay.evidence >= (best - 3.0).min(AMPLE));
    chosen.map(|decay| Decay {
        evidence: total,
        ..*decay
    })
}

fn at(bins: &[AgeBin], mature_us: f64, span_us: f64) -> Option<Decay> {
    if bins.is_empty() {
        return None;
    }
    let floor = |bin: &AgeBin| bin.age_us / (REACH * span_us);
    let mortal = best_rising(bins, floor);
    let mut best = (f64::MIN, 0.0, 0.0);
    let mut all = Vec::with_capacity(ALPHAS.len() * SHARES.len());
    for alpha in ALPHAS {
        let tail: Vec<f64> = bins
            .iter()
            .map(|bin| (bin.age_us / mature_us).powf(-alpha))
            .collect();
        for share in SHARES {
            let hazards = tail.iter().map(|tail| hazard(*tail, alpha, share));
            let both = bins.iter().zip(hazards);
            let sum = both.map(|(bin, hazard)| likelihood(bin, hazard)).sum();
            all.push(sum);
            if sum > best.0 {
                best = (sum, alpha, share);
            }
        }
    }
    let (_, alpha, immortal) = best;
    let mean = log_mean(all.iter().copied(), all.len());
    let is_explained = explains(bins, mature_us, alpha, immortal);
    Some(Decay {
        evidence: if is_explained {
            mean - mortal
        } else {
            (mean - mortal).min(-VETOED)
        },
        mature_us,
        from_us: mature_us,
        immortal,
        alpha,
        deaths: bins.iter().map(|bin| bin.deaths).sum(),
        expected: bins.iter().map(|bin| bin.exposure * floor(bin)).sum(),
    })
}

/// Evidence, in nats, that is more than anybody asks for.
const AMPLE: f64 = 12.0;
/// Evidence against, in nats, where immortal does not explain the deaths.
const VETOED: f64 = 20.0;

/// Whether the deaths beyond each age are no more than a model with immortals has, but for chance.
fn explains(bins: &[AgeBin], mature_us: f64, alpha: f64, share: f64) -> bool {
    let (mut deaths, mut expected) = (0.0_f64, 0.0_f64);
    bins.iter().rev().all(|bin| {
        let tail = (bin.age_us / mature_us).powf(-alpha);
        deaths += bin.deaths;
        expected += bin.exposure * hazard(tail, alpha, share);
        // Chernoff's bound of a Poisson number's upper tail.
        deaths <= expected
            || deaths * (deaths / expected).ln() - deaths + expected <= -VETO_CHANCE.ln()
    })
}

/// Hazard where a share is immortal and of the others so many are left.
fn hazard(tail: f64, alpha: f64, share: f64) -> f64 {
    let mortal = (1.0 - share) * tail;
    alpha * mortal / (share + mortal) + ACCIDENTS
}

/// Log-likelihood of a hazard in each bin.
fn likelihood(bin: &AgeBin, hazard: f64) -> f64 {
    bin.deaths * hazard.ln() - bin.exposure * hazard
}

/// The best log-likelihood of a hazard that never falls and never goes below a floor that rises.
fn best_rising(bins: &[AgeBin], floor: impl Fn(&AgeBin) -> f64) -> f64 {
    struct Pool {
        deaths: f64,
        exposure: f64,
        floor: f64,
    }
    impl Pool {
        fn hazard(&self) -> f64 {
            (self.deaths / self.exposure).max(self.floor)
        }
    }
    let mut pools: Vec<Pool> = Vec::with_capacity(bins.len());
    for bin in bins {
        let mut pool = Pool {
            deaths: bin.deaths,
            exposure: bin.exposure,
            floor: floor(bin),
        };
        while let Some(below) = pools.pop_if(|below| below.hazard() > pool.hazard()) {
            pool.deaths += below.deaths;
            pool.exposure += below.exposure;
            pool.floor = pool.floor.max(below.floor);
        }
        pools.push(pool);
    }
    pools
        .iter()
        .map(|pool| pool.deaths * pool.hazard().ln() - pool.exposure * pool.hazard())
        .sum()
}

/// Logarithm of the mean of numbers whose logarithms are given.
fn log_mean(logs: impl Iterator<Item = f64> + Clone, count: usize) -> f64 {
    let highest = logs.clone().fold(f64::MIN, f64::max);
    if count == 0 || highest <= f64::MIN {
        return f64::MIN;
    }
    let sum: f64 = logs.map(|log| (log - highest).exp()).sum();
    highest + (sum / count as f64).ln()
}
