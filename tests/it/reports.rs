//! Reports: deterministic, complete, and JSON that parses.

use std::future::{Future as _, poll_fn};
use std::task::{Context as Task, Poll, Waker};
use std::time::Duration;

use khive_perf::testing::{Capture, ManualClock};
use khive_perf::trace::{self, Collector, TraceConfig};
use khive_perf::{Context, FutureExt as _, Snapshot, measure, report};
use serde_json::Value;

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
    let json: Value = serde_json::from_str(&report::json(&sample())).unwrap();
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

/// An event that lasts: process, thread, beginning, end, name.
type Lasting = (u64, u64, u64, u64, String);

/// Reads trace events by the rules of their format, and asserts that viewers can draw them: what overlaps on a thread is
/// nested.
fn read_events(json: &str) -> (Vec<Lasting>, Vec<Value>) {
    let file: Value = serde_json::from_str(json).expect("JSON");
    assert!(file["displayTimeUnit"] == "ns" && file["otherData"].is_object());
    let ns = |value: &Value| {
        let micros = Duration::from_secs_f64(value.as_f64().expect("microseconds") / 1e6);
        u64::try_from(micros.as_nanos()).expect("a short time")
    };
    let (mut lasting, mut others) = (Vec::new(), Vec::new());
    for event in file["traceEvents"].as_array().expect("events") {
        let process = event["pid"].as_u64().expect("a process");
        match event["ph"].as_str().expect("a phase") {
            "X" => {
                let start = ns(&event["ts"]);
                let name = event["name"].as_str().expect("a name").to_owned();
                assert!(event["cat"].is_string() && event["args"].is_object());
                let thread = event["tid"].as_u64().expect("a thread");
                lasting.push((process, thread, start, start + ns(&event["dur"]), name));
            }
            "i" => {
                assert!(event["ts"].is_number() && event["s"] == "t");
                others.push(event.clone());
            }
            "M" => {
                assert!(event["name"] == "process_name" && event["args"]["name"].is_string());
                others.push(event.clone());
            }
            other => panic!("no such phase: {other}"),
        }
    }
    for one in &lasting {
        for other in &lasting {
            let on_one_thread = (one.0, one.1) == (other.0, other.1);
            let is_apart = one.3 <= other.2 || other.3 <= one.2;
            let is_nested =
                (one.2 <= other.2 && other.3 <= one.3) || (other.2 <= one.2 && one.3 <= other.3);
            assert!(
                !on_one_thread || is_apart || is_nested,
                "{one:?} and {other:?}"
            );
        }
    }
    (lasting, others)
}

#[test]
fn the_call_tree_is_drawn_with_each_path_as_wide_as_it_took() {
    let (lasting, others) = read_events(&report::chrome_tree(&sample()));
    assert_eq!(others.len(), 1);
    let [outer, inner] = lasting.as_slice() else {
        panic!("{lasting:?}");
    };
    assert_eq!(
        (outer.2, outer.3, outer.4.as_str()),
        (0, 3_500_000, "odd \"name\"\\")
    );
    assert_eq!((inner.2, inner.3), (0, 2_000_000));
    assert!(
        read_events(&report::chrome_tree(&Snapshot::empty()))
            .0
            .is_empty()
    );
}

#[test]
fn traces_are_drawn_with_what_ran_at_the_same_time_side_by_side() {
    let clock = ManualClock::new();
    let ms = Duration::from_millis(1);
    let collector = Collector::new(TraceConfig::default());
    let (spans, _) = Capture::new().clock(&clock).run(|| {
        collector
            .root("request \"1\"")
            .attribute("user", "a\nb")
            .scope(|| {
                let context = Context::current();
                let [mut one, mut two] = ["one", "two"].map(|name| {
                    let clock = clock.clone();
                    let mut polls = 0;
                    let future = poll_fn(move |_| {
                        clock.advance(ms);
                        polls += 1;
                        if polls == 3 {
                            Poll::Ready(())
                        } else {
                            Poll::Pending
                        }
                    });
                    Box::pin(context.attach(future.measured(name)))
                });
                trace::event("both begin");
                for _ in 0..3 {
                    let mut task = Task::from_waker(Waker::noop());
                    let _ = (one.as_mut().poll(&mut task), two.as_mut().poll(&mut task));
                }
            });
        collector.root("request 2").scope(|| clock.advance(ms));
        collector.take(usize::MAX)
    });
    let (lasting, others) = read_events(&report::chrome_spans(&spans));
    let of = |name: &str| {
        let mut found = lasting.iter().filter(|event| event.4 == name);
        found.next().cloned().expect("an event")
    };
    let (root, one, two, other) = (of("request \"1\""), of("one"), of("two"), of("request 2"));
    assert_eq!((root.2, root.3), (0, 6_000_000));
    assert_eq!(
        (one.2, one.3, two.2, two.3),
        (0, 5_000_000, 1_000_000, 6_000_000)
    );
    assert_eq!(
        (one.0, one.1),
        (root.0, root.1),
        "what can lie below its parent does"
    );
    assert_eq!(two.0, root.0);
    assert_ne!(two.1, root.1);
    assert_ne!(other.0, root.0, "each trace is drawn by itself");
    assert_eq!(others.len(), 3);
    let file: Value = serde_json::from_str(&report::chrome_spans(&spans)).unwrap();
    let events = file["traceEvents"].as_array().unwrap();
    let root = events
        .iter()
        .find(|event| event["name"] == "request \"1\"")
        .unwrap();
    assert_eq!(root["args"]["user"], "a\nb");
    assert_eq!(root["args"]["span_id"], spans[0].span_id().to_string());
    let first = spans.iter().map(|span| span.start_unix_ns()).min().unwrap();
    assert_eq!(file["otherData"]["start_unix_ns"], first.to_string());
}
