//! What was recorded is what a receiver decodes.

use std::collections::BTreeMap;
use std::time::Duration;

use khive_perf::FutureExt;
use khive_perf::stats::Histogram;
use khive_perf::testing::{Capture, ManualClock};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::metrics::v1::ExponentialHistogramDataPoint;
use proptest::prelude::*;
use prost::Message;

use super::split::request_points;
use super::*;

#[khive_perf::measure(name = "works", group = "g", err, fields(size = size, code.file.path = 7))]
fn work(clock: &ManualClock, size: u64, ns: u64) -> Result<u64, ()> {
    clock.advance(Duration::from_nanos(ns));
    if size.is_multiple_of(2) {
        Ok(size)
    } else {
        Err(())
    }
}

fn shape(snapshot: &Snapshot) -> Shape {
    Shape {
        is_delta: snapshot.is_delta(),
        start_unix_ns: snapshot.start_unix_ns(),
        process_start_unix_ns: 5,
        time_unix_ns: snapshot.time_unix_ns(),
    }
}

/// Through the wire and back.
fn decoded(snapshot: &Snapshot, max: usize) -> BTreeMap<String, Metric> {
    let buckets = Buckets::Exponential { max };
    let envelope = Envelope {
        resource: resource(&[("service.name".into(), Value::Text("s".into()))]),
        scope: scope(),
    };
    let mut all = BTreeMap::new();
    let split = split(
        metrics(snapshot, &shape(snapshot), &buckets),
        &envelope,
        1 << 20,
    );
    for (body, points) in split.requests {
        let request = ExportMetricsServiceRequest::decode(body).unwrap();
        assert_eq!(request_points(&request), points);
        let found = &request.resource_metrics[0].scope_metrics[0];
        assert_eq!(found.scope.as_ref().unwrap().name, "khive-perf");
        all.extend(
            found
                .metrics
                .iter()
                .map(|metric| (metric.name.clone(), metric.clone())),
        );
    }
    all
}

fn attributes(given: &[KeyValue]) -> BTreeMap<&str, &any_value::Value> {
    let map: BTreeMap<_, _> = given
        .iter()
        .map(|pair| {
            (
                pair.key.as_str(),
                pair.value.as_ref().unwrap().value.as_ref().unwrap(),
            )
        })
        .collect();
    assert_eq!(map.len(), given.len(), "a key is there twice");
    map
}

fn numbers(metric: &Metric) -> &[NumberDataPoint] {
    match metric.data.as_ref().unwrap() {
        metric::Data::Sum(sum) => &sum.data_points,
        metric::Data::Gauge(gauge) => &gauge.data_points,
        other => panic!("{other:?}"),
    }
}

fn histograms(metric: &Metric) -> &[ExponentialHistogramDataPoint] {
    match metric.data.as_ref().unwrap() {
        metric::Data::ExponentialHistogram(histogram) => &histogram.data_points,
        other => panic!("{other:?}"),
    }
}

fn work_all(calls: &[(u64, u64)]) -> Snapshot {
    let clock = ManualClock::new();
    let run = || {
        for (size, ns) in calls {
            let _ = work(&clock, *size, *ns);
        }
    };
    Capture::new().clock(&clock).run(run).1.into_snapshot()
}

#[test]
fn every_attribute_of_the_contract_is_there() {
    let snapshot = work_all(&[(4, 1_000)]);
    let metrics = decoded(&snapshot, 320);
    let duration = histograms(&metrics["khive.perf.function.duration"]);
    let found = attributes(&duration[0].attributes);
    let text = |text: &str| any_value::Value::StringValue(text.to_owned());
    let function = "khive_perf_otel::encode::tests::work";
    assert_eq!(found["code.function.name"], &text(function));
    assert_eq!(
        found["code.file.path"],
        &text(file!()),
        "a field takes no one's place"
    );
    assert!(matches!(found["code.line.number"], any_value::Value::IntValue(line) if *line > 0));
    assert_eq!(found["khive.perf.name"], &text("works"));
    assert_eq!(found["khive.perf.group"], &text("g"));
    assert_eq!(found["khive.perf.outcome"], &text("ok"));
    assert_eq!(found["size"], &any_value::Value::IntValue(4));
    let busy = attributes(&numbers(&metrics["khive.perf.function.busy_time"])[0].attributes);
    assert!(!busy.contains_key("khive.perf.outcome"));
    for future_only in ["idle_time", "polls", "poll.duration.max"] {
        assert!(!metrics.contains_key(&format!("khive.perf.function.{future_only}")));
    }
}

