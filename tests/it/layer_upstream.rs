//! What tracing's own published tests say of `#[instrument]`, of futures and of the registry, re-enacted in our words: against
//! our layer, and against `#[measure(span)]`, of which the same must hold. Each names the upstream test.

use std::future::{Future, poll_fn, ready};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context as Task, Poll, Waker};

use khive_perf::Context;
use khive_perf::testing::{Captured, capture};
use tracing::{
    Dispatch, Instrument as _, Level, Span, dispatcher, info, info_span, span, subscriber,
};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::{Layer as _, registry, reload};

use crate::layer::{figures, measured, poll_once};

/// The functions of upstream's tests of attributes, each with an attribute of `tracing`'s or of ours.
macro_rules! functions {
    ($module:ident, #[$attribute:meta]) => {
        mod $module {
            use std::future::Future;
            use std::pin::Pin;

            use async_trait::async_trait;

            use crate::layer_upstream::Yields;

            #[$attribute]
            pub(super) async fn polled(polls: u32) -> u32 {
                Yields(polls).await;
                polls
            }

            #[$attribute]
            pub(super) async fn nested(polls: u32) -> u32 {
                let inner = polled(polls);
                polled(1).await + inner.await
            }

            #[$attribute]
            pub(super) async fn fails(fails: bool) -> Result<u8, String> {
                Yields(1).await;
                if fails {
                    return Err("on purpose".to_owned());
                }
                let value: u8 = "7".parse().map_err(|_| String::new())?;
                Ok(value)
            }

            #[$attribute]
            pub(super) async fn takes_apart(
                (a, [b, ..]): (u8, [u8; 3]),
                Named { c, d: (e, f) }: Named,
            ) -> u8 {
                Yields(1).await;
                a + b + c + e + f
            }

            pub(super) struct Named {
                pub(super) c: u8,
                pub(super) d: (u8, u8),
            }

            #[$attribute]
            pub(super) fn generic<T: Into<u64>, const N: usize>(
                value: T,
            ) -> impl Iterator<Item = u64> {
                let value = value.into();
                (0..N as u64).map(move |at| at * value)
            }

            #[async_trait]
            pub(super) trait Store {
                async fn load(&mut self, key: &str) -> Option<u8>;
                async fn all<T: Send + 'static>(&self, values: Vec<T>) -> usize;
            }

            #[derive(Default)]
            pub(super) struct Memory {
                pub(super) asked: usize,
            }

            #[async_trait]
            impl Store for Memory {
                #[$attribute]
                async fn load(&mut self, key: &str) -> Option<u8> {
                    self.asked += 1;
                    Yields(2).await;
                    key.bytes().next()
                }

                #[$attribute]
                async fn all<T: Send + 'static>(&self, values: Vec<T>) -> usize {
                    Yields(1).await;
                    values.len() + self.asked
                }
            }

            #[$attribute]
            pub(super) fn boxed(polls: u32) -> Pin<Box<dyn Future<Output = u32> + Send>> {
                Box::pin(async move {
                    Yields(polls).await;
                    polls
                })
            }

            impl Memory {
                #[$attribute]
                pub(super) fn method(&mut self, by: usize) -> &mut usize {
                    self.asked += by;
                    &mut self.asked
                }

                #[$attribute]
                #[expect(clippy::boxed_local, reason = "the receiver is what is tried")]
                pub(super) fn consumes(self: Box<Self>) -> usize {
                    self.asked
                }
            }
        }
    };
}

functions!(instrumented, #[tracing::instrument(skip_all)]);
functions!(measured_ones, #[khive_perf::measure(span)]);

/// Pending for so many polls.
pub(crate) struct Yields(pub(crate) u32);

impl Future for Yields {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, _: &mut Task<'_>) -> Poll<()> {
        match self.0.checked_sub(1) {
            Some(left) => {
                self.0 = left;
                Poll::Pending
            }
            None => Poll::Ready(()),
        }
    }
}

fn finish<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Task::from_waker(Waker::noop())) {
            return output;
        }
    }
}

