//! Recommendations: each rule finds what it is for and not its near miss; ranking, acknowledging and verifying.

use std::path::Path;
use std::process::{Command, Output};

use khive_perf_analysis::model::{CallsiteKey, ExpHistogram};
use khive_perf_analysis::points::spans::{
    Id, Operation, OperationSpans, ResourceSpans, Span, SpanKind, SpanStatus,
};
use khive_perf_analysis::points::{
    Attributes, Batch, ExpPoint, Kind, MetricPoints, Point, ResourcePoints, Temporality, Value,
};
use khive_perf_analysis::recommend::{
    CallsiteFacts, Facts, Leak, Outcome, RULES, findings, verify,
};
use khive_perf_analysis::store::{Ending, NewRun, Status, Store, Target};
use serde_json::json;

use crate::support::{SECOND, START, db_in};

/// A thousand calls of a millisecond each, all of it their own, with nothing to find.
fn plain(name: &str) -> CallsiteFacts {
    CallsiteFacts {
        key: CallsiteKey {
            service: "shop".into(),
            group: String::new(),
            name: name.into(),
        },
        place: Some(("src/shop.rs".into(), 7)),
        calls: [1_000.0, 0.0, 0.0, 0.0],
        ok: histogram(&[(1_000, 1e-3)]),
        wall_s: [1.0, 0.0, 0.0, 0.0],
        self_s: 1.0,
        busy_s: 1.0,
        ..CallsiteFacts::default()
    }
}

fn histogram(values: &[(u64, f64)]) -> ExpHistogram {
    let mut histogram = ExpHistogram {
        scale: 5,
        ..ExpHistogram::default()
    };
    for &(count, seconds) in values {
        #[expect(clippy::cast_possible_truncation, reason = "a few hundred")]
        let index = (seconds.log2() * 32.0).ceil() as i32 - 1;
        *histogram.buckets.entry(index).or_default() += count;
        histogram.count += count;
        histogram.sum += seconds * count as f64;
        histogram.min = Some(histogram.min.map_or(seconds, |min| min.min(seconds)));
        histogram.max = Some(histogram.max.map_or(seconds, |max| max.max(seconds)));
    }
    histogram
}

/// Nothing is found in it: no function takes a quarter of the time.
fn facts() -> Facts {
    let names = ["a", "b", "c", "d", "e"];
    Facts {
        seconds: 10.0,
        callsites: names.map(plain).into(),
        ..Facts::default()
    }
}

/// The rules that find something once the first callsite is changed so.
fn found(change: impl FnOnce(&mut CallsiteFacts)) -> Vec<&'static str> {
    let mut facts = facts();
    change(&mut facts.callsites[0]);
    rules(&facts)
}

fn rules(facts: &Facts) -> Vec<&'static str> {
    findings(facts).iter().map(|finding| finding.rule).collect()
}

#[test]
fn where_nothing_is_wrong_nothing_is_said() {
    assert_eq!(rules(&facts()), [""; 0]);
    assert_eq!(rules(&Facts::default()), [""; 0]);
}

#[test]
fn time_that_one_function_takes_is_found() {
    assert_eq!(found(|of| of.self_s = 1.4), ["hot-function"]);
    assert_eq!(found(|of| of.self_s = 1.3), [""; 0]);
    let tail = |high| histogram(&[(980, 1e-3), (20, high)]);
    assert_eq!(found(|of| of.ok = tail(0.025)), ["long-tail"]);
    assert_eq!(found(|of| of.ok = tail(0.015)), [""; 0]);
    assert_eq!(found(|of| of.slow_calls = 10.0), ["slow-calls"]);
    assert_eq!(found(|of| of.slow_calls = 9.0), [""; 0]);
    assert_eq!(found(|of| of.overhead_s = 0.06), ["measuring-overhead"]);
    assert_eq!(found(|of| of.overhead_s = 0.04), [""; 0]);
}

#[test]
fn processors_that_are_fought_for_are_found() {
    let mut facts = facts();
    facts.involuntary_switches = 10_000.0;
    assert_eq!(rules(&facts), ["crowded-processors"]);
    facts.involuntary_switches = 9_999.0;
    assert_eq!(rules(&facts), [""; 0]);
}

