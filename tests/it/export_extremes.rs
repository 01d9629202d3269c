//! The exporter with another one beside it, with a runtime to look at, and in an outage at the end.

use std::time::Duration;

use khive_perf::snapshot::Snapshot;
use khive_perf::testing::capture;
use khive_perf::trace;
use khive_perf_otel::{Exporter, ExporterBuilder};

use crate::export_server::{Reaction, Server, http, response, success, watched};
use crate::traces::lock;

#[khive_perf::measure]
fn work() {}

const LONG: Duration = Duration::from_secs(40);
const FOR_EVER: Duration = Duration::from_secs(3_600);

fn builder(server: &Server, snapshot: Snapshot) -> ExporterBuilder {
    Exporter::builder()
        .endpoint(server.url())
        .interval(FOR_EVER)
        .span_interval(FOR_EVER)
        .snapshot_source(move || snapshot.clone())
}

#[test]
fn two_exporters_do_not_hinder_each_other_and_one_of_them_has_the_traces() {
    let _alone = lock();
    watched(|| {
        let (first, second) = (http(|_| success()), http(|_| success()));
        let snapshot = capture(work).1.into_snapshot();
        let start = |server: &Server| {
            let builder = builder(server, snapshot.clone()).traces(true);
            builder.start().unwrap()
        };
        let guards = [start(&first), start(&second)];
        trace::root("export_extremes").scope(work);
        let [one, other] = guards.map(|guard| guard.shutdown(LONG));
        assert_eq!((one.sent, other.sent), (5, 5));
        assert_eq!((one.spans.sent, other.spans.sent), (2, 0));
        assert!(one.is_complete() && other.is_complete(), "{one}\n{other}");
    });
}

#[test]
fn a_shutdown_in_an_outage_ends_with_its_deadline_whatever_the_receiver_asks_for() {
    let _alone = lock();
    for later in ["retry-after: 3600\r\n", ""] {
        watched(move || {
            let server = http(move |nth| match nth % 2 {
                0 => response("429 Too Many Requests", later, b""),
                _ => Reaction::Hang,
            });
            let snapshot = capture(work).1.into_snapshot();
            let builder = builder(&server, snapshot).traces(true).logs(true);
            let guard = builder.start().unwrap();
            trace::root("export_extremes").scope(work);
            let delivery = guard.shutdown(Duration::from_millis(200));
            assert_eq!(
                (delivery.sent, delivery.dropped, delivery.pending),
                (0, 5, 0)
            );
            let spans = delivery.spans;
            assert_eq!((spans.sent, spans.dropped, spans.pending), (0, 2, 0));
        });
    }
}

#[test]
fn what_tokio_counts_of_a_runtime_arrives_with_its_name() {
    let server = http(|_| success());
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .build()
        .unwrap();
    let snapshot = capture(work).1.into_snapshot();
    let builder = builder(&server, snapshot).tokio_runtime("main", runtime.handle());
    let delivery = watched(move || builder.start().unwrap().shutdown(LONG));
    assert!(delivery.is_complete(), "{delivery}");
    let seen = server.seen().remove(0);
    let metrics = &seen.message.resource_metrics[0].scope_metrics[0].metrics;
    let names: Vec<&str> = metrics
        .iter()
        .map(|metric| metric.name.as_str())
        .filter(|name| name.starts_with("tokio."))
        .collect();
    for name in [
        "tokio.worker.count",
        "tokio.task.count",
        "tokio.worker.busy_time",
    ] {
        assert!(names.contains(&name), "{name} is not among {names:?}");
    }
}
