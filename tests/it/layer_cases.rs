//! Hard cases: what layers for `tracing` got wrong elsewhere, held against ours; each names the issue that it guards against.
//!
//! Whatever is done with a span, its call is counted as ended, as open or as lost, and nobody is brought down, kept waiting, or
//! filled up.

use std::fmt;
use std::future::{Future, pending as never, poll_fn, ready};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::{Arc, Barrier, Mutex};
use std::time::Duration;

use khive_perf::Context;
use khive_perf::testing::{ManualClock, capture, capture_async};
use tracing::{Dispatch, Instrument as _, Span, dispatcher, info_span, subscriber, trace_span};
use tracing_subscriber::filter::{LevelFilter, filter_fn};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::{Layer as _, registry, reload};

use crate::layer::{MS, figures, measured, pending, poll_once, timed};

fn current_thread() -> tokio::runtime::Runtime {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_time().build().unwrap()
}

pub(crate) fn multi_thread() -> tokio::runtime::Runtime {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(2).enable_time().build().unwrap()
}

/// Number of open calls of all callsites.
fn open(captured: &khive_perf::testing::Captured) -> u64 {
    captured
        .callsites()
        .iter()
        .map(|stats| stats.in_flight())
        .sum()
}

/// Never drops it.
pub(crate) fn leak<T>(kept: T) {
    Box::leak(Box::new(kept));
}

// Order.

/// tokio-rs/tracing#1656: leaving in another order than entering closed the wrong span.
#[test]
fn spans_may_be_left_in_any_order() {
    let captured = timed(|clock| {
        let first = info_span!("first").entered();
        clock.advance(MS);
        let second = info_span!("second").entered();
        clock.advance(MS);
        drop(first);
        clock.advance(MS);
        drop(second);
        info_span!("third").in_scope(|| clock.advance(MS));
    });
    for (name, wall) in [("first", 2 * MS), ("second", 2 * MS), ("third", MS)] {
        assert_eq!(figures(&captured, name), Some((1, 1, 0)), "{name}");
        assert_eq!(
            captured.callsite(name).unwrap().wall().max(),
            wall,
            "{name}"
        );
    }
    let roots = captured.call_tree().roots();
    assert!(roots.iter().any(|root| root.name().ends_with("third")));
}

/// tokio-rs/tracing#358, tokio-rs/tracing-opentelemetry#212: a clone that was entered inside, and left, took the span with
/// it; the time after counted as idle.
#[test]
fn a_clone_that_is_entered_inside_leaves_the_span_entered() {
    let captured = timed(|clock| {
        let span = info_span!("twice");
        let outer = span.enter();
        clock.advance(MS);
        let clone = span.clone();
        clone.in_scope(|| clock.advance(MS));
        clock.advance(MS);
        info_span!("after the clone").in_scope(|| {});
        drop(outer);
    });
    let stats = captured.callsite("twice").unwrap();
    assert_eq!(
        (stats.calls(), stats.busy(), stats.idle()),
        (1, 3 * MS, Duration::ZERO)
    );
    let roots = captured.call_tree().roots();
    let below = roots[0].children();
    assert_eq!(below.len(), 1, "it is still below the span");
}

/// tokio-rs/tracing#515: children that outlive whoever opened them keep their parents open.
#[test]
fn a_parent_ends_when_its_last_child_does_and_took_until_it_was_left() {
    let captured = timed(|clock| {
        let parent = info_span!("parent");
        let child = parent.in_scope(|| {
            clock.advance(MS);
            info_span!("child of it")
        });
        drop(parent);
        clock.advance(100 * MS);
        child.in_scope(|| clock.advance(MS));
        let seen = Context::current().snapshot();
        assert_eq!(
            seen.callsite("parent").map(|stats| stats.in_flight()),
            Some(1)
        );
        drop(child);
    });
    assert_eq!(captured.callsite("parent").unwrap().wall().max(), MS);
    assert_eq!(figures(&captured, "child of it"), Some((1, 1, 0)));
}

