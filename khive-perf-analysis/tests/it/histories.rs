//! What many runs say together: trends with names that last, baselines, pruning, and the tool's own false alarms.

use std::path::Path;

use khive_perf_analysis::points::{
    Attributes, Batch, Kind, MetricPoints, Point, ResourcePoints, Temporality, Value as PointValue,
};
use khive_perf_analysis::store::{Ending, NewRun, Status, Store, Target};
use serde_json::Value;

use crate::cli::khive_perf;
use crate::support::{SECOND, START, db_in};
use crate::verdicts::record;

fn json(db: &Path, arguments: &[&str]) -> Value {
    let (code, answer, said) = khive_perf(db, arguments);
    assert_eq!(code, 0, "{said}");
    serde_json::from_str(&answer).expect("JSON")
}

fn changes(db: &Path) -> Vec<Value> {
    let all = json(db, &["trend", "app::work", "--format", "json"]);
    all["series"][0]["changes"]
        .as_array()
        .expect("changes")
        .clone()
}

#[test]
fn a_step_keeps_its_name_from_pending_to_confirmed_and_until_it_went_away() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let db = db_in(&dir);
    let store = Store::open(&db).expect("a new database");
    record(&store, "main", 30, 0.010);
    assert!(changes(&db).is_empty());
    record(&store, "main", 3, 0.013);
    let pending = changes(&db);
    assert_eq!(pending.len(), 1, "{pending:?}");
    assert_eq!(pending[0]["state"], "pending");
    assert_eq!(pending[0]["run"], 31);
    record(&store, "main", 12, 0.013);
    let confirmed = changes(&db);
    assert_eq!(confirmed[0]["state"], "confirmed");
    assert_eq!(confirmed[0]["id"], pending[0]["id"]);
    record(&store, "main", 30, 0.010);
    let gone = changes(&db);
    assert_eq!(
        (gone.len(), &gone[0]["state"]),
        (2, &Value::from("went away"))
    );
    assert_eq!(gone[0]["id"], pending[0]["id"]);
    assert_ne!(gone[1]["id"], pending[0]["id"]);
    // The same store gives the same answer, byte for byte.
    let text = || khive_perf(&db, &["trend"]).1;
    assert_eq!(text(), text());
    assert!(text().contains("went away"), "{}", text());
    let other = json(&db, &["trend", "app::other", "--format", "json"]);
    assert_eq!(other["series"][0]["changes"], Value::Array(Vec::new()));
    let none = json(&db, &["trend", "--branch", "main", "--format", "json"]);
    assert_eq!(none["series"], Value::Array(Vec::new()));
}

#[test]
fn numbers_of_a_file_need_no_database() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let file = dir.path().join("numbers");
    let path = file.to_str().expect("a path");
    let values: Vec<f64> = (0..60)
        .map(|i| if i < 40 { 10.0 } else { 12.0 } + 0.05 * f64::from(i * 7 % 5))
        .collect();
    for text in [
        serde_json::json!(values).to_string(),
        serde_json::json!({ "a": values }).to_string(),
        serde_json::json!({ "a": [values, 40] }).to_string(),
        values.iter().map(|v| format!("{v}\n")).collect(),
    ] {
        std::fs::write(&file, text).expect("a file");
        let found = json(
            &dir.path().join("none"),
            &["trend", "--values", path, "--format", "json"],
        );
        assert_eq!(found["series"][0]["changes"][0]["index"], 40);
    }
    std::fs::write(&file, "1 2 three").expect("a file");
    let (code, _, said) = khive_perf(&dir.path().join("none"), &["trend", "--values", path]);
    assert_eq!(code, 2);
    assert!(said.contains("number 3 is `three`"), "{said}");
}

#[test]
fn pruning_keeps_the_newest_and_the_baseline() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let db = db_in(&dir);
    let store = Store::open(&db).expect("a new database");
    record(&store, "main", 6, 0.010);
    record(&store, "slow", 5, 0.020);
    assert_eq!(khive_perf(&db, &["baseline", "set", "#1"]).0, 0);
    let ids = |store: &Store| -> Vec<i64> {
        let runs = store.runs().expect("runs");
        runs.iter().map(|run| run.id).collect()
    };
    let (_, _, said) = khive_perf(&db, &["prune", "--keep", "4", "--dry-run"]);
    assert!(said.contains("would delete 2 runs and keep 9"), "{said}");
    assert_eq!(ids(&store).len(), 11);
    let (code, _, said) = khive_perf(&db, &["prune", "--keep", "4"]);
    assert_eq!(code, 0, "{said}");
    assert_eq!(ids(&store), [1, 3, 4, 5, 6, 8, 9, 10, 11]);
    assert_eq!(
        khive_perf(&db, &["prune"]).0,
        2,
        "what to prune is to be said"
    );
    // One run is a baseline like any other.
    let (code, answer, _) = khive_perf(&db, &["check", "@baseline", "slow"]);
    assert_eq!(code, 1, "{answer}");
    assert_eq!(khive_perf(&db, &["baseline", "clear"]).0, 0);
    assert!(store.baseline().expect("a baseline").is_empty());
}

