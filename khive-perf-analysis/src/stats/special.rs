//! Special functions: log-gamma, digamma, trigamma with its inverse, and the incomplete beta function.
//!
//! Sources: Lanczos' approximation of log-gamma (g = 7, nine terms); recurrence and asymptotic series of
//! digamma and trigamma (Abramowitz & Stegun 6.3.5, 6.3.18, 6.4.6, 6.4.12); the continued fraction 26.5.8 of
//! the same book for the incomplete beta function, evaluated by Lentz's method.
//! All of them are for positive, finite arguments and return finite numbers for those.

use std::f64::consts::PI;

const LANCZOS_G: f64 = 7.0;
const LANCZOS: [f64; 9] = [
    0.999_999_999_999_809_9,
    676.520_368_121_885_1,
    -1_259.139_216_722_402_8,
    771.323_428_777_653_1,
    -176.615_029_162_140_6,
    12.507_343_278_686_905,
    -0.138_571_095_265_720_12,
    9.984_369_578_019_572e-6,
    1.505_632_735_149_311_6e-7,
];

/// Where the asymptotic series of digamma and trigamma are exact to double precision.
const ASYMPTOTIC_FROM: f64 = 10.0;

/// `ln Γ(x)` for `x > 0`, to about 14 digits.
pub fn ln_gamma(x: f64) -> f64 {
    if x < 0.5 {
        return (PI / (PI * x).sin()).ln() - ln_gamma(1.0 - x);
    }
    let x = x - 1.0;
    let series = LANCZOS
        .iter()
        .skip(1)
        .zip(1u32..)
        .fold(LANCZOS[0], |sum, (term, k)| sum + term / (x + f64::from(k)));
    let t = x + LANCZOS_G + 0.5;
    0.5 * (2.0 * PI).ln() + (x + 0.5) * t.ln() - t + series.ln()
}

/// `ψ(x)`, the derivative of `ln Γ`, for `x > 0`.
pub fn digamma(mut x: f64) -> f64 {
    let mut result = 0.0;
    while x < ASYMPTOTIC_FROM {
        result -= 1.0 / x;
        x += 1.0;
    }
    let inverse = 1.0 / (x * x);
    let tail = inverse
        * (1.0 / 12.0
            - inverse
                * (1.0 / 120.0
                    - inverse * (1.0 / 252.0 - inverse * (1.0 / 240.0 - inverse / 132.0))));
    result + x.ln() - 0.5 / x - tail
}

/// `ψ'(x)`, the derivative of digamma, for `x > 0`.
pub fn trigamma(mut x: f64) -> f64 {
    let mut result = 0.0;
    while x < ASYMPTOTIC_FROM {
        result += 1.0 / (x * x);
        x += 1.0;
    }
    let inverse = 1.0 / (x * x);
    let series = 1.0 / 6.0
        - inverse
            * (1.0 / 30.0 - inverse * (1.0 / 42.0 - inverse * (1.0 / 30.0 - inverse * 5.0 / 66.0)));
    result + 1.0 / x + 0.5 * inverse + series * inverse / x
}

/// The `x` with `ψ'(x) = y`, for `y > 0`; by bisection of the logarithm, as trigamma only falls.
pub fn inverse_trigamma(y: f64) -> f64 {
    // ψ'(x) lies between 1/x and 1/x + 1/x², so these bracket every y a double can hold usefully.
    let (mut low, mut high) = (1e-8f64.ln(), 1e12f64.ln());
    for _ in 0..60 {
        let middle = 0.5 * (low + high);
        if trigamma(middle.exp()) > y {
            low = middle;
        } else {
            high = middle;
        }
    }
    (0.5 * (low + high)).exp()
}

/// The regularised incomplete beta function `I_x(a, b)`.
///
/// `y` is `1 - x`, given apart because a caller often has it without cancellation.
pub fn incomplete_beta(a: f64, b: f64, x: f64, y: f64) -> f64 {
    if x <= 0.0 {
        return 0.0;
    }
    if y <= 0.0 {
        return 1.0;
    }
    let front = (ln_gamma(a + b) - ln_gamma(a) - ln_gamma(b) + a * x.ln() + b * y.ln()).exp();
    let value = if x < (a + 1.0) / (a + b + 2.0) {
        front * continued_fraction(a, b, x) / a
    } else {
        1.0 - front * continued_fraction(b, a, y) / b
    };
    value.clamp(0.0, 1.0)
}

/// Abramowitz & Stegun 26.5.8, which converges fast for `x < (a + 1) / (a + b + 2)`.
fn continued_fraction(a: f64, b: f64, x: f64) -> f64 {
    const TINY: f64 = 1e-300;
    const TERMS_MAX: u32 = 2_000;
    let away_from_zero = |value: f64| if value.abs() < TINY { TINY } else { value };
    let mut c = 1.0;
    let mut d = 1.0 / away_from_zero(1.0 - (a + b) * x / (a + 1.0));
    let mut result = d;
    for m in 1..=TERMS_MAX {
        let m = f64::from(m);
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        d = 1.0 / away_from_zero(1.0 + even * d);
        c = away_from_zero(1.0 + even / c);
        result *= d * c;
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        d = 1.0 / away_from_zero(1.0 + odd * d);
        c = away_from_zero(1.0 + odd / c);
        let step = d * c;
        result *= step;
        if (step - 1.0).abs() < 1e-15 {
            break;
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(got: f64, want: f64) {
        assert!(
            (got - want).abs() <= 1e-10 * want.abs().max(1.0),
            "{got} is not {want}"
        );
    }

    #[test]
    fn log_gamma_agrees_with_factorials_and_the_half() {
        close(ln_gamma(1.0), 0.0);
        close(ln_gamma(11.0), 3_628_800f64.ln());
        close(ln_gamma(0.5), PI.sqrt().ln());
        close(ln_gamma(0.25), 3.625_609_908_221_908f64.ln());
        close(ln_gamma(171.0), 706.573_062_245_787_4);
    }

    #[test]
    fn digamma_and_trigamma_agree_with_their_closed_forms() {
        let euler = 0.577_215_664_901_532_9;
        close(digamma(1.0), -euler);
        close(digamma(0.5), -euler - 4f64.ln());
        close(digamma(10.0), 2.251_752_589_066_721);
        close(trigamma(1.0), PI * PI / 6.0);
        close(trigamma(0.5), PI * PI / 2.0);
        close(trigamma(2.0), PI * PI / 6.0 - 1.0);
    }

    #[test]
    fn inverse_trigamma_undoes_trigamma() {
        for x in [0.01, 0.3, 1.0, 2.5, 4.0, 30.0, 5_000.0] {
            let got = inverse_trigamma(trigamma(x));
            assert!((got / x - 1.0).abs() < 1e-8, "{got} is not {x}");
        }
    }

    #[test]
    fn incomplete_beta_agrees_with_closed_forms() {
        // I_x(1, b) = 1 - (1-x)^b; I_x(a, 1) = x^a; I_{1/2}(a, a) = 1/2.
        close(incomplete_beta(1.0, 3.0, 0.2, 0.8), 1.0 - 0.8f64.powi(3));
        close(incomplete_beta(4.0, 1.0, 0.7, 0.3), 0.7f64.powi(4));
        close(incomplete_beta(7.5, 7.5, 0.5, 0.5), 0.5);
        close(incomplete_beta(2.0, 3.0, 0.0, 1.0), 0.0);
        close(incomplete_beta(2.0, 3.0, 1.0, 0.0), 1.0);
    }
}
