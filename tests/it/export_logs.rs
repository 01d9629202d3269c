//! Findings as log records: each is told once, when it changes, on the path of logs.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use khive_perf::leak::{Census, Kind, LeakConfig, LeakWatch, Live, Origin, OriginId};
use khive_perf::snapshot::Snapshot;
use khive_perf::testing::{Capture, capture};
use khive_perf_otel::{Exporter, ExporterBuilder, ExporterGuard};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::logs::v1::LogRecord;

use crate::export_server::{Server, http, response, success, watched};

const LONG: Duration = Duration::from_secs(20);

#[khive_perf::measure(name = "export_logs::often", sample = 4)]
fn often() {}

/// An exporter whose snapshots are those that the test puts there.
struct Stage {
    server: Server,
    snapshot: Arc<Mutex<Snapshot>>,
}

impl Stage {
    fn new(server: Server) -> Self {
        let snapshot = Arc::new(Mutex::new(capture(|| ()).1.into_snapshot()));
        Self { server, snapshot }
    }

    fn builder(&self) -> ExporterBuilder {
        let snapshot = Arc::clone(&self.snapshot);
        Exporter::builder()
            .endpoint(self.server.url())
            .logs(true)
            .interval(Duration::from_secs(3_600))
            .snapshot_source(move || snapshot.lock().unwrap().clone())
    }

    fn add(&self, more: &Snapshot) {
        self.snapshot.lock().unwrap().merge(more);
    }

    fn records(&self) -> Vec<LogRecord> {
        let seen = self.server.seen();
        let resources = seen.iter().flat_map(|seen| &seen.logs.resource_logs);
        let scopes = resources.flat_map(|resource| {
            assert!(resource.resource.is_some());
            &resource.scope_logs
        });
        scopes
            .flat_map(|scope| &scope.log_records)
            .cloned()
            .collect()
    }
}

fn attributes(record: &LogRecord) -> BTreeMap<String, String> {
    let of = |value: &Value| match value {
        Value::StringValue(text) => text.clone(),
        Value::IntValue(whole) => whole.to_string(),
        Value::BoolValue(is) => is.to_string(),
        Value::DoubleValue(number) => number.to_string(),
        other => panic!("{other:?}"),
    };
    let pairs = record.attributes.iter().map(|pair| {
        let value = pair.value.as_ref().and_then(|value| value.value.as_ref());
        (pair.key.clone(), value.map(of).unwrap_or_default())
    });
    pairs.collect()
}

fn flush(guard: &ExporterGuard) {
    let delivery = guard.flush(LONG);
    assert_eq!(delivery.logs.pending, 0, "{delivery}");
}

/// So many calls of which all or some are timed.
fn calls(count: usize, all_are_timed: bool) -> Snapshot {
    let capture = Capture::new();
    let capture = if all_are_timed {
        capture
    } else {
        capture.sampled()
    };
    capture
        .run(|| (0..count).for_each(|_| often()))
        .1
        .into_snapshot()
}

#[test]
fn a_callsite_that_goes_over_to_sampling_and_back_is_told_each_time_once() {
    let stage = Stage::new(http(|_| success()));
    watched(move || {
        let guard = stage.builder().start().unwrap();
        flush(&guard);
        assert!(stage.records().is_empty(), "nothing has happened");
        for (all_are_timed, told) in [(false, 1), (false, 1), (true, 2), (true, 2), (false, 3)] {
            stage.add(&calls(400, all_are_timed));
            flush(&guard);
            assert_eq!(stage.records().len(), told);
        }
        let records = stage.records();
        for (record, is_sampled) in records.iter().zip(["true", "false", "true"]) {
            assert_eq!(record.event_name, "khive.perf.budget.change");
            assert_eq!(
                (record.severity_number, record.severity_text.as_str()),
                (9, "INFO")
            );
            assert!(record.time_unix_nano > 0 && record.observed_time_unix_nano > 0);
            let said = attributes(record);
            assert_eq!(said["khive.perf.name"], "export_logs::often");
            assert_eq!(said["khive.perf.function.sampled"], is_sampled);
            assert_eq!(said["khive.perf.function.calls"], "400");
        }
        let delivery = guard.shutdown(LONG);
        assert_eq!(
            (delivery.logs.sent, delivery.is_complete()),
            (3, true),
            "{delivery}"
        );
        assert_eq!(guard.stats().logs_collected, 3);
    });
}

