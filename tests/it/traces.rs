//! Traces: which calls become spans, below which, which traces are kept, and what is told to other services.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::{Context as Task, Waker};
use std::time::Duration;

use khive_perf::testing::{Capture, Captured, ManualClock, capture, capture_async};
use khive_perf::trace::{
    self, Baggage, Collector, Kept, Sampler, Span, SpanContext, SpanKind, TraceConfig,
};
use khive_perf::{AttributeValue, Context, FutureExt as _, Outcome, measure, span};
use tracing::{info_span, subscriber};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry;

const MS: Duration = Duration::from_millis(1);
pub(crate) const CALLER: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

#[measure]
pub(crate) fn leaf() {}

#[measure(err)]
fn may_fail(fails: bool) -> Result<(), ()> {
    leaf();
    if fails { Err(()) } else { Ok(()) }
}

#[measure]
fn branch() {
    leaf();
    let _region = span!("region");
    leaf();
}

#[measure]
pub(crate) async fn waits(times: u32) {
    for _ in 0..times {
        tokio::task::yield_now().await;
        leaf();
    }
}

pub(crate) fn collector() -> Collector {
    Collector::new(TraceConfig::default())
}

/// All that is kept, as `name < parent's name`, in the order of beginning.
pub(crate) fn family(spans: &[Span]) -> Vec<String> {
    let names: BTreeMap<_, _> = spans.iter().map(|span| (span.span_id(), span)).collect();
    let short = |span: &Span| span.name().rsplit("::").next().unwrap_or("").to_owned();
    let shown = |span: &Span| {
        let parent = span.parent_id().and_then(|id| names.get(&id));
        let parent = parent.map_or_else(|| "-".to_owned(), |parent| short(parent));
        format!("{} < {parent}", short(span))
    };
    spans.iter().map(shown).collect()
}

pub(crate) fn taken(collector: &Collector) -> Vec<Span> {
    collector.take(usize::MAX)
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .build()
        .unwrap()
}

#[test]
fn each_measured_call_is_a_span_below_the_one_that_made_it() {
    let collector = collector();
    collector.root("request").scope(|| {
        branch();
        leaf();
    });
    let spans = taken(&collector);
    assert_eq!(
        family(&spans),
        [
            "request < -",
            "branch < request",
            "leaf < branch",
            "region < branch",
            "leaf < region",
            "leaf < request"
        ]
    );
    let root = spans.first().unwrap();
    assert!(spans.iter().all(|span| span.trace_id() == root.trace_id()));
    assert!(root.is_root() && root.parent_id().is_none());
    assert_eq!(
        (root.kept(), root.kind()),
        (Some(Kept::Sampled), SpanKind::Internal)
    );
    assert_eq!(collector.kept(), 6);
    assert_eq!((collector.waiting(), taken(&collector).len()), (0, 0));
}

#[test]
fn times_are_those_of_the_calls() {
    let clock = ManualClock::new();
    let collector = collector();
    let _ = Capture::new().clock(&clock).run(|| {
        collector.root("request").scope(|| {
            clock.advance(2 * MS);
            {
                let _region = span!("region");
                clock.advance(3 * MS);
                trace::event("half way");
                clock.advance(4 * MS);
            }
            clock.advance(MS);
        });
    });
    let spans = taken(&collector);
    let [root, region] = spans.as_slice() else {
        panic!("{spans:?}")
    };
    assert_eq!((root.duration(), region.duration()), (10 * MS, 7 * MS));
    let after = |time: u64| Duration::from_nanos(time - root.start_unix_ns());
    assert_eq!(after(region.start_unix_ns()), 2 * MS);
    let [event] = region.events() else {
        panic!("{region:?}")
    };
    assert_eq!(
        (&*event.name, after(event.time_unix_ns)),
        ("half way", 5 * MS)
    );
}

