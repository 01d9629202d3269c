//! Quantiles of a base-2 exponential histogram.
//!
//! Method: the bucket that holds rank `q * count` is found, and the value is interpolated on the logarithm
//! inside it, as the buckets are even in the logarithm; the result stays within the exact minimum and maximum.
//! The relative error is below one bucket, `2^(2^-scale) - 1`: 2.2 % at scale 5, and half of it at worst where
//! measurements are even inside the bucket.
//!
//! ```text
//!   base^i            value            base^(i+1)
//!     |---------------- * ----------------|       value = base^(i + (rank - below) / in_bucket)
//! ```

use crate::model::ExpHistogram;

/// The quantile `q` of `0..=1`, or `None` where nothing was measured or the histogram contradicts itself.
pub fn quantile(histogram: &ExpHistogram, q: f64) -> Option<f64> {
    let in_buckets = histogram
        .buckets
        .values()
        .fold(0u64, |sum, &n| sum.saturating_add(n));
    let count = in_buckets.saturating_add(histogram.zero_count);
    if count == 0 || !(0.0..=1.0).contains(&q) {
        return None;
    }
    let rank = q * count as f64;
    let mut below = histogram.zero_count as f64;
    if rank <= below && histogram.zero_count > 0 {
        return Some(clip(0.0, histogram));
    }
    let width = (-f64::from(histogram.scale)).exp2();
    let mut log2 = 0.0;
    for (&index, &in_bucket) in &histogram.buckets {
        if in_bucket == 0 {
            continue;
        }
        let share = ((rank - below) / in_bucket as f64).clamp(0.0, 1.0);
        log2 = (f64::from(index) + share) * width;
        below += in_bucket as f64;
        if rank <= below {
            break;
        }
    }
    let value = clip(log2.exp2(), histogram);
    value.is_finite().then_some(value)
}

/// Variance of the logarithm of a quantile from the width of the buckets alone: `(ln base)² / 12`.
pub fn resolution_variance(scale: i32) -> f64 {
    let ln_base = (-f64::from(scale)).exp2() * std::f64::consts::LN_2;
    ln_base * ln_base / 12.0
}

fn clip(value: f64, histogram: &ExpHistogram) -> f64 {
    let value = histogram.max.map_or(value, |max| value.min(max));
    histogram.min.map_or(value, |min| value.max(min))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(scale: i32, values: &[f64]) -> ExpHistogram {
        let mut histogram = ExpHistogram {
            scale,
            ..ExpHistogram::default()
        };
        for &value in values {
            #[expect(clippy::cast_possible_truncation, reason = "small indexes")]
            let index = (value.log2() * f64::from(scale).exp2()).ceil() as i32 - 1;
            *histogram.buckets.entry(index).or_default() += 1;
            histogram.count += 1;
            histogram.sum += value;
            histogram.min = Some(histogram.min.map_or(value, |min| min.min(value)));
            histogram.max = Some(histogram.max.map_or(value, |max| max.max(value)));
        }
        histogram
    }

    #[test]
    fn quantiles_are_within_one_bucket_at_every_scale() {
        let values: Vec<f64> = (1..=1000).map(|i| 0.001 * 1.007f64.powi(i)).collect();
        for scale in [-1, 0, 3, 5, 10] {
            let histogram = of(scale, &values);
            let width = (-f64::from(scale)).exp2().exp2();
            for (q, rank) in [(0.01, 10), (0.5, 500), (0.9, 900), (0.99, 990)] {
                let got = quantile(&histogram, q).unwrap();
                let ratio = got / values[rank - 1];
                assert!(
                    ratio <= width * 1.01 && ratio >= 1.0 / width / 1.01,
                    "scale {scale}, q {q}: {ratio}"
                );
            }
        }
    }

    #[test]
    fn a_single_value_is_every_quantile() {
        let histogram = of(5, &[0.0137; 40]);
        for q in [0.0, 0.5, 1.0] {
            assert_eq!(quantile(&histogram, q), Some(0.0137));
        }
    }

    #[test]
    fn zeros_are_the_smallest_and_nothing_has_no_quantile() {
        let mut histogram = of(5, &[1.5]);
        histogram.zero_count = 9;
        histogram.min = Some(0.0);
        assert_eq!(quantile(&histogram, 0.5), Some(0.0));
        assert!(quantile(&histogram, 0.99).unwrap() > 1.0);
        assert_eq!(quantile(&ExpHistogram::default(), 0.5), None);
        assert_eq!(quantile(&histogram, f64::NAN), None);
    }

    #[test]
    fn absurd_scales_give_a_finite_value_or_none() {
        for scale in [i32::MIN, -2_000, -10, 20, 2_000, i32::MAX] {
            for index in [i32::MIN, -1, 0, i32::MAX] {
                let mut histogram = ExpHistogram {
                    scale,
                    count: 1,
                    ..ExpHistogram::default()
                };
                histogram.buckets.insert(index, 1);
                assert!(quantile(&histogram, 0.5).is_none_or(f64::is_finite));
            }
        }
    }

    #[test]
    fn the_resolution_of_scale_five_is_six_tenths_of_a_percent() {
        assert!((resolution_variance(5).sqrt() - 0.006_253).abs() < 1e-5);
    }
}
