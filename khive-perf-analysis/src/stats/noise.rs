//! How noisy a series is from point to point, and how long its noise remembers: from differences, which steps do not move.
//!
//! ```text
//!   values       ........''''''''      one step
//!   differences  .......|........      one outlier
//! ```
//!
//! Method: the noise is a robust spread of `y[i+1] - y[i]` by `sqrt(2 (1 - ρ))`; a step is in one difference, an outlier in two, and
//! neither moves it far. The spread is the smaller of two: the standard deviation without the largest two fifths, scaled to
//! that of a normal sample, which outliers cannot move, and the standard deviation of all, pulled in to three of the
//! first, which is right for values that sit on two levels in turn. The median absolute deviation would be nothing for a
//! series that mostly repeats itself (whole milliseconds), and either nothing or double for two levels.
//!
//! The autocorrelation is `ρ = (s2 / s1)² - 1` with the spreads of differences of lag 2 and 1, exact for an
//! autoregression of order one, whose differences of lag k have the variance `2 σ² (1 - ρ^k)`.
//! [`memory`] measures it on residuals instead, once the steps are known, with Bartlett's weights.
//! Sources: Huber & Ronchetti, "Robust Statistics" (2009), chapter 5; Newey & West, Econometrica 55 (1987) 703.

/// Share of the differences, the largest, that the trimmed spread leaves out.
const TRIMMED: f64 = 0.4;

/// Makes the spread of the smaller three fifths of normal differences an estimate of their standard deviation:
/// `1 / sqrt(1 - 2 z φ(z) / 0.6)` with `z = 0.8416`.
const TRIMMED_TO_SD: f64 = 2.159;

/// Values are pulled in to this many trimmed standard deviations.
const OUTLIER_SD: f64 = 3.0;

/// The same where memory is measured: with it, differences of lag 2 are larger.
const MEMORY_REACH_SD: f64 = 4.0;

/// More memory than this cannot be told from a level that wanders.
pub const MEMORY_MAX: f64 = 0.95;

/// The noise of a series around whatever levels it has.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Noise {
    /// Standard deviation of a point around its level; 0 of a constant series.
    pub sigma: f64,
    /// Autocorrelation of neighbours, `0..=MEMORY_MAX`; negative ones count as none.
    pub rho: f64,
}

impl Noise {
    /// Of a series in its order; nothing of fewer than three points.
    pub fn of(values: &[f64]) -> Self {
        let near = Spread::of(&differences(values, 1));
        // Both pulled in alike, or a step, which is in two differences of lag 2, would be taken for memory.
        let reach = MEMORY_REACH_SD * near.trimmed;
        let [one, two] = [1, 2].map(|lag| pulled_in(differences(values, lag), reach));
        let rho = if one > 0.0 {
            (two / one).powi(2) - 1.0
        } else {
            0.0
        };
        // An autocorrelation of independent noise, measured on n points, has a standard error of about 1/√n.
        let by_chance = 1.0 / (values.len().max(1) as f64).sqrt();
        let rho = (rho - by_chance).clamp(0.0, MEMORY_MAX);
        Self {
            sigma: near.smaller() / (2.0 * (1.0 - rho)).sqrt(),
            rho,
        }
    }
}

/// How many times fewer independent points a series with such autocorrelation is worth.
pub fn inflation(rho: f64) -> f64 {
    (1.0 + rho) / (1.0 - rho)
}

/// The same from residuals around known levels: `1 + 2 Σ w_k r_k`, at least 1.
pub fn memory(residuals: &[f64]) -> f64 {
    let count = residuals.len();
    let total: f64 = residuals.iter().map(|r| r * r).sum();
    if count < 4 || total <= 0.0 {
        return 1.0;
    }
    #[expect(clippy::cast_possible_truncation, reason = "a small positive number")]
    #[expect(clippy::cast_sign_loss, reason = "a small positive number")]
    let lags = (4.0 * (count as f64 / 100.0).powf(2.0 / 9.0)) as usize;
    let lags = lags.clamp(1, count / 2);
    let mut sum = 1.0;
    for lag in 1..=lags {
        let pairs = residuals.iter().zip(residuals.iter().skip(lag));
        let correlation = pairs.map(|(a, b)| a * b).sum::<f64>() / total;
        let weight = 1.0 - lag as f64 / (lags + 1) as f64;
        sum += 2.0 * weight * correlation;
    }
    sum.max(1.0)
}

/// A robust standard deviation of `values` around zero.
pub fn spread(values: &[f64]) -> f64 {
    Spread::of(values).smaller()
}

struct Spread {
    /// Standard deviation without the largest values, as if the sample were normal.
    trimmed: f64,
    /// Standard deviation of all, the largest pulled in.
    pulled_in: f64,
}

impl Spread {
    fn of(values: &[f64]) -> Self {
        let mut sizes: Vec<f64> = values.iter().map(|value| value.abs()).collect();
        sizes.sort_by(f64::total_cmp);
        #[expect(clippy::cast_possible_truncation, reason = "at most the length")]
        #[expect(clippy::cast_sign_loss, reason = "a share of a length")]
        let kept = ((sizes.len() as f64) * (1.0 - TRIMMED)).ceil() as usize;
        let trimmed = root_mean_square(sizes.get(..kept).unwrap_or_default()) * TRIMMED_TO_SD;
        Self {
            trimmed,
            pulled_in: pulled_in(sizes, OUTLIER_SD * trimmed),
        }
    }

    fn smaller(&self) -> f64 {
        self.trimmed.min(self.pulled_in)
    }
}

/// Standard deviation around zero of values that reach no farther than `reach`.
fn pulled_in(mut values: Vec<f64>, reach: f64) -> f64 {
    for value in &mut values {
        *value = value.clamp(-reach, reach);
    }
    root_mean_square(&values)
}

fn root_mean_square(values: &[f64]) -> f64 {
    let squares: f64 = values.iter().map(|value| value * value).sum();
    (squares / values.len().max(1) as f64).sqrt()
}

fn differences(values: &[f64], lag: usize) -> Vec<f64> {
    let later = values.iter().skip(lag);
    values.iter().zip(later).map(|(a, b)| b - a).collect()
}