/// tokio-rs/tracing#511: a child that closed its parent did not close its grandparents.
#[test]
fn a_child_ends_all_that_it_kept_open() {
    let (_, captured) = measured(|| {
        let grandparent = info_span!("grandparent").entered();
        let parent = info_span!("its child").entered();
        let child = info_span!("its grandchild");
        let (grandparent, parent) = (grandparent.exit(), parent.exit());
        drop((grandparent, parent));
        let seen = Context::current().snapshot();
        assert_eq!(
            seen.callsite("grandparent").map(|stats| stats.in_flight()),
            Some(1)
        );
        child.in_scope(|| {});
        drop(child);
    });
    for name in ["grandparent", "its child", "its grandchild"] {
        assert_eq!(figures(&captured, name), Some((1, 1, 0)), "{name}");
    }
}

/// tokio-rs/tracing#3514: a guard that is kept while a task waits is left when others are in spans of theirs.
#[test]
fn guards_that_are_kept_across_an_await_harm_nobody() {
    async fn guards() {
        for _ in 0..20 {
            let span = info_span!("kept across");
            let _in = span.enter();
            tokio::task::yield_now().await;
        }
    }
    async fn does_not() {
        for _ in 0..20 {
            async { tokio::task::yield_now().await }
                .instrument(info_span!("proper"))
                .await;
        }
    }
    let (_, captured) = measured(|| {
        let set = tokio::task::LocalSet::new();
        (0..5).for_each(|_| {
            let context = Context::current();
            set.spawn_local(context.attach(guards()));
            set.spawn_local(context.attach(does_not()));
        });
        current_thread().block_on(set);
    });
    assert_eq!(
        figures(&captured, "kept across").map(|of| (of.0, of.2)),
        Some((100, 0))
    );
    assert_eq!(
        figures(&captured, "proper").map(|of| (of.0, of.2)),
        Some((100, 0))
    );
}

// Fields and events.

/// tokio-rs/tracing#763, tokio-rs/tracing-opentelemetry#59 and #250: a value that opens spans and logs while it is shown
/// waited for itself.
#[test]
fn a_value_that_traces_while_it_is_shown_does_not_hang() {
    struct Talks;
    impl fmt::Debug for Talks {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            info_span!("while shown").in_scope(|| tracing::info!("within"));
            Span::current().record("later", 1);
            f.write_str("Talks")
        }
    }
    let (_, captured) = capture(|| {
        let layer = khive_perf::layer().count_events();
        let shows = tracing_subscriber::layer::Identity::new();
        subscriber::with_default(registry().with(layer).with(shows).with(Shows), || {
            let span = info_span!("shows", value = ?Talks, later = tracing::field::Empty);
            span.in_scope(|| tracing::warn!(value = ?Talks, "shown"));
            span.record("later", tracing::field::debug(Talks));
        });
    });
    assert_eq!(figures(&captured, "shows"), Some((1, 1, 0)));
    assert_eq!(open(&captured), 0);
}

/// A layer that reads each value, as those do that write lines of a log.
struct Shows;

impl<S: tracing::Subscriber> tracing_subscriber::Layer<S> for Shows {
    fn on_new_span(
        &self,
        attributes: &tracing::span::Attributes<'_>,
        _: &tracing::span::Id,
        _: tracing_subscriber::layer::Context<'_, S>,
    ) {
        attributes.record(&mut Reads);
    }

    fn on_record(
        &self,
        _: &tracing::span::Id,
        values: &tracing::span::Record<'_>,
        _: tracing_subscriber::layer::Context<'_, S>,
    ) {
        values.record(&mut Reads);
    }

    fn on_event(&self, event: &tracing::Event<'_>, _: tracing_subscriber::layer::Context<'_, S>) {
        event.record(&mut Reads);
    }
}

struct Reads;

impl tracing::field::Visit for Reads {
    fn record_debug(&mut self, _: &tracing::field::Field, value: &dyn fmt::Debug) {
        assert!(!format!("{value:?}").is_empty());
    }
}

