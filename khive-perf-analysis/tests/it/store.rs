//! The database: what it keeps, what it adds up, and what it refuses to open.

use std::path::Path;

use khive_perf_analysis::model::{CallsiteKey, ExpHistogram};
use khive_perf_analysis::points::{
    Attributes, Batch, ExpPoint, Kind, MetricPoints, Point, ResourcePoints, Temporality, Value,
};
use khive_perf_analysis::store::{NewRun, SERIES_MAX_PER_RUN, Status, Store, Target};
use proptest::prelude::*;
use rusqlite::Connection;
use tempfile::TempDir;

use crate::support::{SECOND, START, db_in};

fn new_store() -> (TempDir, Store) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let store = Store::open(db_in(&dir)).expect("a new database");
    (dir, store)
}

fn new_run(store: &Store, name: &str) -> i64 {
    let run = NewRun {
        name: name.to_owned(),
        started_unix_ns: START,
        ..NewRun::default()
    };
    store.create_run(&run).expect("a new run")
}

fn attributes(pairs: &[(&str, &str)]) -> Attributes {
    pairs
        .iter()
        .map(|&(key, value)| (key.to_owned(), value.into()))
        .collect()
}

fn batch(instance: &str, metrics: Vec<MetricPoints>) -> Batch {
    let resource = attributes(&[("service.name", "shop"), ("service.instance.id", instance)]);
    Batch {
        resources: vec![ResourcePoints { resource, metrics }],
    }
}

fn metric(name: &str, kind: Kind, temporality: Temporality, points: Vec<Point>) -> MetricPoints {
    MetricPoints {
        scope_name: "khive-perf".to_owned(),
        scope_version: "0.1.0".to_owned(),
        scope_attributes: Attributes::new(),
        name: name.to_owned(),
        unit: "s".to_owned(),
        kind,
        temporality,
        monotonic: kind == Kind::Sum,
        points,
    }
}

fn point(start: u64, time: u64, value: Value) -> Point {
    Point {
        attributes: attributes(&[("code.function.name", "app::work")]),
        start_unix_ns: START + start * SECOND,
        time_unix_ns: START + time * SECOND,
        value,
    }
}

fn calls(temporality: Temporality, points: &[(u64, u64, i64)]) -> MetricPoints {
    let points = points
        .iter()
        .map(|&(start, time, value)| point(start, time, Value::Int(value)))
        .collect();
    metric("khive.perf.function.calls", Kind::Sum, temporality, points)
}

fn stored_calls(store: &Store, run: i64) -> u64 {
    let run = store.load(run).expect("the run");
    run.callsites
        .values()
        .map(|callsite| callsite.calls[0])
        .sum()
}

#[test]
fn of_cumulative_points_the_latest_counts_whatever_the_order() {
    let (_dir, store) = new_store();
    let run = new_run(&store, "r");
    for points in [
        &[(0, 1, 10), (0, 2, 25)][..],
        &[(0, 4, 70)],
        &[(0, 3, 40)],
        &[(0, 4, 70)],
    ] {
        let batch = batch("1", vec![calls(Temporality::Cumulative, points)]);
        store.append(Target::Run(run), &batch).expect("stored");
    }
    assert_eq!(stored_calls(&store, run), 70);
}

#[test]
fn a_restart_adds_to_what_was_before_it() {
    let (_dir, store) = new_store();
    let run = new_run(&store, "r");
    // A new start time, then a count that goes back under the same start time.
    let points = [
        (0, 1, 10),
        (0, 2, 25),
        (5, 6, 4),
        (5, 7, 9),
        (5, 8, 2),
        (5, 9, 3),
    ];
    for point in points {
        let batch = batch("1", vec![calls(Temporality::Cumulative, &[point])]);
        store.append(Target::Run(run), &batch).expect("stored");
    }
    assert_eq!(stored_calls(&store, run), 25 + 9 + 3);
}