/// Runs the same with both attributes, and says what was recorded of each function, which must be the same.
macro_rules! both {
    ($module:ident => $body:block) => {{
        let with_instrument = {
            use instrumented as $module;
            measured(|| $body)
        };
        let with_measure = {
            use measured_ones as $module;
            measured(|| $body)
        };
        assert_eq!(with_instrument.0, with_measure.0);
        assert_eq!(rows(&with_instrument.1), rows(&with_measure.1));
        rows(&with_measure.1)
    }};
}

/// Name, calls, polls of what can be polled, and those that are open.
fn rows(captured: &Captured) -> Vec<(String, u64, u64)> {
    let mut rows: Vec<_> = captured
        .callsites()
        .iter()
        .map(|stats| {
            let name = stats.name().rsplit("::").next().unwrap_or_default();
            (name.to_owned(), stats.calls(), stats.in_flight())
        })
        .collect();
    rows.sort();
    rows
}

fn row(name: &str, calls: u64) -> (String, u64, u64) {
    (name.to_owned(), calls, 0)
}

/// `async_fn::async_fn_only_enters_for_polls`.
#[test]
fn an_async_fn_is_entered_for_its_polls_only() {
    for name in ["polled", "instrumented", "measured"] {
        let (_, captured) = measured(|| match name {
            "polled" => finish(Yields(3).instrument(info_span!("polled"))),
            "instrumented" => drop(finish(instrumented::polled(3))),
            _ => drop(finish(measured_ones::polled(3))),
        });
        let stats = captured.callsite("polled").unwrap();
        assert_eq!(stats.calls(), 1, "{name}");
        // `Instrumented` enters its span once more to drop what it holds.
        assert!(
            (4..=5).contains(&stats.polls()),
            "{name}: {}",
            stats.polls()
        );
    }
}

/// `async_fn::async_fn_nested`.
#[test]
fn async_fns_that_await_each_other_are_calls_of_their_own() {
    let rows = both!(of => { finish(of::nested(2)) });
    assert_eq!(rows, [row("nested", 1), row("polled", 2)]);
}

/// `async_fn::async_fn_with_async_trait` and its variants with fields and generic parameters.
#[test]
fn methods_of_async_traits_are_measured_while_they_run() {
    let rows = both!(of => {
        use of::Store as _;
        let mut memory = of::Memory::default();
        let first = finish(memory.load("key"));
        (first, finish(memory.all(vec![1, 2, 3])))
    });
    assert_eq!(rows, [row("all", 1), row("load", 1)]);
}

/// `async_fn::manual_box_pin`, `manual_impl_future`.
#[test]
fn a_future_that_is_given_back_in_a_box_is_one_call() {
    let rows = both!(of => { finish(of::boxed(3)) });
    assert_eq!(rows, [row("boxed", 1)]);
}

/// `err::test_async`, `err::test_early_return`: a `?`, a return, an error.
#[test]
fn errors_and_early_returns_end_the_call() {
    let rows = both!(of => { [finish(of::fails(true)), finish(of::fails(false))] });
    assert_eq!(rows, [row("fails", 2)]);
}

/// `destructuring::*`.
#[test]
fn arguments_may_be_patterns() {
    let rows = both!(of => {
        let named = of::Named { c: 3, d: (4, 5) };
        finish(of::takes_apart((1, [2, 0, 0]), named))
    });
    assert_eq!(rows, [row("takes_apart", 1)]);
}

/// `instrument::{generics, methods, impl_trait_return_type}`.
#[test]
fn generic_functions_and_methods_are_measured_like_others() {
    let rows = both!(of => {
        let sum: u64 = of::generic::<u8, 4>(2).sum();
        let mut memory = of::Memory::default();
        *memory.method(2) += 1;
        (sum, Box::new(memory).consumes())
    });
    assert_eq!(
        rows,
        [row("consumes", 1), row("generic", 1), row("method", 1)]
    );
}