#[test]
fn futures_that_hold_up_others_are_found() {
    let future = |polls: f64, longest: f64| {
        move |of: &mut CallsiteFacts| {
            of.polls = polls;
            of.longest_poll_s = longest;
        }
    };
    assert_eq!(
        found(future(1e6, 0.010)),
        ["polled-in-vain", "blocking-in-async"]
    );
    assert_eq!(found(future(50_000.0, 0.0099)), [""; 0]);
    assert_eq!(found(future(10_000.0, 0.0099)), ["slow-polls"]);
    assert_eq!(found(future(99_999.0, 0.001)), [""; 0]);
    let once = |busy: f64| {
        found(move |of| {
            (of.polls, of.calls) = (2.0, [2.0, 0.0, 0.0, 0.0]);
            (of.busy_s, of.self_s) = (busy, 5e-5);
        })
    };
    assert_eq!(once(2.0), ["never-yields"]);
    assert_eq!(once(1.9), [""; 0]);
}

#[test]
fn futures_that_wait_or_never_end_are_found() {
    let waits = |idle: f64, wall: f64| {
        found(move |of| (of.idle_s, of.wall_s) = (idle, [wall, 0.0, 0.0, 0.0]))
    };
    assert_eq!(waits(95.0, 100.0), ["mostly-waiting"]);
    assert_eq!(waits(94.0, 100.0), [""; 0]);
    assert_eq!(waits(95.0, 99.0), [""; 0]);
    assert_eq!(found(|of| of.in_flight = 100.0), ["unfinished-calls"]);
    assert_eq!(found(|of| of.in_flight = 99.0), [""; 0]);
}

#[test]
fn work_whose_result_nobody_gets_is_found() {
    let errors = |errors: f64, seconds: f64| {
        found(move |of| (of.calls[1], of.wall_s[1]) = (errors, seconds))
    };
    assert_eq!(errors(20.0, 0.1), ["errors-cost-time"]);
    assert_eq!(errors(5.0, 0.1), [""; 0]);
    assert_eq!(errors(20.0, 0.05), [""; 0]);
    assert_eq!(found(|of| of.calls[2] = 1.0), ["panics"]);
    let cancelled = |calls: f64| found(move |of| (of.calls[3], of.wall_s[3]) = (calls, 0.2));
    assert_eq!(cancelled(60.0), ["cancelled-work"]);
    assert_eq!(cancelled(40.0), [""; 0]);
    let misses = |misses: f64, group: &'static str| {
        found(move |of| {
            of.key.group = group.into();
            of.calls = [1_000.0, misses, 0.0, 0.0];
        })
    };
    assert_eq!(misses(1_000.0, "cache"), ["cache-misses"]);
    assert_eq!(misses(900.0, "cache"), [""; 0]);
    assert_eq!(misses(1_000.0, "other"), [""; 0]);
}

#[test]
fn memory_that_costs_time_or_stays_is_found() {
    let allocations = |each: f64, busy: f64| {
        found(move |of| (of.allocations, of.busy_s) = (each * 1_000.0, busy))
    };
    assert_eq!(allocations(5_000.0, 1.0), ["hot-allocations"]);
    assert_eq!(allocations(5_000.0, 2.0), [""; 0]);
    assert_eq!(allocations(15.0, 1e-3), [""; 0]);
    assert_eq!(
        found(|of| of.bytes = 1_048_576_000.0),
        ["large-allocations"]
    );
    assert_eq!(found(|of| of.bytes = 1_048_575_000.0), [""; 0]);
    let leak = |verdict: &str| {
        let leak = Leak {
            service: "shop".into(),
            name: "session::load".into(),
            verdict: verdict.into(),
            bytes_per_hour: 1e6,
            ..Leak::default()
        };
        rules(&Facts {
            leaks: vec![leak],
            ..facts()
        })
    };
    assert_eq!(
        (leak("leaking"), leak("suspect")),
        (vec!["leak"], vec!["leak"])
    );
    assert_eq!(leak("plateau"), [""; 0]);
}

