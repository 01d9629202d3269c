//! What other tools wrote, and our own archives, on their way into a database and out of it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use khive_perf_analysis::importers::{self, Imported, Naming, Tool};
use khive_perf_analysis::model::CallsiteRun;
use khive_perf_analysis::points::logs::{LogRecord, ResourceLogs};
use khive_perf_analysis::points::spans::{
    Id, Operation, OperationSpans, ResourceSpans, Span, SpanKind, SpanStatus,
};
use khive_perf_analysis::points::{
    Attributes, BoundedHistogram, Kind, MetricPoints, Point, ResourcePoints, Temporality, Value,
};
use khive_perf_analysis::store::{RunPoints, Status, Store};
use serde_json::json;

use crate::support::db_in;

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data/importers")
        .join(name)
}

fn import(name: &str, tool: Option<Tool>) -> Imported {
    importers::read(&data(name), tool, &Naming::now("imported")).unwrap()
}

/// The callsite that a benchmark of a file became.
fn callsite(name: &str, benchmark: &str) -> CallsiteRun {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(db_in(&dir)).unwrap();
    let imported = import(name, None);
    assert_eq!(store.put_in(&imported.runs).unwrap().stored, 1);
    let info = &store.runs_named("imported").unwrap()[0];
    assert_eq!(info.status, Status::Complete);
    let run = store.load(info.id).unwrap();
    let mut found = run
        .callsites
        .into_iter()
        .filter(|(key, _)| key.name == benchmark);
    let (_, found) = found
        .next()
        .unwrap_or_else(|| panic!("no {benchmark} in {name}"));
    found
}

fn about(value: f64, expected: f64) -> bool {
    (value / expected - 1.0).abs() < 1e-9
}

fn khive_perf(db: &Path, arguments: &[&str]) -> Output {
    let program = env!("CARGO_BIN_EXE_khive-perf");
    let mut command = Command::new(program);
    command.args(arguments).arg("--db").arg(db);
    command.output().unwrap()
}

#[test]
fn samples_are_calls_and_their_times_are_in_seconds() {
    let sort = callsite("pytest_benchmark.json", "test_b.py::test_sort");
    assert_eq!((sort.calls, sort.ok.count), ([5, 0, 0, 0], 5));
    assert!((1e-6..1e-4).contains(&sort.ok.sum), "{}", sort.ok.sum);
    let copy = callsite("google_benchmark.json", "BM_copy/8");
    assert_eq!(copy.ok.count, 3);
    let mean = copy.ok.sum / 3.0;
    assert!((1e-9..1e-7).contains(&mean), "{mean}");
    let sum = callsite("criterion", "sum/iter/100");
    assert_eq!(sum.ok.count, 10);
    assert!((1e-9..1e-5).contains(&(sum.ok.sum / 10.0)));
    let run = callsite("jmh.json", "org.example.Copy.run:kind=heap,size=64");
    assert!(run.ok.count == 4 && about(run.ok.sum, 50e-6));
}

#[test]
fn rates_become_times_and_histograms_their_values() {
    let rate = callsite("jmh.json", "org.example.Copy.rate");
    assert!(
        rate.ok.count == 2 && about(rate.ok.sum, 0.25e-3 + 0.2e-3),
        "{:?}",
        rate.ok
    );
    let sampled = callsite("jmh.json", "org.example.Copy.sampled");
    assert!(sampled.ok.count == 4 && about(sampled.ok.sum, 5e-3));
    assert_eq!(sampled.ok.max, Some(2e-3));
}

#[test]
fn what_failed_is_an_error_and_none_of_the_times() {
    let well = callsite("hyperfine.json", "true");
    assert_eq!((well.calls, well.ok.count), ([5, 0, 0, 0], 5));
    let ill = callsite("hyperfine.json", "ls /nonexistent");
    assert_eq!((ill.calls, ill.ok.count), ([0, 5, 0, 0], 0));
    let cart = callsite("k6.json", "GET http://shop/cart");
    assert_eq!(cart.calls, [2, 1, 0, 0]);
    assert!(about(cart.ok.sum, 26.75e-3));
}

#[test]
fn a_mean_without_samples_is_one_measurement_and_said_to_be() {
    for (file, benchmark, seconds) in [
        ("google_benchmark_aggregates.json", "BM_copy/8", None),
        ("k6_summary.json", "http_req_duration", Some(7.5e-3)),
    ] {
        let imported = import(file, None);
        assert_eq!(imported.summaries, imported.benchmarks, "{file}");
        let callsite = callsite(file, benchmark);
        assert_eq!(callsite.ok.count, 1);
        assert!(seconds.is_none_or(|seconds| about(callsite.ok.sum, seconds)));
    }
}