/// `instrument::span_on_drop`, tracing-futures' `future_error_ends_span`: a future that was dropped on the way, and one that
/// was never polled.
#[test]
fn a_future_that_is_dropped_ends_its_call_and_one_that_never_ran_had_none() {
    let rows = both!(of => {
        let mut future = Box::pin(of::polled(9));
        assert!(poll_once(future.as_mut()).is_pending());
        drop(future);
    });
    assert_eq!(rows, [row("polled", 1)]);
    let (_, captured) = measured(|| drop(measured_ones::polled(9)));
    assert!(captured.callsites().is_empty());
}

/// `async_fn`'s futures on several threads: polled here, finished and dropped there.
#[test]
fn futures_go_from_thread_to_thread() {
    fn elsewhere<R: Send>(f: impl FnOnce() -> R + Send) -> R {
        let context = Context::current();
        let dispatch = dispatcher::get_default(Dispatch::clone);
        std::thread::scope(|scope| {
            let run = || dispatcher::with_default(&dispatch, || context.scope(f));
            scope.spawn(run).join().unwrap()
        })
    }
    let rows = both!(of => {
        let mut future = Box::pin(of::polled(2));
        assert!(poll_once(future.as_mut()).is_pending());
        assert!(elsewhere(|| poll_once(future.as_mut())).is_pending());
        let output = elsewhere(move || finish(future));
        let mut dropped = Box::pin(of::polled(5));
        assert!(poll_once(dropped.as_mut()).is_pending());
        elsewhere(move || drop(dropped));
        output
    });
    assert_eq!(rows, [row("polled", 2)]);
}

/// `levels`, `names`, `targets`: what the attribute says is what the callsite is called, and what a level leaves out.
#[test]
fn names_targets_and_levels_are_those_of_the_attribute() {
    #[tracing::instrument(name = "named", target = "somewhere", level = "debug")]
    fn function() {}
    let run = |level| {
        let layer = khive_perf::layer().max_level(level);
        capture(|| subscriber::with_default(registry().with(layer), function)).1
    };
    assert_eq!(
        figures(&run(LevelFilter::DEBUG), "somewhere::named"),
        Some((1, 1, 0))
    );
    assert!(run(LevelFilter::INFO).callsites().is_empty());
}

/// `span::spans_always_go_to_the_subscriber_that_tagged_them`, also across threads.
#[test]
fn a_span_belongs_to_the_subscriber_that_made_it() {
    let (_, captured) = capture(|| {
        let ours = Dispatch::new(registry().with(khive_perf::layer()));
        let others = Dispatch::new(registry());
        let span = dispatcher::with_default(&ours, || info_span!("ours"));
        dispatcher::with_default(&others, || {
            span.in_scope(|| info_span!("not ours").in_scope(|| {}));
        });
        let context = Context::current();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                dispatcher::with_default(&others, || context.scope(|| span.in_scope(|| {})));
            });
        });
    });
    assert_eq!(figures(&captured, "ours"), Some((1, 2, 0)));
    assert!(captured.callsite("not ours").is_none());
}

/// `span::{drop_span_when_exiting_dispatchers_context, clone_and_drop_span_always_go_to_the_subscriber_that_tagged_the_span}`.
#[test]
fn handles_may_be_cloned_and_dropped_under_another_subscriber() {
    let (_, captured) = capture(|| {
        let one = Dispatch::new(registry().with(khive_perf::layer()));
        let two = Dispatch::new(registry().with(khive_perf::layer()));
        let span = dispatcher::with_default(&one, || {
            let span = info_span!("handled");
            let clone = span.clone();
            drop(clone);
            span
        });
        dispatcher::with_default(&two, || {
            span.in_scope(|| {});
            let clone = span.clone();
            drop(span);
            let seen = Context::current().snapshot();
            assert_eq!(
                seen.callsite("handled").map(|stats| stats.in_flight()),
                Some(1)
            );
            drop(clone);
        });
    });
    assert_eq!(figures(&captured, "handled"), Some((1, 1, 0)));
}

