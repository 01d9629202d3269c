//! Takes away the steps that their segments do not support, the least sure first.
//!
//! Method: Welch's test between the two segments of a step, on values pulled in to [`OUTLIER_SD`] spreads of their
//! segment's median, each segment counting `n / inflation` points. A short segment can look as quiet as it likes: it borrows
//! [`BORROWED`] degrees of freedom from what all segments have in common, and is never taken for quieter than it is. After a step is gone its segments are one, so the
//! neighbours are asked again. What is sure and too small goes last, the smallest first.
//! Source: Welch, Biometrika 34 (1947) 28; Satterthwaite's degrees of freedom.

use crate::stats::changepoint::{OUTLIER_SD, P_MAX, SEGMENT_MIN, Step};
use crate::stats::{noise, robust, student};

/// Degrees of freedom that a segment borrows from all of them, as a callsite does from the others.
const BORROWED: f64 = 4.0;

/// What is known of the noise of a series before its segments are looked at, in the unit of its values.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known {
    /// The standard deviation of its noise.
    pub(super) sigma: f64,
    /// The least noise that is believed.
    pub(super) sigma_min: f64,
    /// How many points are worth one independent one.
    pub(super) inflation: f64,
}

/// One stretch of a series at one level.
#[derive(Clone, Copy, Debug)]
pub(super) struct Segment {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) level: f64,
    /// Variance of a point around the level.
    pub(super) variance: f64,
}

impl Segment {
    pub(super) fn of(values: &[f64], start: usize, end: usize, sigma_min: f64) -> Self {
        let points = values.get(start..end).unwrap_or_default();
        let pulled = pulled_in(points);
        let level = robust::mean(&pulled).unwrap_or_default();
        let squares: f64 = pulled.iter().map(|value| (value - level).powi(2)).sum();
        let variance = squares / pulled.len().saturating_sub(1).max(1) as f64;
        Self {
            start,
            end,
            level,
            variance: variance.max(sigma_min * sigma_min),
        }
    }

    /// Variance of its level, and the degrees of freedom of that.
    ///
    /// Memory thins out the points of a variance less than those of a mean: with `ρ^2k` in place of `ρ^k`, the
    /// inflation `f` becomes `(f + 1/f) / 2`.
    pub(super) fn error(&self, inflation: f64) -> (f64, f64) {
        let points = (self.end - self.start) as f64;
        let of_variance = 0.5 * (inflation + 1.0 / inflation);
        let freedom = (points / of_variance - 1.0).max(1.0);
        (self.variance * inflation.min(points) / points, freedom)
    }

    /// The same with what the segments have in common.
    fn moderated_error(&self, known: Known, common: f64) -> (f64, f64) {
        let (own, freedom) = self.error(known.inflation);
        let share = own / self.variance;
        let shared = (BORROWED * common + freedom * self.variance) / (BORROWED + freedom);
        (share * self.variance.max(shared), freedom + BORROWED)
    }
}

/// Chance of so different levels by noise alone.
fn p(one: &Segment, other: &Segment, known: Known, common: f64) -> f64 {
    let (a, a_freedom) = one.moderated_error(known, common);
    let (b, b_freedom) = other.moderated_error(known, common);
    let freedom = (a + b).powi(2) / (a * a / a_freedom + b * b / b_freedom);
    student::two_sided_p((one.level - other.level) / (a + b).sqrt(), freedom)
}

/// Variance of a point around the level of its segment, of all segments.
fn common(segments: &[Segment]) -> f64 {
    let freedom = |segment: &Segment| (segment.end - segment.start).saturating_sub(1) as f64;
    let squares: f64 = segments.iter().map(|one| freedom(one) * one.variance).sum();
    squares / segments.iter().map(freedom).sum::<f64>().max(1.0)
}

/// Steps at `places` that hold.
pub(super) fn confirmed(
    values: &[f64],
    places: &[usize],
    known: Known,
    is_large: impl Fn(f64, f64) -> bool,
) -> Vec<Step> {
    let cut = |places: &[usize]| -> Vec<Segment> {
        let starts = std::iter::once(0).chain(places.iter().copied());
        let ends = places.iter().copied().chain([values.len()]);
        starts
            .zip(ends)
            .map(|(start, end)| Segment::of(values, start, end, known.sigma_min))
            .collect()
    };
    let mut segments = cut(places);
    let common = common(&segments);
    let step = |segments: &[Segment], position: usize| -> Option<Step> {
        let (one, other) = (segments.get(position)?, segments.get(position + 1)?);
        Some(Step {
            index: other.start,
            before: one.level,
            after: other.level,
            p: p(one, other, known, common),
        })
    };
    let mut steps: Vec<Step> = (0..places.len())
        .filter_map(|position| step(&segments, position))
        .collect();
    while let Some(position) = worst(&steps, &is_large) {
        steps.remove(position);
        let joined = segments.remove(position + 1);
        if let Some(segment) = segments.get_mut(position) {
            *segment = Segment::of(values, segment.start, joined.end, known.sigma_min);
        }
        // Only the neighbours see another segment than before.
        for neighbour in [position.checked_sub(1), Some(position)]
            .into_iter()
            .flatten()
        {
            if let (Some(slot), Some(step)) = (steps.get_mut(neighbour), step(&segments, neighbour))
            {
                *slot = step;
            }
        }
    }
    steps
}

/// The step to take away next.
fn worst(steps: &[Step], is_large: impl Fn(f64, f64) -> bool) -> Option<usize> {
    let all = || steps.iter().enumerate();
    let unsure = all().filter(|(_, step)| step.p > P_MAX);
    let small = all().filter(|(_, step)| !is_large(step.before, step.after));
    let size = |step: &Step| (step.after - step.before).abs();
    unsure
        .max_by(|a, b| a.1.p.total_cmp(&b.1.p))
        .or_else(|| small.min_by(|a, b| size(a.1).total_cmp(&size(b.1))))
        .map(|(position, _)| position)
}

/// Takes out steps that leave a segment shorter than [`SEGMENT_MIN`].
pub(super) fn drop_short(places: &mut Vec<usize>, count: usize) {
    let mut previous = 0;
    places.retain(|&place| {
        let keeps = place >= previous + SEGMENT_MIN && place + SEGMENT_MIN <= count;
        if keeps {
            previous = place;
        }
        keeps
    });
}

/// What is left of the values without the levels, outliers pulled in.
pub(super) fn residuals(values: &[f64], places: &[usize]) -> Vec<f64> {
    let starts = std::iter::once(0).chain(places.iter().copied());
    let ends = places.iter().copied().chain([values.len()]);
    let mut residuals = Vec::with_capacity(values.len());
    for (start, end) in starts.zip(ends) {
        let pulled = pulled_in(values.get(start..end).unwrap_or_default());
        let level = robust::mean(&pulled).unwrap_or_default();
        residuals.extend(pulled.iter().map(|value| value - level));
    }
    residuals
}

fn pulled_in(points: &[f64]) -> Vec<f64> {
    let middle = robust::median(points).unwrap_or_default();
    let around: Vec<f64> = points.iter().map(|value| value - middle).collect();
    let reach = OUTLIER_SD * noise::spread(&around);
    points
        .iter()
        .map(|value| value.clamp(middle - reach, middle + reach))
        .collect()
}
