//! The layer for subscribers of `tracing`: spans of any crate as calls, in all the ways that spans are used.
//!
//! What went wrong with spans elsewhere is in `layer_cases`.

use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::{Context as Task, Poll, Waker};
use std::time::Duration;

use khive_perf::testing::{Capture, Captured, ManualClock, capture};
use khive_perf::trace::{Collector, Event, TraceConfig};
use khive_perf::{Context, Kind, measure, report};
use serde_json::Value;
use tracing::level_filters::LevelFilter;
use tracing::{Dispatch, Instrument as _, Level, dispatcher, info_span, span, subscriber};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry;

use crate::traces::{collector, taken};

pub(crate) const MS: Duration = Duration::from_millis(1);

pub(crate) fn measured<R>(f: impl FnOnce() -> R) -> (R, Captured) {
    capture(|| subscriber::with_default(registry().with(khive_perf::layer()), f))
}

/// By a clock that the test moves.
pub(crate) fn timed(f: impl FnOnce(&ManualClock)) -> Captured {
    let clock = ManualClock::new();
    let run = || subscriber::with_default(registry().with(khive_perf::layer()), || f(&clock));
    Capture::new().clock(&clock).run(run).1
}

/// Calls, polls, and those that are open.
pub(crate) fn figures(captured: &Captured, name: &str) -> Option<(u64, u64, u64)> {
    let stats = captured.callsite(name)?;
    Some((stats.calls(), stats.polls(), stats.in_flight()))
}

pub(crate) fn poll_once<F: Future + ?Sized>(future: std::pin::Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Task::from_waker(Waker::noop()))
}

/// Pending for so many polls.
pub(crate) fn pending(polls: u32, clock: &ManualClock) -> impl Future<Output = ()> + '_ {
    let mut left = polls;
    poll_fn(move |_| {
        clock.advance(2 * MS);
        if left == 0 {
            return Poll::Ready(());
        }
        left -= 1;
        Poll::Pending
    })
}

#[test]
fn a_span_is_a_call_of_its_target_and_name() {
    let (_, captured) = measured(|| {
        for _ in 0..3 {
            info_span!(target: "http", "request", path = "/").in_scope(|| {});
        }
    });
    let stats = captured.callsite("http::request").unwrap();
    assert_eq!(
        (stats.calls(), stats.ok(), stats.kind()),
        (3, 3, Kind::Span)
    );
    assert!(stats.file().ends_with("layer.rs") && stats.line() > 0);
    assert!(report::text(&captured).contains("http::request"));
    assert!(report::json(&captured).contains("\"kind\":\"span\""));
}

#[test]
fn what_lies_between_entering_is_idle_and_what_comes_after_leaving_is_no_time_of_it() {
    let captured = timed(|clock| {
        let span = info_span!("resumed");
        for _ in 0..3 {
            clock.advance(10 * MS);
            span.in_scope(|| clock.advance(MS));
        }
        // As who keeps a span while it does something else.
        clock.advance(1_000 * MS);
    });
    let stats = captured.callsite("resumed").unwrap();
    assert_eq!((stats.calls(), stats.polls()), (1, 3));
    assert_eq!((stats.busy(), stats.idle()), (3 * MS, 20 * MS));
    assert_eq!(stats.wall().max(), 23 * MS);
}

#[measure]
fn inner(clock: &ManualClock) {
    clock.advance(MS);
}

#[measure]
fn outer(clock: &ManualClock) {
    info_span!("between").in_scope(|| inner(clock));
}

#[test]
fn spans_and_measured_functions_stand_in_one_tree() {
    let captured = timed(|clock| {
        info_span!("root").in_scope(|| outer(clock));
    });
    let mut path = Vec::new();
    let mut at = captured.call_tree().roots();
    while let Some(node) = at.first().copied() {
        path.push(
            node.name()
                .rsplit("::")
                .next()
                .unwrap_or_default()
                .to_owned(),
        );
        assert_eq!((node.calls(), node.total()), (1, MS), "{path:?}");
        at = node.children();
    }
    assert_eq!(path, ["root", "outer", "between", "inner"]);
}

#[measure(span)]
fn has_a_span_of_its_own() {}

#[measure(span)]
async fn has_a_span_of_its_own_too() {}

#[test]
fn the_span_of_a_measured_function_is_not_counted_twice() {
    let (_, captured) = measured(|| {
        has_a_span_of_its_own();
        assert!(poll_once(pin!(has_a_span_of_its_own_too())).is_ready());
    });
    let names: Vec<_> = captured
        .callsites()
        .iter()
        .map(|stats| stats.kind())
        .collect();
    assert_eq!(names.len(), 2, "{names:?}");
    assert!(!names.contains(&Kind::Span));
}