#[test]
fn futures_go_on_as_the_same_span_on_whichever_thread_they_are_polled() {
    let collector = collector();
    runtime().block_on(async {
        let request = collector.root("request").attach(async {
            let first = tokio::spawn(waits(3).in_current_context());
            let second = tokio::spawn(async { waits(2).await }.in_current_context());
            waits(1).await;
            first.await.unwrap();
            second.await.unwrap();
            leaf();
        });
        tokio::spawn(request).await.unwrap();
    });
    let spans = taken(&collector);
    let mut family = family(&spans);
    family.sort();
    let mut expected = vec!["request < -", "leaf < request"];
    expected.extend(["waits < request"; 3]);
    expected.extend(["leaf < waits"; 6]);
    expected.sort_unstable();
    assert_eq!(family, expected);
    assert_eq!(collector.losses(), trace::Losses::default());
}

#[test]
fn two_requests_that_take_turns_on_a_thread_are_two_traces() {
    let collector = collector();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(async {
        let one = collector.root("one").attach(waits(3));
        let two = collector.root("two").attach(waits(3));
        tokio::join!(one, two)
    });
    let spans = taken(&collector);
    for root in spans.iter().filter(|span| span.is_root()) {
        let of = spans
            .iter()
            .filter(|span| span.trace_id() == root.trace_id());
        let own: Vec<Span> = of.cloned().collect();
        assert_eq!(
            family(&own).get(1..).map(|rest| rest.join(" ")),
            Some("waits < ".to_owned() + root.name() + &" leaf < waits".repeat(3))
        );
    }
    assert_eq!(spans.len(), 10);
}

#[test]
fn a_call_is_counted_and_timed_in_a_trace_as_outside_of_one() {
    let clock = ManualClock::new();
    let run = |in_trace: bool| -> Captured {
        let work = || {
            let _inner = span!("inner");
            clock.advance(5 * MS);
            branch();
        };
        let (_, captured) = Capture::new().clock(&clock).run(|| {
            let _outer = span!("outer");
            clock.advance(MS);
            if in_trace {
                collector().root("request").scope(work);
            } else {
                work();
            }
            clock.advance(MS);
        });
        captured
    };
    let (plain, traced) = (run(false), run(true));
    for stats in plain.callsites() {
        let same = traced
            .callsites()
            .iter()
            .find(|other| other.name() == stats.name());
        let same = same.unwrap();
        assert_eq!(same.calls(), stats.calls(), "{}", stats.name());
        assert_eq!(same.self_time(), stats.self_time(), "{}", stats.name());
        assert_eq!(same.wall().sum(), stats.wall().sum(), "{}", stats.name());
    }
    assert_eq!(traced.callsite("outer").unwrap().self_time(), 2 * MS);
    assert_eq!(
        traced.callsite("request").unwrap().self_time(),
        Duration::ZERO
    );
}

#[test]
fn a_trace_goes_on_with_that_of_its_caller_and_tells_its_callees() {
    let collector = collector();
    let mut headers = http::HeaderMap::new();
    headers.insert("traceparent", CALLER.parse().unwrap());
    headers.insert("tracestate", "vendor=1".parse().unwrap());
    headers.insert("baggage", "tenant=blue".parse().unwrap());
    let mut told = http::HeaderMap::new();
    let root = collector.root("request").kind(SpanKind::Server);
    root.caller(&headers).scope(|| trace::inject(&mut told));
    let spans = taken(&collector);
    let [root] = spans.as_slice() else {
        panic!("{spans:?}")
    };
    let caller = SpanContext::from_traceparent(CALLER).unwrap();
    assert_eq!(root.trace_id(), caller.trace_id());
    assert_eq!(root.parent_id(), Some(caller.span_id()));
    assert_eq!(
        (root.kind(), root.trace_state()),
        (SpanKind::Server, "vendor=1")
    );
    let expected = format!("00-{}-{}-01", caller.trace_id(), root.span_id());
    assert_eq!(told.get("traceparent").unwrap(), expected.as_str());
    assert_eq!(told.get("tracestate").unwrap(), "vendor=1");
    assert_eq!(told.get("baggage").unwrap(), "tenant=blue");
}

