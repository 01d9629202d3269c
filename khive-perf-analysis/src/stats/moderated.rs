//! Moderated variance: what all callsites together say about how noisy one of them is.
//!
//! Method: Smyth, "Linear Models and Empirical Bayes Methods for Assessing Differential Expression in
//! Microarray Experiments", Stat. Appl. Genet. Mol. Biol. 3 (2004), section 6.2.
//! Each callsite's variance, from a handful of runs, is itself a noisy estimate. Taking the true variances as
//! scaled inverse chi-square around `s0²` with `d0` degrees of freedom, both are found by matching the mean
//! and variance of the logarithms, and a callsite's variance becomes `(d0 s0² + d s²) / (d0 + d)` with
//! `d0 + d` degrees of freedom.
//!
//! Assumption: callsites of one comparison are comparable in noise. Where they are not, the logarithms scatter
//! more, `d0` comes out small, and little is shared; see [`Prior::moderate`] for the one-sided rule on top.

use crate::stats::special::{digamma, inverse_trigamma, trigamma};

/// Fewer callsites than this say nothing about each other.
pub const CALLSITES_MIN: usize = 4;

/// A callsite borrows at most this many degrees of freedom from the others.
///
/// Where all look alike, the prior is worth infinitely many by Smyth's estimate; of a few dozen callsites and two
/// runs a side that estimate is itself too unsure to rest a verdict on.
pub const BORROWED_MAX: f64 = 4.0;

/// The variance of one callsite and what it rests on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Variance {
    /// Variance of a run's value around its side's mean.
    pub value: f64,
    /// Degrees of freedom.
    pub freedom: f64,
}

/// What is known of a callsite's variance before looking at it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Prior {
    /// The typical variance, `s0²`.
    pub value: f64,
    /// How many degrees of freedom it is worth, `d0`: 0 where nothing can be shared, infinite where all are alike.
    pub freedom: f64,
}

impl Prior {
    /// Estimates the prior from the pooled variance of every callsite that has one.
    pub fn from_variances(variances: &[Variance]) -> Self {
        const NOTHING: Prior = Prior {
            value: 0.0,
            freedom: 0.0,
        };
        let usable = |variance: &&Variance| {
            variance.value > 0.0 && variance.value.is_finite() && variance.freedom > 0.0
        };
        let usable: Vec<&Variance> = variances.iter().filter(usable).collect();
        if usable.len() < CALLSITES_MIN {
            return NOTHING;
        }
        let count = usable.len() as f64;
        let logs: Vec<f64> = usable
            .iter()
            .map(|v| v.value.ln() - digamma(0.5 * v.freedom) + (0.5 * v.freedom).ln())
            .collect();
        let mean = logs.iter().sum::<f64>() / count;
        let scatter = logs.iter().map(|log| (log - mean).powi(2)).sum::<f64>() / (count - 1.0);
        let expected = usable
            .iter()
            .map(|v| trigamma(0.5 * v.freedom))
            .sum::<f64>()
            / count;
        let excess = scatter - expected;
        if excess <= 0.0 {
            return Self {
                value: mean.exp(),
                freedom: f64::INFINITY,
            };
        }
        let half = inverse_trigamma(excess);
        Self {
            value: (mean + digamma(half) - half.ln()).exp(),
            freedom: 2.0 * half,
        }
    }

    /// The callsite's variance with the prior's weight added, but never below its own.
    ///
    /// Smyth's estimator also lowers a variance above the typical one. That is right on average and wrong for
    /// the one callsite that really is noisy, whose own runs say so: with it, a comparison of two runs a side with
    /// themselves flags something nine times as often as here (`docs/detection.md`). It costs some power and cannot cost a false alarm.
    pub fn moderate(&self, own: Variance) -> Variance {
        if self.freedom <= 0.0 {
            return own;
        }
        let value = if self.freedom.is_infinite() {
            self.value
        } else {
            (self.freedom * self.value + own.freedom * own.value) / (self.freedom + own.freedom)
        };
        let freedom = own.freedom + self.freedom.min(BORROWED_MAX);
        Variance {
            value: value.max(own.value),
            freedom,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variances(values: &[f64]) -> Vec<Variance> {
        values
            .iter()
            .map(|&value| Variance {
                value,
                freedom: 8.0,
            })
            .collect()
    }

    #[test]
    fn equal_variances_share_everything() {
        let prior = Prior::from_variances(&variances(&[4e-4; 10]));
        assert!(prior.freedom.is_infinite());
        let moderated = prior.moderate(Variance {
            value: 1e-5,
            freedom: 8.0,
        });
        // The bias of the logarithm of a chi-square with 8 degrees is taken out: ψ(4) - ln 4 = -0.130.
        assert!((moderated.value / (4e-4 * 0.130_2f64.exp()) - 1.0).abs() < 1e-3);
        assert!((moderated.freedom - 12.0).abs() < 1e-12);
    }

    #[test]
    fn wildly_different_variances_share_little() {
        let prior = Prior::from_variances(&variances(&[1e-8, 1e-6, 1e-4, 1e-2, 1.0]));
        assert!(prior.freedom > 0.0 && prior.freedom < 1.0, "{prior:?}");
    }

    #[test]
    fn the_prior_solves_smyths_two_equations() {
        let given = variances(&[1e-4, 3e-4, 2e-4, 9e-4, 5e-5, 4e-3, 7e-4]);
        let prior = Prior::from_variances(&given);
        let logs: Vec<f64> = given.iter().map(|v| v.value.ln()).collect();
        let mean = logs.iter().sum::<f64>() / 7.0;
        let scatter = logs.iter().map(|l| (l - mean).powi(2)).sum::<f64>() / 6.0;
        assert!((trigamma(prior.freedom / 2.0) + trigamma(4.0) - scatter).abs() < 1e-9);
        let expected = prior.value.ln() + digamma(4.0) - 4f64.ln() - digamma(prior.freedom / 2.0)
            + (prior.freedom / 2.0).ln();
        assert!((expected - mean).abs() < 1e-9);
    }

    #[test]
    fn three_callsites_say_nothing_about_each_other() {
        let prior = Prior::from_variances(&variances(&[1e-4, 2e-4, 3e-4]));
        let own = Variance {
            value: 7e-4,
            freedom: 8.0,
        };
        assert_eq!(prior.moderate(own), own);
    }

    #[test]
    fn a_noisy_callsite_keeps_its_own_variance() {
        let prior = Prior::from_variances(&variances(&[4e-4; 10]));
        let own = Variance {
            value: 0.2,
            freedom: 8.0,
        };
        assert!((prior.moderate(own).value - 0.2).abs() < 1e-12);
    }
}