#[test]
fn deltas_add_up_and_count_once() {
    let (_dir, store) = new_store();
    let run = new_run(&store, "r");
    let deltas = batch(
        "1",
        vec![calls(
            Temporality::Delta,
            &[(0, 1, 10), (1, 2, 5), (2, 3, 0)],
        )],
    );
    let first = store.append(Target::Run(run), &deltas).expect("stored");
    assert_eq!((first.stored, first.repeated), (3, 0));
    let again = store.append(Target::Run(run), &deltas).expect("stored");
    assert_eq!((again.stored, again.repeated), (0, 3));
    assert_eq!(stored_calls(&store, run), 15);
}

#[test]
fn processes_of_one_run_add_up_and_runs_stay_apart() {
    let (_dir, store) = new_store();
    let (first, second) = (new_run(&store, "r"), new_run(&store, "r"));
    for (run, instance, value) in [(first, "1", 10), (first, "2", 7), (second, "1", 100)] {
        let batch = batch(
            instance,
            vec![calls(Temporality::Cumulative, &[(0, 1, value)])],
        );
        store.append(Target::Run(run), &batch).expect("stored");
    }
    assert_eq!(
        (stored_calls(&store, first), stored_calls(&store, second)),
        (17, 100)
    );
    assert_eq!(store.runs_named("r").expect("runs")[0].resources.len(), 2);
}

#[test]
fn each_served_instance_is_a_run_named_after_its_service() {
    let (_dir, store) = new_store();
    for instance in ["1", "2", "1"] {
        let batch = batch(
            instance,
            vec![calls(Temporality::Cumulative, &[(0, 1, 10)])],
        );
        store.append(Target::PerInstance, &batch).expect("stored");
    }
    let runs = store.runs_named("shop").expect("runs");
    assert_eq!(
        runs.iter().map(|run| run.status).collect::<Vec<_>>(),
        [Status::Open; 2]
    );
    store.complete_served().expect("ended");
    let ended = &store.runs_named("sh*p").expect("runs")[0];
    assert_eq!(
        (ended.status, ended.ended_unix_ns),
        (Status::Complete, Some(START + SECOND))
    );
    let second = store.runs_named("#2").expect("runs");
    assert_eq!(second.iter().map(|run| run.id).collect::<Vec<_>>(), [2]);
    assert!(store.runs_named("hop").expect("runs").is_empty());
}

#[test]
fn gauges_and_levels_keep_their_latest_value() {
    let (_dir, store) = new_store();
    let run = new_run(&store, "r");
    let values = [(0, 1, 5.0), (0, 3, 2.5), (0, 2, 9.0)];
    let points = values.map(|(start, time, value)| point(start, time, Value::Double(value)));
    let gauge = metric("gauge", Kind::Gauge, Temporality::Instant, points.to_vec());
    let mut level = metric("level", Kind::Sum, Temporality::Cumulative, points.to_vec());
    level.monotonic = false;
    store
        .append(Target::Run(run), &batch("1", vec![gauge, level]))
        .expect("stored");
    let series = store.series(run).expect("series");
    assert_eq!(series.len(), 2);
    for series in series {
        assert_eq!(series.value, Value::Double(2.5), "{}", series.metric);
    }
}

#[test]
fn a_batch_that_fails_leaves_nothing_behind() {
    let (dir, store) = new_store();
    let run = new_run(&store, "r");
    let other = Connection::open(db_in(&dir)).expect("the database");
    other
        .execute_batch(
            "CREATE TRIGGER refuse BEFORE INSERT ON point WHEN NEW.value_int = 13
             BEGIN SELECT RAISE(ABORT, 'unlucky'); END",
        )
        .expect("a trigger");
    let unlucky = batch(
        "1",
        vec![calls(Temporality::Delta, &[(0, 1, 10), (1, 2, 13)])],
    );
    let error = store
        .append(Target::Run(run), &unlucky)
        .expect_err("refused");
    assert!(
        error.to_string().contains("storing points in the database"),
        "{error}"
    );
    assert_eq!(store.series(run).expect("series"), []);
    let lucky = batch("1", vec![calls(Temporality::Delta, &[(0, 1, 10)])]);
    assert_eq!(
        store
            .append(Target::Run(run), &lucky)
            .expect("stored")
            .stored,
        1
    );
}

