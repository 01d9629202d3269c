//! The interval of a share of successes, honest also where there were none.
//!
//! Source: Wilson, JASA 22 (1927) 209: the shares that a score test does not reject.

use crate::stats::student;

/// A share with the ends of its interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Share {
    /// The share itself; 0 of no trials.
    pub estimate: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// The interval of a share seen in `trials` independent trials.
pub fn wilson(share: f64, trials: f64, confidence: f64) -> Share {
    let share = share.clamp(0.0, 1.0);
    if trials <= 0.0 || share.is_nan() || trials.is_nan() {
        return Share {
            estimate: 0.0,
            low: 0.0,
            high: 1.0,
        };
    }
    let z = student::critical(confidence, f64::INFINITY);
    let squared = z * z / trials;
    let middle = (share + 0.5 * squared) / (1.0 + squared);
    let half =
        z / (1.0 + squared) * (share * (1.0 - share) / trials + 0.25 * squared / trials).sqrt();
    Share {
        estimate: share,
        low: (middle - half).max(0.0),
        high: (middle + half).min(1.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_is_that_of_the_textbook() {
        // 10 of 50 at 95 %: Brown, Cai & DasGupta (2001) give 0.112 to 0.330.
        let share = wilson(0.2, 50.0, 0.95);
        assert!((share.low - 0.112_4).abs() < 5e-4, "{share:?}");
        assert!((share.high - 0.330_4).abs() < 5e-4, "{share:?}");
        // Nothing seen is not nothing there: z² / (n + z²).
        let none = wilson(0.0, 50.0, 0.95);
        assert!(
            none.low.abs() < 1e-12 && (none.high - 0.071_3).abs() < 5e-4,
            "{none:?}"
        );
        assert!((wilson(0.3, 0.0, 0.95).high - 1.0).abs() < 1e-12);
    }
}