#[test]
fn futures_have_polls_and_times_between_them() {
    let clock = ManualClock::new();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let future = async {
        clock.advance(Duration::from_secs(1));
        tokio::task::yield_now().await;
        clock.advance(Duration::from_secs(3));
    };
    let run = Capture::new()
        .clock(&clock)
        .run_async(future.measured("waits"));
    let snapshot = runtime.block_on(run).1.into_snapshot();
    let metrics = decoded(&snapshot, 320);
    let value = |name: &str| {
        let metric = &metrics[&format!("khive.perf.function.{name}")];
        numbers(metric)[0].value.unwrap()
    };
    assert_eq!(value("polls"), number_data_point::Value::AsInt(2));
    assert_eq!(value("in_flight"), number_data_point::Value::AsInt(0));
    assert_eq!(value("busy_time"), number_data_point::Value::AsDouble(4.0));
    assert_eq!(
        value("poll.duration.max"),
        number_data_point::Value::AsDouble(3.0)
    );
    assert_eq!(value("idle_time"), number_data_point::Value::AsDouble(0.0));
}

#[test]
fn a_delta_says_so_and_leaves_out_what_did_not_change() {
    let before = work_all(&[(2, 10), (1, 10)]);
    let after = {
        let mut sum = before.clone();
        sum.merge(&work_all(&[(2, 500)]));
        sum
    };
    let delta = after.since(&before);
    let metrics = decoded(&delta, 320);
    let duration = histograms(&metrics["khive.perf.function.duration"]);
    assert_eq!(duration.len(), 1);
    assert_eq!((duration[0].count, duration[0].sum), (1, Some(500e-9)));
    assert_eq!(duration[0].start_time_unix_nano, before.time_unix_ns());
    let Some(metric::Data::Sum(calls)) = &metrics["khive.perf.function.calls"].data else {
        panic!("calls are no sum");
    };
    assert_eq!(
        calls.aggregation_temporality,
        AggregationTemporality::Delta as i32
    );
    let Some(metric::Data::Sum(in_flight)) = &metrics["khive.perf.function.in_flight"].data else {
        panic!("in_flight is no sum");
    };
    assert_eq!(
        in_flight.aggregation_temporality,
        AggregationTemporality::Cumulative as i32
    );
    assert!(!in_flight.is_monotonic);
    assert_eq!(in_flight.data_points[0].start_time_unix_nano, 5);
}

proptest! {
    // decode(encode(s)) has the counts, sums, ranges and bucket counts of s.
    #[test]
    fn what_is_decoded_is_what_was_recorded(
        calls in proptest::collection::vec((0_u64..6, 0_u64..40_000_000_000), 0..60),
        buckets_max in 2_usize..400,
    ) {
        let snapshot = work_all(&calls);
        let metrics = decoded(&snapshot, buckets_max);
        prop_assert_eq!(metrics.is_empty(), calls.is_empty());
        let mut seen = 0;
        let points = metrics.get("khive.perf.function.duration").map_or(&[][..], histograms);
        for point in points {
            let found = attributes(&point.attributes);
            let (size, outcome) = (found["size"], found["khive.perf.outcome"]);
            let stats = snapshot.callsites().iter().find(|stats| {
                let AttributeValue::I64(value) = stats.attributes()[0].1 else { return false };
                *size == any_value::Value::IntValue(value)
            }).unwrap();
            let outcome = Outcome::ALL.into_iter()
                .find(|known| *outcome == any_value::Value::StringValue(known.as_str().into()))
                .unwrap();
            let wall = stats.wall_by(outcome);
            seen += wall.count();
            prop_assert_eq!(point.count, wall.count());
            prop_assert_eq!(point.zero_count, wall.zero_count());
            prop_assert_eq!(point.sum, Some(wall.sum().as_secs_f64()));
            prop_assert_eq!(point.min, Some(wall.min().as_secs_f64()));
            prop_assert_eq!(point.max, Some(wall.max().as_secs_f64()));
            let mut expected = BTreeMap::new();
            for (index, count) in wall.buckets() {
                *expected.entry(index >> (Histogram::SCALE - point.scale)).or_insert(0) += count;
            }
            let positive = point.positive.clone().unwrap_or_default();
            let decoded: BTreeMap<i32, u64> = (positive.offset..)
                .zip(positive.bucket_counts)
                .filter(|(_, count)| *count > 0)
                .collect();
            prop_assert_eq!(decoded, expected);
        }
        prop_assert_eq!(seen, calls.len() as u64);
        let counted = metrics.get("khive.perf.function.calls").map_or(&[][..], numbers);
        let counted: i64 = counted.iter().map(|point| match point.value {
            Some(number_data_point::Value::AsInt(count)) => count,
            _ => 0,
        }).sum();
        prop_assert_eq!(counted, i64::try_from(calls.len()).unwrap());
    }
}
