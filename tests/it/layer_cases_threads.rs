//! Hard cases of threads and dispatchers: what layers for `tracing` got wrong there elsewhere, held against ours; see
//! `layer_cases`.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Barrier, mpsc};
use std::time::Duration;

use khive_perf::Context;
use khive_perf::testing::{Capture, ManualClock, capture};
use tracing::{Dispatch, Span, dispatcher, info_span, subscriber};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry;

use crate::layer::{MS, figures, measured};
use crate::layer_cases::{leak, multi_thread};

fn dispatch() -> Dispatch {
    Dispatch::new(registry().with(khive_perf::layer()))
}

// Threads.

/// tokio-rs/tracing#1186: a span that was entered here and left there was never closed.
#[test]
fn a_span_entered_here_and_left_there_ends_when_it_is_closed() {
    let dispatch = dispatch();
    let (_, captured) = capture(|| {
        dispatcher::with_default(&dispatch, || {
            let span = info_span!("torn");
            let id = span.id().unwrap();
            dispatch.enter(&id);
            let other = dispatch.clone();
            std::thread::scope(|scope| {
                scope.spawn(|| other.exit(&id));
            });
            info_span!("after").in_scope(|| {});
            dispatch.exit(&id);
        });
    });
    assert_eq!(figures(&captured, "torn"), Some((1, 1, 0)));
    assert_eq!(figures(&captured, "after"), Some((1, 1, 0)));
}

/// tokio-rs/tracing#1186, where nobody ever leaves where it was entered: thousands of such spans fill nothing up, and end.
#[test]
fn spans_that_are_never_left_where_they_were_entered_do_not_pile_up() {
    const SPANS: u64 = 5_000;
    let dispatch = dispatch();
    let (sender, receiver) = mpsc::channel::<(Span, Context)>();
    let other = dispatch.clone();
    let leaves = std::thread::spawn(move || {
        for (span, context) in receiver {
            context.scope(|| {
                other.exit(&span.id().unwrap());
                drop(span);
            });
        }
    });
    let (_, captured) = capture(|| {
        dispatcher::with_default(&dispatch, || {
            for _ in 0..SPANS {
                let span = info_span!(parent: None, "torn again");
                dispatch.enter(&span.id().unwrap());
                sender.send((span, Context::current())).unwrap();
            }
        });
        drop(sender);
        leaves.join().unwrap();
        // What is left of them, however many, goes when the thread enters as many others.
        dispatcher::with_default(&dispatch, || {
            for _ in 0..SPANS {
                info_span!(parent: None, "others").in_scope(|| {});
            }
        });
    });
    let (calls, _, open) = figures(&captured, "torn again").unwrap();
    assert_eq!(calls + open, SPANS);
    assert!(open < 100, "{open} of {SPANS} are still open");
    assert_eq!(figures(&captured, "others"), Some((SPANS, SPANS, 0)));
}

/// tokio-rs/tracing#3223: a span of one dispatcher, entered on a thread that knows none.
#[test]
fn a_span_is_entered_on_a_thread_that_knows_no_subscriber() {
    let (_, captured) = measured(|| {
        let span = info_span!("elsewhere");
        let context = Context::current();
        std::thread::scope(|scope| {
            scope.spawn(|| context.scope(|| span.in_scope(|| {})));
        });
        span.in_scope(|| {});
    });
    assert_eq!(figures(&captured, "elsewhere"), Some((1, 2, 0)));
}

/// tokio-rs/tracing#3223, as hyper resolves names: made here, entered and dropped by a blocking task.
#[test]
fn a_span_is_entered_and_dropped_by_a_blocking_task() {
    let runtime = multi_thread();
    let (_, captured) = measured(|| {
        let context = Context::current();
        let span = info_span!("resolve");
        let task = runtime.spawn_blocking(move || {
            context.scope(|| {
                let _in = span.enter();
                info_span!("ask").in_scope(|| {});
            });
            context.scope(move || drop(span));
        });
        runtime.block_on(task).unwrap();
    });
    assert_eq!(figures(&captured, "resolve"), Some((1, 1, 0)));
}

/// open-telemetry/opentelemetry-rust#957, apollographql/router#2359: dropped on a thread whose subscriber is `NoSubscriber`.
#[test]
fn a_span_that_is_dropped_where_nobody_subscribes_is_not_kept_open() {
    let (_, captured) = measured(|| {
        for _ in 0..100 {
            let span = info_span!("dropped elsewhere");
            span.in_scope(|| {});
            let context = Context::current();
            let drops = move || {
                let none = Dispatch::none();
                dispatcher::with_default(&none, || context.scope(|| drop(span)));
            };
            std::thread::spawn(drops).join().unwrap();
        }
    });
    assert_eq!(figures(&captured, "dropped elsewhere"), Some((100, 100, 0)));
}

/// tokio-rs/tracing-opentelemetry#123: while several threads were in a span, their time counted as idle.
#[test]
fn threads_that_are_in_a_span_at_once_are_all_busy() {
    let clock = ManualClock::new();
    let (_, captured) = Capture::new().clock(&clock).run(|| {
        subscriber::with_default(registry().with(khive_perf::layer()), || {
            let span = info_span!("shared");
            let (context, barrier) = (Context::current(), Barrier::new(3));
            std::thread::scope(|scope| {
                for advances in [true, false, false] {
                    let (span, context, barrier, clock) = (&span, &context, &barrier, &clock);
                    scope.spawn(move || {
                        context.scope(|| {
                            span.in_scope(|| {
                                barrier.wait();
                                if advances {
                                    clock.advance(5 * MS);
                                }
                                barrier.wait();
                            });
                        });
                    });
                }
            });
        });
    });
    let stats = captured.callsite("shared").unwrap();
    assert_eq!((stats.calls(), stats.polls(), stats.in_flight()), (1, 3, 0));
    assert_eq!(stats.busy(), 15 * MS);
    assert_eq!((stats.wall().max(), stats.idle()), (5 * MS, Duration::ZERO));
}

