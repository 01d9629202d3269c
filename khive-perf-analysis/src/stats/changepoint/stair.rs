//! Takes away the steps of a stair that is a slope: a level that creeps is no sequence of steps.
//!
//! ```text
//!           . '            . '
//!       . '        or  . . '         one step, or a line? whichever is nearer to the points
//!   . '            . '
//! ```
//!
//! Method: all steps in a row that go the same way, with the stretch from the step before them to the one behind them. The line
//! is Theil and Sen's with the median of what is left as its height; a point costs at most K², as everywhere. Of `k` steps with
//! `2 k + 1` parameters and a line with two, the one that costs less is taken, each parameter counted as `ln n`
//! (Schwarz, Ann. Stat. 6 (1978) 461). A line that does not climb half as far as the steps do explains none of them.

use crate::stats::changepoint::confirm::Known;
use crate::stats::changepoint::{OUTLIER_SD, Step};
use crate::stats::{robust, slope};

/// A line explains steps where it climbs at least this share of what they do together.
const CLIMB_MIN: f64 = 0.5;

/// The steps that are none of a slope.
pub(super) fn without_slopes(values: &[f64], steps: Vec<Step>, known: Known) -> Vec<Step> {
    let rises = |step: &Step| step.after > step.before;
    let mut kept = Vec::with_capacity(steps.len());
    let mut start = 0;
    let mut chains = steps.chunk_by(|a, b| rises(a) == rises(b)).peekable();
    while let Some(chain) = chains.next() {
        let end = chains.peek().and_then(|next| next.first());
        let end = end.map_or(values.len(), |step| step.index);
        if !is_slope(
            values.get(start..end).unwrap_or_default(),
            start,
            chain,
            known,
        ) {
            kept.extend_from_slice(chain);
        }
        start = chain.last().map_or(start, |step| step.index);
    }
    kept
}

/// Whether a line is nearer to the points than the steps are; `start` is where the points begin.
fn is_slope(points: &[f64], start: usize, chain: &[Step], known: Known) -> bool {
    let Some(slope) = slope::estimate(points) else {
        return false;
    };
    let climb = |chain: &[Step]| Some(chain.last()?.after - chain.first()?.before);
    let climbs = climb(chain).is_some_and(|far| slope * points.len() as f64 / far >= CLIMB_MIN);
    if !climbs {
        return false;
    }
    let tilted: Vec<f64> = (points.iter().enumerate())
        .map(|(index, value)| value - slope * index as f64)
        .collect();
    let height = robust::median(&tilted).unwrap_or_default();
    let by_line: f64 = tilted.iter().map(|value| cost(value - height, known)).sum();
    let first = chain.first().map_or(0.0, |step| step.before);
    let level = |index: usize| {
        let passed = chain.iter().take_while(|step| step.index <= start + index);
        passed.last().map_or(first, |step| step.after)
    };
    let by_steps: f64 = (points.iter().enumerate())
        .map(|(index, value)| cost(value - level(index), known))
        .sum();
    let parameters = 2.0 * chain.len() as f64 - 1.0;
    // Noise that remembers is worth fewer points.
    let independent = (points.len() as f64 / known.inflation).max(std::f64::consts::E);
    (by_line - by_steps) / known.inflation <= parameters * independent.ln()
}

fn cost(off: f64, known: Known) -> f64 {
    (off / known.sigma).powi(2).min(OUTLIER_SD * OUTLIER_SD)
}