/// davidbarsky/tracing-tree#93: a value that panics while it is shown left a lock behind.
#[test]
fn a_value_that_panics_while_it_is_shown_leaves_the_layer_as_it_was() {
    struct Panics;
    impl fmt::Debug for Panics {
        fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
            panic!("on purpose")
        }
    }
    let (_, captured) = capture(|| {
        subscriber::with_default(registry().with(Shows).with(khive_perf::layer()), || {
            let outer = info_span!("around it", later = tracing::field::Empty).entered();
            for _ in 0..3 {
                // The registry keeps what it made and never gave out, and with it a parent.
                let shows = || info_span!(parent: None, "panics", value = ?Panics).in_scope(|| {});
                assert!(catch_unwind(AssertUnwindSafe(shows)).is_err());
                let records = || outer.record("later", tracing::field::debug(Panics));
                assert!(catch_unwind(AssertUnwindSafe(records)).is_err());
                info_span!("goes on").in_scope(|| {});
            }
        });
    });
    assert_eq!(figures(&captured, "goes on"), Some((3, 3, 0)));
    assert_eq!(figures(&captured, "around it"), Some((1, 1, 0)));
    assert_eq!(captured.callsite("around it").unwrap().ok(), 1);
}

/// tokio-rs/tracing-opentelemetry#14, tokio-rs/tracing#2399: to follow a span that was closed, or that nobody measures,
/// panicked.
#[test]
fn what_is_followed_may_be_closed_or_left_out() {
    let (_, captured) = capture(|| {
        let layer = khive_perf::layer().max_level(LevelFilter::INFO);
        subscriber::with_default(registry().with(layer).with(Shows), || {
            let closed = info_span!("closed").id();
            let left_out = trace_span!("left out");
            let follows = info_span!("follows");
            follows.follows_from(closed);
            follows.follows_from(&left_out);
            follows.follows_from(&follows);
            follows.in_scope(|| {});
        });
    });
    assert_eq!(figures(&captured, "follows"), Some((1, 1, 0)));
}

/// tokio-rs/tracing-opentelemetry#183: spans that follow others from other threads, all the time.
#[test]
fn spans_follow_each_other_from_several_threads() {
    const EACH: u64 = 500;
    let dispatch = Dispatch::new(registry().with(khive_perf::layer()));
    let (_, captured) = capture(|| {
        let last: Arc<Mutex<Option<tracing::Id>>> = Arc::default();
        let context = Context::current();
        std::thread::scope(|scope| {
            for _ in 0..2 {
                let (last, context, dispatch) =
                    (Arc::clone(&last), context.clone(), dispatch.clone());
                scope.spawn(move || {
                    let _default = dispatcher::set_default(&dispatch);
                    for _ in 0..EACH {
                        context.scope(|| {
                            let span = info_span!("one after the other");
                            let before = last.lock().unwrap().clone();
                            span.follows_from(before);
                            span.in_scope(|| *last.lock().unwrap() = Span::current().id());
                        });
                    }
                });
            }
        });
    });
    assert_eq!(
        figures(&captured, "one after the other"),
        Some((2 * EACH, 2 * EACH, 0))
    );
}

/// tokio-rs/tracing#1523, tokio-rs/tracing-opentelemetry#86: an explicit parent that this layer's filter hides.
#[test]
fn a_filter_of_this_layer_may_hide_the_parent() {
    let (_, captured) = capture(|| {
        let layer = khive_perf::layer().count_events();
        let layer = layer.with_filter(LevelFilter::INFO);
        subscriber::with_default(registry().with(layer).with(Shows), || {
            let hidden = trace_span!("hidden");
            info_span!(parent: &hidden, "explicit child").in_scope(|| {});
            hidden.in_scope(|| info_span!("contextual child").in_scope(|| {}));
            hidden.in_scope(|| tracing::info!("an event in what is hidden"));
        });
    });
    assert!(captured.callsite("hidden").is_none());
    assert_eq!(figures(&captured, "explicit child"), Some((1, 1, 0)));
    assert_eq!(figures(&captured, "contextual child"), Some((1, 1, 0)));
    assert_eq!(
        figures(&captured, "(outside of spans) (events)").map(|of| of.0),
        Some(1)
    );
}