#[test]
fn every_rule_is_documented_and_fires_in_a_test() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let docs = std::fs::read_to_string(root.join("../docs/recommendations.md")).unwrap();
    let tests = include_str!("recommending.rs");
    for rule in RULES {
        assert!(docs.contains(&format!("`{}`", rule.name)), "{}", rule.name);
        assert!(
            tests.contains(&format!("\"{}\"", rule.name)),
            "{}",
            rule.name
        );
    }
}

#[test]
fn the_costliest_comes_first_and_what_costs_nothing_is_not_told() {
    let mut facts = facts();
    facts.callsites[0].overhead_s = 0.5;
    facts.callsites[1].overhead_s = 0.9;
    facts.callsites[2].self_s = 0.001;
    facts.callsites[2].overhead_s = 0.0005;
    let found = findings(&facts);
    let names: Vec<&str> = found
        .iter()
        .map(|finding| finding.callsite.as_str())
        .collect();
    assert_eq!(names, ["b", "a"]);
    assert!(
        found[0]
            .share
            .is_some_and(|share| (share - 0.9 / 4.001).abs() < 1e-9)
    );
    assert_eq!(findings(&facts), found, "the same each time");
    let ids: Vec<String> = found.iter().map(|finding| finding.id.clone()).collect();
    facts.callsites[1].overhead_s = 0.2;
    let later: Vec<String> = findings(&facts)
        .into_iter()
        .map(|finding| finding.id)
        .collect();
    assert_eq!(
        later,
        [ids[1].clone(), ids[0].clone()],
        "ids are not of the numbers"
    );
}

#[test]
fn what_a_change_saved_is_told_of_each_finding() {
    let mut before = facts();
    before.callsites[0].overhead_s = 0.5;
    before.callsites[1].slow_calls = 100.0;
    before.callsites[2].calls[2] = 1.0;
    let mut after = facts();
    after.callsites[0].busy_s = 0.25;
    after.callsites[1].slow_calls = 50.0;
    after.callsites.remove(2);
    let saved = verify(&before, &after);
    let outcomes: Vec<_> = saved
        .iter()
        .map(|of| (of.finding.rule, of.outcome))
        .collect();
    for expected in [
        ("measuring-overhead", Outcome::Gone),
        ("slow-calls", Outcome::Remains),
        ("panics", Outcome::NotCalled),
    ] {
        assert!(outcomes.contains(&expected), "{outcomes:?}");
    }
    let gone = saved.iter().find(|of| of.outcome == Outcome::Gone).unwrap();
    assert!(
        gone.saved_per_call_s
            .is_some_and(|saved| (saved - 0.75e-3).abs() < 1e-12)
    );
}

/// A run in which one function panicked.
fn record(store: &Store, name: &str, panics: i64) {
    let run = NewRun {
        name: name.into(),
        started_unix_ns: START,
        ..NewRun::default()
    };
    let run = store.create_run(&run).unwrap();
    let point = |outcome: &str, value| Point {
        attributes: Attributes::from([
            ("code.function.name".into(), json!("shop::pay")),
            ("code.file.path".into(), json!("src/pay.rs")),
            ("code.line.number".into(), json!(12)),
            ("khive.perf.outcome".into(), json!(outcome)),
        ]),
        start_unix_ns: START,
        time_unix_ns: START + SECOND,
        value,
    };
    let metric = |name: &str, kind, points| MetricPoints {
        scope_name: "khive-perf".into(),
        scope_version: String::new(),
        scope_attributes: Attributes::new(),
        name: format!("khive.perf.function.{name}"),
        unit: "s".into(),
        kind,
        temporality: Temporality::Cumulative,
        monotonic: kind == Kind::Sum,
        points,
    };
    let times = ExpPoint {
        histogram: histogram(&[(10, 1e-3)]),
        has_sum: true,
        zero_threshold: 0.0,
    };
    let mut calls = vec![point("ok", Value::Int(10))];
    if panics > 0 {
        calls.push(point("panic", Value::Int(panics)));
    }
    let metrics = vec![
        metric("calls", Kind::Sum, calls),
        metric(
            "duration",
            Kind::ExpHistogram,
            vec![point("ok", Value::ExpHistogram(times))],
        ),
        metric(
            "self_time",
            Kind::Sum,
            vec![point("ok", Value::Double(0.01))],
        ),
        metric(
            "busy_time",
            Kind::Sum,
            vec![point("ok", Value::Double(0.01))],
        ),
    ];
    let resource = Attributes::from([("service.name".into(), json!("shop"))]);
    let resources = vec![ResourcePoints { resource, metrics }];
    store
        .append(Target::Run(run), &Batch { resources })
        .unwrap();
    let ending = Ending {
        ended_unix_ns: START + SECOND,
        exit_code: Some(0),
        status: Status::Complete,
    };
    store.finish_run(run, ending).unwrap();
}

