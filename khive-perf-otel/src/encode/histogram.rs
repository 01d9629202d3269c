//! Histograms as OTLP data points: the same counts, in as many exponential buckets as allowed, or between given boundaries.

use khive_perf::stats::Histogram;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::metrics::v1::exponential_histogram_data_point::Buckets as Dense;
use opentelemetry_proto::tonic::metrics::v1::{
    self as metrics, Exemplar, ExponentialHistogram, ExponentialHistogramDataPoint,
    HistogramDataPoint, metric,
};

use crate::encode::{Shape, temporality};

/// Into which buckets durations are put.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Buckets {
    /// Those that they were recorded in; a histogram with more than this is made coarser.
    Exponential { max: usize },
    /// Those with these upper boundaries, ascending, in seconds.
    Explicit(Vec<f64>),
}

/// What is to become a point.
type Given<'a> = (&'a Histogram, Vec<KeyValue>, Vec<Exemplar>);

pub(super) fn data(points: Vec<Given<'_>>, shape: &Shape, buckets: &Buckets) -> metric::Data {
    let aggregation_temporality = temporality(shape.is_delta);
    match buckets {
        Buckets::Exponential { max } => {
            let points = points
                .into_iter()
                .map(|given| exponential(given, shape, *max));
            metric::Data::ExponentialHistogram(ExponentialHistogram {
                data_points: points.collect(),
                aggregation_temporality,
            })
        }
        Buckets::Explicit(bounds) => {
            let points = points
                .into_iter()
                .map(|given| explicit(given, shape, bounds));
            metric::Data::Histogram(metrics::Histogram {
                data_points: points.collect(),
                aggregation_temporality,
            })
        }
    }
}