#[test]
fn series_beyond_the_limit_are_rejected_and_the_others_kept() {
    let (dir, store) = new_store();
    let run = new_run(&store, "r");
    let first = batch("1", vec![calls(Temporality::Cumulative, &[(0, 1, 10)])]);
    store.append(Target::Run(run), &first).expect("stored");
    drop(store);
    let other = Connection::open(db_in(&dir)).expect("the database");
    other
        .execute(
            "WITH RECURSIVE counter (n) AS (SELECT 2 UNION ALL SELECT n + 1 FROM counter WHERE n < ?1)
             INSERT INTO series
             SELECT NULL, resource_id, scope_name, scope_version, scope_attributes, 'metric.' || n,
                    unit, kind, temporality, monotonic, attributes
             FROM series, counter",
            [SERIES_MAX_PER_RUN - 1],
        )
        .expect("series");
    let store = Store::open(db_in(&dir)).expect("the database");
    let [mut last, mut beyond] = [(); 2].map(|()| calls(Temporality::Cumulative, &[(0, 2, 20)]));
    "last".clone_into(&mut last.name);
    "beyond".clone_into(&mut beyond.name);
    let known = calls(Temporality::Cumulative, &[(0, 2, 20)]);
    let appended = store.append(Target::Run(run), &batch("1", vec![last, beyond, known]));
    let appended = appended.expect("stored");
    assert_eq!((appended.stored, appended.rejected), (2, 1));
    assert_eq!(stored_calls(&store, run), 20);
}

// === files ===

/// The message with which `path` is refused; the file must stay as it is.
fn refusal(path: &Path) -> khive_perf_analysis::Error {
    let before = std::fs::read(path).expect("the file");
    let error = Store::open(path).expect_err("must be refused");
    assert!(
        error.to_string().contains(&*path.to_string_lossy()),
        "{error}"
    );
    assert_eq!(
        std::fs::read(path).expect("the file"),
        before,
        "the file was touched"
    );
    error
}

#[test]
fn what_is_no_database_of_ours_is_refused_untouched() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let text = dir.path().join("notes.txt");
    std::fs::write(&text, "these are notes, not a database\n".repeat(100)).expect("a file");
    let error = refusal(&text);
    assert!(
        error.is_corrupt() && error.to_string().contains("it is not an SQLite file"),
        "{error}"
    );

    let foreign = dir.path().join("foreign.sqlite");
    let other = Connection::open(&foreign).expect("a database");
    other
        .execute_batch("CREATE TABLE photo (id INTEGER)")
        .expect("a table");
    drop(other);
    let error = refusal(&foreign);
    assert!(
        error
            .to_string()
            .contains("the SQLite database of another program"),
        "{error}"
    );
}

#[test]
fn a_damaged_database_is_refused_untouched() {
    let (dir, store) = new_store();
    let run = new_run(&store, "r");
    for series in 0..200i32 {
        let mut calls = calls(Temporality::Cumulative, &[(0, 1, 10)]);
        calls.name = format!("metric.{series}");
        store
            .append(Target::Run(run), &batch("1", vec![calls]))
            .expect("stored");
    }
    drop(store);
    let path = db_in(&dir);
    let whole = std::fs::read(&path).expect("the file");
    assert!(whole.len() > 40_000, "the file has pages to damage");

    std::fs::write(&path, &whole[..whole.len() / 2]).expect("a cut file");
    let error = refusal(&path);
    assert!(
        error.is_corrupt() && error.to_string().contains("is damaged"),
        "{error}"
    );

    let mut scribbled = whole.clone();
    scribbled[8_192..24_576].fill(0xa5);
    std::fs::write(&path, &scribbled).expect("a damaged file");
    let error = refusal(&path);
    assert!(
        error.is_corrupt() && error.to_string().contains("is damaged"),
        "{error}"
    );

    std::fs::write(&path, &whole).expect("the file as it was");
    assert_eq!(
        Store::open(&path)
            .expect("whole again")
            .runs()
            .expect("runs")
            .len(),
        1
    );
}

#[test]
fn a_newer_schema_is_refused_untouched() {
    let (dir, store) = new_store();
    drop(store);
    let path = db_in(&dir);
    let other = Connection::open(&path).expect("the database");
    other
        .pragma_update(None, "user_version", 99)
        .expect("a version");
    drop(other);
    let error = refusal(&path);
    assert!(error.is_newer_schema(), "{error}");
    assert!(error.to_string().contains("schema version 99"), "{error}");
}