/// tokio-rs/tracing#2396, #3409: an event in a hidden span belongs to the one around it that this layer sees.
#[test]
fn an_event_in_a_hidden_span_is_counted_to_the_one_around_it() {
    let (_, captured) = capture(|| {
        let layer = khive_perf::layer().count_events();
        let layer = layer.with_filter(filter_fn(|metadata| metadata.name() != "in between"));
        subscriber::with_default(registry().with(layer).with(Shows), || {
            info_span!(target: "app", "seen around").in_scope(|| {
                info_span!("in between").in_scope(|| tracing::info!("which is it in?"));
            });
        });
    });
    assert_eq!(
        figures(&captured, "app::seen around (events)").map(|of| of.0),
        Some(1)
    );
}

/// tokio-rs/tracing#3529: a filter that is replaced while spans are open.
#[test]
fn a_filter_may_be_replaced_while_spans_are_open() {
    let (_, captured) = capture(|| {
        let (filter, handle) = reload::Layer::new(LevelFilter::INFO);
        let layer = khive_perf::layer().with_filter(filter);
        subscriber::with_default(registry().with(layer), || {
            let before = info_span!("before").entered();
            handle.reload(LevelFilter::OFF).unwrap();
            info_span!("meanwhile").in_scope(|| {});
            drop(before);
            handle.reload(LevelFilter::TRACE).unwrap();
            trace_span!("thereafter").in_scope(|| {});
        });
    });
    assert_eq!(figures(&captured, "before"), Some((1, 1, 0)));
    assert!(captured.callsite("meanwhile").is_none());
    assert_eq!(figures(&captured, "thereafter"), Some((1, 1, 0)));
}

/// tokio-rs/tracing#894, #2265: a layer in a box, an option or a list; and one that is put in place of nothing.
#[test]
fn the_layer_may_be_boxed_optional_or_one_of_a_list() {
    let run = |dispatch: Dispatch| {
        capture(|| dispatcher::with_default(&dispatch, || info_span!("wrapped").in_scope(|| {}))).1
    };
    for dispatch in [
        Dispatch::new(registry().with(khive_perf::layer().boxed())),
        Dispatch::new(registry().with(Some(khive_perf::layer()))),
        Dispatch::new(registry().with(vec![khive_perf::layer().boxed(), Shows.boxed()])),
        Dispatch::new(registry().with(reload::Layer::new(khive_perf::layer()).0)),
    ] {
        assert_eq!(figures(&run(dispatch), "wrapped"), Some((1, 1, 0)));
    }
    let none = Dispatch::new(registry().with(None::<khive_perf::SpanLayer>));
    assert_eq!(figures(&run(none), "wrapped"), None);

    let (layer, handle) = reload::Layer::new(None::<khive_perf::SpanLayer>);
    let dispatch = Dispatch::new(registry().with(layer));
    let (_, captured) = capture(|| {
        dispatcher::with_default(&dispatch, || {
            let open = info_span!("was there first").entered();
            handle.reload(Some(khive_perf::layer())).unwrap();
            info_span!("came after").in_scope(|| {});
            drop(open);
        });
    });
    assert_eq!(figures(&captured, "came after"), Some((1, 1, 0)));
    assert_eq!(open(&captured), 0);
}

/// tokio-rs/tracing#1483: explicit parents, and none, do not move a span in the tree, which is of what really ran in what.
#[test]
fn explicit_parents_do_not_change_where_a_span_ran() {
    let (_, captured) = measured(|| {
        let elsewhere = info_span!("elsewhere");
        info_span!("around").in_scope(|| {
            info_span!(parent: &elsewhere, "child by name").in_scope(|| {});
            info_span!(parent: None, "child of nobody").in_scope(|| {});
        });
        elsewhere.in_scope(|| {});
    });
    let roots = captured.call_tree().roots();
    let around = roots
        .iter()
        .find(|root| root.name().ends_with("around"))
        .unwrap();
    assert_eq!((roots.len(), around.children().len()), (2, 2));
}

// Futures.

