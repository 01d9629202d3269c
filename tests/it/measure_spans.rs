//! `#[measure(span)]`: the spans of `tracing` that measured calls open, as a subscriber sees them.

use std::fmt::Debug;
use std::future::{Future, pending};
use std::panic::catch_unwind;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use khive_perf::__private::is_measured;
use khive_perf::measure;
use khive_perf::testing::{Capture, ManualClock, capture};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Dispatch, Span, dispatcher};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::{LookupSpan, Registry};

use crate::measure::{block_on, outcomes, poll_once, yield_now};

/// What happened to spans, one line each, in the order in which it happened.
#[derive(Clone, Default)]
struct Journal {
    lines: Arc<Mutex<Vec<String>>>,
    /// Is moved whenever the journal is written.
    clock: Option<ManualClock>,
}

impl Journal {
    fn write(&self, line: String) {
        self.lines.lock().expect("no test panics here").push(line);
        if let Some(clock) = &self.clock {
            clock.advance(Duration::from_secs(1));
        }
    }

    fn lines(&self) -> Vec<String> {
        self.lines.lock().expect("no test panics here").clone()
    }

    /// A subscriber that writes down spans down to this level.
    fn subscriber(&self, level: LevelFilter) -> Dispatch {
        Dispatch::new(Registry::default().with(self.clone().with_filter(level)))
    }
}

/// The values of a span as ` key=value` texts; text by value in quotes.
struct Values(String);

impl Visit for Values {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0 += &format!(" {field}={value:?}");
    }
}

impl<S: tracing::Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Journal {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut values = Values(String::new());
        attributes.record(&mut values);
        let metadata = attributes.metadata();
        let parent = context.span(id).and_then(|span| span.parent());
        let parent = parent.map_or_else(String::new, |parent| format!(" in {}", parent.name()));
        let (level, name) = (metadata.level(), metadata.name());
        self.write(format!("new {level} {name}{}{parent}", values.0));
    }

    fn on_record(&self, id: &Id, _: &Record<'_>, context: Context<'_, S>) {
        self.write(format!("record {}", name(&context, id)));
    }

    fn on_enter(&self, id: &Id, context: Context<'_, S>) {
        self.write(format!("enter {}", name(&context, id)));
    }

    fn on_exit(&self, id: &Id, context: Context<'_, S>) {
        self.write(format!("exit {}", name(&context, id)));
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        self.write(format!("close {}", name(&context, &id)));
    }
}

fn name<S>(context: &Context<'_, S>, id: &Id) -> &'static str
where
    S: tracing::Subscriber + for<'a> LookupSpan<'a>,
{
    context.span(id).map_or("?", |span| span.name())
}

/// What `f` does to spans of this level and above.
fn journal_at<R>(level: LevelFilter, f: impl FnOnce() -> R) -> (R, Vec<String>) {
    let journal = Journal::default();
    let returned = dispatcher::with_default(&journal.subscriber(level), f);
    (returned, journal.lines())
}

fn journal<R>(f: impl FnOnce() -> R) -> (R, Vec<String>) {
    journal_at(LevelFilter::TRACE, f)
}

fn current() -> &'static str {
    Span::current().metadata().map_or("none", |it| it.name())
}

/// Says in which span it is dropped.
struct SaysWhere(Arc<Mutex<&'static str>>);

impl Drop for SaysWhere {
    fn drop(&mut self) {
        *self.0.lock().expect("no test panics here") = current();
    }
}

#[measure(span, fields(id, text, shown = %text, ratio = 0.5, list = ?[1, 2], ok = id > 3))]
fn with_fields(id: u64, text: &str) -> &'static str {
    assert!(id < 100, "too large");
    inner();
    current()
}

#[measure(name = "the inside", span = "debug")]
fn inner() {}

#[measure(span, err)]
fn checked(ok: bool) -> Result<(), ()> {
    if ok {
        return Ok(());
    }
    Err(())
}

