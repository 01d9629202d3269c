//! Equal recordings pass, and every way to differ is found.

use serde_json::json;

use super::*;

fn snapshot() -> Value {
    json!({ "callsites": [{
        "name": "get", "has_custom_name": true, "function": "app::cache::get", "group": "cache", "file": "src/cache.rs", "line": 7,
        "kind": "function", "attributes": { "shard": 3 }, "is_overflow": false, "timed": 4, "in_flight": 0,
        "self_ns": 1500, "busy_ns": 3000, "idle_ns": 0, "polls": 0, "max_poll_ns": 0,
        "outcomes": { "ok": { "calls": 4, "wall": {
            "scale": 5, "count": 3, "sum_ns": 3000, "min_ns": 0, "max_ns": 2000, "zero_count": 1,
            "buckets": [[-638, 1], [-606, 1]] } } } }],
        "overflow": {} })
}

fn attributes() -> Value {
    json!({ "code.function.name": "app::cache::get", "code.file.path": "src/cache.rs", "code.line.number": 7,
        "khive.perf.name": "get", "khive.perf.group": "cache", "shard": 3 })
}

/// The same recording as a decoder sees it; `edit` may spoil the histogram.
fn arrived(edit: impl FnOnce(&mut Value)) -> Recording {
    let mut with_outcome = attributes();
    with_outcome["khive.perf.outcome"] = "ok".into();
    let mut histogram = json!({ "scale": 5, "count": 3, "sum": 3e-6, "min": 0.0, "max": 2e-6, "zero_count": 1,
        "buckets": [[-638, 1], [-620, 0], [-606, 1]] });
    edit(&mut histogram);
    let mut found = Recording::default();
    let mut add = |metric: &str, attributes: &Value, point| {
        found.add_point(metric, attributes, point).expect("a point")
    };
    add(DURATION, &with_outcome, Point::Histogram(&histogram));
    add("khive.perf.function.calls", &with_outcome, Point::Count(4));
    add(
        "khive.perf.function.self_time",
        &attributes(),
        Point::Seconds(1.5e-6),
    );
    add(
        "khive.perf.function.busy_time",
        &attributes(),
        Point::Seconds(3e-6),
    );
    add(
        "khive.perf.function.in_flight",
        &attributes(),
        Point::Count(0),
    );
    found
}

fn differences(found: &Recording) -> Vec<String> {
    let ours = Recording::of_snapshot(&snapshot()).expect("a snapshot");
    ours.compare(found).err().unwrap_or_default()
}

#[test]
fn the_same_numbers_are_equal_and_counted() {
    let ours = Recording::of_snapshot(&snapshot()).expect("a snapshot");
    assert_eq!(
        ours.compare(&arrived(|_| {})),
        Ok(Tally {
            series: 1,
            coarser: 0,
            buckets: 2,
            numbers: 4
        })
    );
}

#[test]
fn every_number_of_a_histogram_counts() {
    let spoilt = [
        ("scale", json!(4)),
        ("count", json!(4)),
        ("sum", json!(3.001e-6)),
        ("min", json!(1e-9)),
        ("max", json!(2.001e-6)),
        ("zero_count", json!(0)),
        ("buckets", json!([[-638, 1], [-605, 1]])),
        ("buckets", json!([[-638, 1], [-606, 1], [9, 1]])),
    ];
    for (field, value) in spoilt {
        let found = arrived(|histogram| histogram[field] = value.clone());
        assert_eq!(differences(&found).len(), 1, "{field} = {value}");
    }
}

#[test]
fn a_lost_series_and_an_invented_one_are_found() {
    let mut found = arrived(|_| {});
    found.durations.clear();
    assert!(
        differences(&found)
            .iter()
            .any(|said| said.ends_with("has no histogram"))
    );

    let mut found = arrived(|_| {});
    found
        .numbers
        .insert((String::from("khive.perf.function.polls"), Key::new()), 1);
    assert!(
        differences(&found)
            .iter()
            .any(|said| said.ends_with("was never recorded"))
    );
}

#[test]
fn a_number_that_differs_is_found() {
    let mut found = arrived(|_| {});
    found.numbers.values_mut().for_each(|number| *number += 1);
    assert_eq!(differences(&found).len(), 4);
}

#[test]
fn an_empty_recording_shows_nothing() {
    let nothing = Recording::default();
    assert!(nothing.compare(&Recording::default()).is_err());
}

#[test]
fn seconds_come_back_as_the_nanoseconds_they_were() {
    for ns in [
        0,
        1,
        999_999_999,
        1_000_000_001,
        86_400_000_000_007,
        (1 << 53) - 1,
    ] {
        #[expect(
            clippy::cast_precision_loss,
            reason = "what the wire does to it is the point"
        )]
        let seconds = ns as f64 / NS_PER_S;
        assert_eq!(to_ns(seconds), ns);
    }
}

#[test]
fn a_histogram_too_wide_for_a_point_is_compared_as_it_is_sent() {
    let wide = json!([[-1001, 2], [-1000, 1], [-999, 4], [-1, 8]]);
    let mut ours = Recording::of_snapshot(&snapshot()).expect("a snapshot");
    let histogram = ours.durations.values_mut().next().expect("a histogram");
    histogram.buckets = buckets(&wide).expect("buckets");
    let spoilt = |scale: i64, buckets: Value| {
        let found = arrived(|histogram| {
            histogram["scale"] = scale.into();
            histogram["buckets"] = buckets;
        });
        ours.compare(&found)
    };
    // 1001 buckets wide: two merges make it 251.
    let tally = spoilt(3, json!([[-251, 2], [-250, 5], [-1, 8]]));
    assert_eq!(
        tally,
        Ok(Tally {
            series: 1,
            coarser: 1,
            buckets: 3,
            numbers: 4
        })
    );
    assert!(
        spoilt(3, json!([[-251, 3], [-250, 4], [-1, 8]])).is_err(),
        "a count in the wrong bucket"
    );
    assert!(spoilt(5, wide).is_err(), "finer than fits");
    assert!(
        spoilt(2, json!([[-126, 2], [-125, 5], [-1, 8]])).is_err(),
        "coarser than needed"
    );
}
