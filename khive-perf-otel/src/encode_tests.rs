//! Properties of the encoding: what is decoded again is what the snapshot said.

use std::collections::BTreeMap;
use std::time::Duration;

use khive_perf::testing::{Capture, ManualClock};
use khive_perf::{Outcome, Snapshot, measure};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::metrics::v1::{Metric, metric::Data};
use proptest::prelude::*;
use prost::Message as _;

use super::metrics::points_of;
use super::*;

#[measure(group = "g", err, fields(shard = ns % 3))]
fn work(clock: &ManualClock, ns: u64) -> Result<(), ()> {
    clock.advance(Duration::from_nanos(ns));
    if ns.is_multiple_of(5) {
        Err(())
    } else {
        Ok(())
    }
}

fn recorded(durations: &[u64]) -> Snapshot {
    let clock = ManualClock::new();
    let run = || {
        durations.iter().for_each(|ns| {
            let _ = work(&clock, *ns);
        })
    };
    Capture::new().clock(&clock).run(run).1.into_snapshot()
}

fn encoder(buckets_max: usize) -> Encoder {
    Encoder::new(&BTreeMap::new(), buckets_max)
}

fn metrics(snapshot: &Snapshot, buckets_max: usize) -> Vec<Metric> {
    encoder(buckets_max).metrics(
        snapshot,
        Counting {
            is_delta: false,
            start_unix_ns: 1,
        },
    )
}

fn decoded(batches: &[Batch]) -> Vec<Metric> {
    batches
        .iter()
        .flat_map(|batch| {
            let bytes = batch.request.encode_to_vec();
            let request = ExportMetricsServiceRequest::decode(bytes.as_slice()).unwrap();
            request
                .resource_metrics
                .into_iter()
                .flat_map(|resource| resource.scope_metrics)
        })
        .flat_map(|scope| scope.metrics)
        .collect()
}

fn durations() -> impl Strategy<Value = Vec<u64>> {
    prop::collection::vec(prop_oneof![Just(0), 1..5_000_u64, 1..(1_u64 << 45)], 0..40)
}

proptest! {
    #[test]
    fn counts_sums_and_buckets_survive_the_wire(values in durations(), buckets_max in 2..400_usize) {
        let snapshot = recorded(&values);
        let batches = encoder(buckets_max).batches(metrics(&snapshot, buckets_max), 4 << 20);
        let mut seen = 0;
        for metric in decoded(&batches) {
            let Some(Data::ExponentialHistogram(histogram)) = metric.data else { continue };
            for point in histogram.data_points {
                let buckets = point.positive.unwrap();
                prop_assert!(buckets.bucket_counts.len() <= buckets_max);
                let total: u64 = buckets.bucket_counts.iter().sum();
                prop_assert_eq!(total + point.zero_count, point.count);
                let merges = 5 - point.scale;
                let stats = snapshot.callsites().iter().flat_map(|stats| {
                    Outcome::ALL.map(|outcome| stats.wall_by(outcome))
                }).find(|wall| {
                    wall.count() == point.count
                        && wall.sum().as_secs_f64().to_bits() == point.sum.unwrap().to_bits()
                });
                let wall = stats.expect("a point is one of the histograms");
                let mut expected = BTreeMap::new();
                for (index, count) in wall.buckets() {
                    *expected.entry(index >> merges).or_insert(0) += count;
                }
                let got: BTreeMap<i32, u64> = buckets.bucket_counts.iter().enumerate()
                    .filter(|(_, count)| **count > 0)
                    .map(|(i, count)| (buckets.offset + i32::try_from(i).unwrap(), *count))
                    .collect();
                prop_assert_eq!(got, expected);
                seen += point.count;
            }
        }
        prop_assert_eq!(seen, values.len() as u64);
    }

    #[test]
    fn splitting_keeps_every_point_and_the_limit(values in durations(), bytes_max in 600..6_000_usize) {
        let snapshot = recorded(&values);
        let whole = metrics(&snapshot, 320);
        let points = |metrics: &[Metric]| -> usize {
            metrics.iter().map(points_of).sum()
        };
        let batches = encoder(320).batches(whole.clone(), bytes_max);
        prop_assert_eq!(points(&decoded(&batches)), points(&whole));
        for batch in &batches {
            prop_assert!(batch.points > 0, "an empty envelope");
            prop_assert!(batch.points == 1 || batch.request.encoded_len() <= bytes_max);
        }
    }
}

#[test]
fn a_snapshot_of_nothing_makes_no_request() {
    let nothing = metrics(&Snapshot::empty(), 320);
    assert!(encoder(320).batches(nothing, 4 << 20).is_empty());
}
