//! `compare` and `check`: what is written, and which exit code says what.

use std::path::Path;
use std::process::{Command, Stdio};

use khive_perf_analysis::model::ExpHistogram;
use khive_perf_analysis::points::{
    Attributes, Batch, ExpPoint, Kind, MetricPoints, Point, ResourcePoints, Temporality, Value,
};
use khive_perf_analysis::store::{Ending, NewRun, Status, Store, Target};

use crate::support::{SECOND, START, db_in};

/// Runs of two functions that take `seconds` a call, give or take a percent from run to run.
pub(crate) fn record(store: &Store, name: &str, runs: u32, seconds: f64) {
    for number in 0..runs {
        let near = 1.0 + (f64::from(number % 5) - 2.0) / 200.0;
        let run = NewRun {
            name: name.to_owned(),
            started_unix_ns: START,
            ..NewRun::default()
        };
        let run = store.create_run(&run).expect("a run");
        let work = duration("app::work", seconds * near);
        let other = duration("app::other", 0.004 * near);
        let resource = Attributes::from([("service.name".to_owned(), "shop".into())]);
        let resources = vec![ResourcePoints {
            resource,
            metrics: vec![work, other],
        }];
        store
            .append(Target::Run(run), &Batch { resources })
            .expect("stored");
        end(store, run, Status::Complete);
    }
}

fn end(store: &Store, run: i64, status: Status) {
    let ending = Ending {
        ended_unix_ns: START + SECOND,
        exit_code: Some(0),
        status,
    };
    store.finish_run(run, ending).expect("ended");
}

fn duration(function: &str, seconds: f64) -> MetricPoints {
    const CALLS: u64 = 1_000;
    const SCALE: i32 = 5;

    #[expect(clippy::cast_possible_truncation, reason = "a few hundred")]
    let index = (seconds.log2() * 32.0).ceil() as i32 - 1;
    let histogram = ExpHistogram {
        scale: SCALE,
        count: CALLS,
        sum: seconds * CALLS as f64,
        min: Some(seconds),
        max: Some(seconds),
        zero_count: 0,
        buckets: [(index, CALLS)].into(),
    };
    MetricPoints {
        scope_name: "khive-perf".to_owned(),
        scope_version: "0.1.0".to_owned(),
        scope_attributes: Attributes::new(),
        name: "khive.perf.function.duration".to_owned(),
        unit: "s".to_owned(),
        kind: Kind::ExpHistogram,
        temporality: Temporality::Cumulative,
        monotonic: false,
        points: vec![Point {
            attributes: Attributes::from([("code.function.name".to_owned(), function.into())]),
            start_unix_ns: START,
            time_unix_ns: START + SECOND,
            value: Value::ExpHistogram(ExpPoint {
                histogram,
                has_sum: true,
                zero_threshold: 0.0,
            }),
        }],
    }
}

fn khive_perf(db: &Path, arguments: &[&str]) -> (i32, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_khive-perf"))
        .args(arguments)
        .env("KHIVE_PERF_DB", db)
        .stdin(Stdio::null())
        .output()
        .expect("our binary");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    (
        output.status.code().expect("an exit code"),
        text(output.stdout),
        text(output.stderr),
    )
}

