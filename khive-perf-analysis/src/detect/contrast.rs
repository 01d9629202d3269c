//! One measure of one callsite on both sides: the difference of the logarithms and how sure it is.
//!
//! The unit of evidence is a run: each gives one number, however many calls it made. Calls of one run share its
//! address-space layout, its neighbours and its processor, so they say little about the next run.

use crate::stats::moderated::{Prior, Variance};
use crate::stats::{robust, student};

/// Logarithms of what each run measured; runs without the callsite are left out.
#[derive(Clone, Debug, Default)]
pub(crate) struct Samples {
    /// Of the base runs, sorted.
    base: Vec<f64>,
    /// Of the candidate runs, sorted.
    candidate: Vec<f64>,
    /// Variance that the measure has by its resolution alone.
    floor: f64,
    /// What earlier runs say of the variance from run to run.
    history: Option<Variance>,
    /// Whether the values say something of the program.
    is_evidence: bool,
}

/// A difference of two sides, as a logarithm.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Contrast {
    /// Mean logarithm of the base runs.
    pub(crate) base: f64,
    /// Mean logarithm of the candidate runs.
    pub(crate) candidate: f64,
    /// `candidate - base`, less the drift where that was removed.
    pub(crate) difference: f64,
    /// Its standard error; `None` where no side has two runs.
    pub(crate) standard_error: Option<f64>,
    /// Degrees of freedom of the standard error.
    pub(crate) freedom: f64,
    /// Moderated variance of one run, and the number of runs of the smaller side.
    pub(crate) variance: f64,
    /// Number of runs of the side that has fewer.
    pub(crate) runs_min: usize,
}

// === impl Samples ===

impl Samples {
    /// Takes the logarithms in sorted order, so that the order of the runs cannot change a bit of the result.
    pub(crate) fn new(mut base: Vec<f64>, mut candidate: Vec<f64>, floor: f64) -> Self {
        base.sort_by(f64::total_cmp);
        candidate.sort_by(f64::total_cmp);
        Self {
            base,
            candidate,
            floor,
            history: None,
            is_evidence: true,
        }
    }

    /// Adds what earlier runs say of the variance.
    pub(crate) fn with_history(mut self, history: Option<Variance>) -> Self {
        self.history = history;
        self
    }

    /// Values that are shown, and from which nothing is concluded.
    pub(crate) fn without_evidence(mut self) -> Self {
        self.is_evidence = false;
        self
    }

    /// Whether something can be concluded from them.
    pub(crate) fn is_evidence(&self) -> bool {
        self.is_evidence
    }

    /// Mean logarithm of the base runs.
    pub(crate) fn base_mean(&self) -> Option<f64> {
        robust::mean(&self.base)
    }

    /// Mean logarithm of the candidate runs.
    pub(crate) fn candidate_mean(&self) -> Option<f64> {
        robust::mean(&self.candidate)
    }

    fn freedom(&self) -> usize {
        (self.base.len() + self.candidate.len()).saturating_sub(2)
    }

    /// Variance of a run around its own side's mean, pooled over both sides and over what earlier runs say.
    fn pooled(&self) -> Option<Variance> {
        let mut freedom = self.freedom() as f64;
        let mut squares = squares(&self.base)? + squares(&self.candidate)?;
        if let Some(history) = self.history {
            freedom += history.freedom;
            squares += history.freedom * history.value;
        }
        (freedom > 0.0).then(|| Variance {
            value: squares / freedom + self.floor,
            freedom,
        })
    }

    fn contrast(&self, prior: Prior) -> Option<Contrast> {
        let (base, candidate) = (self.base_mean()?, self.candidate_mean()?);
        let moderated = self.pooled().map(|own| prior.moderate(own));
        let per_run = 1.0 / self.base.len() as f64 + 1.0 / self.candidate.len() as f64;
        Some(Contrast {
            base,
            candidate,
            difference: candidate - base,
            standard_error: moderated.map(|variance| (variance.value * per_run).sqrt()),
            freedom: moderated.map_or(0.0, |variance| variance.freedom),
            variance: moderated.map_or(f64::INFINITY, |variance| variance.value),
            runs_min: self.base.len().min(self.candidate.len()),
        })
    }
}

/// One measure of every callsite, each with the noise that all of them together suggest.
pub(crate) fn contrasts(samples: &[Samples]) -> Vec<Option<Contrast>> {
    let evidence = samples.iter().filter(|samples| samples.is_evidence);
    let variances: Vec<Variance> = evidence.filter_map(Samples::pooled).collect();
    let prior = Prior::from_variances(&variances);
    let contrast = |samples: &Samples| samples.contrast(prior).filter(|_| samples.is_evidence);
    samples.iter().map(contrast).collect()
}

/// Sum of squared distances from the mean.
fn squares(values: &[f64]) -> Option<f64> {
    let mean = robust::mean(values)?;
    Some(values.iter().map(|value| (value - mean).powi(2)).sum())
}

// === impl Contrast ===

impl Contrast {
    /// Takes out a change that all callsites share, known with a standard error of its own.
    pub(crate) fn less(mut self, drift: f64, drift_error: f64) -> Self {
        self.difference -= drift;
        self.standard_error = self.standard_error.map(|error| error.hypot(drift_error));
        self
    }

    /// The same where it is not known whether the measure shares it: as far as it explains the difference, and never beyond.
    pub(crate) fn less_at_most(self, drift: f64, drift_error: f64) -> Self {
        let all = self.difference;
        let rest = self.less(drift, drift_error);
        let difference = if all * rest.difference <= 0.0 {
            0.0
        } else {
            all.signum() * all.abs().min(rest.difference.abs())
        };
        Self { difference, ..rest }
    }

    /// Chance of a difference this large where there is none.
    pub(crate) fn p(&self) -> f64 {
        self.standard_error.map_or(1.0, |error| {
            student::two_sided_p(self.difference / error, self.freedom)
        })
    }

    /// Half the width of the interval.
    pub(crate) fn half_width(&self, confidence: f64) -> Option<f64> {
        let half = student::critical(confidence, self.freedom) * self.standard_error?;
        half.is_finite().then_some(half)
    }

    /// Runs that each side still needs to show a change of `effect` (a logarithm) four times out of five.
    ///
    /// The usual `n = 2 (t + z)² s² / effect²`, with `t` for the evidence asked for and `z = 0.84` for the power.
    pub(crate) fn runs_needed(&self, effect: f64, evidence: f64) -> Option<u32> {
        const POWER_Z: f64 = 0.842;
        const RUNS_MAX: f64 = 1_000.0;
        if !self.variance.is_finite() || effect <= 0.0 {
            return None;
        }
        let mut runs = self.runs_min.max(2) as f64;
        while runs < RUNS_MAX {
            let t = student::critical(evidence, 2.0 * runs - 2.0);
            if runs * effect * effect >= 2.0 * (t + POWER_Z).powi(2) * self.variance {
                break;
            }
            runs = (runs * 1.25).floor().max(runs + 1.0);
        }
        #[expect(clippy::cast_possible_truncation, reason = "at most a thousand or so")]
        #[expect(clippy::cast_sign_loss, reason = "the difference is not negative")]
        let more = (runs - self.runs_min as f64).max(1.0) as u32;
        Some(more)
    }
}