#[test]
fn each_tool_is_known_by_what_it_writes() {
    for (file, tool) in [
        ("hyperfine.json", Tool::Hyperfine),
        ("google_benchmark.json", Tool::GoogleBenchmark),
        ("pytest_benchmark.json", Tool::PytestBenchmark),
        ("jmh.json", Tool::Jmh),
        ("k6.json", Tool::K6),
        ("k6_summary.json", Tool::K6),
        ("criterion", Tool::Criterion),
    ] {
        assert_eq!(import(file, None).tool, tool, "{file}");
        assert_eq!(import(file, Some(tool)), import(file, None), "{file}");
        assert_eq!(Tool::parse(tool.as_str()), Some(tool));
    }
}

#[test]
fn a_file_that_is_not_whole_is_refused_with_its_place() {
    let wrong = |text: &str, tool| {
        let wrong = importers::parse(text, tool, &Naming::now("x")).unwrap_err();
        format!("{}: {}", wrong.place, wrong.problem)
    };
    for (text, tool, says) in [
        ("{\"results\": [", None, "line 1, column 13"),
        ("{}", None, "--from"),
        ("{\"results\": []}", Some(Tool::Hyperfine), "no benchmark"),
        (
            "{\"results\": [{\"command\": \"x\", \"times\": [1, \"2\"]}]}",
            None,
            "results[0].times[1]",
        ),
        (
            "{\"results\": [{\"command\": \"x\", \"times\": [-1]}]}",
            None,
            "results[0].times[0]",
        ),
        (
            "{\"results\": [{\"times\": [1]}]}",
            None,
            "results[0]: has no `command`",
        ),
        (
            "{\"context\": {}, \"benchmarks\": [{\"name\": \"x\", \"real_time\": 1, \"time_unit\": \"h\"}]}",
            None,
            "benchmarks[0].time_unit",
        ),
        (
            "[{\"benchmark\": \"x\", \"primaryMetric\": {\"scoreUnit\": \"bytes\", \"rawData\": []}}]",
            None,
            "[0].primaryMetric.scoreUnit",
        ),
        (
            "{\"type\": \"Point\", \"metric\": \"http_req_duration\", \"data\": {}}",
            None,
            "line 1, data: has no `tags`",
        ),
        (
            "{\"schema\": \"khive-perf.archive/9\", \"runs\": []}",
            None,
            "newer khive-perf",
        ),
        (
            "{\"results\": 1}",
            Some(Tool::Criterion),
            "target/criterion",
        ),
    ] {
        let said = wrong(text, tool);
        assert!(said.contains(says), "{text}: {said}");
    }
}

/// A run with every kind of value, and the ends of their ranges.
fn odd_run() -> RunPoints {
    let metric = |name: &str, kind, temporality, points| MetricPoints {
        scope_name: "s\u{1f980}".into(),
        scope_version: String::new(),
        scope_attributes: Attributes::from([("deep".into(), json!({ "a": [1, null] }))]),
        name: name.into(),
        unit: "1".into(),
        kind,
        temporality,
        monotonic: kind == Kind::Sum,
        points,
    };
    let point = |at: u64, value| Point {
        attributes: Attributes::from([("k\"ey".into(), json!("v\n\u{e9}"))]),
        start_unix_ns: 1,
        time_unix_ns: at,
        value,
    };
    let histogram = BoundedHistogram {
        count: 3,
        sum: Some(0.1 + 0.2),
        min: None,
        max: Some(f64::MAX),
        bounds: vec![f64::MIN_POSITIVE, 1.0],
        counts: vec![1, 2, 0],
    };
    RunPoints {
        name: "odd".into(),
        status: Status::Failed,
        started_unix_ns: 1_795_475_739_952_600_833,
        ended_unix_ns: None,
        command: vec!["a b".into(), "\"".into()],
        exit_code: Some(-3),
        baseline: true,
        resources: vec![ResourcePoints {
            resource: Attributes::from([("service.name".into(), json!("x"))]),
            metrics: vec![
                metric(
                    "gauge",
                    Kind::Gauge,
                    Temporality::Instant,
                    vec![point(9, Value::Double(-0.0))],
                ),
                metric(
                    "histogram",
                    Kind::Histogram,
                    Temporality::Delta,
                    vec![
                        point(2, Value::Histogram(histogram.clone())),
                        point(3, Value::Histogram(histogram)),
                    ],
                ),
                metric(
                    "sum",
                    Kind::Sum,
                    Temporality::Cumulative,
                    // The second is a reset, and so both are kept.
                    vec![
                        point(5, Value::Int(i64::MAX)),
                        point(6, Value::Int(9_007_199_254_740_993)),
                    ],
                ),
            ],
        }],
        spans: odd_spans(),
        logs: odd_logs(),
    }
}

fn odd_spans() -> Vec<ResourceSpans> {
    vec![ResourceSpans {
        resource: Attributes::from([("service.name".into(), json!("y"))]),
        operations: vec![OperationSpans {
            operation: Operation {
                scope_name: "s".into(),
                name: "GET /\u{e9}".into(),
                kind: SpanKind::Client,
                attributes: Attributes::from([("code.line.number".into(), json!(7))]),
            },
            spans: vec![Span {
                trace_id: Id([0xab; 16]),
                span_id: Id([1; 8]),
                parent_span_id: Some(Id([2; 8])),
                start_unix_ns: 1_795_475_739_952_600_833,
                duration_ns: 3,
                status: SpanStatus::Error,
                attributes: Attributes::from([("n".into(), json!(0.1))]),
            }],
        }],
    }]
}