#[measure(span, fields(name, len = name.len()), ok_if = |length| *length > 0)]
async fn asynchronous(name: String) -> usize {
    inner();
    yield_now().await;
    name.len()
}

#[measure(span)]
async fn never_ready(says: SaysWhere) {
    let _says = says;
    pending().await
}

#[measure(span = "trace")]
fn boxed(early: bool) -> Pin<Box<dyn Future<Output = &'static str> + Send>> {
    if early {
        return Box::pin(async { "early" });
    }
    Box::pin(async { current() })
}

#[measure(span = "error")]
fn opaque(x: &mut u8) -> impl Future<Output = &'static str> + Send + Unpin {
    *x += 1;
    Box::pin(async { current() })
}

#[measure(span = "warn")]
async fn panicking() {
    yield_now().await;
    panic!("on purpose")
}

struct Store(u8);

#[measure(span, group = "store")]
#[async_trait::async_trait]
impl Load for Store {
    async fn load(&self, key: &str) -> Option<u8> {
        let _ = key;
        Some(self.0)
    }

    #[measure(span = "debug", fields(key))]
    fn r#type(&self, key: &str) -> usize {
        key.len()
    }
}

#[async_trait::async_trait]
trait Load {
    async fn load(&self, key: &str) -> Option<u8>;
    fn r#type(&self, key: &str) -> usize;
}

mod strange {
    #![no_implicit_prelude]
    #![deny(warnings)]
    #![forbid(unsafe_code)]

    mod tracing {}
    mod khive_perf {}

    pub(crate) mod facade {
        pub(crate) use ::khive_perf as sdk;
    }

    #[::khive_perf::measure(span, crate = facade::sdk, fields(x, y = %x))]
    pub(crate) fn sync(x: u8) -> u8 {
        x
    }

    #[::khive_perf::measure(span, crate = facade::sdk, fields(x))]
    pub(crate) async fn asynchronous(x: u8) -> u8 {
        x
    }
}

#[test]
fn a_call_opens_a_span_with_its_name_its_fields_and_its_parent() {
    let ((returned, captured), lines) = journal(|| capture(|| with_fields(7, "a b")));
    assert_eq!(returned, "with_fields");
    assert_eq!(
        lines,
        [
            "new INFO with_fields id=7 text=\"a b\" shown=a b ratio=0.5 list=[1, 2] ok=true",
            "enter with_fields",
            "new DEBUG the inside in with_fields",
            "enter the inside",
            "exit the inside",
            "close the inside",
            "exit with_fields",
            "close with_fields",
        ]
    );
    assert_eq!(outcomes(&captured, "with_fields"), [1, 0, 0, 0]);
    assert_eq!(outcomes(&captured, "the inside"), [1, 0, 0, 0]);
}

#[test]
fn a_span_ends_after_an_error_and_after_a_panic() {
    let ((), lines) = journal(|| {
        let ((), captured) = capture(|| {
            checked(false).expect_err("it was told to fail");
            catch_unwind(|| with_fields(100, "")).expect_err("it is too large");
            assert_eq!(current(), "none");
            catch_unwind(|| block_on(panicking())).expect_err("it panics");
            assert_eq!(current(), "none");
        });
        assert_eq!(outcomes(&captured, "checked"), [0, 1, 0, 0]);
        assert_eq!(outcomes(&captured, "with_fields"), [0, 0, 1, 0]);
        assert_eq!(outcomes(&captured, "panicking"), [0, 0, 1, 0]);
    });
    let ends: Vec<_> = lines
        .iter()
        .filter(|line| line.starts_with("close"))
        .collect();
    assert_eq!(
        ends,
        ["close checked", "close with_fields", "close panicking"]
    );
}

