//! What a call counts rather than times: allocations, bytes and polls, judged exactly where runs agree.
//!
//! A program that does the same work allocates the same. Where all runs of each side agree to a thousandth, a difference
//! of the sides is no chance, and needs no test; where they do not, the numbers are shown and nothing is concluded.

use crate::detect::settings::{COUNT_SPREAD, Settings};
use crate::detect::summary::summary;
use crate::model::{CallsiteKey, Metric, Run, Summary};

/// One count per call on both sides.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Count {
    /// What was counted.
    pub metric: Metric,
    /// Mean of the base runs.
    pub base: f64,
    /// Mean of the candidate runs.
    pub candidate: f64,
    /// Whether the runs of each side agree, two of them at least.
    pub is_exact: bool,
    /// Whether it is beyond doubt that a call counts more than before, by more than the relative floor.
    pub rises: bool,
}

/// What is counted per call, and not timed.
const COUNTED: [Metric; 3] = [Metric::Allocated, Metric::Allocations, Metric::Polls];

impl Count {
    /// Candidate by base; infinite where the base counted none.
    pub fn factor(&self) -> f64 {
        self.candidate / self.base
    }
}

/// The counts that both sides have.
pub(crate) fn counts(
    base: &[Run],
    candidate: &[Run],
    key: &CallsiteKey,
    settings: &Settings,
) -> Vec<Count> {
    COUNTED
        .into_iter()
        .filter_map(|metric| {
            let (base, base_agrees) = side(base, key, metric)?;
            let (candidate, candidate_agrees) = side(candidate, key, metric)?;
            let is_exact = base_agrees && candidate_agrees;
            Some(Count {
                metric,
                base,
                candidate,
                is_exact,
                rises: is_exact && candidate > base * (1.0 + settings.min_effect),
            })
        })
        .collect()
}

/// Mean over the runs, and whether they agree on it.
fn side(runs: &[Run], key: &CallsiteKey, metric: Metric) -> Option<(f64, bool)> {
    let place = Metric::ALL.iter().position(|other| *other == metric)?;
    let mut values: Vec<f64> = runs
        .iter()
        .filter_map(|run| {
            let Summary(values) = summary(run.callsites.get(key)?, None);
            *values.get(place)?
        })
        .collect();
    values.sort_by(f64::total_cmp);
    let (low, high) = (*values.first()?, *values.last()?);
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    Some((mean, values.len() > 1 && high - low <= COUNT_SPREAD * high))
}