fn exponential(
    (histogram, attributes, exemplars): Given<'_>,
    shape: &Shape,
    max: usize,
) -> ExponentialHistogramDataPoint {
    let (scale, positive) = dense(Histogram::SCALE, histogram.buckets(), max);
    let range_is_exact = histogram.range_is_exact();
    ExponentialHistogramDataPoint {
        attributes,
        exemplars,
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

fn explicit(
    (histogram, attributes, exemplars): Given<'_>,
    shape: &Shape,
    bounds: &[f64],
) -> HistogramDataPoint {
    let range_is_exact = histogram.range_is_exact();
    HistogramDataPoint {
        attributes,
        exemplars,
        start_time_unix_nano: shape.start_unix_ns.min(shape.time_unix_ns),
        time_unix_nano: shape.time_unix_ns,
        count: histogram.count(),
        sum: Some(histogram.sum().as_secs_f64()),
        bucket_counts: between(histogram, bounds),
        explicit_bounds: bounds.to_vec(),
        min: range_is_exact.then(|| histogram.min().as_secs_f64()),
        max: range_is_exact.then(|| histogram.max().as_secs_f64()),
        ..HistogramDataPoint::default()
    }
}

/// Counts by ascending upper boundaries in seconds, and one more of what is beyond the last.
///
/// A bucket that straddles a boundary goes as a whole to where its geometric middle lies. Where it goes depends on nothing
/// that was measured, minimum and maximum included: else a cumulative count could fall, which says that the process began
/// anew, and deltas would not add up to it.
fn between(histogram: &Histogram, bounds: &[f64]) -> Vec<u64> {
    let per_octave = f64::from(Histogram::SCALE).exp2();
    let zeros = (0.0, histogram.zero_count());
    let middles = histogram
        .buckets()
        .map(|(index, count)| (((f64::from(index) + 0.5) / per_octave).exp2(), count));
    let mut counts = vec![0_u64; bounds.len() + 1];
    for (value, count) in std::iter::once(zeros).chain(middles) {
        let at = bounds.partition_point(|bound| *bound < value);
        if let Some(bucket) = counts.get_mut(at) {
            *bucket = bucket.saturating_add(count);
        }
    }
    counts
}

/// Writes ascending `(index, count)` pairs densely.
///
/// Halves the scale's resolution, which merges neighbours in pairs, until no more than `max` buckets
/// span the range; `max` is at least 2, because the buckets around 1 s never merge.
fn dense(scale: i32, pairs: impl Iterator<Item = (i32, u64)>, max: usize) -> (i32, Option<Dense>) {
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
    let positive = Dense {
        offset,
        bucket_counts,
    };
    (scale - shift, Some(positive))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    fn sparse(positive: Option<Dense>) -> BTreeMap<i32, u64> {
        let positive = positive.unwrap_or_default();
        let counts = positive.bucket_counts.iter().enumerate();
        counts
            .filter(|(_, count)| **count > 0)
            .map(|(at, count)| (positive.offset + i32::try_from(at).unwrap(), *count))
            .collect()
    }

    #[test]
    fn the_buckets_around_one_second_stay_apart() {
        let (scale, positive) = dense(5, [(-1000, 3), (1000, 4)].into_iter(), 2);
        assert_eq!(scale, 5 - 10);
        assert_eq!(sparse(positive), BTreeMap::from([(-1, 3), (0, 4)]));
    }

    #[test]
    fn an_empty_histogram_has_no_buckets() {
        assert_eq!(dense(5, std::iter::empty(), 2), (5, None));
    }

    #[test]
    fn a_duration_on_a_boundary_of_both_kinds_of_buckets_is_below_it() {
        let mut histogram = Histogram::new();
        // 250 ms, 500 ms and 1 s are whole powers of two of a second.
        for ms in [0, 250, 500, 1_000] {
            histogram.record(Duration::from_millis(ms));
        }
        let counts = between(&histogram, &[0.0, 0.25, 0.5, 1.0]);
        assert_eq!(counts, [1, 1, 1, 1, 0]);
        assert_eq!(between(&histogram, &[]), [4], "no boundary is no error");
    }

    proptest! {
        // Every count arrives, on a side of each boundary that is at most half a bucket off; and differences are exact.
        #[test]
        fn explicit_buckets_hold_all_and_err_by_half_a_recorded_bucket(
            earlier in proptest::collection::vec(0_u64..40_000_000_000, 0..60),
            later in proptest::collection::vec(0_u64..40_000_000_000, 0..60),
            bounds in proptest::collection::btree_set(1_u64..40_000_000_000, 0..20),
        ) {
            let bounds: Vec<f64> = bounds.into_iter().map(|ns| ns as f64 / 1e9).collect();
            let mut histogram = Histogram::new();
            let record = |histogram: &mut Histogram, values: &[u64]| {
                values.iter().for_each(|ns| histogram.record(Duration::from_nanos(*ns)));
            };
            record(&mut histogram, &earlier);
            let before = histogram.clone();
            record(&mut histogram, &later);
            let counts = between(&histogram, &bounds);
            prop_assert_eq!(counts.iter().sum::<u64>(), histogram.count());
            let below = |limit: f64| {
                let values = earlier.iter().chain(&later);
                values.filter(|ns| **ns as f64 / 1e9 <= limit).count() as u64
            };
            let mut so_far = 0;
            for (bound, count) in bounds.iter().zip(&counts) {
                so_far += count;
                let error = 1.0 + Histogram::QUANTILE_ERROR;
                prop_assert!((below(bound / error)..=below(bound * error)).contains(&so_far));
            }
            let delta = between(&histogram.since(&before), &bounds);
            let sum = between(&before, &bounds).into_iter().zip(delta).map(|(a, b)| a + b);
            prop_assert_eq!(sum.collect::<Vec<_>>(), counts);
        }

        // Every count arrives, in the bucket that holds its old one, at the finest scale that fits.
        #[test]
        fn no_count_is_lost_or_misplaced(
            counts in proptest::collection::btree_map(-1200_i32..600, 1_u64..1000, 1..80),
            max in 2_usize..400,
        ) {
            let pairs = counts.iter().map(|(index, count)| (*index, *count));
            let (scale, positive) = dense(5, pairs, max);
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