#[test]
fn the_span_of_a_future_is_entered_in_each_poll_and_closed_when_it_is_ready() {
    let ((), lines) = journal(|| {
        let ((), captured) = capture(|| {
            let mut future = pin!(asynchronous("ada".into()));
            drop(asynchronous("never polled".into()));
            assert!(poll_once(future.as_mut()).is_pending());
            assert_eq!(current(), "none");
            tracing::info_span!("elsewhere").in_scope(|| {
                assert!(poll_once(future.as_mut()).is_ready());
            });
            tracing::info_span!("after").in_scope(|| ());
        });
        assert_eq!(outcomes(&captured, "asynchronous"), [1, 0, 0, 0]);
    });
    assert_eq!(
        lines,
        [
            "new INFO asynchronous name=\"ada\" len=3",
            "enter asynchronous",
            "new DEBUG the inside in asynchronous",
            "enter the inside",
            "exit the inside",
            "close the inside",
            "exit asynchronous",
            "new INFO elsewhere",
            "enter elsewhere",
            "enter asynchronous",
            "exit asynchronous",
            "close asynchronous",
            "exit elsewhere",
            "close elsewhere",
            "new INFO after",
            "enter after",
            "exit after",
            "close after",
        ]
    );
}

#[test]
fn a_cancelled_future_is_dropped_in_its_span() {
    let place = Arc::new(Mutex::new("not yet"));
    let ((), lines) = journal(|| {
        let ((), captured) = capture(|| {
            let mut future = Box::pin(never_ready(SaysWhere(Arc::clone(&place))));
            assert!(poll_once(future.as_mut()).is_pending());
            drop(future);
        });
        assert_eq!(outcomes(&captured, "never_ready"), [0, 0, 0, 1]);
    });
    assert_eq!(*place.lock().expect("no test panics here"), "never_ready");
    let [open, polled @ .., close] = lines.as_slice() else {
        panic!("{lines:?}")
    };
    assert_eq!(
        (open.as_str(), close.as_str()),
        ("new INFO never_ready", "close never_ready")
    );
    assert_eq!(polled, ["enter never_ready", "exit never_ready"].repeat(2));
}

#[test]
fn a_future_keeps_its_span_on_another_thread() {
    let journal = Journal::default();
    let subscriber = journal.subscriber(LevelFilter::TRACE);
    let mut future: Pin<Box<dyn Future<Output = usize> + Send>> =
        Box::pin(asynchronous("ada".into()));
    let polled_there = thread::scope(|scope| {
        let there = || dispatcher::with_default(&subscriber, || poll_once(future.as_mut()));
        scope.spawn(there).join().expect("it does not panic")
    });
    assert!(polled_there.is_pending());
    // Also where the thread has no subscriber of its own.
    assert!(poll_once(future.as_mut()).is_ready());
    let lines = journal.lines();
    let of_future = lines
        .iter()
        .filter(|line| !line.starts_with("new") && line.ends_with("asynchronous"));
    assert_eq!(
        of_future.collect::<Vec<_>>(),
        [
            "enter asynchronous",
            "exit asynchronous",
            "enter asynchronous",
            "exit asynchronous",
            "close asynchronous"
        ]
    );
}

#[test]
fn calls_on_several_threads_have_parents_on_their_own() {
    let journal = Journal::default();
    let subscriber = journal.subscriber(LevelFilter::TRACE);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                dispatcher::with_default(&subscriber, || {
                    for _ in 0..50 {
                        with_fields(1, "");
                    }
                });
            });
        }
    });
    let lines = journal.lines();
    let count = |start: &str| lines.iter().filter(|line| line.starts_with(start)).count();
    assert_eq!(count("new INFO with_fields id=1"), 200);
    assert_eq!(count("new DEBUG the inside in with_fields"), 200);
    assert_eq!(count("close"), 400);
}