/// tokio-rs/tracing#2541, #2562: what a future that is cancelled does in its drop belongs to its span.
#[test]
fn dropping_a_future_on_the_way_happens_in_its_span() {
    struct Slow<'a>(&'a ManualClock);
    impl Drop for Slow<'_> {
        fn drop(&mut self) {
            self.0.advance(7 * MS);
        }
    }
    let captured = timed(|clock| {
        let future = async {
            let _slow = Slow(clock);
            pending(9, clock).await;
        };
        let mut future = Box::pin(future.instrument(info_span!("cancelled")));
        assert!(poll_once(future.as_mut()).is_pending());
    });
    let stats = captured.callsite("cancelled").unwrap();
    assert_eq!((stats.calls(), stats.polls()), (1, 2));
    assert_eq!(stats.busy(), 9 * MS);
}

/// tokio-rs/tracing#2562: those that lose a `select!` end when they are dropped, also where they never came to run.
#[test]
fn those_that_lose_a_select_end() {
    let (_, captured) = measured(|| {
        current_thread().block_on(async {
            for _ in 0..10 {
                tokio::select! {
                    biased;
                    () = never().instrument(info_span!("loses")) => {}
                    () = ready(()).instrument(info_span!("wins")) => {}
                    () = ready(()).instrument(info_span!("is not asked")) => {}
                }
            }
        });
    });
    assert_eq!(
        figures(&captured, "loses").map(|of| (of.0, of.2)),
        Some((10, 0))
    );
    assert_eq!(
        figures(&captured, "wins").map(|of| (of.0, of.2)),
        Some((10, 0))
    );
    // Its drop is its only poll.
    assert_eq!(open(&captured), 0);
}

/// tokio-rs/console#256: what runs into a timeout, over and over, is gone each time.
#[test]
fn what_runs_into_a_timeout_ends() {
    let (_, captured) = measured(|| {
        current_thread().block_on(async {
            for _ in 0..10 {
                let late = never::<()>().instrument(info_span!("late"));
                assert!(tokio::time::timeout(Duration::ZERO, late).await.is_err());
            }
        });
    });
    assert_eq!(
        figures(&captured, "late").map(|of| (of.0, of.2)),
        Some((10, 0))
    );
}

/// tokio-rs/console#189, #350: tasks that are aborted on other threads while they wait.
#[test]
fn tasks_that_are_aborted_end() {
    let runtime = multi_thread();
    let (_, captured) = measured(|| {
        let context = Context::current();
        let started = Arc::new(Barrier::new(2));
        let at_start = Arc::clone(&started);
        let mut is_first = true;
        let waits = poll_fn(move |_| {
            if std::mem::take(&mut is_first) {
                at_start.wait();
            }
            std::task::Poll::<()>::Pending
        });
        let waits = waits.instrument(info_span!("aborted"));
        let task = runtime.spawn(context.attach(waits));
        started.wait();
        task.abort();
        assert!(runtime.block_on(task).unwrap_err().is_cancelled());
    });
    assert_eq!(
        figures(&captured, "aborted").map(|of| (of.0, of.2)),
        Some((1, 0))
    );
}

/// tokio-rs/tracing#1863, #1297: the span of a function that gives back a future is its execution's, not its making's.
#[test]
fn a_future_that_a_function_gives_back_is_measured_while_it_runs() {
    #[tracing::instrument(skip_all)]
    fn boxed(clock: &ManualClock) -> std::pin::Pin<Box<dyn Future<Output = u32> + '_>> {
        clock.advance(MS);
        Box::pin(async move {
            pending(2, clock).await;
            7
        })
    }
    let captured = timed(|clock| {
        let mut future = boxed(clock);
        assert!(poll_once(future.as_mut()).is_pending());
        assert!(poll_once(future.as_mut()).is_pending());
        assert_eq!(poll_once(future.as_mut()), std::task::Poll::Ready(7));
    });
    let stats = captured.callsite("boxed").unwrap();
    assert_eq!(stats.calls(), 1);
    // Three polls of 2 ms each; what comes before it is made is not waited for.
    assert!(stats.busy() >= 6 * MS, "{:?}", stats.busy());
}

