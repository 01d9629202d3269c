//! Adds up the points of one series.

use crate::points::{BoundedHistogram, ExpPoint, Value};

/// Adds `other` to `total`, which are values of one series; a total that cannot be is left as it is.
pub(crate) fn add(total: &mut Value, other: &Value) {
    match (&mut *total, other) {
        (Value::Int(a), Value::Int(b)) => *a = a.saturating_add(*b),
        (Value::Double(a), Value::Double(b)) => *a += b,
        (Value::Double(a), Value::Int(b)) => *a += *b as f64,
        (Value::Int(a), Value::Double(b)) => *total = Value::Double(*a as f64 + b),
        (Value::Histogram(a), Value::Histogram(b)) => add_bounded(a, b),
        (Value::ExpHistogram(a), Value::ExpHistogram(b)) => add_exponential(a, b),
        _ => debug_assert!(false, "a series has values of one kind"),
    }
}

/// Whether a cumulative series went back, which tells a restart that kept its start time.
pub(crate) fn is_reset(earlier: &Value, later: &Value) -> bool {
    match (earlier, later) {
        (Value::Int(a), Value::Int(b)) => b < a,
        (Value::Double(a), Value::Double(b)) => b < a,
        (Value::Histogram(a), Value::Histogram(b)) => b.count < a.count,
        (Value::ExpHistogram(a), Value::ExpHistogram(b)) => b.histogram.count < a.histogram.count,
        _ => false,
    }
}

fn add_exponential(total: &mut ExpPoint, other: &ExpPoint) {
    total.has_sum = (total.has_sum || total.histogram.count == 0)
        && (other.has_sum || other.histogram.count == 0);
    total.zero_threshold = total.zero_threshold.max(other.zero_threshold);
    total.histogram.merge(&other.histogram);
}

/// Adds two histograms; where their bounds differ, over the bounds that both have, which is exact.
fn add_bounded(total: &mut BoundedHistogram, other: &BoundedHistogram) {
    if other.count == 0 {
        return;
    }
    if total.count == 0 {
        total.clone_from(other);
        return;
    }
    if total.bounds == other.bounds {
        for (count, more) in total.counts.iter_mut().zip(&other.counts) {
            *count = count.saturating_add(*more);
        }
    } else {
        let shared: Vec<f64> = total
            .bounds
            .iter()
            .copied()
            .filter(|bound| other.bounds.iter().any(|b| b.total_cmp(bound).is_eq()))
            .collect();
        let mut counts = vec![0u64; shared.len() + 1];
        coarsen(total, &shared, &mut counts);
        coarsen(other, &shared, &mut counts);
        total.bounds = shared;
        total.counts = counts;
    }
    total.count = total.count.saturating_add(other.count);
    total.sum = total.sum.zip(other.sum).map(|(a, b)| a + b);
    total.min = total.min.zip(other.min).map(|(a, b)| a.min(b));
    total.max = total.max.zip(other.max).map(|(a, b)| a.max(b));
}

/// Adds the counts of `histogram` to those of fewer `bounds`, all of which it has.
fn coarsen(histogram: &BoundedHistogram, bounds: &[f64], counts: &mut [u64]) {
    if histogram.counts.is_empty() {
        // No buckets: only that the measurements are somewhere is known.
        if let [only] = counts {
            *only = only.saturating_add(histogram.count);
        }
        return;
    }
    for (position, count) in histogram.counts.iter().enumerate() {
        // The bucket's upper bound; the last bucket has none and goes to the last.
        let slot = histogram
            .bounds
            .get(position)
            .map_or(bounds.len(), |upper| {
                bounds.partition_point(|bound| bound < upper)
            });
        if let Some(sum) = counts.get_mut(slot) {
            *sum = sum.saturating_add(*count);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bounded(bounds: &[f64], counts: &[u64]) -> BoundedHistogram {
        BoundedHistogram {
            count: counts.iter().sum(),
            sum: Some(1.5),
            min: None,
            max: Some(9.0),
            bounds: bounds.to_vec(),
            counts: counts.to_vec(),
        }
    }

    #[test]
    fn different_bounds_add_up_over_those_both_have() {
        let mut total = Value::Histogram(bounded(&[1.0, 2.0, 4.0], &[1, 2, 3, 4]));
        add(
            &mut total,
            &Value::Histogram(bounded(&[2.0, 3.0], &[10, 20, 30])),
        );
        let Value::Histogram(total) = total else {
            panic!("still a histogram")
        };
        assert_eq!((total.bounds, total.counts), (vec![2.0], vec![13, 57]));
        assert_eq!(
            (total.count, total.sum, total.max),
            (70, Some(3.0), Some(9.0))
        );
    }

    #[test]
    fn a_histogram_without_buckets_leaves_none() {
        let mut total = Value::Histogram(bounded(&[1.0], &[1, 2]));
        let bare = BoundedHistogram {
            count: 5,
            sum: Some(1.0),
            ..BoundedHistogram::default()
        };
        add(&mut total, &Value::Histogram(bare));
        let Value::Histogram(total) = total else {
            panic!("still a histogram")
        };
        assert_eq!(
            (total.bounds, total.counts, total.count),
            (vec![], vec![8], 8)
        );
    }
}