fn recommend(db: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_khive-perf"));
    command.arg("recommend").args(arguments).arg("--db").arg(db);
    command.output().unwrap()
}

fn answer(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[test]
fn on_the_command_line_findings_are_told_left_alone_and_verified() {
    let dir = tempfile::tempdir().unwrap();
    let db = db_in(&dir);
    let store = Store::open(&db).unwrap();
    record(&store, "before", 2);
    record(&store, "after", 0);
    let text = answer(&recommend(&db, &["before"]));
    assert!(
        text.contains("panics at shop::pay (src/pay.rs:12)"),
        "{text}"
    );
    assert_eq!(answer(&recommend(&db, &["before"])), text, "byte for byte");
    let json: serde_json::Value =
        serde_json::from_str(&answer(&recommend(&db, &["before", "--format", "json"]))).unwrap();
    let panics = json["findings"].as_array().unwrap();
    let panics = panics.iter().find(|of| of["rule"] == "panics").unwrap();
    let id = panics["id"].as_str().unwrap();
    assert!(text.contains(id));
    answer(&recommend(
        &db,
        &["--acknowledge", id, "--because", "it is a test"],
    ));
    let text = answer(&recommend(&db, &["before"]));
    assert!(
        text.contains("left alone:") && text.contains("it is a test"),
        "{text}"
    );
    answer(&recommend(&db, &["--forget", id]));
    assert_eq!(recommend(&db, &["--forget", id]).status.code(), Some(2));
    assert_eq!(
        recommend(&db, &["--forget", "novel"]).status.code(),
        Some(2)
    );
    let text = answer(&recommend(&db, &["before", "--verify", "after"]));
    assert!(text.contains("gone") && text.contains("panics"), "{text}");
    assert_eq!(recommend(&db, &["unknown"]).status.code(), Some(2));
}

/// Spans of one trace below a root of 100 ms: name, kind, start and length in milliseconds, what it asks for.
fn traced(children: &[(&str, SpanKind, u64, u64, Option<&str>)]) -> Vec<ResourceSpans> {
    const MS: u64 = SECOND / 1_000;
    let span = |id: u64, parent: Option<u64>, start: u64, length: u64, asks: Option<&str>| Span {
        trace_id: Id([7; 16]),
        span_id: Id((id + 1).to_be_bytes()),
        parent_span_id: parent.map(|id| Id((id + 1).to_be_bytes())),
        start_unix_ns: START + start * MS,
        duration_ns: length * MS,
        status: SpanStatus::Unset,
        attributes: asks
            .map(|asks| ("db.query.text".to_owned(), json!(asks)))
            .into_iter()
            .collect(),
    };
    let operation = |name: &str, kind| Operation {
        name: name.to_owned(),
        kind,
        ..Operation::default()
    };
    let mut operations = vec![OperationSpans {
        operation: operation("checkout", SpanKind::Server),
        spans: vec![span(0, None, 0, 100, None)],
    }];
    for (id, (name, kind, start, length, asks)) in (1..).zip(children) {
        let of = operation(name, *kind);
        let span = span(id, Some(0), *start, *length, *asks);
        match operations.iter_mut().find(|known| known.operation == of) {
            Some(known) => known.spans.push(span),
            None => operations.push(OperationSpans {
                operation: of,
                spans: vec![span],
            }),
        }
    }
    let resource = Attributes::from([("service.name".to_owned(), json!("shop"))]);
    vec![ResourceSpans {
        resource,
        operations,
    }]
}

/// The rules that find something in these children, and what they save in milliseconds.
fn found_in(children: &[(&str, SpanKind, u64, u64, Option<&str>)]) -> Vec<(&'static str, f64)> {
    let facts = Facts::default().with_spans(&traced(children));
    let found = findings(&facts);
    let saving = |of: &khive_perf_analysis::recommend::Finding| (of.saving_s * 1e3).round();
    found.iter().map(|of| (of.rule, saving(of))).collect()
}

#[test]
fn the_same_call_again_and_again_below_one_is_found() {
    use SpanKind::Client;
    let texts: Vec<String> = (0..12).map(|id| format!("SELECT {id}")).collect();
    let many = |number: usize, length: u64| {
        let of = |at: usize| ("query", Client, 8 * at as u64, length, Some(&*texts[at]));
        (0..number).map(of).collect::<Vec<_>>()
    };
    assert_eq!(found_in(&many(5, 7)), [("n-plus-one", 28.0)]);
    assert_eq!(found_in(&many(4, 7)), []);
    // All at the same time cost what the longest does, and so nothing could be saved.
    let at_once: Vec<_> = (0..5)
        .map(|at| ("query", Client, 0, 7, Some(&*texts[at])))
        .collect();
    assert_eq!(found_in(&at_once), []);
    let same: Vec<_> = (0..6)
        .map(|at| ("query", Client, 8 * at, 7, Some("SELECT 1")))
        .collect();
    assert_eq!(found_in(&same), [("redundant-calls", 35.0)]);
    // Where nothing tells what they ask for, they are taken to differ.
    let bare: Vec<_> = (0..6)
        .map(|at| ("query", Client, 8 * at, 7, None))
        .collect();
    assert_eq!(found_in(&bare), [("n-plus-one", 35.0)]);
}

#[test]
fn waiting_one_after_the_other_is_found() {
    use SpanKind::{Client, Internal};
    let chain = |kind| {
        [
            ("GET /stock", kind, 0, 20, None),
            ("GET /price", kind, 20, 30, None),
            ("GET /user", kind, 60, 25, None),
        ]
    };
    assert_eq!(found_in(&chain(Client)), [("serialised-awaits", 45.0)]);
    // Work of its own is not waited for.
    assert_eq!(found_in(&chain(Internal)), []);
    let mut overlapping = chain(Client);
    overlapping[1].2 = 10;
    assert_eq!(found_in(&overlapping), []);
    let mut same = chain(Client);
    same[1].0 = "GET /stock";
    assert_eq!(found_in(&same), []);
}

#[test]
fn a_call_that_makes_many_at_once_is_found() {
    let many = |number: usize| {
        let child = ("fetch", SpanKind::Internal, 0, 50, None);
        vec![child; number]
    };
    let rules: Vec<&str> = found_in(&many(21)).iter().map(|(rule, _)| *rule).collect();
    assert_eq!(rules, ["fan-out"]);
    assert_eq!(found_in(&many(20)), []);
}

#[test]
fn waiting_for_a_turn_is_found_by_its_name() {
    let waits = |name: &str| {
        let mut facts = facts();
        let of = &mut facts.callsites[0];
        of.key.name = name.to_owned();
        of.ok = histogram(&[(1_000, 2e-3)]);
        (of.busy_s, of.self_s, of.idle_s) = (0.01, 0.01, 1.99);
        of.wall_s[0] = 2.0;
        rules(&facts)
    };
    assert_eq!(waits("shop::pool::acquire"), ["contended-wait"]);
    assert_eq!(waits("shop::pool::query"), [""; 0]);
}

#[test]
fn sampled_traces_stand_for_all_calls() {
    let children: Vec<_> = (0..5)
        .map(|at| ("a", SpanKind::Client, 8 * at, 7, None))
        .collect();
    let spans = traced(&children);
    // The metrics know of a thousand calls, of which five were traced.
    let found = findings(&facts().with_spans(&spans));
    assert_eq!(found[0].rule, "n-plus-one");
    assert!(
        (found[0].saving_s - 0.028 * 200.0).abs() < 1e-9,
        "{found:?}"
    );
}