/// tokio-rs/tracing#394: spans that tasks have on several threads, entered thousands of times, moved at each await.
#[test]
fn tasks_move_from_thread_to_thread_with_their_spans() {
    const TASKS: u64 = 20;
    let runtime = multi_thread();
    let subscriber = Dispatch::new(registry().with(khive_perf::layer()));
    let work = async {
        use tracing::instrument::WithSubscriber as _;
        let context = Context::current();
        let tasks: Vec<_> = (0..TASKS)
            .map(|_| {
                let outer = async {
                    for _ in 0..50 {
                        let inner = async { tokio::task::yield_now().await };
                        inner.instrument(info_span!("inner")).await;
                    }
                };
                let outer = outer.instrument(dispatcher::with_default(&subscriber, || {
                    info_span!("outer")
                }));
                runtime.spawn(context.attach(outer.with_subscriber(subscriber.clone())))
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
    };
    let (_, captured) = runtime.block_on(capture_async(work));
    let (calls, polls, open) = figures(&captured, "outer").unwrap();
    assert_eq!((calls, open), (TASKS, 0));
    assert!(polls >= TASKS * 51);
    assert_eq!(
        figures(&captured, "inner").map(|of| (of.0, of.2)),
        Some((TASKS * 50, 0))
    );
}

// Many.

/// tokio-rs/console#503, #580: thousands of spans that are open at once, and end in another order.
#[test]
fn thousands_of_spans_are_open_at_once() {
    const SPANS: u64 = 10_000;
    let (_, captured) = measured(|| {
        let mut spans: Vec<Span> = (0..SPANS)
            .map(|_| info_span!(parent: None, "one of many"))
            .collect();
        for span in &spans {
            span.in_scope(|| {});
        }
        let seen = Context::current().snapshot();
        assert_eq!(
            seen.callsite("one of many").map(|stats| stats.in_flight()),
            Some(SPANS)
        );
        for span in spans.iter().rev() {
            span.in_scope(|| {});
        }
        // From the middle outwards.
        let rest = spans.split_off(spans.len() / 2);
        spans.into_iter().rev().zip(rest).for_each(drop);
    });
    assert_eq!(
        figures(&captured, "one of many"),
        Some((SPANS, 2 * SPANS, 0))
    );
}

/// n0-computer/iroh#3963: guards that are never dropped keep their spans open, and nothing else.
#[test]
fn a_span_that_is_kept_for_ever_is_open_for_ever() {
    let (_, captured) = measured(|| {
        for _ in 0..50 {
            leak(info_span!("for ever").entered());
        }
        leak(info_span!("never even entered"));
        info_span!("beside it").in_scope(|| {});
    });
    assert_eq!(
        figures(&captured, "for ever").map(|of| (of.0, of.2)),
        Some((0, 50))
    );
    assert_eq!(figures(&captured, "beside it"), Some((1, 1, 0)));
}

/// open-telemetry/opentelemetry-rust#1065: values without end made series without end; a place in the source is one
/// callsite, whatever its fields say.
#[test]
fn a_place_in_the_source_is_one_callsite_whatever_its_fields_say() {
    let (_, captured) = measured(|| {
        for number in 0..5_000 {
            info_span!("same place", number).in_scope(|| {});
        }
    });
    assert_eq!(captured.callsites().len(), 1);
    assert_eq!(figures(&captured, "same place"), Some((5_000, 5_000, 0)));
}

/// tokio-rs/tracing#3306, #3108: a function with `#[instrument]` around one with `#[measure(span)]`, and the other way
/// around: each call counts once.
#[test]
fn instrument_and_measure_on_one_function_are_one_call_each() {
    #[khive_perf::measure(name = "measured within", span)]
    #[tracing::instrument(name = "instrumented within", skip_all)]
    fn both(x: u32) -> u32 {
        x + 1
    }
    #[tracing::instrument(name = "instrumented around", skip_all)]
    #[khive_perf::measure(name = "measured inside", span)]
    async fn both_too(x: u32) -> u32 {
        x + 1
    }
    let (_, captured) = measured(|| {
        assert_eq!(both(1), 2);
        let mut future = pin!(both_too(2));
        assert!(poll_once(future.as_mut()).is_ready());
    });
    for name in [
        "measured within",
        "instrumented within",
        "instrumented around",
        "measured inside",
    ] {
        assert_eq!(
            figures(&captured, name).map(|of| (of.0, of.2)),
            Some((1, 0)),
            "{name}"
        );
    }
    assert_eq!(captured.callsites().len(), 4);
}
