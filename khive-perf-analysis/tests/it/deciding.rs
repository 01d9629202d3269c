//! Throughput and retained bytes: measured of every run, and deciding where the configuration says so.

use std::path::Path;
use std::process::Command;

use khive_perf_analysis::model::ExpHistogram;
use khive_perf_analysis::points::{
    Attributes, Batch, ExpPoint, Kind, MetricPoints, Point, ResourcePoints, Temporality, Value,
};
use khive_perf_analysis::store::{Ending, NewRun, Status, Store, Target};
use serde_json::Value as Json;

use crate::support::{SECOND, START};

const FUNCTION: &str = "app::work";

/// What one run does in its ten seconds.
#[derive(Clone, Copy)]
struct Work {
    calls: u64,
    retained_bytes: i64,
}

/// Five runs of a function that takes a millisecond a call, give or take some calls and bytes from run to run.
fn record(store: &Store, name: &str, work: Work) {
    for number in 0..5 {
        let run = store.create_run(&NewRun {
            name: name.to_owned(),
            started_unix_ns: START,
            ..NewRun::default()
        });
        let run = run.expect("a run");
        let calls = work.calls + 10 * number;
        let retained = work.retained_bytes + 1_000 * i64::try_from(number).expect("few");
        let resources = vec![ResourcePoints {
            resource: Attributes::from([("service.name".to_owned(), "shop".into())]),
            metrics: vec![
                metric("khive.perf.function.duration", "s", &[], duration(calls)),
                metric("khive.perf.function.calls", "{call}", &[], count(calls)),
                // The origin was a suspect before, and had less; the newer series is what is alive.
                leak("leaking", SECOND, retained),
                leak("suspect", 0, retained / 2),
            ],
        }];
        store
            .append(Target::Run(run), &Batch { resources })
            .expect("stored");
        let ending = Ending {
            ended_unix_ns: START + 10 * SECOND,
            exit_code: Some(0),
            status: Status::Complete,
        };
        store.finish_run(run, ending).expect("ended");
    }
}

fn leak(verdict: &str, after: u64, bytes: i64) -> MetricPoints {
    let attributes = [
        ("khive.perf.name", FUNCTION),
        ("khive.perf.leak.origin", "7"),
        ("khive.perf.leak.verdict", verdict),
    ];
    let value = Value::Int(bytes);
    let mut metric = metric("khive.perf.leak.retained", "By", &attributes, value);
    for point in &mut metric.points {
        point.time_unix_ns = START + after;
    }
    metric
}

fn count(calls: u64) -> Value {
    Value::Int(i64::try_from(calls).expect("few"))
}

fn duration(calls: u64) -> Value {
    Value::ExpHistogram(ExpPoint {
        histogram: ExpHistogram {
            scale: 5,
            count: calls,
            sum: 0.001 * calls as f64,
            min: Some(0.001),
            max: Some(0.001),
            zero_count: 0,
            buckets: [(-319, calls)].into(),
        },
        has_sum: true,
        zero_threshold: 0.0,
    })
}

fn metric(name: &str, unit: &str, attributes: &[(&str, &str)], value: Value) -> MetricPoints {
    let own = attributes
        .iter()
        .map(|&(key, value)| (key.to_owned(), value.into()));
    let mut attributes: Attributes = own.collect();
    if attributes.is_empty() {
        attributes.insert("code.function.name".to_owned(), FUNCTION.into());
    }
    MetricPoints {
        scope_name: "khive-perf".to_owned(),
        scope_version: "0.1.0".to_owned(),
        scope_attributes: Attributes::new(),
        name: name.to_owned(),
        unit: unit.to_owned(),
        kind: match value {
            Value::ExpHistogram(_) => Kind::ExpHistogram,
            _ => Kind::Sum,
        },
        temporality: Temporality::Cumulative,
        monotonic: name.ends_with("calls"),
        points: vec![Point {
            attributes,
            start_unix_ns: START,
            time_unix_ns: START + SECOND,
            value,
        }],
    }
}

fn check(directory: &Path, candidate: &str, config: &str, format: &str) -> (i32, String) {
    std::fs::write(directory.join("khive-perf.toml"), config).expect("written");
    let output = Command::new(env!("CARGO_BIN_EXE_khive-perf"))
        .args(["check", "base", candidate, "--db", "runs.sqlite"])
        .args(["--format", format])
        .current_dir(directory)
        .env_remove("KHIVE_PERF_ENVIRONMENT")
        .output()
        .expect("our binary");
    let text = [&output.stdout[..], &output.stderr].concat();
    let text = String::from_utf8(text).expect("text");
    (output.status.code().expect("an exit code"), text)
}

