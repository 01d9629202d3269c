//! Student's t distribution: two-sided p-values and critical values.
//!
//! Method: `P(|T| > t) = I_{ν/(ν+t²)}(ν/2, 1/2)` (Abramowitz & Stegun 26.7.1), and its inverse by Newton's method.
//! Assumption of its users here: logarithms of run values are near enough normal around their side's mean.

use std::f64::consts::PI;

use crate::stats::special::{incomplete_beta, ln_gamma};

/// Above this the distribution is normal to six digits; also what "infinite" degrees of freedom mean.
const FREEDOM_MAX: f64 = 1e5;

/// Enough for one degree of freedom at any confidence a double can hold; commonly eight do.
const STEPS_MAX: u32 = 100;

/// Probability that `|T|` exceeds `|t|` with `freedom` degrees of freedom.
///
/// 1 where either is not a number or there is no freedom at all: no evidence.
pub fn two_sided_p(t: f64, freedom: f64) -> f64 {
    if t.is_nan() || freedom.is_nan() || freedom <= 0.0 {
        return 1.0;
    }
    if t.is_infinite() {
        return 0.0;
    }
    let freedom = freedom.min(FREEDOM_MAX);
    let square = t * t;
    let total = freedom + square;
    if total.is_infinite() {
        return 0.0;
    }
    incomplete_beta(0.5 * freedom, 0.5, freedom / total, square / total)
}

/// The `t` that `|T|` exceeds with probability `1 - confidence`; infinite where there is no freedom.
pub fn critical(confidence: f64, freedom: f64) -> f64 {
    if freedom.is_nan() || freedom <= 0.0 || confidence.is_nan() {
        return f64::INFINITY;
    }
    let tail = (1.0 - confidence).clamp(1e-12, 1.0);
    let mut t = 0.0;
    // The tail is convex right of zero, so Newton's steps from zero never overshoot.
    for _ in 0..STEPS_MAX {
        let step = (two_sided_p(t, freedom) - tail) / (2.0 * density(t, freedom));
        if step.is_nan() || step <= 1e-12 * t {
            break;
        }
        t += step;
    }
    t
}

/// Density at `t`.
fn density(t: f64, freedom: f64) -> f64 {
    let freedom = freedom.min(FREEDOM_MAX);
    let front = ln_gamma(0.5 * (freedom + 1.0)) - ln_gamma(0.5 * freedom);
    let rest = -0.5 * (freedom * PI).ln() - 0.5 * (freedom + 1.0) * (t * t / freedom).ln_1p();
    (front + rest).exp()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn critical_values_are_those_of_the_tables() {
        for (confidence, freedom, want) in [
            (0.95, 1.0, 12.706_2),
            (0.95, 2.0, 4.302_65),
            (0.95, 4.0, 2.776_45),
            (0.95, 8.0, 2.306_00),
            (0.99, 8.0, 3.355_39),
            (0.50, 8.0, 0.706_39),
            (0.999, 1.0, 636.619),
            (0.95, 30.0, 2.042_27),
            (0.999, 10.0, 4.586_89),
            (0.95, f64::INFINITY, 1.959_96),
            (0.99, f64::INFINITY, 2.575_83),
        ] {
            let got = critical(confidence, freedom);
            assert!(
                (got / want - 1.0).abs() < 2e-5,
                "t({confidence}, {freedom}) = {got}, not {want}"
            );
        }
    }

    #[test]
    fn p_values_agree_with_the_closed_forms_for_one_and_two_degrees() {
        for t in [0.0, 0.3, 1.0, 4.5, 60.0] {
            let cauchy = 1.0 - 2.0 / PI * f64::atan(t);
            assert!((two_sided_p(t, 1.0) - cauchy).abs() < 1e-10);
            let two = 1.0 - t / (2.0 + t * t).sqrt();
            assert!((two_sided_p(-t, 2.0) - two).abs() < 1e-10);
        }
    }

    #[test]
    fn what_is_no_evidence_has_p_one() {
        for p in [
            two_sided_p(f64::NAN, 5.0),
            two_sided_p(3.0, 0.0),
            two_sided_p(3.0, f64::NAN),
            two_sided_p(0.0, 3.0),
        ] {
            assert!((p - 1.0).abs() < 1e-12);
        }
        assert!(two_sided_p(f64::INFINITY, 3.0) < 1e-12);
        assert!(two_sided_p(1e200, 3.0) < 1e-12);
        assert!(critical(0.95, 0.0).is_infinite());
    }
}
