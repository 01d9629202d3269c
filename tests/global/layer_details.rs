//! Values that log while they are shown, with a subscriber of the whole process, which hears that.

use std::fmt;
use std::sync::mpsc;
use std::time::Duration;

use khive_perf::trace::{Collector, Span, TraceConfig};
use tracing::{info, info_span};
use tracing_subscriber::layer::SubscriberExt as _;

/// Logs itself, and opens a span with itself.
struct Endless;

impl fmt::Debug for Endless {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        info!(me = ?self, "again");
        info_span!("inner", me = ?self).in_scope(|| f.write_str("Endless"))
    }
}

/// Logs something else.
struct Talks;

impl fmt::Debug for Talks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        info!(rows = 3, "aside");
        f.write_str("Talks")
    }
}

/// Runs `f` in a trace, on a thread of its own; fails if that takes for ever.
fn spans(f: impl FnOnce() + Send + 'static) -> Vec<Span> {
    let (done, is_done) = mpsc::channel();
    let thread = std::thread::spawn(move || {
        let collector = Collector::new(TraceConfig::default());
        collector.root("request").scope(f);
        let _ = done.send(collector.take(usize::MAX));
    });
    match is_done.recv_timeout(Duration::from_secs(60)) {
        Ok(spans) => spans,
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("not back after a minute"),
        Err(mpsc::RecvTimeoutError::Disconnected) => match thread.join() {
            Err(panic) => std::panic::resume_unwind(panic),
            Ok(()) => unreachable!("it sends before it ends"),
        },
    }
}

fn events(spans: &[Span]) -> Vec<String> {
    let root = spans.iter().find(|span| span.is_root()).unwrap();
    let events = root.events().iter();
    events
        .map(|event| {
            let fields = event.attributes.iter().skip(2);
            let fields: Vec<_> = fields
                .map(|(key, value)| format!("{key}={value}"))
                .collect();
            format!("{} {}", event.name, fields.join(" "))
        })
        .collect()
}

#[test]
fn values_that_log_while_they_are_shown_are_heard_and_come_to_an_end() {
    let layer = khive_perf::layer().tell_details();
    tracing::subscriber::set_global_default(tracing_subscriber::registry().with(layer)).unwrap();

    let talked = spans(|| {
        info!(value = ?Talks, "said");
        let span = info_span!("work", value = ?Talks);
        span.in_scope(|| {});
    });
    assert_eq!(
        events(&talked),
        ["aside rows=3", "said value=Talks", "aside rows=3"]
    );

    let endless = spans(|| info!(me = ?Endless, "first"));
    // What is shown for the sake of what is shown has no fields.
    let heard = events(&endless);
    let [bare, again, barer, first] = heard.as_slice() else {
        panic!("{heard:?}")
    };
    assert_eq!(
        (again.as_str(), first.as_str()),
        ("again me=Endless", "first me=Endless")
    );
    assert!(bare.starts_with("event ") && bare == barer, "{heard:?}");
    let endless = spans(|| info_span!("outer", me = ?Endless).in_scope(|| {}));
    let outer = endless
        .iter()
        .find(|span| span.name().ends_with("outer"))
        .unwrap();
    assert_eq!(outer.attributes()[0].1.to_string(), "Endless");
    // The limit is a thread's, and is there again.
    let again = spans(|| info!(value = ?Talks, "said"));
    assert_eq!(events(&again), ["aside rows=3", "said value=Talks"]);
}