/// `span::{span_closes_after_event, new_span_after_event, event_outside_of_span, span_closes_when_exited}`.
#[test]
fn events_in_and_between_spans_change_nothing() {
    let (_, captured) = measured(|| {
        let first = info_span!("first");
        first.in_scope(|| info!("within"));
        drop(first);
        info!("between");
        info_span!("second").in_scope(|| info!("within, too"));
    });
    assert_eq!(rows(&captured), [row("first", 1), row("second", 1)]);
}

/// `span::{enter, entered, entered_api}`.
#[test]
fn each_way_to_enter_a_span_is_the_same() {
    let (_, captured) = measured(|| {
        let span = info_span!("entered");
        {
            let _in = span.enter();
        }
        let entered = span.entered();
        assert!(!entered.is_disabled());
        let span = entered.exit();
        span.in_scope(|| {});
    });
    assert_eq!(figures(&captured, "entered"), Some((1, 3, 0)));
}

/// `span::{explicit_root_span, explicit_child, contextual_root, contextual_child, explicit_root_span_is_root_regardless_of_ctx,
/// explicit_child_regardless_of_ctx}`: whatever its parent, a span is a call where it is entered.
#[test]
fn roots_and_children_explicit_or_not_are_calls_where_they_are_entered() {
    let (_, captured) = measured(|| {
        info_span!(parent: None, "explicit root").in_scope(|| {});
        let context = info_span!("context").entered();
        info_span!(parent: None, "root in a context").in_scope(|| {});
        let other = info_span!(parent: None, "other");
        info_span!(parent: &other, "explicit child").in_scope(|| {});
        info_span!("contextual child").in_scope(|| {});
        drop(context);
        info_span!("contextual root").in_scope(|| {});
    });
    let tree = captured.call_tree();
    let named = |of: Vec<khive_perf::snapshot::CallPath<'_>>| -> Vec<String> {
        let names = of
            .iter()
            .map(|path| path.name().rsplit("::").next().unwrap_or_default());
        let mut names: Vec<_> = names.map(str::to_owned).collect();
        names.sort();
        names
    };
    assert_eq!(
        named(tree.roots()),
        ["context", "contextual root", "explicit root"]
    );
    let context = tree
        .roots()
        .into_iter()
        .find(|root| root.name().ends_with("::context"));
    let below = named(context.unwrap().children());
    assert_eq!(
        below,
        ["contextual child", "explicit child", "root in a context"]
    );
}

/// tracing-futures' `std_future::{enter_exit_is_reasonable, error_ends_span}`.
#[test]
fn a_future_that_ends_with_an_error_ends_its_span() {
    let (_, captured) = measured(|| {
        let fails = async {
            Yields(2).await;
            Err::<(), ()>(())
        };
        assert!(finish(fails.instrument(info_span!("fails"))).is_err());
        finish(ready(()).instrument(info_span!("ready")));
        finish(ready(()).instrument(Span::none()));
        finish(async { finish(ready(()).in_current_span()) }.instrument(info_span!("around")));
    });
    assert_eq!(
        rows(&captured),
        [row("around", 1), row("fails", 1), row("ready", 1)]
    );
}

