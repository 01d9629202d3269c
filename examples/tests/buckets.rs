//! The receiver takes what was sent in buckets of either kind for the same run.

use std::time::Duration;

use khive_perf::snapshot::Snapshot;
use khive_perf::testing::{Capture, ManualClock};
use khive_perf_analysis::model::CallsiteRun;
use khive_perf_analysis::run::Recording;
use khive_perf_analysis::stats::quantile::quantile;
use khive_perf_analysis::store::Store;
use khive_perf_otel::{Exporter, HistogramAggregation};

const DEADLINE: Duration = Duration::from_secs(20);

#[khive_perf::measure(name = "works")]
fn work(clock: &ManualClock, time: Duration) {
    clock.advance(time);
}

/// Calls of 1 to 4,000 ms.
fn recorded() -> Snapshot {
    let clock = ManualClock::new();
    let run = || (1..=4_000).for_each(|ms| work(&clock, Duration::from_millis(ms)));
    Capture::new().clock(&clock).run(run).1.into_snapshot()
}

/// What the store has of the calls when they were sent in such buckets.
fn received(store: &Store, snapshot: &Snapshot, aggregation: HistogramAggregation) -> CallsiteRun {
    let recording = Recording::start(store, "buckets", &[]).unwrap();
    let snapshot = snapshot.clone();
    let exporter = Exporter::builder()
        .endpoint(recording.http_endpoint())
        .histogram_aggregation(aggregation)
        .snapshot_source(move || snapshot.clone())
        .start()
        .unwrap();
    let delivery = exporter.shutdown(DEADLINE);
    assert!(delivery.is_complete(), "{delivery}");
    let run = recording.finish(Some(0)).unwrap().run;
    let callsites = store.load(run).unwrap().callsites;
    let (key, callsite) = callsites.into_iter().next().unwrap();
    assert_eq!(key.name, "works");
    callsite
}

#[test]
fn both_kinds_of_buckets_are_the_same_calls() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path().join("buckets.sqlite")).unwrap();
    let snapshot = recorded();
    let exponential = received(&store, &snapshot, HistogramAggregation::Base2Exponential);
    let explicit = received(&store, &snapshot, HistogramAggregation::explicit_buckets());
    let (expected, found) = (&exponential.ok, &explicit.ok);
    assert_eq!((found.count, found.sum), (expected.count, expected.sum));
    assert_eq!((found.min, found.max), (Some(0.001), Some(4.0)));
    assert_eq!(found.buckets.values().sum::<u64>(), 4_000);
    assert_eq!(explicit.calls, exponential.calls);
    // Even over the logarithm is not even over the time; a bucket from 2.5 s to 4 s is that far off at most.
    let medians = [expected, found].map(|histogram| quantile(histogram, 0.5).unwrap());
    assert!((medians[1] / medians[0] - 1.0).abs() < 0.1, "{medians:?}");
}
