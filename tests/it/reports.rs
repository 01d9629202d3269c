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

/// A sample of the text format: name, labels, value.
type Sample = (String, Vec<(String, String)>, f64);

/// Reads a sample by the grammar of OpenMetrics, and nothing else.
fn read_sample(line: &str) -> Sample {
    let (name, rest) = line.split_once('{').expect("labels");
    let mut labels = Vec::new();
    let mut rest = rest;
    loop {
        let (key, after) = rest.split_once("=\"").expect("a value");
        assert!(
            key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'),
            "{key}"
        );
        let mut value = String::new();
        let mut characters = after.char_indices();
        let end = loop {
            match characters.next().expect("a closing quote") {
                (at, '"') => break at + 1,
                (_, '\\') => match characters.next().expect("what is escaped").1 {
                    'n' => value.push('\n'),
                    other => value.push(other),
                },
                (_, other) => value.push(other),
            }
        };
        labels.push((key.to_owned(), value));
        rest = &after[end..];
        match rest.strip_prefix(',') {
            Some(more) => rest = more,
            None => break,
        }
    }
    let value = rest.strip_prefix("} ").expect("a value").parse();
    (name.to_owned(), labels, value.expect("a number"))
}

#[test]
fn prometheus_gets_what_was_recorded_whatever_names_hold() {
    let text = report::prometheus(&sample());
    assert!(text.ends_with("# EOF\n") && !text.contains("\n\n"));
    let samples: Vec<Sample> = text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(read_sample)
        .collect();
    let is_odd = |labels: &[(String, String)]| {
        labels
            .iter()
            .any(|(key, value)| key == "name" && value == "odd \"name\"\\")
    };
    let of = |name: &str| -> Vec<f64> {
        let odd = samples
            .iter()
            .filter(|(of, labels, _)| of == name && is_odd(labels));
        odd.map(|(_, _, value)| *value).collect()
    };
    assert_eq!(of("khive_perf_function_calls_total"), [1.0]);
    assert_eq!(of("khive_perf_function_duration_seconds_count"), [1.0]);
    assert_eq!(of("khive_perf_function_duration_seconds_sum"), [0.0035]);
    assert_eq!(of("khive_perf_function_self_time_seconds_total"), [0.0015]);
    let buckets = of("khive_perf_function_duration_seconds_bucket");
    assert!(buckets.is_sorted() && buckets.len() == 15, "{buckets:?}");
    // 3.5 ms is above 2^-10 s and below 2^-8 s.
    assert_eq!((buckets[5], buckets[6], buckets[14]), (0.0, 1.0, 1.0));
    let odd = samples
        .iter()
        .find(|(_, labels, _)| is_odd(labels))
        .unwrap();
    assert!(
        odd.1.contains(&("group".to_owned(), "group\n".to_owned())),
        "{odd:?}"
    );
    assert!(
        odd.1
            .contains(&("field_share".to_owned(), "NaN".to_owned())),
        "{odd:?}"
    );
}

#[test]
fn a_flame_graph_gets_the_tree_with_the_time_of_each_path() {
    let folded = report::folded(&sample());
    let lines: Vec<_> = folded
        .lines()
        .map(|line| line.rsplit_once(' ').unwrap())
        .collect();
    let [(outer, own), (both, inner)] = lines.as_slice() else {
        panic!("{folded}");
    };
    assert_eq!((*own, *inner), ("1500000", "2000000"));
    assert!(both.starts_with(&format!("{outer};")), "{folded}");
}