fn odd_logs() -> Vec<ResourceLogs> {
    vec![ResourceLogs {
        resource: Attributes::new(),
        records: vec![LogRecord {
            time_unix_ns: 5,
            severity: 17,
            event: "e".into(),
            body: "b\n".into(),
            attributes: Attributes::new(),
        }],
    }]
}

#[test]
fn what_goes_out_comes_in_again_byte_for_byte() {
    let dir = tempfile::tempdir().unwrap();
    let first = Store::open(dir.path().join("first")).unwrap();
    let mut runs = vec![odd_run()];
    runs.extend(import("hyperfine.json", None).runs);
    runs.push(RunPoints {
        name: "empty".into(),
        resources: Vec::new(),
        spans: Vec::new(),
        logs: Vec::new(),
        baseline: false,
        ..odd_run()
    });
    assert_eq!(first.put_in(&runs).unwrap().stored, 3);
    let out = |store: &Store| {
        let runs = store.runs().unwrap();
        let runs: Vec<RunPoints> = runs
            .iter()
            .map(|run| store.take_out(run.id).unwrap())
            .collect();
        importers::write(&runs)
    };
    let archive = out(&first);
    let second = Store::open(dir.path().join("second")).unwrap();
    let read = importers::parse(&archive, None, &Naming::now("")).unwrap();
    assert_eq!(read.tool, Tool::Archive);
    assert_eq!(second.put_in(&read.runs).unwrap().stored, 3);
    assert_eq!(out(&second), archive);
    assert_eq!(second.baseline().unwrap().len(), 1);
    // A second time there is nothing new.
    assert_eq!(second.put_in(&read.runs).unwrap().repeated, 3);
    assert_eq!(out(&second), archive);
    let odd = first
        .take_out(first.runs_named("odd").unwrap()[0].id)
        .unwrap();
    assert_eq!(odd, odd_run());
}

#[test]
fn an_archive_whose_numbers_do_not_add_up_is_refused() {
    let whole = importers::write(&[odd_run()]);
    for (from, to, place) in [
        ("\"count\": 3", "\"count\": 4", "metrics[1]"),
        ("\"kind\": \"sum\"", "\"kind\": \"gauge\"", "metrics[2]"),
        (
            "\"temporality\": \"instant\"",
            "\"temporality\": \"delta\"",
            "metrics[0]",
        ),
    ] {
        assert!(whole.contains(from), "{from}");
        let spoilt = whole.replace(from, to);
        let wrong = importers::parse(&spoilt, None, &Naming::now("")).unwrap_err();
        assert!(wrong.place.contains(place), "{wrong:?}");
    }
    let unknown = whole.replace("\"baseline\"", "\"novel\"");
    assert!(importers::parse(&unknown, None, &Naming::now("")).is_err());
}

#[test]
fn import_export_and_compare_work_on_the_command_line() {
    let dir = tempfile::tempdir().unwrap();
    let (db, other) = (dir.path().join("a.sqlite"), dir.path().join("b.sqlite"));
    let file = data("hyperfine.json");
    let file = file.to_str().unwrap();
    for name in ["before", "after"] {
        let imported = khive_perf(&db, &["import", file, "--name", name]);
        assert!(imported.status.success(), "{imported:?}");
    }
    let exported = khive_perf(&db, &["export", "before", "--points"]);
    assert!(exported.status.success());
    let archive = dir.path().join("archive.json");
    std::fs::write(&archive, &exported.stdout).unwrap();
    let again = khive_perf(&other, &["import", archive.to_str().unwrap()]);
    assert!(again.status.success(), "{again:?}");
    assert_eq!(
        khive_perf(&other, &["export", "before", "--points"]).stdout,
        exported.stdout
    );
    let compared = khive_perf(&db, &["compare", "before", "after"]);
    let text = String::from_utf8(compared.stdout).unwrap();
    assert!(text.contains("true"), "{text}");
}

#[test]
fn what_cannot_be_read_leaves_no_database_behind() {
    let dir = tempfile::tempdir().unwrap();
    let db = dir.path().join("new.sqlite");
    let good = data("hyperfine.json");
    let bad = dir.path().join("bad.json");
    std::fs::write(&bad, "{\"results\": [}").unwrap();
    let paths = [good.to_str().unwrap(), bad.to_str().unwrap()];
    let refused = khive_perf(&db, &["import", paths[0], paths[1]]);
    assert_eq!(refused.status.code(), Some(2));
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(said.contains("bad.json, line 1, column 14"), "{said}");
    assert!(!db.exists());
    let unknown = khive_perf(&db, &["import", paths[0], "--from", "hyperfin"]);
    assert_eq!(unknown.status.code(), Some(2));
    let said = String::from_utf8(unknown.stderr).unwrap();
    assert!(said.contains("did you mean `hyperfine`?"), "{said}");
}