#[test]
fn a_span_that_is_never_entered_was_never_called() {
    let (_, captured) = measured(|| drop(info_span!("never entered")));
    assert!(figures(&captured, "never entered").is_none());
}

#[test]
fn a_span_that_is_kept_is_in_flight() {
    let ((), captured) = measured(|| {
        let kept = info_span!("kept");
        kept.in_scope(|| {});
        let seen = Context::current().snapshot();
        assert_eq!(
            seen.callsite("kept").map(|stats| stats.in_flight()),
            Some(1)
        );
    });
    assert_eq!(figures(&captured, "kept"), Some((1, 1, 0)));
}

#[test]
fn a_clone_is_the_same_call() {
    let (_, captured) = measured(|| {
        let span = info_span!("cloned");
        let clone = span.clone();
        span.in_scope(|| {});
        drop(span);
        clone.in_scope(|| {});
    });
    assert_eq!(figures(&captured, "cloned"), Some((1, 2, 0)));
}

#[test]
fn entering_what_one_is_in_already_changes_nothing() {
    let captured = timed(|clock| {
        let span = info_span!("entered twice");
        span.in_scope(|| {
            clock.advance(MS);
            span.in_scope(|| clock.advance(MS));
            clock.advance(MS);
        });
    });
    let stats = captured.callsite("entered twice").unwrap();
    assert_eq!((stats.calls(), stats.polls(), stats.busy()), (1, 1, 3 * MS));
}

#[test]
fn recursive_spans_are_calls_of_their_own_and_the_time_is_that_of_the_outermost() {
    fn descend(levels: u32, clock: &ManualClock) {
        let _in = info_span!("level").entered();
        clock.advance(MS);
        if levels > 1 {
            descend(levels - 1, clock);
        }
    }
    let captured = timed(|clock| descend(5, clock));
    let stats = captured.callsite("level").unwrap();
    assert_eq!((stats.calls(), stats.in_flight()), (5, 0));
    assert_eq!(stats.busy(), 5 * MS);
}

#[test]
fn several_threads_may_be_in_a_span_at_once() {
    let (_, captured) = measured(|| {
        let span = info_span!("shared");
        let context = Context::current();
        let barrier = std::sync::Barrier::new(4);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    context.scope(|| {
                        span.in_scope(|| barrier.wait());
                    });
                });
            }
        });
    });
    assert_eq!(figures(&captured, "shared"), Some((1, 4, 0)));
}

#[test]
fn of_two_layers_of_ours_one_measures() {
    let (_, captured) = capture(|| {
        let twice = registry()
            .with(khive_perf::layer())
            .with(khive_perf::layer());
        subscriber::with_default(twice, || info_span!("seen twice").in_scope(|| {}));
    });
    assert_eq!(figures(&captured, "seen twice"), Some((1, 1, 0)));
}

#[test]
fn a_future_with_a_span_is_measured_like_a_measured_future() {
    let captured = timed(|clock| {
        let mut future = pin!(pending(2, clock).instrument(info_span!("awaited")));
        for _ in 0..2 {
            assert!(poll_once(future.as_mut()).is_pending());
            clock.advance(5 * MS);
        }
        assert!(poll_once(future.as_mut()).is_ready());
    });
    let stats = captured.callsite("awaited").unwrap();
    assert_eq!(stats.calls(), 1);
    assert_eq!(stats.idle(), 10 * MS);
    assert!(stats.busy() >= 6 * MS);
}

#[test]
fn a_future_moves_from_thread_to_thread() {
    let clock = ManualClock::new();
    let (_, captured) = Capture::new().clock(&clock).run(|| {
        subscriber::with_default(registry().with(khive_perf::layer()), || {
            let mut future = Box::pin(pending(3, &clock).instrument(info_span!("migrates")));
            let context = Context::current();
            for _ in 0..4 {
                std::thread::scope(|scope| {
                    scope.spawn(|| context.scope(|| poll_once(future.as_mut()).is_ready()));
                });
            }
        });
    });
    let stats = captured.callsite("migrates").unwrap();
    assert_eq!((stats.calls(), stats.in_flight()), (1, 0));
    assert!(stats.polls() >= 4);
}

#[test]
fn a_span_that_is_left_by_unwinding_panicked() {
    let (_, captured) = measured(|| {
        let fails = || info_span!("fails").in_scope(|| panic!("on purpose"));
        assert!(catch_unwind(AssertUnwindSafe(fails)).is_err());
        info_span!("fails not").in_scope(|| {});
    });
    let stats = captured.callsite("fails").unwrap();
    assert_eq!((stats.calls(), stats.panics()), (1, 1));
    assert_eq!(captured.callsite("fails not").unwrap().ok(), 1);
}

