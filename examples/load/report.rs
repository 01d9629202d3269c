//! What a load gave: throughput, quantiles and errors.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// What came of a load, warm-up excluded.
#[derive(Clone, Debug)]
pub struct Load {
    /// Requests answered as expected.
    pub ok: u64,
    /// Requests not answered as expected, by reason.
    pub errors: BTreeMap<String, u64>,
    /// From the first intended start to the last answer.
    pub elapsed: Duration,
    /// Answer minus intended start.
    pub response: Times,
    /// Answer minus real start.
    pub service: Times,
    /// Connections opened, warm-up included.
    pub connects: u64,
}

/// Durations in ascending order.
#[derive(Clone, Debug, Default)]
pub struct Times(Vec<Duration>);

// === impl Load ===

impl Load {
    /// Requests that were not answered as expected.
    #[must_use]
    pub fn error_count(&self) -> u64 {
        self.errors.values().sum()
    }

    /// Good answers per second.
    #[must_use]
    #[expect(
        clippy::cast_precision_loss,
        reason = "request counts are far below 2^52"
    )]
    pub fn throughput(&self) -> f64 {
        if self.elapsed.is_zero() {
            return 0.0;
        }
        self.ok as f64 / self.elapsed.as_secs_f64()
    }
}

impl fmt::Display for Load {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} answers in {:.1} s: {:.1} per second over {} connections, {} errors",
            self.ok,
            self.elapsed.as_secs_f64(),
            self.throughput(),
            self.connects,
            self.error_count(),
        )?;
        writeln!(
            f,
            "{:<10}{:>10}{:>10}{:>10}{:>10}",
            "", "p50", "p90", "p99", "max"
        )?;
        for (name, times) in [("response", &self.response), ("service", &self.service)] {
            write!(f, "{name:<10}")?;
            for quantile in [0.5, 0.9, 0.99, 1.0] {
                let ms = times.quantile(quantile).as_secs_f64() * 1e3;
                write!(f, "{:>10}", format!("{ms:.2} ms"))?;
            }
            writeln!(f)?;
        }
        for (reason, count) in &self.errors {
            writeln!(f, "{count} × {reason}")?;
        }
        Ok(())
    }
}

// === impl Times ===

impl Times {
    /// The smallest duration that at least the share `quantile` of all does not exceed; 0 without any.
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        clippy::cast_sign_loss,
        reason = "the rank is clamped to the length"
    )]
    pub fn quantile(&self, quantile: f64) -> Duration {
        let rank = (quantile.clamp(0.0, 1.0) * self.0.len() as f64).ceil() as usize;
        self.0
            .get(rank.saturating_sub(1))
            .copied()
            .unwrap_or_default()
    }

    /// Number of durations.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.len()
    }
}

impl FromIterator<Duration> for Times {
    fn from_iter<I: IntoIterator<Item = Duration>>(durations: I) -> Self {
        let mut sorted: Vec<_> = durations.into_iter().collect();
        sorted.sort_unstable();
        Self(sorted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_is_the_nearest_rank_of_the_sorted_durations() {
        let times: Times = (1..=100).rev().map(Duration::from_millis).collect();
        let ms = |quantile| times.quantile(quantile).as_millis();
        assert_eq!((ms(0.0), ms(0.5), ms(0.99), ms(1.0)), (1, 50, 99, 100));
        assert_eq!(Times::default().quantile(0.5), Duration::ZERO);
    }
}