#[test]
fn without_anybody_to_collect_it_a_trace_is_still_passed_on() {
    let mut told = Vec::new();
    let header = |name: &str| (name == "traceparent").then_some(CALLER);
    let quiet = TraceConfig::default().sampler(Sampler::AlwaysOff);
    let collector = Collector::new(quiet.keep_failed(false).keep_slow(false));
    collector.root("request").caller(header).scope(|| {
        leaf();
        trace::inject(|name: &'static str, value: String| told.push((name, value)));
    });
    assert_eq!((taken(&collector).len(), collector.kept()), (0, 0));
    let [(name, value)] = told.as_slice() else {
        panic!("{told:?}")
    };
    assert_eq!(*name, "traceparent");
    let callee = SpanContext::from_traceparent(value).unwrap();
    let caller = SpanContext::from_traceparent(CALLER).unwrap();
    assert_eq!(callee.trace_id(), caller.trace_id());
    assert!(callee.span_id() != caller.span_id() && !callee.is_sampled());
}

#[test]
fn outside_of_traces_nothing_is_told_and_nothing_recorded() {
    trace::inject(|name: &'static str, _: String| assert!(name.is_empty(), "{name} was set"));
    trace::set_attribute("key", 1);
    trace::event("nothing");
    assert_eq!((trace::span(), Context::current().span()), (None, None));
}

#[test]
fn what_was_not_sampled_is_kept_if_it_fails_panics_or_is_slow() {
    let unsampled = TraceConfig::default().sampler(Sampler::AlwaysOff);
    let collector = Collector::new(unsampled);
    let kept = || taken(&collector).first().and_then(Span::kept);
    collector.root("fine").scope(|| may_fail(false)).unwrap();
    assert_eq!(kept(), None);
    collector
        .root("fails")
        .scope(|| may_fail(true))
        .unwrap_err();
    assert_eq!(kept(), Some(Kept::Failed));
    let panics = || collector.root("panics").scope(|| panic!("on purpose"));
    assert!(catch_unwind(AssertUnwindSafe(panics)).is_err());
    assert_eq!(kept(), Some(Kept::Panicked));

    #[measure(slow = "250ms")]
    fn query(clock: &ManualClock, took: Duration) {
        clock.advance(took);
    }
    let clock = ManualClock::new();
    let _ = Capture::new().clock(&clock).run(|| {
        collector.root("query").scope(|| query(&clock, 249 * MS));
        assert_eq!(kept(), None);
        collector.root("query").scope(|| query(&clock, 250 * MS));
        assert_eq!(kept(), Some(Kept::Slow));
    });
}

#[test]
fn a_root_that_takes_longer_than_usual_is_kept() {
    let unsampled = TraceConfig::default().sampler(Sampler::AlwaysOff);
    let collector = Collector::new(unsampled);
    let clock = ManualClock::new();
    let _ = Capture::new().clock(&clock).run(|| {
        for at in 0..300_u32 {
            // 1 ms each, but for one that comes late.
            let took = if at == 250 { 9 } else { 1 };
            collector.root("request").scope(|| clock.advance(took * MS));
        }
    });
    let spans = taken(&collector);
    let [slow] = spans.as_slice() else {
        panic!("{spans:?}")
    };
    assert_eq!((slow.duration(), slow.kept()), (9 * MS, Some(Kept::Slow)));
    assert!(!slow.is_sampled());
}

#[test]
fn outcomes_and_what_was_said_of_a_span_are_with_it() {
    let collector = collector();
    #[measure(fields(shard), ok_if = |ok: &bool| *ok)]
    fn find(shard: u32) -> bool {
        trace::set_attribute("rows", 1);
        trace::set_attribute("rows", shard * 2);
        let other = SpanContext::from_traceparent(CALLER).unwrap();
        trace::link(other);
        false
    }
    let root = collector.root("request").attribute("http.route", "/find");
    root.scope(|| find(7));
    let spans = taken(&collector);
    let [root, find] = spans.as_slice() else {
        panic!("{spans:?}")
    };
    assert_eq!(root.attributes().len(), 1);
    assert_eq!((find.outcome(), find.is_failure()), (Outcome::Error, true));
    let attributes: Vec<(&str, String)> = find
        .attributes()
        .iter()
        .map(|(key, value)| (&**key, value.to_string()))
        .collect();
    assert_eq!(
        attributes,
        [("shard", "7".to_owned()), ("rows", "14".to_owned())]
    );
    assert_eq!(find.attributes()[1].1, AttributeValue::I64(14));
    assert_eq!(find.links().len(), 1);
    assert!(find.file().ends_with("traces.rs") && find.line() > 0);
}

#[test]
fn limits_hold_and_what_passes_them_is_counted() {
    let config = TraceConfig::default().spans_per_trace_max(3).spans_max(7);
    let collector = Collector::new(config.traces_max(2).attributes_max(1).events_max(2));
    for _ in 0..3 {
        collector.root("request").scope(|| {
            trace::set_attribute("one", 1);
            trace::set_attribute("two", 2);
            (0..5).for_each(|_| trace::event("again"));
            (0..10).for_each(|_| leaf());
        });
    }
    // Each has 3 spans and 8 too many; the third trace does not fit beside the two before.
    let losses = collector.losses();
    assert_eq!((losses.trace_spans_max, losses.spans_max), (24, 3));
    assert_eq!(collector.kept(), 9);
    let spans = taken(&collector);
    assert_eq!(spans.len(), 6);
    assert_eq!(spans[0].dropped(), [1, 3, 0]);
    let held: Vec<Context> = (0..3)
        .map(|_| collector.root("held").scope(Context::current))
        .collect();
    assert_eq!(collector.losses().traces_max, 1);
    drop(held);
    collector.root("after").scope(|| {});
    assert_eq!(
        taken(&collector).last().map(|span| span.name().to_owned()),
        Some("after".into())
    );
}

#[test]
fn somebody_is_asked_to_take_spans_out_when_half_of_the_room_is_full() {
    let collector = Collector::new(TraceConfig::default().spans_max(8));
    let (asked, asks) = std::sync::mpsc::channel();
    collector.when_half_full(move || asked.send(()).unwrap());
    for _ in 0..3 {
        collector.root("request").scope(|| {});
    }
    assert_eq!(asks.try_iter().count(), 0);
    for _ in 0..3 {
        collector.root("request").scope(|| {});
    }
    assert_eq!(asks.try_iter().count(), 1, "once, until they are taken out");
    assert_eq!(collector.take(4).len(), 4);
    for _ in 0..3 {
        collector.root("request").scope(|| {});
    }
    assert_eq!(asks.try_iter().count(), 1);
}

#[test]
fn a_task_that_outlives_its_request_is_still_part_of_the_trace() {
    let collector = collector();
    let context = collector.root("request").scope(Context::current);
    assert_eq!(family(&taken(&collector)), ["request < -"]);
    context.scope(leaf);
    let spans = taken(&collector);
    assert_eq!(family(&spans), ["leaf < -"]);
    assert_eq!(
        spans[0].parent_id(),
        context.span().map(|span| span.span_id())
    );
    // One that is dropped before it ends is lost, and counted.
    context.scope(|| {
        Box::leak(Box::new(span!("never left")));
    });
    drop(context);
    assert_eq!(collector.losses().unfinished, 1);
}

#[test]
fn a_future_that_is_dropped_is_a_span_that_was_cancelled() {
    let collector = collector();
    {
        let request = pin!(collector.root("request").attach(waits(5)));
        let _ = request.poll(&mut Task::from_waker(Waker::noop()));
    }
    let spans = taken(&collector);
    assert_eq!(family(&spans), ["request < -", "waits < request"]);
    assert!(
        spans
            .iter()
            .all(|span| span.outcome() == Outcome::Cancelled)
    );
}

#[test]
fn a_future_that_goes_on_in_another_trace_is_no_span_of_it() {
    let (one, two) = (collector(), collector());
    let mut future = Box::pin(waits(2));
    let mut poll = || {
        let _ = future.as_mut().poll(&mut Task::from_waker(Waker::noop()));
    };
    one.root("one").scope(&mut poll);
    two.root("two").scope(&mut poll);
    two.root("three").scope(&mut poll);
    assert_eq!(family(&taken(&one)), ["one < -"]);
    assert_eq!(one.losses().unfinished, 1);
    let spans = taken(&two);
    assert_eq!(
        family(&spans),
        ["two < -", "leaf < two", "three < -", "leaf < three"]
    );
}

#[test]
fn spans_of_tracing_are_spans_of_the_trace() {
    let collector = collector();
    subscriber::with_default(registry().with(khive_perf::layer()), || {
        collector.root("request").scope(|| {
            let query = info_span!("query");
            query.in_scope(leaf);
            let unfinished = info_span!("open");
            unfinished.in_scope(|| {});
            drop(query);
            // Closed outside of the trace.
            unfinished
        })
    });
    let mut family = family(&taken(&collector));
    family.sort();
    assert_eq!(
        family,
        [
            "leaf < query",
            "open < request",
            "query < request",
            "request < -"
        ]
    );
}

#[test]
fn what_is_kept_stands_as_exemplar_for_the_calls_around_it() {
    let clock = ManualClock::new();
    let collector = collector();
    let (ids, captured) = Capture::new().clock(&clock).run(|| {
        for ms in [3, 9, 4] {
            collector.root("request").scope(|| clock.advance(ms * MS));
        }
        let spans = taken(&collector);
        spans
            .iter()
            .map(|span| (span.trace_id(), span.span_id()))
            .collect::<Vec<_>>()
    });
    let stats = captured.callsite("request").unwrap();
    let shown: Vec<_> = stats
        .exemplars()
        .iter()
        .map(|exemplar| (exemplar.value, (exemplar.trace_id, exemplar.span_id)))
        .collect();
    assert_eq!(shown, [(9 * MS, ids[1]), (4 * MS, ids[2])]);
    let later = captured.since(&captured);
    assert!(later.callsite("request").is_none());
}

#[test]
fn a_capture_inside_of_a_trace_is_not_part_of_it() {
    let collector = collector();
    let captured = collector.root("request").scope(|| {
        leaf();
        capture(leaf).1
    });
    assert_eq!(captured.callsite("leaf").unwrap().calls(), 1);
    assert_eq!(
        family(&taken(&collector)),
        ["request < -", "leaf < request"]
    );
}

#[test]
fn guards_that_are_dropped_out_of_turn_or_after_the_trace_do_no_harm() {
    let collector = collector();
    let late = collector.root("request").scope(|| {
        let first = span!("first");
        let second = span!("second");
        drop(first);
        leaf();
        drop(second);
        span!("late")
    });
    drop(late);
    let mut names: Vec<String> = taken(&collector)
        .iter()
        .map(|span| span.name().to_owned())
        .collect();
    names.sort();
    assert_eq!(names.len(), 4, "{names:?}");
    leaf();
    collector.root("again").scope(leaf);
    assert_eq!(family(&taken(&collector)), ["again < -", "leaf < again"]);
}

#[test]
fn under_load_each_span_is_taken_or_lost_and_counted() {
    let config = TraceConfig::default()
        .spans_max(512)
        .spans_per_trace_max(16);
    let collector = Collector::new(config);
    let collector = &collector;
    let got = std::thread::scope(|scope| {
        let writers: Vec<_> = (0..4)
            .map(|writer| {
                scope.spawn(move || {
                    for at in 0..500 {
                        collector.root("request").scope(|| {
                            for _ in 0..(writer + at) % 20 {
                                leaf();
                            }
                        });
                    }
                })
            })
            .collect();
        let mut got = 0;
        while writers.iter().any(|writer| !writer.is_finished()) {
            got += collector.take(100).len();
        }
        got + collector.take(usize::MAX).len()
    });
    let losses = collector.losses();
    let made: u64 = (0..4)
        .flat_map(|writer| (0..500).map(move |at| (writer + at) % 20 + 1))
        .sum();
    assert_eq!(got as u64 + losses.spans_max, collector.kept());
    assert_eq!(collector.kept() + losses.trace_spans_max, made);
    assert_eq!((losses.unfinished, losses.traces_max), (0, 0));
}

#[test]
fn one_collector_has_the_traces_of_the_process() {
    let _alone = lock();
    let first = collector().collect_process().unwrap();
    assert!(collector().collect_process().is_err());
    trace::root("of the process").scope(leaf);
    assert!(
        taken(&first)
            .iter()
            .any(|span| span.name() == "of the process")
    );
    drop(first);
    // Now nobody collects: what came is passed on, and nothing is begun.
    let told = |root: trace::Root| {
        let mut told = http::HeaderMap::new();
        root.scope(|| trace::inject(&mut told));
        told.remove("traceparent")
    };
    assert_eq!(told(trace::root("of nobody")), None);
    let header = |name: &str| (name == "traceparent").then_some(CALLER);
    let passed_on = told(trace::root("of nobody").caller(header));
    assert_eq!(passed_on.unwrap(), CALLER);
    let second = collector().collect_process().unwrap();
    trace::root("of the process").scope(leaf);
    assert!(!taken(&second).is_empty());
}

#[test]
fn baggage_goes_where_the_trace_goes() {
    let collector = collector();
    let mut baggage = Baggage::default();
    assert!(baggage.set("tenant", "blue"));
    let mut told = http::HeaderMap::new();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(async {
        let request = collector.root("request").baggage(baggage);
        let callee = request.attach(async {
            let task = async {
                let mut headers = http::HeaderMap::new();
                trace::inject(&mut headers);
                headers
            };
            tokio::spawn(task.in_current_context()).await.unwrap()
        });
        told = capture_async(callee).await.0;
    });
    assert_eq!(told.get("baggage").unwrap(), "tenant=blue");
}

/// The process has one collector at a time.
pub(crate) fn lock() -> std::sync::MutexGuard<'static, ()> {
    static ALONE: std::sync::Mutex<()> = std::sync::Mutex::new(());
    ALONE
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

#[test]
fn what_is_said_may_have_something_to_say() {
    /// Says something of the span while it is asked for its value.
    struct Talks;
    impl khive_perf::ToValue for Talks {
        fn to_value(&self) -> khive_perf::Value<'_> {
            trace::event(Self);
            trace::set_attribute("asked", true);
            khive_perf::Value::Bool(true)
        }
    }
    impl From<Talks> for std::borrow::Cow<'static, str> {
        fn from(_: Talks) -> Self {
            trace::set_attribute("named", true);
            "named".into()
        }
    }
    let spans = crate::export_server::watched(|| {
        let collector = collector();
        let (_, _) = capture(|| {
            collector
                .root("request")
                .scope(|| trace::set_attribute("told", Talks));
        });
        taken(&collector)
    });
    let [root] = spans.as_slice() else {
        panic!("{spans:?}")
    };
    let keys: Vec<_> = root.attributes().iter().map(|(key, _)| &**key).collect();
    assert_eq!(keys, ["named", "asked", "told"]);
    assert_eq!(root.events().len(), 1);
}