/// The registry's `{spans_are_removed_from_registry, spans_are_only_closed_when_the_last_ref_drops,
/// span_enter_guards_are_dropped_out_of_order, child_closes_parent}`.
#[test]
fn a_call_ends_with_the_last_handle_of_its_span() {
    let in_flight = |name: &str| {
        let seen = Context::current().snapshot();
        seen.callsite(name).map(|stats| stats.in_flight())
    };
    let (_, captured) = measured(|| {
        let one = info_span!("one");
        let again = one.clone();
        let in_one = one.enter();
        let two = info_span!("two");
        let in_two = two.enter();
        drop(in_one);
        drop(in_two);
        drop(one);
        assert_eq!(in_flight("one"), Some(1));
        drop(again);
        assert_eq!(in_flight("one"), Some(1), "its child is open");
        drop(two);
        assert_eq!((in_flight("one"), in_flight("two")), (Some(0), Some(0)));
    });
    assert_eq!(rows(&captured), [row("one", 1), row("two", 1)]);
}

/// `reload::{reload_handle, reload_filter}`, and `layer_filters::{basic_layer_filters, boxed, layer_filter_interests_are_cached,
/// global_filter_interests_are_cached}`: filters of the subscriber, of other layers and of this one.
#[test]
fn filters_of_others_are_theirs_and_the_subscribers_hold_for_all() {
    let run = |dispatch: Dispatch| {
        let spans = || {
            for _ in 0..2 {
                span!(Level::ERROR, "error").in_scope(|| {});
                span!(Level::TRACE, "trace").in_scope(|| {});
            }
        };
        rows(&capture(|| dispatcher::with_default(&dispatch, spans)).1)
    };
    let others = registry()
        .with(tracing_subscriber::layer::Identity::new().with_filter(LevelFilter::ERROR))
        .with(khive_perf::layer());
    assert_eq!(
        run(Dispatch::new(others)),
        [row("error", 2), row("trace", 2)]
    );
    let all = registry()
        .with(LevelFilter::ERROR)
        .with(khive_perf::layer());
    assert_eq!(run(Dispatch::new(all)), [row("error", 2)]);
    let this = registry().with(khive_perf::layer().with_filter(LevelFilter::ERROR).boxed());
    assert_eq!(run(Dispatch::new(this)), [row("error", 2)]);
    let (filter, handle) = reload::Layer::new(LevelFilter::OFF);
    let reloaded = Dispatch::new(registry().with(filter).with(khive_perf::layer()));
    assert!(run(reloaded.clone()).is_empty());
    handle.modify(|level| *level = LevelFilter::TRACE).unwrap();
    assert_eq!(run(reloaded), [row("error", 2), row("trace", 2)]);
}

/// `multithreaded` and `scoped_clobbers_default`: subscribers of threads and of scopes, each with spans of its own.
#[test]
fn subscribers_of_threads_and_scopes_do_not_mix() {
    let (_, captured) = capture(|| {
        let context = Context::current();
        let names: Vec<Arc<str>> = (0..4)
            .map(|number| format!("thread {number}").into())
            .collect();
        std::thread::scope(|scope| {
            for _ in &names {
                scope.spawn(|| {
                    context.scope(|| {
                        let outer = registry().with(khive_perf::layer());
                        subscriber::with_default(outer, || {
                            let outer = info_span!("outer").entered();
                            let inner = registry().with(khive_perf::layer());
                            subscriber::with_default(inner, || {
                                for _ in 0..25 {
                                    info_span!("inner").in_scope(|| {});
                                }
                            });
                            drop(outer);
                        });
                    });
                });
            }
        });
    });
    assert_eq!(rows(&captured), [row("inner", 100), row("outer", 4)]);
}

/// `future_send`: what is measured or instrumented may still be sent, and awaited in a task.
#[test]
fn futures_may_still_be_sent() {
    fn sends<F: Future + Send>(future: F) -> F {
        future
    }
    let rows = both!(of => {
        finish(sends(async {
            let mut memory = of::Memory::default();
            of::Store::load(&mut memory, "k").await.map(u32::from).unwrap_or_default() + of::polled(1).await
        }))
    });
    assert_eq!(rows, [row("load", 1), row("polled", 1)]);
    let mut polls = 0;
    finish(sends(poll_fn(|_| {
        polls += 1;
        if polls > 2 {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })));
}