/// tokio-rs/console#184: a thread that ends inside of a span, and takes with it what it knew of it.
#[test]
fn a_thread_that_ends_inside_of_a_span_leaves_it_to_the_others() {
    let (_, captured) = measured(|| {
        let span = info_span!("outlives a thread");
        let (inside, context) = (span.clone(), Context::current());
        // Joined, as it must have ended with all that it has of its own.
        let ends = move || context.scope(|| leak(inside.enter()));
        std::thread::spawn(ends).join().unwrap();
        span.in_scope(|| {});
    });
    let (calls, polls, open) = figures(&captured, "outlives a thread").unwrap();
    assert_eq!((calls, open), (1, 0));
    assert!(polls >= 1);
}

/// tokio-rs/tracing#3239, tikv/minitrace-rust#160: spans in a destructor of thread-local memory, when ours may be gone.
#[test]
fn spans_of_a_thread_that_is_ending_bring_nobody_down() {
    struct Traces(Context, Dispatch);
    impl Drop for Traces {
        fn drop(&mut self) {
            let Self(context, dispatch) = self;
            // The registry may refuse a thread that is ending; that it does so with a panic is not ours to mend.
            let traces = || {
                context.scope(|| {
                    dispatcher::with_default(dispatch, || {
                        let span = info_span!("at the end");
                        span.in_scope(|| info_span!("within").in_scope(|| {}));
                    });
                });
            };
            drop(catch_unwind(AssertUnwindSafe(traces)));
        }
    }
    thread_local! {
        static FIRST: RefCell<Option<Traces>> = const { RefCell::new(None) };
        static LAST: RefCell<Option<Traces>> = const { RefCell::new(None) };
    }
    let (_, captured) = measured(|| {
        let dispatch = dispatcher::get_default(Dispatch::clone);
        let context = Context::current();
        let ends = move || {
            FIRST.set(Some(Traces(context.clone(), dispatch.clone())));
            context.scope(|| {
                dispatcher::with_default(&dispatch, || info_span!("alive").in_scope(|| {}));
            });
            LAST.set(Some(Traces(context, dispatch)));
        };
        std::thread::spawn(ends).join().unwrap();
    });
    assert_eq!(figures(&captured, "alive"), Some((1, 1, 0)));
}

// Dispatchers.

/// tokio-rs/tracing#898: spans of different subscribers may have the same id.
#[test]
fn subscribers_with_the_same_ids_are_kept_apart() {
    let (_, captured) = capture(|| {
        let make = |name: &'static str| {
            let dispatch = dispatch();
            let span = dispatcher::with_default(&dispatch, || match name {
                "one" => info_span!("one"),
                _ => info_span!("two"),
            });
            (dispatch, span)
        };
        let ((_, one), (_, two)) = (make("one"), make("two"));
        assert_eq!(one.id(), two.id());
        let in_one = one.enter();
        let in_two = two.enter();
        drop(in_one);
        two.in_scope(|| {});
        drop(in_two);
    });
    assert_eq!(figures(&captured, "one"), Some((1, 1, 0)));
    assert_eq!(figures(&captured, "two"), Some((1, 1, 0)));
}

/// tokio-rs/tracing#1656: leaving a span while another subscriber was the default closed one of the other's.
#[test]
fn a_span_is_left_while_another_subscriber_is_the_default() {
    let (_, captured) = capture(|| {
        let (outer, inner) = (dispatch(), dispatch());
        let outer = dispatcher::set_default(&outer);
        let one = info_span!("one").entered();
        let inner = dispatcher::set_default(&inner);
        let two = info_span!("two").entered();
        drop(one);
        drop(two);
        drop(inner);
        info_span!("three").in_scope(|| {});
        drop(outer);
    });
    for name in ["one", "two", "three"] {
        assert_eq!(figures(&captured, name), Some((1, 1, 0)), "{name}");
    }
}

/// tokio-rs/tracing#2587: a span that goes on in a scope without a subscriber, where nothing else is seen.
#[test]
fn a_span_is_entered_where_nobody_subscribes() {
    let (_, captured) = measured(|| {
        let span = info_span!("seen");
        dispatcher::with_default(&Dispatch::none(), || {
            span.in_scope(|| info_span!("unseen").in_scope(|| {}));
        });
    });
    assert_eq!(figures(&captured, "seen"), Some((1, 1, 0)));
    assert!(captured.callsite("unseen").is_none());
}

/// tokio-rs/tracing#900: of a registry whose only layer went away, spans were kept for ever.
#[test]
fn a_subscriber_that_is_dropped_before_its_spans_ends_them() {
    let (_, captured) = capture(|| {
        let span = dispatcher::with_default(&dispatch(), || {
            let span = info_span!("outlives its subscriber");
            span.in_scope(|| {});
            span
        });
        // It has the last handle of the subscriber.
        drop(span);
    });
    assert_eq!(
        figures(&captured, "outlives its subscriber"),
        Some((1, 1, 0))
    );
}
