//! A change that all callsites share is the machine's, not the program's.
//!
//! Method: the median of the callsites' log-ratios, which a minority of real changes cannot move far, with the
//! standard error of a median, `1.2533 s / sqrt(n)` (s from the median absolute deviation). It is removed only
//! where it is significant, small enough to be a machine's, and shared by two callsites in three.

use crate::detect::contrast::Contrast;
use crate::detect::settings::{
    DRIFT_AGREEMENT, DRIFT_CALLSITES_MIN, DRIFT_MAX, DRIFT_SIGNIFICANCE, MIN_EFFECT, NOISE_FLOOR,
};
use crate::stats::robust;

/// Standard error of a median in units of the mean's, for a normal sample.
const MEDIAN_INEFFICIENCY: f64 = 1.253_3;

/// What all callsites have in common.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Drift {
    /// Nothing worth a word, or too few callsites to tell.
    #[default]
    None,
    /// A common change that was taken out of every callsite's.
    Removed {
        /// The common factor, candidate by base; 1.03 is 3 % slower.
        factor: f64,
    },
    /// A common change too large to be called drift; it is left in.
    Kept {
        /// The common factor, candidate by base.
        factor: f64,
    },
}

/// The drift with what is needed to take it out.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Common {
    pub(crate) drift: Drift,
    /// Logarithm to take out; 0 where nothing is.
    pub(crate) ln: f64,
    /// Its standard error.
    pub(crate) error: f64,
}

/// Looks for a drift in the callsites' main measures.
pub(crate) fn find(contrasts: &[Contrast]) -> Common {
    let known: Vec<&Contrast> = contrasts
        .iter()
        .filter(|c| c.standard_error.is_some())
        .collect();
    let differences: Vec<f64> = known.iter().map(|c| c.difference).collect();
    if differences.len() < DRIFT_CALLSITES_MIN {
        return Common::default();
    }
    let Some(middle) = robust::median(&differences) else {
        return Common::default();
    };
    let spread = robust::deviation(&differences, middle)
        .unwrap_or_default()
        .max(NOISE_FLOOR);
    let error = MEDIAN_INEFFICIENCY * spread / (differences.len() as f64).sqrt();
    let agrees = |contrast: &&&Contrast| {
        let allowed = contrast.standard_error.unwrap_or_default() * 2.0;
        (contrast.difference - middle).abs() <= allowed.max(MIN_EFFECT.ln_1p())
    };
    let agreeing = known.iter().filter(agrees).count() as f64;
    if middle.abs() < DRIFT_SIGNIFICANCE * error || agreeing < DRIFT_AGREEMENT * known.len() as f64
    {
        return Common::default();
    }
    if middle.abs() > DRIFT_MAX.ln_1p() {
        return Common {
            drift: Drift::Kept {
                factor: middle.exp(),
            },
            ..Common::default()
        };
    }
    Common {
        drift: Drift::Removed {
            factor: middle.exp(),
        },
        ln: middle,
        error,
    }
}
