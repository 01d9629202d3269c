//! A histogram as an exponential-histogram data point: the same counts, in as many buckets as allowed.

use khive_perf::stats::Histogram;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::metrics::v1::ExponentialHistogramDataPoint;
use opentelemetry_proto::tonic::metrics::v1::exponential_histogram_data_point::Buckets;

use crate::encode::Shape;

pub(super) fn point(
    histogram: &Histogram,
    attributes: Vec<KeyValue>,
    shape: &Shape,
) -> ExponentialHistogramDataPoint {
    let (scale, positive) = buckets(Histogram::SCALE, histogram.buckets(), shape.buckets_max);
    let range_is_exact = histogram.range_is_exact();
    ExponentialHistogramDataPoint {
        attributes,
        start_time_unix_nano: shape.start_unix_ns.min(shape.time_unix_ns),
        time_unix_nano: shape.time_unix_ns,
        count: histogram.count(),
        sum: Some(histogram.sum().as_secs_f64()),
        scale,
        zero_count: histogram.zero_count(),
        positive,
        min: range_is_exact.then(|| histogram.min().as_secs_f64()),
        max: range_is_exact.then(|| histogram.max().as_secs_f64()),
        ..ExponentialHistogramDataPoint::default()
    }
}

/// Writes ascending `(index, count)` pairs densely.
///
/// Halves the scale's resolution, which merges neighbours in pairs, until no more than `max` buckets
/// span the range; `max` is at least 2, because the buckets around 1 s never merge.
fn buckets(
    scale: i32,
    pairs: impl Iterator<Item = (i32, u64)>,
    max: usize,
) -> (i32, Option<Buckets>) {
    debug_assert!(max >= 2, "the configuration sees to it");
    let pairs: Vec<(i32, u64)> = pairs.collect();
    let (Some((first, _)), Some((last, _))) = (pairs.first(), pairs.last()) else {
        return (scale, None);
    };
    let span = |shift: i32| (last >> shift).abs_diff(first >> shift) as usize + 1;
    let shift = (0..31).find(|shift| span(*shift) <= max).unwrap_or(31);
    let offset = first >> shift;
    let mut bucket_counts = vec![0_u64; span(shift)];
    for (index, count) in pairs {
        let at = (index >> shift).abs_diff(offset) as usize;
        if let Some(bucket) = bucket_counts.get_mut(at) {
            *bucket += count;
        }
    }
    let positive = Buckets {
        offset,
        bucket_counts,
    };
    (scale - shift, Some(positive))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn sparse(positive: Option<Buckets>) -> BTreeMap<i32, u64> {
        let positive = positive.unwrap_or_default();
        let counts = positive.bucket_counts.iter().enumerate();
        counts
            .filter(|(_, count)| **count > 0)
            .map(|(at, count)| (positive.offset + i32::try_from(at).unwrap(), *count))
            .collect()
    }

    #[test]
    fn the_buckets_around_one_second_stay_apart() {
        let (scale, positive) = buckets(5, [(-1000, 3), (1000, 4)].into_iter(), 2);
        assert_eq!(scale, 5 - 10);
        assert_eq!(sparse(positive), BTreeMap::from([(-1, 3), (0, 4)]));
    }

    #[test]
    fn an_empty_histogram_has_no_buckets() {
        assert_eq!(buckets(5, std::iter::empty(), 2), (5, None));
    }

    proptest! {
        // Every count arrives, in the bucket that holds its old one, at the finest scale that fits.
        #[test]
        fn no_count_is_lost_or_misplaced(
            counts in proptest::collection::btree_map(-1200_i32..600, 1_u64..1000, 1..80),
            max in 2_usize..400,
        ) {
            let pairs = counts.iter().map(|(index, count)| (*index, *count));
            let (scale, positive) = buckets(5, pairs, max);
            let positive = positive.unwrap();
            prop_assert!(positive.bucket_counts.len() <= max);
            prop_assert!(*positive.bucket_counts.first().unwrap() > 0);
            prop_assert!(*positive.bucket_counts.last().unwrap() > 0);
            let shift = 5 - scale;
            let width = 1 << shift;
            let mut expected = BTreeMap::new();
            for (index, count) in &counts {
                *expected.entry(index.div_euclid(width)).or_insert(0) += count;
            }
            prop_assert_eq!(sparse(Some(positive)), expected);
            if shift > 0 {
                let (first, last) = (counts.keys().next().unwrap(), counts.keys().last().unwrap());
                let finer = width / 2;
                let span = last.div_euclid(finer) - first.div_euclid(finer) + 1;
                prop_assert!(usize::try_from(span).unwrap() > max, "it could be finer");
            }
        }
    }
}
