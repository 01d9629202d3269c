//! Ages: how many things died at which age, and how many could have.
//!
//! Ages are in half-octaves. In each, deaths `D` are counted, and exposure `E`: the sum over all things of the
//! logarithm of age that they lived through while they were watched. `D / E` estimates `g(a) = a h(a)`, the hazard
//! per unit of the logarithm of age: it is `alpha` for lifetimes with a tail like `a^-alpha`, rises with age for
//! exponential, log-normal and Weibull lifetimes, and falls to zero where some live for ever.
//! A thing enters when it is first seen, and leaves when it dies or is still alive: both kinds of
//! incompleteness, left truncation and right censoring, are accounted for by that.

/// Half-octaves of age in microseconds: the last is 144 days and beyond.
pub(super) const BINS: usize = 88;

/// Deaths and exposure by age, of one origin.
#[derive(Clone, Debug)]
pub(super) struct Ages {
    deaths: [u32; BINS],
    exposure: [f32; BINS],
}

/// Deaths and exposure of one half-octave of age.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct AgeBin {
    /// Its middle, in microseconds.
    pub(super) age_us: f64,
    pub(super) deaths: f64,
    pub(super) exposure: f64,
}

impl Ages {
    pub(super) const fn new() -> Self {
        Self {
            deaths: [0; BINS],
            exposure: [0.0; BINS],
        }
    }

    /// Something has lived from one age to another.
    pub(super) fn lived(&mut self, from_us: f64, to_us: f64) {
        let (from, to) = (from_us.max(1.0), to_us.max(1.0));
        for bin in bin_of(from)..=bin_of(to) {
            let low = from.max(lower_edge(bin));
            let high = if bin + 1 == BINS {
                to
            } else {
                to.min(lower_edge(bin + 1))
            };
            if let Some(exposure) = self.exposure.get_mut(bin).filter(|_| high > low) {
                *exposure += (high / low).ln() as f32;
            }
        }
    }

    /// Something has died between two ages: it counts as having done so in the middle.
    pub(super) fn died(&mut self, from_us: f64, to_us: f64) {
        let (from, to) = (from_us.max(1.0), to_us.max(1.0));
        let middle = (from * to).sqrt();
        self.lived(from, middle);
        if let Some(deaths) = self.deaths.get_mut(bin_of(middle)) {
            *deaths = deaths.saturating_add(1);
        }
    }

    /// All deaths that were seen.
    pub(super) fn deaths(&self) -> u64 {
        self.deaths.iter().map(|deaths| u64::from(*deaths)).sum()
    }

    /// From the half-octave of this age on, where so many things make one event.
    pub(super) fn from(&self, age_us: f64, clump: f64) -> Vec<AgeBin> {
        let first = bin_of(age_us * 1.001);
        let bins = self.deaths.iter().zip(&self.exposure).enumerate();
        bins.skip(first)
            .filter(|(_, (deaths, exposure))| **deaths > 0 || **exposure > 0.0)
            .map(|(bin, (deaths, exposure))| AgeBin {
                age_us: lower_edge(bin) * 2.0_f64.powf(0.25),
                deaths: f64::from(*deaths) / clump,
                // A death without exposure is one at the very edge.
                exposure: (f64::from(*exposure) / clump).max(1e-6),
            })
            .collect()
    }
}

/// How likely what has reached an age is to be alive at the oldest that was seen: Nelson's and Aalen's estimate.
#[derive(Clone, Copy, Debug)]
pub(super) struct Survival {
    /// Hazard of each half-octave.
    hazards: [f64; BINS],
    /// Sum of the hazards of all later ones.
    later: [f64; BINS],
}

impl Survival {
    pub(super) fn of(ages: &Ages) -> Self {
        let (mut hazards, mut later) = ([0.0; BINS], [0.0; BINS]);
        let mut sum = 0.0;
        let bins = ages.deaths.iter().zip(&ages.exposure);
        let sums = hazards.iter_mut().zip(&mut later);
        for ((deaths, exposure), (hazard, later)) in bins.zip(sums).rev() {
            *later = sum;
            if *exposure > 0.0 {
                *hazard = f64::from(*deaths) / f64::from(*exposure);
            }
            sum += *hazard * WIDTH;
        }
        Self { hazards, later }
    }

    pub(super) fn from(&self, age_us: f64) -> f64 {
        let bin = bin_of(age_us);
        let left = (lower_edge(bin + 1) / age_us.max(1.0)).ln().max(0.0);
        let (hazard, later) = (self.hazards.get(bin), self.later.get(bin));
        (-hazard.unwrap_or(&0.0) * left - later.unwrap_or(&0.0)).exp()
    }
}

/// Of a half-octave, in the natural logarithm.
const WIDTH: f64 = std::f64::consts::LN_2 / 2.0;

/// The half-octave that an age lies in.
pub(super) fn bin_of(age_us: f64) -> usize {
    ((2.0 * age_us.max(1.0).log2()).floor() as usize).min(BINS - 1)
}

/// Where a half-octave begins, in microseconds.
pub(super) fn lower_edge(bin: usize) -> f64 {
    2.0_f64.powf(bin as f64 / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exposure_is_the_logarithm_of_age_lived_through() {
        let mut ages = Ages::new();
        ages.lived(10.0, 1_000.0);
        let total: f64 = ages.from(1.0, 1.0).iter().map(|bin| bin.exposure).sum();
        assert!((total - 100.0_f64.ln()).abs() < 1e-5, "{total}");
    }

    #[test]
    fn a_death_counts_in_the_middle_of_the_ages_between_which_it_happened() {
        let mut ages = Ages::new();
        ages.died(64.0, 256.0);
        let bins = ages.from(1.0, 1.0);
        let dead = bins.iter().find(|bin| bin.deaths > 0.0).expect("one death");
        assert!((dead.age_us - 128.0 * 2.0_f64.powf(0.25)).abs() < 1e-9);
        let total: f64 = bins.iter().map(|bin| bin.exposure).sum();
        assert!((total - 2.0_f64.ln()).abs() < 1e-5, "{total}");
    }

    #[test]
    fn survival_is_the_share_that_gets_old() {
        let mut ages = Ages::new();
        // Three of four die, at ages from 10 to 1,000 ms; one lives on.
        for n in 0..300 {
            let age = 10.0 * 100.0_f64.powf(f64::from(n) / 300.0);
            ages.died(age, age);
            ages.lived(1.0, age);
        }
        for _ in 0..100 {
            ages.lived(1.0, 100_000.0);
        }
        let survival = Survival::of(&ages);
        let whole = survival.from(1.0);
        assert!((whole - 0.25).abs() < 0.03, "{whole}");
        assert!((survival.from(2_000.0) - 1.0).abs() < 1e-9);
    }

    #[test]
    fn an_edge_belongs_to_the_half_octave_that_begins_there() {
        for bin in 0..BINS {
            assert_eq!(bin_of(lower_edge(bin) * 1.001), bin);
        }
        assert_eq!(bin_of(f64::MAX), BINS - 1);
    }
}
