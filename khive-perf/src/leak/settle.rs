//! Settle: whether survivors keep being born, or stopped some time ago.
//!
//! A cache that is full, a table of constants and a pool at its high-water mark have survivors, too, and of all ages
//! but the younger ones. A leak makes them as fast now as it did before. Of the survivors that were born in the time
//! that is judged, the share of the second half and of the last quarter are compared with those of growth that dies
//! down.
//!
//! Where others of the same origin come and go, time is told by them: a leak of 2 % makes fewer survivors at night.

/// Share of the second half that growth which dies down has at most: growth like `t^0.25`.
const LATE: f64 = 0.16;
/// Share of the last quarter that growth which has stopped has at most.
const LATEST: f64 = 0.02;
/// Parts in which births are counted, to see how they clump.
const PARTS: usize = 16;
/// Up to here, the index of dispersion over so many parts is chance: the 97.5 % quantile of chi-squared with 15
/// degrees of freedom, by 15.
const DISPERSION_BY_CHANCE: f64 = 1.83;

/// What the births of survivors say.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Births {
    /// Survivors, as far as they are immortal.
    pub(super) count: f64,
    /// Number of independent births that they amount to.
    pub(super) effective: f64,
    /// How likely growth that dies down has such a second half, or such a last quarter: the larger of both.
    pub(super) chance: f64,
}

/// Moments are in `0..1`, the beginning and the end of the time that is judged, each with the chance that what was
/// born then never dies. `clump` things make one event at least.
pub(super) fn births(born: impl Iterator<Item = (f64, f64)>, clump: f64) -> Births {
    let mut parts = [0.0_f64; PARTS];
    for (moment, chance) in born {
        let part = (moment * PARTS as f64)
            .floor()
            .clamp(0.0, PARTS as f64 - 1.0);
        if let Some(part) = parts.get_mut(part as usize) {
            *part += chance;
        }
    }
    let count: f64 = parts.iter().sum();
    let mean = count / PARTS as f64;
    let spread: f64 = parts.iter().map(|part| (part - mean).powi(2)).sum();
    let dispersion = spread / (PARTS as f64 - 1.0) / mean.max(f64::MIN_POSITIVE);
    let dispersion = if dispersion > DISPERSION_BY_CHANCE {
        dispersion
    } else {
        1.0
    };
    let effective = count / dispersion.max(clump);
    let share = |from: usize| parts.iter().skip(from).sum::<f64>() / count.max(f64::MIN_POSITIVE);
    let chance = |from: usize, expected: f64| {
        poisson_at_least(effective * share(from), effective * expected)
    };
    let late = chance(PARTS / 2, LATE);
    let latest = chance(PARTS * 3 / 4, LATEST);
    Births {
        count,
        effective,
        chance: late.max(latest),
    }
}

/// The chance that a Poisson number of this mean is as large as that, which need not be whole: the regularised lower
/// incomplete gamma function, by its series.
fn poisson_at_least(number: f64, mean: f64) -> f64 {
    if number <= mean || mean <= 0.0 {
        return if number <= mean { 1.0 } else { 0.0 };
    }
    let mut term = (number * mean.ln() - mean - ln_gamma(number + 1.0)).exp();
    let mut sum = 0.0;
    let mut next = number;
    while term > sum * 1e-12 && term > 0.0 {
        sum += term;
        next += 1.0;
        term *= mean / next;
    }
    sum.min(1.0)
}

/// Logarithm of the gamma function above 0, by Stirling's series after shifting.
fn ln_gamma(mut x: f64) -> f64 {
    let mut shift = 0.0;
    while x < 10.0 {
        shift += x.ln();
        x += 1.0;
    }
    let series = 1.0 / (12.0 * x) - 1.0 / (360.0 * x.powi(3)) + 1.0 / (1_260.0 * x.powi(5));
    (x - 0.5) * x.ln() - x + 0.5 * std::f64::consts::TAU.ln() + series - shift
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(moments: impl Iterator<Item = f64>) -> Births {
        births(moments.map(|moment| (moment, 1.0)), 1.0)
    }

    #[test]
    fn births_that_go_on_are_no_growth_that_dies_down() {
        let steady = at((0..32).map(|n| f64::from(n) / 32.0));
        assert!(steady.chance < 0.001, "{steady:?}");
    }

    #[test]
    fn births_that_stopped_half_way_may_well_have_died_down() {
        let stopped = at((0..32).map(|n| f64::from(n) / 64.0));
        assert!(stopped.chance > 0.99, "{stopped:?}");
        let slower = at((0..32).map(|n| (f64::from(n) / 32.0).powi(4)));
        assert!(slower.chance > 0.05, "{slower:?}");
    }

    #[test]
    fn chances_are_those_of_the_poisson_distribution() {
        let close = |seen: f64, expected: f64| (seen - expected).abs() < 1e-9;
        // 1 - e^-2 (1 + 2 + 2), and 1 - e^-0.5.
        assert!(close(poisson_at_least(3.0, 2.0), 0.323_323_583_816_936_6));
        assert!(close(poisson_at_least(1.0, 0.5), 0.393_469_340_287_366_6));
        assert!(close(ln_gamma(5.0), 24.0_f64.ln()));
    }

    #[test]
    fn what_comes_at_once_counts_once() {
        let clumped = at((0..40).map(|n| if n < 20 { 0.1 } else { 0.9 }));
        assert!(clumped.effective < 4.0, "{clumped:?}");
        assert!(clumped.chance > 0.05, "{clumped:?}");
    }
}
