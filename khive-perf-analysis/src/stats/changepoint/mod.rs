//! Where the level of a series changes for good: steps, told from outliers, from noise that remembers, and from drift.
//!
//! ```text
//!              . '                . . .   step: reported, with its place and both levels
//!   . . ' . .     . ' . . ' . . '         outlier: not
//! ```
//!
//! Method, in five parts:
//! 1. The noise and its memory come from differences ([`crate::stats::noise`]).
//! 2. `pruned` finds the segments that cost least, where a point costs `min((y - μ)² / σ², K²)` and a step costs
//!    `penalty · ln n · (1 + ρ) / (1 - ρ)`. A point costs at most K², so no outlier can buy a segment, and a segment has
//!    to be `penalty ln n / K²` points long to be worth its step.
//! 3. `place` moves each step to where the innovations of the noise say it is.
//! 4. `confirm` takes the steps away again, the least sure first, that Welch's test on the two segments, with as
//!    many points as the noise's memory leaves, does not support; then those too small to matter.
//! 5. `stair` takes away those that a line explains as well: a creeping level has no steps.
//!
//! Assumption: between steps the level stays. A level that wanders is seen as noise with memory, as long as it wanders
//! on the scale of the series; a season is seen as steps.
//! Source: Fearnhead & Rigaill, JASA 114 (2019) 169, for the loss and K = 3; Yao, Stat. Probab. Lett. 6 (1988) 181,
//! for a penalty of ln n.

mod confirm;
mod latest;
mod place;
mod pruned;
mod stair;

pub use crate::stats::changepoint::latest::latest;

use crate::stats::noise::{self, Noise};
use crate::stats::robust;

/// A point costs at most the square of this, in standard deviations: K.
pub const OUTLIER_SD: f64 = 3.0;

/// What a step costs, in units of the logarithm of the number of points.
pub const PENALTY: f64 = 8.0;

/// A segment has at least as many points.
pub const SEGMENT_MIN: usize = 3;

/// A step is kept where chance makes one as large on this share of series at most.
pub const P_MAX: f64 = 1e-4;

/// Standardised values beyond this are all the same: far.
const FAR_SD: f64 = 1e5;

/// A change of the level.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// The first point of the new level.
    pub index: usize,
    /// The level before it.
    pub before: f64,
    /// The level from it on.
    pub after: f64,
    /// Chance of such a difference between two segments of one level.
    pub p: f64,
}

/// A series taken apart.
#[derive(Clone, Debug, PartialEq)]
pub struct Segmentation {
    /// The steps, in order.
    pub steps: Vec<Step>,
    /// The noise around the levels.
    pub noise: Noise,
    /// How many points are worth one independent one.
    pub inflation: f64,
}

/// The steps of a series of finite numbers in its order.
///
/// `sigma_min` is the least noise that is believed, in the unit of the values: a series that repeats itself to the
/// last digit would otherwise have steps of nothing. `is_large` says of two levels whether their difference matters.
pub fn segment(
    values: &[f64],
    sigma_min: f64,
    is_large: impl Fn(f64, f64) -> bool,
) -> Segmentation {
    let mut noise = Noise::of(values);
    noise.sigma = noise.sigma.max(sigma_min);
    let mut inflation = noise::inflation(noise.rho);
    let middle = robust::median(values).unwrap_or_default();
    if values.len() < 2 * SEGMENT_MIN || noise.sigma <= 0.0 || !noise.sigma.is_finite() {
        let steps = Vec::new();
        return Segmentation {
            steps,
            noise,
            inflation,
        };
    }
    let standard: Vec<f64> = values
        .iter()
        .map(|value| ((value - middle) / noise.sigma).clamp(-FAR_SD, FAR_SD))
        .collect();
    let penalty = PENALTY * (values.len() as f64).ln() * (1.0 + noise.rho);
    let mut places = pruned::changes(&standard, OUTLIER_SD, penalty);
    confirm::drop_short(&mut places, values.len());
    place::refine(&standard, &mut places, noise.rho);
    let residuals = confirm::residuals(values, &places);
    inflation = inflation.max(noise::memory(&residuals));
    let known = confirm::Known {
        sigma: noise.sigma,
        sigma_min,
        inflation,
    };
    let steps = confirm::confirmed(values, &places, known, is_large);
    let steps = stair::without_slopes(values, steps, known);
    Segmentation {
        steps,
        noise,
        inflation,
    }
}

/// The level of a segment and the variance of a point around it; that of a single point is not known.
pub fn level(segment: &[f64], sigma_min: f64) -> (f64, Option<f64>) {
    let whole = confirm::Segment::of(segment, 0, segment.len(), sigma_min);
    let variance = (segment.len() > 1).then_some(whole.variance);
    (whole.level, variance)
}

#[cfg(test)]
mod tests;