#[test]
fn a_file_in_a_missing_directory_is_named() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let error = Store::open(dir.path().join("no/such/dir.sqlite")).expect_err("no directory");
    assert!(
        error.to_string().contains("opening the database"),
        "{error}"
    );
    assert!(
        Store::open_existing(db_in(&dir))
            .expect_err("no file")
            .is_not_found()
    );
    assert!(!db_in(&dir).exists());
}

#[test]
fn two_that_open_a_new_database_at_once_share_it() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = db_in(&dir);
    std::thread::scope(|scope| {
        let open = || Store::open(&path).and_then(|store| store.create_run(&NewRun::default()));
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(open)).collect();
        for thread in threads {
            thread.join().expect("no panic").expect("opened");
        }
    });
    assert_eq!(
        Store::open(&path)
            .expect("opened")
            .runs()
            .expect("runs")
            .len(),
        4
    );
}

// === properties ===

fn histogram() -> impl Strategy<Value = ExpHistogram> {
    let buckets = proptest::collection::btree_map(-2_000i32..2_000, 1u64..1_000_000, 0..30);
    (buckets, -10i32..=20, 0u64..100, -1e9f64..1e9).prop_map(|(buckets, scale, zero_count, sum)| {
        let count = zero_count + buckets.values().sum::<u64>();
        let (min, max) = if count > 0 {
            (Some(0.25), Some(8.5))
        } else {
            (None, None)
        };
        ExpHistogram {
            scale,
            count,
            sum,
            min,
            max,
            zero_count,
            buckets,
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_histogram_is_loaded_as_it_was_stored(histogram in histogram()) {
        let (_dir, store) = new_store();
        let run = new_run(&store, "r");
        let sent = Value::ExpHistogram(ExpPoint {
            histogram: histogram.clone(),
            has_sum: true,
            zero_threshold: 0.0,
        });
        let points = vec![point(0, 1, sent.clone())];
        let duration = metric("khive.perf.function.duration", Kind::ExpHistogram, Temporality::Cumulative, points);
        store.append(Target::Run(run), &batch("1", vec![duration])).expect("stored");
        drop(store.clone());
        prop_assert_eq!(&store.series(run).expect("series")[0].value, &sent);
        let key = CallsiteKey { service: "shop".into(), group: String::new(), name: "app::work".into() };
        let loaded = store.load(run).expect("the run");
        if histogram.count > 0 {
            prop_assert_eq!(&loaded.callsites[&key].ok, &histogram);
        }
    }

    /// Merging loses no measurement, does not depend on the order, and ends at the coarser scale.
    #[test]
    fn merging_keeps_every_measurement(a in histogram(), b in histogram()) {
        let mut ab = a.clone();
        ab.merge(&b);
        let mut ba = b.clone();
        ba.merge(&a);
        prop_assert_eq!(&ab.buckets, &ba.buckets);
        prop_assert_eq!((ab.count, ab.zero_count), (a.count + b.count, a.zero_count + b.zero_count));
        prop_assert_eq!(ab.zero_count + ab.buckets.values().sum::<u64>(), ab.count);
        if a.count > 0 && b.count > 0 {
            prop_assert_eq!(ab.scale, a.scale.min(b.scale));
            prop_assert_eq!(ab.sum.to_bits(), (a.sum + b.sum).to_bits());
        }
    }

    /// A bucket of the coarser histogram covers exactly the finer ones that went into it.
    #[test]
    fn downscaling_moves_each_measurement_to_the_bucket_that_covers_it(
        fine in histogram(),
        steps in 0i32..12,
    ) {
        let mut coarse = fine.clone();
        coarse.downscale(fine.scale - steps);
        let mut expected = std::collections::BTreeMap::new();
        for (&index, &count) in &fine.buckets {
            *expected.entry(index.div_euclid(1 << steps)).or_insert(0u64) += count;
        }
        prop_assert_eq!(&coarse.buckets, &expected);
        let mut step_by_step = fine.clone();
        for step in 1..=steps {
            step_by_step.downscale(fine.scale - step);
        }
        prop_assert_eq!(step_by_step, coarse);
    }
}