#[test]
fn a_returned_future_and_the_methods_of_a_block_have_spans_too() {
    let ((), lines) = journal(|| {
        let ((), captured) = capture(|| {
            assert_eq!(block_on(boxed(true)), "early");
            assert_eq!(block_on(boxed(false)), "boxed");
            assert_eq!(block_on(opaque(&mut 1)), "opaque");
            assert_eq!(block_on(Store(1).load("a")), Some(1));
            assert_eq!(Store(1).r#type("ab"), 2);
            assert_eq!(strange::sync(block_on(strange::asynchronous(3))), 3);
        });
        let calls: u64 = captured.callsites().iter().map(|stats| stats.calls()).sum();
        assert_eq!(calls, 7);
    });
    let opened: Vec<_> = lines
        .iter()
        .filter(|line| line.starts_with("new"))
        .collect();
    assert_eq!(
        opened,
        [
            "new TRACE boxed",
            "new TRACE boxed",
            "new ERROR opaque",
            "new INFO load",
            "new DEBUG type key=\"ab\"",
            "new INFO asynchronous x=3",
            "new INFO sync x=3 y=3",
        ]
    );
}

#[test]
fn a_level_that_is_off_opens_no_span_and_is_measured_all_the_same() {
    let call = || {
        with_fields(1, "");
        block_on(asynchronous("a".into()))
    };
    for level in [LevelFilter::OFF, LevelFilter::WARN, LevelFilter::INFO] {
        let ((_, captured), lines) = journal_at(level, || capture(call));
        let expected = if level == LevelFilter::INFO { 2 } else { 0 };
        let opened = lines.iter().filter(|line| line.starts_with("new"));
        assert_eq!(opened.count(), expected, "{level}");
        assert_eq!(outcomes(&captured, "with_fields"), [1, 0, 0, 0]);
        assert_eq!(outcomes(&captured, "asynchronous"), [1, 0, 0, 0]);
        assert_eq!(outcomes(&captured, "the inside"), [2, 0, 0, 0]);
    }
    let (_, captured) = capture(call);
    assert_eq!(outcomes(&captured, "asynchronous"), [1, 0, 0, 0]);
}

#[test]
fn opening_and_closing_a_span_is_not_measured() {
    let clock = ManualClock::new();
    let journal = Journal {
        clock: Some(clock.clone()),
        ..Journal::default()
    };
    let ((), captured) = dispatcher::with_default(&journal.subscriber(LevelFilter::INFO), || {
        Capture::new().clock(&clock).run(|| {
            checked(true).expect("it was told to succeed");
            block_on(opaque(&mut 1));
        })
    });
    assert_eq!(journal.lines().len(), 8, "each moved the clock");
    for name in ["checked", "opaque"] {
        let stats = captured.callsite(name).expect("it was called");
        assert_eq!(stats.wall().max(), Duration::ZERO, "{name}");
    }
}

/// What a layer of ours needs to leave out calls that are counted already.
#[test]
fn spans_of_measured_calls_are_told_from_others() {
    type Site = (&'static str, bool, String);

    #[derive(Clone, Default)]
    struct Told(Arc<Mutex<Vec<Site>>>);

    impl<S: tracing::Subscriber> Layer<S> for Told {
        fn on_new_span(&self, attributes: &Attributes<'_>, _: &Id, _: Context<'_, S>) {
            let metadata = attributes.metadata();
            let site = (
                metadata.name(),
                is_measured(metadata),
                metadata.target().to_owned(),
            );
            self.0.lock().expect("no test panics here").push(site);
        }
    }

    let told = Told::default();
    let subscriber = Dispatch::new(Registry::default().with(told.clone()));
    dispatcher::with_default(&subscriber, || {
        let _span = tracing::info_span!("foreign", khive = 1).entered();
        checked(true).expect("it was told to succeed");
        with_fields(1, "");
        block_on(strange::asynchronous(1));
    });
    let here = String::from(module_path!());
    let expected = [
        ("foreign", false, here.clone()),
        ("checked", true, here.clone()),
        ("with_fields", true, here.clone()),
        ("the inside", true, here.clone()),
        ("asynchronous", true, format!("{here}::strange")),
    ];
    assert_eq!(*told.0.lock().expect("no test panics here"), expected);
}
