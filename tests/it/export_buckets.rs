//! Explicit buckets, for receivers that take no exponential ones: the same counts, on the wire.

use std::sync::Mutex;
use std::time::Duration;

use khive_perf::snapshot::Snapshot;
use khive_perf::testing::{Capture, ManualClock};
use khive_perf::trace;
use khive_perf_otel::{Exporter, ExporterBuilder, HistogramAggregation, Temporality};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::{AggregationTemporality, Histogram};

use crate::export_server::{Server, http, success, watched};
use crate::traces::lock;

const LONG: Duration = Duration::from_secs(20);

#[khive_perf::measure]
fn work(clock: &ManualClock, time: Duration) {
    clock.advance(time);
}

fn calls(ms: &[u64]) -> Snapshot {
    let clock = ManualClock::new();
    let run = || {
        for ms in ms {
            work(&clock, Duration::from_millis(*ms));
        }
    };
    Capture::new().clock(&clock).run(run).1.into_snapshot()
}

/// Each snapshot has the calls of the next list in addition.
fn builder(server: &Server, lists: &[&[u64]]) -> ExporterBuilder {
    let news: Vec<Snapshot> = lists.iter().rev().map(|list| calls(list)).collect();
    let state = Mutex::new((calls(&[]), news));
    Exporter::builder()
        .endpoint(server.url())
        .interval(Duration::from_secs(3_600))
        .histogram_aggregation(HistogramAggregation::explicit_buckets())
        .snapshot_source(move || {
            let mut state = state.lock().unwrap();
            let (sum, news) = &mut *state;
            if let Some(one) = news.pop() {
                sum.merge(&one);
            }
            sum.clone()
        })
}

/// The durations that came, in their order; none is exponential.
fn durations(server: &Server) -> Vec<Histogram> {
    let seen = server.seen();
    let metrics = seen
        .iter()
        .flat_map(|seen| &seen.message.resource_metrics)
        .flat_map(|resource| &resource.scope_metrics)
        .flat_map(|scope| &scope.metrics);
    let durations = metrics.filter(|metric| metric.name == "khive.perf.function.duration");
    durations
        .map(|metric| match metric.data.as_ref() {
            Some(Data::Histogram(histogram)) => histogram.clone(),
            other => panic!("{other:?}"),
        })
        .collect()
}

#[test]
fn durations_are_counted_between_the_boundaries_of_the_conventions() {
    watched(|| {
        let server = http(|_| success());
        let ms = [1, 4, 6, 240, 260, 1_000, 9_000, 30_000];
        let guard = builder(&server, &[&ms]).start().unwrap();
        assert!(guard.shutdown(LONG).is_complete());
        let [histogram] = durations(&server).try_into().unwrap();
        let [point] = histogram.data_points.as_slice() else {
            panic!("{histogram:?}");
        };
        let bounds = [
            0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0,
        ];
        assert_eq!(point.explicit_bounds, bounds);
        let counts = [2, 1, 0, 0, 0, 0, 1, 1, 0, 1, 0, 0, 0, 1, 1];
        assert_eq!(point.bucket_counts, counts);
        assert_eq!((point.count, point.sum), (8, Some(40.511)));
        assert_eq!((point.min, point.max), (Some(0.001), Some(30.0)));
    });
}

#[test]
fn deltas_are_counted_between_them_too() {
    watched(|| {
        let server = http(|_| success());
        let guard = builder(&server, &[&[3, 300], &[4, 4_000, 4_000]])
            .temporality(Temporality::Delta)
            .histogram_aggregation(HistogramAggregation::ExplicitBuckets(
                [10, 1_000].map(Duration::from_millis).to_vec(),
            ))
            .start()
            .unwrap();
        guard.flush(LONG);
        assert!(guard.shutdown(LONG).is_complete());
        let [first, second] = durations(&server).try_into().unwrap();
        let delta = AggregationTemporality::Delta as i32;
        for (histogram, counts) in [(&first, [1, 1, 0]), (&second, [1, 0, 2])] {
            assert_eq!(histogram.aggregation_temporality, delta);
            let point = &histogram.data_points[0];
            assert_eq!(point.explicit_bounds, [0.01, 1.0]);
            assert_eq!(point.bucket_counts, counts);
            assert_eq!(point.count, counts.iter().sum::<u64>());
        }
        assert_eq!(second.data_points[0].sum, Some(8.004));
        assert_eq!(second.data_points[0].min, None, "it is not known any more");
    });
}

#[test]
fn exemplars_stay_with_their_points() {
    let _alone = lock();
    watched(|| {
        let server = http(|_| success());
        let guard = builder(&server, &[])
            .snapshot_source(khive_perf::snapshot)
            .traces(true)
            .start()
            .unwrap();
        trace::root("export_buckets request").scope(|| {});
        assert!(guard.shutdown(LONG).is_complete());
        let seen = server.seen();
        let spans = seen
            .iter()
            .flat_map(|seen| &seen.traces.resource_spans)
            .flat_map(|resource| &resource.scope_spans)
            .flat_map(|scope| &scope.spans);
        let root = spans
            .clone()
            .find(|span| span.name == "export_buckets request")
            .unwrap();
        let durations = durations(&server);
        let points = durations
            .iter()
            .flat_map(|histogram| &histogram.data_points);
        let point = points
            .clone()
            .find(|point| {
                point
                    .exemplars
                    .iter()
                    .any(|one| one.span_id == root.span_id)
            })
            .expect("a point leads to the span");
        assert_eq!(point.bucket_counts.iter().sum::<u64>(), point.count);
    });
}
