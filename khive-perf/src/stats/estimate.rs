//! Estimate: what sampled blocks add up to, and the interval that the truth is in.
//!
//! Each block of `s` bytes is sampled with the probability `p = 1 - exp(-s / mean)`, independent of all others, and
//! stands for `x = s / p` bytes. The sum of these is unbiased (Horvitz and Thompson, 1952), and each adds
//! `x^2 (1 - p)` to an unbiased estimate of its variance. The interval is that of Fay and Feuer (1997) for weighted sums
//! of Poisson counts: quantiles of the gamma distribution with that mean and variance, for the upper end after one more
//! block of the largest weight, `mean`, that may have been missed. It is conservative where the normal approximation is
//! not: few samples, or sizes of which a few make up the most. The quantiles are those of Wilson and Hilferty (1931).

/// The quantile of the normal distribution that leaves 2.5 % above it.
const Z: f64 = 1.959_963_984_540_054;

/// Sums over sampled blocks.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Estimate {
    /// Bytes that the blocks stand for.
    pub(crate) bytes: f64,
    pub(crate) variance: f64,
    /// Bytes of the blocks themselves.
    pub(crate) seen: f64,
    /// Largest mean of the rates that they were sampled at; 0 where each block was.
    pub(crate) mean: f64,
}

impl Estimate {
    /// Adds a sampled block that stands for `weight` blocks.
    pub(crate) fn add(&mut self, size: usize, weight: f64, mean: f64) {
        let stands_for = size as f64 * weight;
        self.bytes += stands_for;
        // `1 - p`, of which `p` is one by the weight.
        self.variance += stands_for * stands_for * (1.0 - 1.0 / weight.max(1.0));
        self.seen += size as f64;
        self.mean = self.mean.max(mean);
    }

    /// Adds what was sampled elsewhere.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.bytes += other.bytes;
        self.variance += other.variance;
        self.seen += other.seen;
        self.mean = self.mean.max(other.mean);
    }

    /// The truth is within this in at least 95 of 100 cases.
    pub(crate) fn interval(&self) -> (f64, f64) {
        let low = gamma_quantile(self.bytes, self.variance, -Z).max(self.seen);
        let missed = self.mean;
        let high = gamma_quantile(
            self.bytes + missed,
            missed.mul_add(missed, self.variance),
            Z,
        );
        (low.min(self.bytes), high.max(self.bytes))
    }
}

/// A quantile of the gamma distribution with this mean and variance, `z` standard deviations from the middle of the normal
/// one that its cube root is close to.
fn gamma_quantile(mean: f64, variance: f64, z: f64) -> f64 {
    if variance <= 0.0 || mean <= 0.0 {
        return mean;
    }
    // One ninth of the inverse of the shape.
    let ninth = variance / (mean * mean) / 9.0;
    mean * z.mul_add(ninth.sqrt(), 1.0 - ninth).max(0.0).powi(3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_tracked_in_full_is_known() {
        let mut exact = Estimate::default();
        exact.add(100, 1.0, 0.0);
        exact.add(28, 1.0, 0.0);
        let (low, high) = exact.interval();
        assert_eq!(
            [exact.bytes, low, high].map(f64::to_bits),
            [128_f64.to_bits(); 3]
        );
    }

    #[test]
    fn quantiles_are_those_of_the_tables() {
        // Chi-square with 20 degrees of freedom, halved: gamma of shape 10.
        let near = |got: f64, tabulated: f64| (got / tabulated - 1.0).abs() < 0.005;
        assert!(near(gamma_quantile(10.0, 10.0, Z), 34.170 / 2.0));
        assert!(near(gamma_quantile(10.0, 10.0, -Z), 9.591 / 2.0));
        // The exponential: one block may have been missed where none was sampled.
        assert!((gamma_quantile(1.0, 1.0, Z) / 3.689 - 1.0).abs() < 0.01);
    }

    #[test]
    fn where_nothing_was_sampled_three_and_a_half_means_may_have_been_missed() {
        let nothing = Estimate {
            mean: 1_000.0,
            ..Estimate::default()
        };
        let (low, high) = nothing.interval();
        assert!(low < 1e-9 && (3_600.0..3_700.0).contains(&high), "{high}");
    }
}