/// The measure of the only callsite.
fn measure(answer: &str, name: &str) -> Json {
    let json: Json = serde_json::from_str(answer).expect("JSON");
    let measures = json["callsites"][0]["measures"]
        .as_array()
        .expect("measures");
    let mut named = measures.iter().filter(|of| of["measure"] == name);
    named.next().expect(name).clone()
}

#[test]
fn throughput_and_retained_bytes_fail_a_check_where_they_are_to_decide() {
    let directory = tempfile::tempdir().expect("a directory");
    let directory = directory.path();
    let store = Store::open(directory.join("runs.sqlite")).expect("a new database");
    let work = |calls, retained_bytes| Work {
        calls,
        retained_bytes,
    };
    record(&store, "base", work(2_000, 1_000_000));
    record(&store, "same", work(2_003, 1_000_900));
    record(&store, "half", work(1_000, 1_000_000));
    record(&store, "more", work(2_000, 4_000_000));

    // Told, and not decided by.
    let (code, answer) = check(directory, "half", "", "json");
    assert_eq!(code, 0, "{answer}");
    let throughput = measure(&answer, "throughput");
    assert_eq!(throughput["verdict"], "regressed", "{throughput}");
    assert_eq!(throughput["decides"], false, "{throughput}");
    assert_eq!(throughput["unit"], "1/s", "{throughput}");
    assert_eq!(throughput["base_s"], Json::Null, "{throughput}");
    let near = |value: &Json, want: f64| (value.as_f64().unwrap() / want - 1.0).abs() < 0.01;
    assert!(near(&throughput["base"], 202.0), "{throughput}");
    assert!(near(&throughput["candidate"], 102.0), "{throughput}");
    assert!(near(&throughput["factor"], 0.505), "{throughput}");
    assert!(throughput["low"].as_f64() < throughput["factor"].as_f64());
    let (_, text) = check(directory, "half", "", "text");
    assert!(
        text.contains("app::work: gets through less: 102.0/s, was 202.0/s (-49.5 %)."),
        "{text}"
    );
    let (_, text) = check(directory, "more", "", "text");
    assert!(
        text.contains("app::work: retains more: 3.8 MiB, was 979 KiB (+299.4 %)."),
        "{text}"
    );

    let decide = "[[callsite]]\nname = \"app::*\"\ndecide = [\"throughput\", \"retained\"]";
    for (candidate, severity) in [("half", "moderate"), ("more", "critical")] {
        let (code, answer) = check(directory, candidate, decide, "json");
        assert_eq!(code, 1, "{candidate}: {answer}");
        let json: Json = serde_json::from_str(&answer).expect("JSON");
        let callsite = &json["callsites"][0];
        assert_eq!(callsite["verdict"], "regressed", "{candidate}: {callsite}");
        assert_eq!(callsite["severity"], severity, "{candidate}: {callsite}");
    }
    let (code, answer) = check(directory, "same", decide, "json");
    assert_eq!(code, 0, "{answer}");
    // A floor is one of these measures, too.
    let floor = format!("{decide}\nmin_effect = \"400 %\"");
    assert_eq!(check(directory, "more", &floor, "json").0, 0);

    let limit = "[[callsite]]\nname = \"app::work\"\nmax_retained = \"2 MiB\"";
    let (code, text) = check(directory, "more", limit, "text");
    assert_eq!(code, 1, "{text}");
    let told = "app::work: 3.8 MiB of what it allocated are alive, and 2.0 MiB may be";
    assert!(text.contains(told), "{text}");
    assert_eq!(check(directory, "same", limit, "text").0, 0);
    let wrong = "[[callsite]]\nname = \"a\"\nmax_retained = \"2 MB\"";
    let (code, text) = check(directory, "same", wrong, "text");
    assert!(
        code == 2 && text.contains(":3: ") && text.contains("no size like"),
        "{text}"
    );
    let wrong = "[[callsite]]\nname = \"a\"\ndecide = [\"troughput\"]";
    let (code, text) = check(directory, "same", wrong, "text");
    assert!(
        code == 2 && text.contains("did you mean `throughput`?"),
        "{text}"
    );
}
