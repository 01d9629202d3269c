//! A step that may have begun: the last points of a series against the level before them.
//!
//! A step has to be `penalty ln n / K²` points long to be worth its cost; until then this says that one may be on its
//! way. The last `m` points, for every small `m`, lie all on one side of the level, three in four of them nearer to their
//! median than to it, and that median is farther from it than [`P_MAX`] of medians of as many points are, by the spread of the
//! points before. Two outliers and whatever comes after them are no step: the third point belongs to the old level.

use crate::stats::changepoint::confirm::Segment;
use crate::stats::changepoint::{OUTLIER_SD, P_MAX, SEGMENT_MIN, Step};
use crate::stats::{noise, robust, student};

/// The level before a step rests on at least as many points.
const BEFORE_MIN: usize = 8;

/// More points than this would have made a step.
const AFTER_MAX: usize = 15;

/// As many of the points after a step are nearer to the new level than to the old one.
const NEARER_SHARE: f64 = 0.75;

/// The surest step that the end of `values`, a segment without any, may have; its index is within `values`.
///
/// `inflation` and `sigma_min` are those of the whole series.
pub fn latest(
    values: &[f64],
    inflation: f64,
    sigma_min: f64,
    is_large: impl Fn(f64, f64) -> bool,
) -> Option<Step> {
    let longest = AFTER_MAX.min(values.len().checked_sub(BEFORE_MIN)?);
    (SEGMENT_MIN..=longest)
        .filter_map(|count| step(values, values.len() - count, inflation, sigma_min))
        .filter(|step| step.p <= P_MAX && is_large(step.before, step.after))
        .map(|step| (misfit(values, &step, longest, sigma_min), step))
        .min_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, step)| step)
}

/// What the last points are off the levels of a step, an outlier as little as everywhere.
fn misfit(values: &[f64], step: &Step, longest: usize, sigma_min: f64) -> f64 {
    let sigma = noise::Noise::of(values).sigma.max(sigma_min);
    let limit = (OUTLIER_SD * sigma).powi(2);
    let from = values.len() - longest;
    (from..values.len())
        .map(|index| {
            let level = if index < step.index {
                step.before
            } else {
                step.after
            };
            let off = values.get(index).map_or(0.0, |value| value - level);
            (off * off).min(limit)
        })
        .sum()
}

fn step(values: &[f64], index: usize, inflation: f64, sigma_min: f64) -> Option<Step> {
    let after_points = values.get(index..)?;
    let before = Segment::of(values, 0, index, sigma_min);
    let after = robust::median(after_points)?;
    let rises = after > before.level;
    let on_one_side = after_points
        .iter()
        .all(|value| (*value > before.level) == rises);
    let nearer = (after_points.iter())
        .filter(|value| (**value - after).abs() < (**value - before.level).abs())
        .count() as f64;
    let is_level = nearer >= NEARER_SHARE * after_points.len() as f64;
    let (error, freedom) = before.error(inflation);
    let of_after = before.variance * inflation / after_points.len() as f64;
    let t = (after - before.level) / (error + of_after).sqrt();
    (on_one_side && is_level).then(|| Step {
        index,
        before: before.level,
        after,
        p: student::two_sided_p(t, freedom),
    })
}