#[test]
fn check_says_its_verdict_as_the_exit_code_and_compare_does_not() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let db = db_in(&dir);
    let store = Store::open(&db).expect("a new database");
    record(&store, "base", 10, 0.001);
    record(&store, "same", 10, 0.001);
    record(&store, "slower", 10, 0.0015);
    record(&store, "faster", 10, 0.0005);
    record(&store, "once-base", 1, 0.001);
    record(&store, "once-same", 1, 0.001);
    for (base, candidate, code, word) in [
        ("base", "same", 0, "unchanged"),
        ("base", "slower", 1, "regressed"),
        ("base", "faster", 0, "improved"),
        ("bas*", "slow*", 1, "regressed"),
        ("once-base", "once-same", 3, "inconclusive"),
        // Their noise is known from the nine others of each name.
        ("#1", "#11", 0, "unchanged"),
    ] {
        let (found, answer, said) =
            khive_perf(&db, &["check", base, candidate, "--format", "json"]);
        assert_eq!(
            (found, said.as_str()),
            (code, ""),
            "{base} {candidate}: {answer}"
        );
        let json: serde_json::Value = serde_json::from_str(&answer).expect("JSON");
        assert_eq!(json["verdict"], word, "{base} {candidate}: {answer}");
        let (found, again, _) = khive_perf(&db, &["compare", base, candidate, "--format", "json"]);
        // A gate asks to be ten times as sure, which these verdicts are.
        let again: serde_json::Value = serde_json::from_str(&again).expect("JSON");
        assert_eq!(found, 0, "{base} {candidate}");
        assert_eq!(again["settings"]["false_discovery_rate"], 0.05);
        let changes = |all: &serde_json::Value| all["callsites"][0]["measures"].clone();
        assert_eq!(changes(&again), changes(&json), "{base} {candidate}");
        assert_eq!(again["verdict"], json["verdict"], "{base} {candidate}");
    }
    let (_, text, _) = khive_perf(&db, &["compare", "base", "slower"]);
    assert!(text.contains("app::work"), "{text}");
    // A change of half is within a floor of 60 %.
    let floor = ["check", "base", "slower", "--min-effect", "60%"];
    let (code, answer, _) = khive_perf(&db, &floor);
    assert_ne!(code, 1, "{answer}");
}

#[test]
fn what_cannot_be_compared_is_an_error_and_not_a_verdict() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let db = db_in(&dir);
    let check = |base: &str, candidate: &str, says: &str| {
        let (code, answer, said) = khive_perf(&db, &["check", base, candidate]);
        assert_eq!((code, answer.as_str()), (2, ""), "{said}");
        assert!(said.contains(says), "`{said}` does not say `{says}`");
    };
    check("base", "new", "there is no database");
    let store = Store::open(&db).expect("a new database");
    record(&store, "base", 2, 0.001);
    check("base", "new", "no run called `new`");
    check("old", "base", "no run called `old`");
    check("base", "b*", "a run cannot stand on both sides");
    let failed = store.create_run(&NewRun {
        name: "bad".to_owned(),
        ..NewRun::default()
    });
    end(&store, failed.expect("a run"), Status::Failed);
    check(
        "base",
        "bad",
        "no run of `bad` is complete; record one anew",
    );
    let (code, _, said) = khive_perf(&db, &["check", "base", "bad", "--min-effect", "-1"]);
    assert_eq!(code, 2, "{said}");
}

#[test]
fn runs_that_failed_or_have_not_ended_are_left_out_and_named() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let db = db_in(&dir);
    let store = Store::open(&db).expect("a new database");
    record(&store, "base", 5, 0.001);
    record(&store, "new", 5, 0.001);
    let failed = store.create_run(&NewRun {
        name: "new".to_owned(),
        ..NewRun::default()
    });
    end(&store, failed.expect("a run"), Status::Failed);
    store
        .create_run(&NewRun {
            name: "base".to_owned(),
            ..NewRun::default()
        })
        .expect("a run");
    let (code, _, said) = khive_perf(&db, &["compare", "base", "new"]);
    assert_eq!(code, 0, "{said}");
    assert!(
        said.contains("run 11 of `new` is failed and left out"),
        "{said}"
    );
    assert!(
        said.contains("run 12 of `base` is open and left out"),
        "{said}"
    );
}

#[test]
fn runs_of_two_machines_are_compared_only_where_that_is_asked_for() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let db = db_in(&dir);
    let store = Store::open(&db).expect("a new database");
    for (name, host) in [("base", "a"), ("new", "b"), ("again", "a")] {
        for _ in 0..3 {
            let run = store.create_run(&NewRun {
                name: name.to_owned(),
                ..NewRun::default()
            });
            let run = run.expect("a run");
            let mut of = crate::traces::spans_of("shop", &[("work", 1, None, 10)]);
            of.resource.insert("host.name".to_owned(), host.into());
            store.append_spans(Target::Run(run), &[of]).expect("stored");
            end(&store, run, Status::Complete);
        }
    }
    let (code, answer, said) = khive_perf(&db, &["check", "base", "new"]);
    assert_eq!((code, answer.as_str()), (2, ""), "{said}");
    assert!(said.contains("another machine"), "{said}");
    for arguments in [
        &["check", "base", "again"][..],
        &["check", "base", "new", "--across-machines"],
    ] {
        let (code, _, said) = khive_perf(&db, arguments);
        assert_ne!(code, 2, "{arguments:?}: {said}");
    }
}