/// A run of twenty deltas of one counter, `more` added later.
fn deltas(store: &Store, run: i64, steps: std::ops::Range<u64>) {
    let points = steps.map(|step| Point {
        attributes: Attributes::from([("code.function.name".to_owned(), "app::work".into())]),
        start_unix_ns: START + step * SECOND,
        time_unix_ns: START + (step + 1) * SECOND,
        value: PointValue::Int(3),
    });
    let calls = MetricPoints {
        scope_name: String::new(),
        scope_version: String::new(),
        scope_attributes: Attributes::new(),
        name: "khive.perf.function.calls".to_owned(),
        unit: "{call}".to_owned(),
        kind: Kind::Sum,
        temporality: Temporality::Delta,
        monotonic: true,
        points: points.collect(),
    };
    let resources = vec![ResourcePoints {
        resource: Attributes::new(),
        metrics: vec![calls],
    }];
    store
        .append(Target::Run(run), &Batch { resources })
        .expect("stored");
}

#[test]
fn totals_are_those_of_the_points_also_when_more_arrive_or_points_are_added_up() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let db = db_in(&dir);
    let store = Store::open(&db).expect("a new database");
    let run = store.create_run(&NewRun::default()).expect("a run");
    deltas(&store, run, 0..20);
    let ending = Ending {
        ended_unix_ns: START + 20 * SECOND,
        exit_code: Some(0),
        status: Status::Complete,
    };
    store.finish_run(run, ending).expect("ended");
    let rows = |table: &str| -> i64 {
        let connection = rusqlite::Connection::open(&db).expect("a database");
        let count = format!("SELECT count(*) FROM {table}");
        connection
            .query_row(&count, [], |row| row.get(0))
            .expect("rows")
    };
    let total = || store.series(run).expect("series")[0].value.clone();
    assert_eq!((total(), rows("total")), (PointValue::Int(60), 1));
    assert_eq!(total(), PointValue::Int(60), "from the total");
    deltas(&store, run, 19..22);
    assert_eq!(total(), PointValue::Int(66), "one of three was known");
    assert_eq!(store.downsample(&[run]).expect("added up"), 21);
    assert_eq!((total(), rows("point")), (PointValue::Int(66), 1));
}

#[test]
fn the_tool_says_how_often_it_is_wrong() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let db = db_in(&dir);
    let store = Store::open(&db).expect("a new database");
    record(&store, "main", 12, 0.010);
    record(&store, "few", 3, 0.010);
    let found = json(&db, &["selftest", "--format", "json"]);
    let all = &found["selftest"][1];
    assert_eq!(all["name"], "all");
    assert_eq!(all["compare_flags"]["share"], 0.0);
    assert_eq!(all["without_shared_runs"], 2);
    // Two comparisons say little, and the interval shows it.
    assert!(all["compare_flags"]["high"].as_f64().expect("a number") > 0.5);
    let (code, _, said) = khive_perf(&db, &["selftest", "few"]);
    assert_eq!(code, 2);
    assert!(said.contains("no name has 6 complete runs"), "{said}");
}

#[test]
fn one_run_a_side_is_judged_by_the_noise_of_earlier_runs() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let db = db_in(&dir);
    let store = Store::open(&db).expect("a new database");
    record(&store, "main", 1, 0.010);
    record(&store, "new", 1, 0.013);
    // Without a history one run a side says nothing.
    assert_eq!(khive_perf(&db, &["check", "#1", "new"]).0, 3);
    // A step long ago is no noise: only runs since then count.
    record(&store, "main", 15, 0.020);
    record(&store, "main", 15, 0.010);
    let (code, answer, said) = khive_perf(&db, &["check", "#20", "new"]);
    assert_eq!(code, 1, "{answer}{said}");
    assert!(answer.contains("is that of earlier runs"), "{answer}");
    record(&store, "same", 1, 0.010);
    let (code, answer, _) = khive_perf(&db, &["check", "#20", "same"]);
    assert_eq!(code, 0, "{answer}");
}