#[test]
fn what_was_lost_is_told_but_for_lost_log_records() {
    // Metrics are refused for good, logs at first too.
    let stage = Stage::new(http(|nth| match nth {
        0..3 => response("400 Bad Request", "", b"no"),
        _ => success(),
    }));
    watched(move || {
        let guard = stage.builder().start().unwrap();
        let mut told = Vec::new();
        for _ in 0..4 {
            stage.add(&calls(4, true));
            flush(&guard);
            told.push(stage.records().len());
        }
        let lost: Vec<_> = stage.records().iter().map(attributes).collect();
        assert!(!lost.is_empty(), "{told:?}");
        for said in &lost {
            assert_eq!(said["khive.perf.signal"], "data points");
            assert_eq!(said["khive.perf.reason"], "rejected");
            assert_ne!(said["khive.perf.lost"], "0");
        }
        let record = &stage.records()[0];
        assert_eq!(
            (record.event_name.as_str(), record.severity_number),
            ("khive.perf.data.lost", 13)
        );
        let stats = guard.stats();
        let logs = stats.logs;
        assert_eq!(
            stats.logs_collected,
            logs.sent + logs.rejected + logs.dropped + logs.pending
        );
        assert!(
            logs.sent > 0 && logs.rejected + logs.sent == lost.len() as u64,
            "{stats:?}"
        );
        guard.shutdown(LONG);
    });
}

/// In each census one more of an origin is alive, and none of them dies, until all are gone.
#[test]
fn a_leak_verdict_is_told_when_it_changes_and_when_nothing_is_left() {
    let stage = Stage::new(http(|_| success()));
    let (tell, told) = std::sync::mpsc::sync_channel(0);
    let mut minute = 0;
    let look = move || {
        // The test says when the next census is, and what it finds.
        let leaks = told.recv().unwrap_or(false);
        minute += 1;
        let at = |minute: u64| Duration::from_secs(60 * minute);
        let id = OriginId::new(Kind::Declared, 1);
        let mut census = Census::at(at(minute));
        if leaks {
            census.live = (0..minute)
                .map(|made| Live::new(made, id, at(made), 64))
                .collect();
            census
                .origins
                .push((id, Origin::named("lease").at("src/lease.rs", 3)));
        }
        census
    };
    let config = LeakConfig::default().every_cache_declared();
    let watch = LeakWatch::start_with(config, Duration::from_millis(1), look).unwrap();
    watched(move || {
        let guard = stage
            .builder()
            .leak_reports(watch.reports())
            .start()
            .unwrap();
        for _ in 0..120 {
            tell.send(true).unwrap();
        }
        flush(&guard);
        flush(&guard);
        let verdicts = |stage: &Stage| -> Vec<(String, String)> {
            let records = stage.records();
            let said = records.iter().map(|record| {
                assert_eq!(record.event_name, "khive.perf.leak.verdict");
                let mut said = attributes(record);
                assert_eq!(said["khive.perf.name"], "lease");
                assert_eq!(said["khive.perf.leak.kind"], "declared");
                let verdict = said.remove("khive.perf.leak.verdict").unwrap();
                (verdict, record.severity_text.clone())
            });
            said.collect()
        };
        let leaking = ("leaking".to_owned(), "ERROR".to_owned());
        assert_eq!(
            verdicts(&stage),
            std::slice::from_ref(&leaking),
            "once, though it was looked at twice"
        );
        for _ in 0..400 {
            tell.send(false).unwrap();
        }
        flush(&guard);
        let verdicts = verdicts(&stage);
        assert_eq!(verdicts.first(), Some(&leaking));
        assert_eq!(verdicts.len(), 2, "{verdicts:?}");
        assert!(
            verdicts[1].0 != "leaking" && verdicts[1].1 == "INFO",
            "{verdicts:?}"
        );
        guard.shutdown(LONG);
        drop(tell);
        drop(watch);
    });
}
