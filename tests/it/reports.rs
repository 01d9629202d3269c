//! Reports: deterministic, complete, and JSON that parses.

use std::time::Duration;

use khive_perf::testing::{Capture, ManualClock};
use khive_perf::{Snapshot, measure, report};

#[measure(name = "odd \"name\"\\", group = "group\n", fields(who = "me\u{1}", share = f64::NAN))]
fn odd(clock: &ManualClock) {
    clock.advance(Duration::from_micros(1500));
    let _ = inner(clock);
}

#[measure(err)]
fn inner(clock: &ManualClock) -> Result<(), ()> {
    clock.advance(Duration::from_millis(2));
    Err(())
}

fn sample() -> Snapshot {
    let clock = ManualClock::new();
    Capture::new()
        .clock(&clock)
        .run(|| odd(&clock))
        .1
        .into_snapshot()
}

#[test]
fn json_is_valid_and_exact_whatever_names_hold() {
    let json: serde_json::Value = serde_json::from_str(&report::json(&sample())).unwrap();
    let [inner, odd] = json["callsites"].as_array().unwrap().as_slice() else {
        panic!("{json}")
    };
    assert_eq!(odd["name"], "odd \"name\"\\");
    assert_eq!(odd["group"], "group\n");
    assert_eq!(odd["attributes"]["who"], "me\u{1}");
    assert_eq!(odd["attributes"]["share"], "NaN");
    assert_eq!(odd["outcomes"]["ok"]["wall"]["sum_ns"], 3_500_000);
    assert_eq!(odd["self_ns"], 1_500_000);
    assert_eq!(inner["outcomes"]["error"]["calls"], 1);
    assert!(inner["outcomes"].get("ok").is_none());
    let buckets = inner["outcomes"]["error"]["wall"]["buckets"]
        .as_array()
        .unwrap();
    assert_eq!(buckets.len(), 1);
    // 2 ms: (2^(-287/32), 2^(-286/32)] seconds.
    assert_eq!(buckets[0], serde_json::json!([-287, 1]));
    assert_eq!(json["call_tree"][0]["children"][0]["total_ns"], 2_000_000);
}

#[test]
fn the_same_snapshot_gives_the_same_bytes() {
    let snapshot = sample();
    assert_eq!(report::json(&snapshot), report::json(&snapshot));
    assert_eq!(report::text(&snapshot), report::text(&snapshot));
}

#[test]
fn the_text_has_functions_failures_and_paths() {
    let text = report::text(&sample());
    for part in [
        "2 callsites called",
        "by time spent",
        "1.50 ms",
        "3.50 ms",
        "did not end well",
        "by path",
    ] {
        assert!(text.contains(part), "`{part}` is missing in\n{text}");
    }
    assert_eq!(
        report::text(&Snapshot::empty()),
        "khive-perf: 0 callsites called in 0.0 s\n"
    );
}