#[test]
fn a_span_in_a_destructor_did_not_panic() {
    struct Tidies;
    impl Drop for Tidies {
        fn drop(&mut self) {
            info_span!("tidies").in_scope(|| {});
        }
    }
    let (_, captured) = measured(|| {
        let unwinds = || {
            let _tidies = Tidies;
            panic!("on purpose");
        };
        assert!(catch_unwind(AssertUnwindSafe(unwinds)).is_err());
    });
    assert_eq!(captured.callsite("tidies").unwrap().panics(), 0);
}

#[test]
fn a_filter_that_traces_itself_does_not_hang() {
    let (_, captured) = capture(|| {
        let layer = khive_perf::layer().filter(|metadata| {
            tracing::info!("asked");
            metadata.name() != "unwanted"
        });
        subscriber::with_default(registry().with(layer), || {
            info_span!("wanted").in_scope(|| {});
            info_span!("unwanted").in_scope(|| {});
        });
    });
    assert_eq!(figures(&captured, "wanted"), Some((1, 1, 0)));
    assert!(figures(&captured, "unwanted").is_none());
}

#[test]
fn what_is_more_verbose_than_asked_is_left_out_and_its_children_are_not() {
    let (_, captured) = capture(|| {
        let layer = khive_perf::layer().max_level(LevelFilter::INFO);
        subscriber::with_default(registry().with(layer), || {
            span!(Level::DEBUG, "verbose").in_scope(|| info_span!("child").in_scope(|| {}));
        });
    });
    assert!(figures(&captured, "verbose").is_none());
    assert_eq!(figures(&captured, "child"), Some((1, 1, 0)));
}

#[test]
fn events_are_counted_by_span_and_level_if_that_is_asked() {
    let run = |layer: khive_perf::SpanLayer| {
        capture(|| {
            subscriber::with_default(registry().with(layer), || {
                info_span!(target: "app", "handle").in_scope(|| {
                    (0..3).for_each(|_| tracing::info!("so far"));
                    tracing::error!("and not further");
                });
                tracing::warn!("outside");
            });
        })
        .1
    };
    let captured = run(khive_perf::layer().count_events());
    let count = |name: &str, level: &str| {
        let of = captured
            .callsites()
            .iter()
            .filter(|stats| stats.name() == name);
        let of = of.filter(|stats| format!("{:?}", stats.attributes()).contains(level));
        of.map(|stats| stats.calls()).sum::<u64>()
    };
    assert_eq!(count("app::handle (events)", "INFO"), 3);
    assert_eq!(count("app::handle (events)", "ERROR"), 1);
    assert_eq!(count("(outside of spans) (events)", "WARN"), 1);
    let captured = run(khive_perf::layer());
    assert_eq!(captured.callsites().len(), 1);
}

#[test]
fn a_span_that_outlives_its_capture_is_lost_and_said_to_be() {
    let dispatch = Dispatch::new(registry().with(khive_perf::layer()));
    let (span, captured) = capture(|| {
        dispatcher::with_default(&dispatch, || {
            let span = info_span!("outlives");
            span.in_scope(|| {});
            span
        })
    });
    drop(span);
    assert_eq!(figures(&captured, "outlives"), Some((0, 1, 1)));
}

#[test]
fn a_panic_in_a_poll_ends_the_span() {
    let (_, captured) = measured(|| {
        let fails = async { panic!("on purpose") };
        let mut fails = Box::pin(fails.instrument(info_span!("panics in a poll")));
        let polls = || poll_once::<_>(fails.as_mut()).is_ready();
        assert!(catch_unwind(AssertUnwindSafe(polls)).is_err());
        drop(fails);
        info_span!("thereafter").in_scope(|| {});
    });
    let stats = captured.callsite("panics in a poll").unwrap();
    assert_eq!(
        (stats.calls(), stats.panics(), stats.in_flight()),
        (1, 1, 0)
    );
    assert_eq!(captured.callsite("thereafter").unwrap().ok(), 1);
}

#[test]
fn nesting_may_be_deep() {
    const LEVELS: u64 = 3_000;
    let (_, captured) = measured(|| {
        let spans: Vec<_> = (0..LEVELS)
            .map(|level| match level % 3 {
                0 => info_span!("a").entered(),
                1 => info_span!("b").entered(),
                _ => info_span!("c").entered(),
            })
            .collect();
        spans.into_iter().rev().for_each(drop);
    });
    for name in ["a", "b", "c"] {
        assert_eq!(
            figures(&captured, name),
            Some((LEVELS / 3, LEVELS / 3, 0)),
            "{name}"
        );
    }
}

