//! Moves a step to where it most likely is, once it is known that it is and what the noise looks like.
//!
//! The loss that finds steps is made for any noise; the best place of a step depends on the noise there is. Noise that
//! remembers carries the series across a step slowly, while its innovations `e_t = r_t - ρ r_{t-1}` do not; noise that sits
//! on two values says a lot by which of them it left. So the place is that of the greatest likelihood, with the
//! density of the innovations as the whole series shows it: Gaussian kernels, mixed with a normal density
//! worth [`PRIOR_POINTS`] points and a floor, so that no outlier decides alone.
//! Sources: Chakar, Lebarbier, Lévy-Leduc & Robin, Bernoulli 23 (2017) 1408, for steps in autoregressions; Silverman,
//! "Density Estimation" (1986), 3.4, for the bandwidth.

use crate::stats::changepoint::SEGMENT_MIN;
use crate::stats::changepoint::confirm::Segment;

/// A step is looked for this many points to either side.
const WINDOW: usize = 20;

/// How much is known of the density before looking.
const PRIOR_POINTS: f64 = 30.0;

/// Least density; also that of all that is farther than [`REACH`].
const FLOOR: f64 = 2e-3;

/// Innovations are looked at up to here, in units of the noise.
const REACH: f64 = 8.0;

/// Cells of the table for one unit.
const CELLS: f64 = 20.0;

/// `values` are in units of their noise.
pub(super) fn refine(values: &[f64], places: &mut [usize], rho: f64) {
    let densities = Density::of(values, places, rho);
    for position in 0..places.len() {
        let Some(&place) = places.get(position) else {
            break;
        };
        let before = position.checked_sub(1).and_then(|p| places.get(p));
        let start = before.copied().unwrap_or_default();
        let end = places.get(position + 1).copied().unwrap_or(values.len());
        let moved = best(values, &densities, start..end, place, rho);
        if let Some(slot) = places.get_mut(position) {
            *slot = moved;
        }
    }
}

fn best(
    values: &[f64],
    density: &Density,
    within: std::ops::Range<usize>,
    place: usize,
    rho: f64,
) -> usize {
    let low = place.saturating_sub(WINDOW).max(within.start + SEGMENT_MIN);
    let high = (place + WINDOW).min(within.end.saturating_sub(SEGMENT_MIN));
    if low >= high {
        return place;
    }
    let before = Segment::of(values, within.start, place, 0.0).level;
    let after = Segment::of(values, place, within.end, 0.0).level;
    let likelihood = |candidate: usize| -> f64 {
        let residual = |index: usize| {
            let level = if index < candidate { before } else { after };
            values.get(index).map_or(0.0, |value| value - level)
        };
        let from = low.saturating_sub(1).max(within.start + 1);
        let to = (high + 1).min(within.end);
        (from..to)
            .map(|index| density.ln(residual(index) - rho * residual(index - 1)))
            .sum()
    };
    // Of equals the one nearest to where it was.
    (low..=high)
        .map(|candidate| (likelihood(candidate), candidate.abs_diff(place), candidate))
        .max_by(|a, b| a.0.total_cmp(&b.0).then(b.1.cmp(&a.1)))
        .map_or(place, |(_, _, candidate)| candidate)
}

/// Logarithms of the density of the innovations, as a table.
struct Density {
    ln: Vec<f64>,
}

impl Density {
    fn of(values: &[f64], places: &[usize], rho: f64) -> Self {
        let starts = std::iter::once(0).chain(places.iter().copied());
        let ends = places.iter().copied().chain([values.len()]);
        let cells = 2 * cell_of(0.0) + 1;
        let mut counts = vec![0.0; cells];
        let mut count = 0.0;
        for (start, end) in starts.zip(ends) {
            let level = Segment::of(values, start, end, 0.0).level;
            let segment = values.get(start..end).unwrap_or_default();
            for pair in segment.windows(2) {
                let &[one, other] = pair else { continue };
                let innovation = (other - level) - rho * (one - level);
                count += 1.0;
                if let Some(cell) = counts.get_mut(cell_of(innovation)) {
                    *cell += 1.0;
                }
            }
        }
        // Silverman's for a normal density, by half, as the densities that matter have more than one hill.
        let width = 0.5 * 1.06 * f64::max(count, 1.0).powf(-0.2);
        let normal = |x: f64, sd: f64| {
            (-0.5 * (x / sd).powi(2)).exp() / (sd * (2.0 * std::f64::consts::PI).sqrt())
        };
        let innovation_sd = (1.0 - rho * rho).sqrt();
        let at = |cell: usize| {
            let x = (cell as f64) / CELLS - REACH;
            let kernels = counts.iter().enumerate().filter(|(_, n)| **n > 0.0);
            let seen: f64 = kernels
                .map(|(other, n)| n * normal(x - ((other as f64) / CELLS - REACH), width))
                .sum();
            let expected = PRIOR_POINTS * normal(x, innovation_sd);
            ((seen + expected) / (count + PRIOR_POINTS) + FLOOR).ln()
        };
        Self {
            ln: (0..cells).map(at).collect(),
        }
    }

    fn ln(&self, innovation: f64) -> f64 {
        if innovation.abs() >= REACH {
            return FLOOR.ln();
        }
        self.ln
            .get(cell_of(innovation))
            .copied()
            .unwrap_or_default()
    }
}

/// The cell of an innovation; those too far are in the outermost.
fn cell_of(innovation: f64) -> usize {
    let cell = ((innovation.clamp(-REACH, REACH) + REACH) * CELLS).round();
    #[expect(clippy::cast_possible_truncation, reason = "at most 2 · REACH · CELLS")]
    #[expect(clippy::cast_sign_loss, reason = "not below -REACH")]
    let cell = cell as usize;
    cell
}
