//! The mean of all calls but the slowest: what a typical call costs, whatever a single stall did.
//!
//! Method: a one-sided trimmed mean. The slowest hundredth of the calls, and at least one, is taken out of the
//! exact sum: the largest by the exact maximum, the others by the geometric middle of their buckets, from the top.
//!
//! ```text
//!   sum      #########################%%%%@      @ max, exact; % the rest of the slowest, by buckets
//!   trimmed  #########################
//! ```
//!
//! A preempted call or a cold page moves the mean of a short run by any amount and this mean not at all; a change
//! that reaches more than one call in a hundred moves both. The error by the buckets is at most half a bucket
//! (1.1 % at scale 5) of what the removed calls took, which is the same on both sides of a comparison.
//! Source: Tukey, "A Survey of Sampling from Contaminated Distributions" (1960); Huber & Ronchetti, "Robust
//! Statistics" (2009), chapter 3.

use crate::model::ExpHistogram;

/// One call in this many is left out, rounded up.
const TRIM_ONE_IN: u64 = 100;

/// With fewer calls than this, each of them may be different work, and none is left out.
const CALLS_MIN: u64 = 10;

/// Mean of all calls but the slowest hundredth; the plain mean of fewer than ten; `None` of none.
pub fn trimmed_mean(histogram: &ExpHistogram) -> Option<f64> {
    let count = histogram.count;
    let mean = histogram.sum / count as f64;
    if count == 0 || !mean.is_finite() {
        return None;
    }
    if count < CALLS_MIN {
        return Some(mean);
    }
    let trimmed = count.div_ceil(TRIM_ONE_IN);
    let rest = (histogram.sum - slowest(histogram, trimmed)) / (count - trimmed) as f64;
    // Calls without the slowest are not slower; not so only where the histogram contradicts itself.
    (rest >= 0.0 && rest <= mean).then_some(rest).or(Some(mean))
}

/// What the slowest `calls` took together.
fn slowest(histogram: &ExpHistogram, calls: u64) -> f64 {
    let width = (-f64::from(histogram.scale)).exp2();
    let (low, high) = (
        histogram.min.unwrap_or(0.0),
        histogram.max.unwrap_or(f64::MAX),
    );
    let (mut left, mut total) = (calls, 0.0);
    let mut exact = histogram.max;
    for (&index, &in_bucket) in histogram.buckets.iter().rev() {
        let mut taken = in_bucket.min(left);
        left -= taken;
        if let Some(max) = exact.take_if(|_| taken > 0) {
            total += max;
            taken -= 1;
        }
        let middle = ((f64::from(index) + 0.5) * width).exp2();
        total += middle.min(high).max(low) * taken as f64;
        if left == 0 {
            break;
        }
    }
    total
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Calls of 1 s each, in the bucket below 1.
    fn calm(calls: u64) -> ExpHistogram {
        ExpHistogram {
            scale: 5,
            count: calls,
            sum: calls as f64,
            min: Some(1.0),
            max: Some(1.0),
            buckets: [(-1, calls)].into(),
            ..ExpHistogram::default()
        }
    }

    #[test]
    fn one_stall_does_not_move_it() {
        let stalled = |calls: u64| {
            let mut histogram = calm(calls);
            histogram.count += 1;
            histogram.sum += 64.0;
            histogram.max = Some(64.0);
            histogram.buckets.insert(6 * 32 - 1, 1);
            histogram
        };
        for calls in [9, 50, 99, 5_000] {
            let got = trimmed_mean(&stalled(calls)).unwrap();
            assert!((got - 1.0).abs() < 1e-3, "{calls} calls: {got}");
        }
        // The mean of 50 calls is moved to more than twice.
        assert!(stalled(50).sum / 51.0 > 2.2);
    }

    #[test]
    fn a_tail_of_one_call_in_ten_moves_it() {
        let mut histogram = calm(900);
        histogram.count += 100;
        histogram.sum += 800.0;
        histogram.max = Some(8.0);
        histogram.buckets.insert(3 * 32 - 1, 100);
        // (1000·1.7 - 10·8) / 990, but for the width of a bucket.
        let got = trimmed_mean(&histogram).unwrap();
        assert!((got - 1.6364).abs() < 2e-3, "{got}");
    }

    #[test]
    fn few_calls_are_all_kept_and_none_have_no_mean() {
        let mut histogram = calm(8);
        histogram.count += 1;
        histogram.sum += 10.0;
        histogram.max = Some(10.0);
        histogram.buckets.insert(107, 1);
        assert_eq!(trimmed_mean(&histogram), Some(2.0));
        assert_eq!(trimmed_mean(&ExpHistogram::default()), None);
    }

    #[test]
    fn a_histogram_that_contradicts_itself_gives_its_mean() {
        let mut histogram = calm(100);
        histogram.sum = 0.5;
        assert_eq!(trimmed_mean(&histogram), Some(0.005));
        histogram.sum = f64::NAN;
        assert_eq!(trimmed_mean(&histogram), None);
    }
}
