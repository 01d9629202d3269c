//! Properties of histograms: exact moments, merge as a sum, since as its inverse, quantiles in their bucket.

use proptest::prelude::*;

use super::*;

fn of(values: &[u64]) -> Histogram {
    let mut histogram = Histogram::new();
    for ns in values {
        histogram.record(Duration::from_nanos(*ns));
    }
    histogram
}

fn durations() -> impl Strategy<Value = Vec<u64>> {
    prop::collection::vec(prop_oneof![Just(0), 1..200_u64, 1..(1_u64 << 40)], 0..60)
}

#[test]
fn an_empty_histogram_answers_zero_to_everything() {
    let empty = Histogram::new();
    assert_eq!(empty.count(), 0);
    assert_eq!(empty.quantile(0.5), Duration::ZERO);
    assert_eq!(empty.mean(), Duration::ZERO);
    assert_eq!(empty, Histogram::default());
}

#[test]
fn a_single_value_is_every_quantile() {
    let one = of(&[1_234_567]);
    for q in [f64::NAN, -1.0, 0.0, 0.5, 1.0, 7.0] {
        assert_eq!(one.quantile(q), Duration::from_nanos(1_234_567));
    }
}

proptest! {
    #[test]
    fn moments_are_exact(values in durations()) {
        let histogram = of(&values);
        prop_assert_eq!(histogram.count(), values.len() as u64);
        prop_assert_eq!(histogram.sum(), Duration::from_nanos(values.iter().sum()));
        prop_assert_eq!(histogram.min(), Duration::from_nanos(values.iter().min().copied().unwrap_or(0)));
        prop_assert_eq!(histogram.max(), Duration::from_nanos(values.iter().max().copied().unwrap_or(0)));
    }

    #[test]
    fn merging_is_recording_both(a in durations(), b in durations()) {
        let mut merged = of(&a);
        merged.merge(&of(&b));
        prop_assert_eq!(merged, of(&[a, b].concat()));
    }

    #[test]
    fn since_takes_back_what_was_there(a in durations(), b in durations()) {
        let before = of(&a);
        let mut after = before.clone();
        after.merge(&of(&b));
        let delta = after.since(&before);
        let truth = of(&b);
        prop_assert_eq!(delta.count(), truth.count());
        prop_assert_eq!(delta.sum(), truth.sum());
        prop_assert!(delta.buckets().eq(truth.buckets()));
        if !truth.is_empty() {
            prop_assert!(delta.min() <= truth.min() && truth.max() <= delta.max());
        }
    }

    #[test]
    fn a_quantile_lies_within_a_bucket_of_the_value_at_its_rank(
        mut values in prop::collection::vec(1..(1_u64 << 40), 1..80), q in 0.0..=1.0_f64
    ) {
        let estimate = of(&values).quantile(q).as_nanos() as f64;
        values.sort_unstable();
        let rank = ((q * values.len() as f64).ceil() as usize).clamp(1, values.len());
        let truth = values[rank - 1] as f64;
        prop_assert!((estimate - truth).abs() <= truth * 0.0221 + 1.0, "{estimate} {truth}");
    }
}
