//! From series to callsites: identity, outcomes, units, and sources that are not ours.

use khive_perf_analysis::model::{CallsiteRun, ExpHistogram, Run};
use opentelemetry_proto::tonic::metrics::v1::{Metric, NumberDataPoint, number_data_point};

use crate::support::{
    CUMULATIVE, START, Served, exp_histogram, exp_point, histogram, histogram_point, metric,
    request, sum, sum_point,
};

async fn load(metrics: Vec<Metric>) -> Run {
    let served = Served::start().await;
    served.send(&request("shop", "1", metrics)).await;
    let run = served.store.runs().expect("runs")[0].id;
    served.store.load(run).expect("the run")
}

fn only(run: &Run) -> (&str, &str, &CallsiteRun) {
    assert_eq!(run.callsites.len(), 1, "{:?}", run.callsites.keys());
    let (key, callsite) = run.callsites.iter().next().expect("one");
    (&key.name, &key.group, callsite)
}

fn seconds(pairs: &[(&str, &str)], value: f64) -> NumberDataPoint {
    let mut point = sum_point(pairs, START, START + 1, 0);
    point.value = Some(number_data_point::Value::AsDouble(value));
    point
}

fn attributes(line: &'static str, outcome: &'static str) -> [(&'static str, &'static str); 4] {
    [
        ("code.function.name", "app::work"),
        ("code.line.number", line),
        ("khive.perf.group", "cache"),
        ("khive.perf.outcome", outcome),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn every_metric_of_a_function_meets_in_one_callsite() {
    let call =
        |line, outcome, value| sum_point(&attributes(line, outcome), START, START + 1, value);
    let outcomes = vec![
        call("7", "ok", 5),
        call("7", "error", 1),
        call("7", "panic", 2),
        call("7", "cancelled", 3),
        // The same function after an edit above it.
        call("9", "ok", 10),
    ];
    let durations = vec![
        exp_point(&attributes("7", "ok"), 5, -100, &[5], 0.5),
        exp_point(&attributes("9", "ok"), 4, -49, &[10], 1.0),
        exp_point(&attributes("7", "error"), 5, 40, &[1], 99.0),
    ];
    let own = &attributes("7", "ok")[..3];
    let run = load(vec![
        metric(
            "khive.perf.function.calls",
            "{call}",
            sum(CUMULATIVE, outcomes),
        ),
        metric(
            "khive.perf.function.duration",
            "s",
            exp_histogram(CUMULATIVE, durations),
        ),
        metric(
            "khive.perf.function.self_time",
            "s",
            sum(CUMULATIVE, vec![seconds(own, 0.25)]),
        ),
        metric(
            "khive.perf.function.busy_time",
            "s",
            sum(CUMULATIVE, vec![seconds(own, 0.5)]),
        ),
        metric(
            "khive.perf.function.idle_time",
            "s",
            sum(CUMULATIVE, vec![seconds(own, 0.75)]),
        ),
        metric(
            "khive.perf.function.polls",
            "{poll}",
            sum(CUMULATIVE, vec![sum_point(own, START, START + 1, 8)]),
        ),
    ])
    .await;
    let (name, group, callsite) = only(&run);
    assert_eq!((name, group), ("app::work", "cache"));
    assert_eq!(
        *callsite,
        CallsiteRun {
            ok: ExpHistogram {
                scale: 4,
                count: 15,
                sum: 1.5,
                buckets: [(-50, 5), (-49, 10)].into(),
                ..ExpHistogram::default()
            },
            calls: [15, 1, 2, 3],
            self_time_s: 0.25,
            busy_time_s: 0.5,
            idle_time_s: 0.75,
            polls: 8,
            ..CallsiteRun::default()
        }
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_given_name_and_the_fields_make_the_identity() {
    let pairs = [
        ("code.function.name", "app::get"),
        ("code.file.path", "src/app.rs"),
        ("khive.perf.name", "cache::get"),
        ("khive.perf.outcome", "ok"),
        ("shard", "3"),
        ("backend", "redis"),
    ];
    let points = vec![sum_point(&pairs, START, START + 1, 5)];
    let run = load(vec![metric(
        "khive.perf.function.calls",
        "{call}",
        sum(CUMULATIVE, points),
    )])
    .await;
    assert_eq!(only(&run).0, "cache::get{backend=redis,shard=3}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exponential_histogram_of_another_unit_moves_by_whole_buckets() {
    // Scale 0: 1 ms is in bucket -1, (0.5, 1]; in seconds 0.001 is in (2^-10, 2^-9], bucket -10.
    let point = exp_point(&[("http.route", "/cart")], 0, -1, &[4, 3], 5.5);
    let run = load(vec![metric(
        "http.server.request.duration",
        "ms",
        exp_histogram(CUMULATIVE, vec![point]),
    )])
    .await;
    let (name, _, callsite) = only(&run);
    assert_eq!(name, "http.server.request.duration{http.route=/cart}");
    assert_eq!(callsite.calls, [7, 0, 0, 0]);
    assert_eq!(callsite.ok.buckets, [(-11, 4), (-10, 3)].into());
    assert!((callsite.ok.sum - 0.0055).abs() < 1e-12);
}

#[tokio::test(flavor = "multi_thread")]
async fn explicit_buckets_are_spread_over_what_they_span() {
    let mut point = histogram_point(&[1.0, 4.0], &[8, 16, 100], 640.0);
    point.min = Some(0.5);
    point.max = Some(8.0);
    let run = load(vec![metric("rpc.duration", "s", histogram(vec![point]))]).await;
    let ok = &only(&run).2.ok;
    assert_eq!(
        (ok.scale, ok.count, ok.min, ok.max),
        (3, 124, Some(0.5), Some(8.0))
    );
    // Eight buckets an octave: (0.5, 1] takes 8, (1, 4] 16 over two octaves, (4, 8] 100 over one.
    assert_eq!(
        ok.buckets.keys().copied().collect::<Vec<_>>(),
        (-8..24).collect::<Vec<_>>()
    );
    assert_eq!(ok.buckets.values().sum::<u64>(), 124);
    assert!(ok.buckets.range(..16).all(|(_, &count)| count == 1));
    assert!(
        ok.buckets
            .range(16..)
            .all(|(_, &count)| count == 12 || count == 13)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn explicit_buckets_without_extremes_or_counts_still_count() {
    let bare = histogram_point(&[], &[], 0.0);
    let mut bare = bare;
    bare.count = 4;
    bare.sum = Some(2.0);
    let run = load(vec![
        metric("bare.duration", "s", histogram(vec![bare])),
        metric(
            "open.duration",
            "us",
            histogram(vec![histogram_point(&[100.0], &[2, 3], 700.0)]),
        ),
    ])
    .await;
    let counts: Vec<_> = run
        .callsites
        .values()
        .map(|callsite| callsite.ok.count)
        .collect();
    assert_eq!(counts, [4, 5]);
    for (key, callsite) in &run.callsites {
        let buckets = callsite.ok.buckets.values().sum::<u64>();
        assert_eq!(
            buckets + callsite.ok.zero_count,
            callsite.ok.count,
            "{}",
            key.name
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_duration_is_stored_and_is_no_callsite() {
    let served = Served::start().await;
    let size = metric(
        "http.server.request.body.size",
        "By",
        histogram(vec![histogram_point(&[1.0], &[1, 1], 9.0)]),
    );
    let overflow = metric(
        "khive.perf.overflow",
        "{measurement}",
        sum(
            CUMULATIVE,
            vec![sum_point(
                &[("khive.perf.reason", "series")],
                START,
                START + 1,
                3,
            )],
        ),
    );
    served
        .send(&request("shop", "1", vec![size, overflow]))
        .await;
    let run = served.store.runs().expect("runs")[0].id;
    assert!(
        served
            .store
            .load(run)
            .expect("the run")
            .callsites
            .is_empty()
    );
    let names: Vec<_> = served
        .store
        .series(run)
        .expect("series")
        .into_iter()
        .map(|series| series.metric)
        .collect();
    assert_eq!(
        names,
        ["http.server.request.body.size", "khive.perf.overflow"]
    );
}
