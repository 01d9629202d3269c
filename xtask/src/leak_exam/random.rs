//! Random: a small generator with the distributions that the shapes are made of; a seed says all.

/// Splitmix64.
pub(super) struct Random(u64);

impl Random {
    pub(super) const fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x2545_f491_4f6c_dd1d)
    }

    pub(super) const fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Above 0, at most 1.
    pub(super) fn unit(&mut self) -> f64 {
        ((self.bits() >> 11) as f64 + 1.0) / 9_007_199_254_740_992.0
    }

    pub(super) fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    pub(super) fn chance(&mut self, probability: f64) -> bool {
        self.unit() <= probability
    }

    pub(super) fn exponential(&mut self, mean: f64) -> f64 {
        -mean * self.unit().ln()
    }

    /// `P(X > x) = (low / x)^alpha`.
    pub(super) fn pareto(&mut self, low: f64, alpha: f64) -> f64 {
        low * self.unit().powf(-1.0 / alpha)
    }

    /// `P(X > x) = exp(-(x / scale)^shape)`.
    pub(super) fn weibull(&mut self, scale: f64, shape: f64) -> f64 {
        scale * (-self.unit().ln()).powf(1.0 / shape)
    }

    pub(super) fn normal(&mut self) -> f64 {
        (-2.0 * self.unit().ln()).sqrt() * (std::f64::consts::TAU * self.unit()).cos()
    }

    pub(super) fn log_normal(&mut self, median: f64, sigma: f64) -> f64 {
        median * (sigma * self.normal()).exp()
    }

    /// A Poisson number, by waiting times.
    pub(super) fn poisson(&mut self, mean: f64) -> usize {
        let mut left = mean;
        let mut count = 0;
        loop {
            left -= self.exponential(1.0);
            if left < 0.0 {
                return count;
            }
            count += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_numbers() {
        let draw = |seed| {
            let mut random = Random::new(seed);
            [random.bits(), random.bits(), random.bits()]
        };
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
    }

    #[test]
    fn means_are_those_of_the_distributions() {
        let mut random = Random::new(1);
        let mut mean = |draw: fn(&mut Random) -> f64| {
            (0..100_000).map(|_| draw(&mut random)).sum::<f64>() / 100_000.0
        };
        let close = |seen: f64, expected: f64| (seen / expected - 1.0).abs() < 0.03;
        assert!(close(mean(|random| random.exponential(3.0)), 3.0));
        assert!(close(mean(|random| random.pareto(1.0, 4.0)), 4.0 / 3.0));
        assert!(close(mean(|random| random.weibull(1.0, 0.5)), 2.0));
        assert!(close(
            mean(|random| random.log_normal(1.0, 0.5)),
            0.125_f64.exp()
        ));
        assert!(close(
            mean(|random| f64::from(u32::try_from(random.poisson(20.0)).unwrap())),
            20.0
        ));
    }
}