#[test]
fn details_of_spans_are_told_in_traces_if_that_is_asked() {
    /// Opens a span and logs while it is shown, which a subscriber of a scope does not hear.
    struct Talks;
    impl std::fmt::Debug for Talks {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            info_span!("while shown").in_scope(|| tracing::info!("aside"));
            f.write_str("Talks")
        }
    }
    let run = |layer: khive_perf::SpanLayer| {
        let collector = collector();
        let (_, _) = capture(|| {
            subscriber::with_default(registry().with(layer), || {
                info_span!("outside", value = ?Talks).in_scope(|| tracing::info!("unheard"));
                collector.root("request").scope(|| {
                    let first = info_span!("first");
                    first.in_scope(|| {});
                    let second = info_span!(
                        "second",
                        rows = 3_u64,
                        text = "plain",
                        shown = ?Talks,
                        late = tracing::field::Empty,
                        later = tracing::field::Empty
                    );
                    second.follows_from(&first);
                    second.record("late", true);
                    second.in_scope(|| {
                        tracing::warn!(code = 7, "disk is {}", "full");
                        second.record("later", 1.5);
                    });
                });
            });
        });
        taken(&collector)
    };
    let spans = run(khive_perf::layer().tell_details());
    let of = |name: &str| {
        spans
            .iter()
            .find(|span| span.name().ends_with(name))
            .unwrap()
    };
    let second = of("second");
    let told: Vec<_> = second
        .attributes()
        .iter()
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    assert_eq!(
        told,
        [
            "rows=3",
            "text=plain",
            "shown=Talks",
            "late=true",
            "later=1.5"
        ]
    );
    let [event] = second.events() else {
        panic!("{second:?}")
    };
    assert_eq!(event.name, "disk is full");
    let told = event.attributes.iter();
    let told: Vec<_> = told.map(|(key, value)| format!("{key}={value}")).collect();
    assert_eq!(told, ["level=WARN", "target=it::layer", "code=7"]);
    assert_eq!(second.links().len(), 1);
    assert_eq!(second.links()[0].span.span_id(), of("first").span_id());

    let silent = run(khive_perf::layer());
    assert!(silent.iter().all(|span| {
        span.attributes().is_empty() && span.events().is_empty() && span.links().is_empty()
    }));
}

#[test]
fn events_tell_their_fields_within_the_limits_of_spans() {
    /// Does not stop because it is cut.
    struct Long;
    impl std::fmt::Debug for Long {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            (0..1_000).for_each(|_| f.write_str("grün ").unwrap());
            Ok(())
        }
    }
    let collector = Collector::new(TraceConfig::default().events_max(4).event_attributes_max(4));
    let layer = khive_perf::layer().tell_details();
    let (_, _) = capture(|| {
        subscriber::with_default(registry().with(layer), || {
            collector.root("request").scope(|| {
                tracing::info!(message = "text", rows = -3, ratio = 0.5, full = true, b = 1);
                tracing::info!(level = "mine", target = "mine", "{Long:?}");
                tracing::debug!(target: "elsewhere", long = ?Long);
                (0..7).for_each(|_| tracing::info!("one too many"));
            });
        });
    });
    let spans = taken(&collector);
    let [root] = spans.as_slice() else {
        panic!("{spans:?}")
    };
    let [first, second, third, _] = root.events() else {
        panic!("{root:?}")
    };
    assert_eq!(root.dropped(), [0, 6, 0]);
    let told = |event: &Event| {
        let told = event.attributes.iter();
        let told: Vec<_> = told.map(|(key, value)| format!("{key}={value}")).collect();
        (told, event.dropped_attributes)
    };
    let expected = ["level=INFO", "target=it::layer", "rows=-3", "ratio=0.5"];
    assert_eq!(told(first), (expected.map(str::to_owned).to_vec(), 2));
    assert_eq!(first.name, "text");
    // A field takes nobody's place. 128 bytes, and no half of a letter.
    let expected = ["level=INFO", "target=it::layer"];
    assert_eq!(told(second), (expected.map(str::to_owned).to_vec(), 0));
    let begins = "grün ".repeat(21) + "gr";
    assert_eq!(second.name, begins);
    assert!(third.name.starts_with("event "), "{}", third.name);
    let expected = ["level=DEBUG", "target=elsewhere", &format!("long={begins}")];
    assert_eq!(told(third), (expected.map(str::to_owned).to_vec(), 0));
    let drawn: Value = serde_json::from_str(&report::chrome_spans(&spans)).unwrap();
    let mut drawn = drawn["traceEvents"].as_array().unwrap().iter();
    let text = drawn.find(|event| event["name"] == "text").unwrap();
    assert_eq!(text["args"]["rows"], -3);
    assert_eq!(text["args"]["level"], "INFO");
}
