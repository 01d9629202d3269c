//! Futures that never end, found by a detector among those that do; and spans of `tracing` that are never closed.

use std::future::{Future, pending};
use std::pin::Pin;
use std::task::{Context, Waker};

use khive_perf::leak::{Kind, LeakConfig, LeakDetector, LeakReport, Verdict};
use khive_perf::measure;
use tracing_subscriber::layer::SubscriberExt as _;

type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Waits until it is polled for the last time; forever if nobody answers.
#[measure]
async fn ask(answered: bool, polls: u32) {
    if !answered {
        pending::<()>().await;
    }
    for _ in 0..polls {
        tokio::task::yield_now().await;
    }
}

/// The same, and always answered.
#[measure]
async fn ask_another(polls: u32) {
    ask(true, polls).await;
}

/// Polls all of them once, and lets go of those that are ready.
fn poll_all(tasks: &mut Vec<Task>) {
    let mut context = Context::from_waker(Waker::noop());
    tasks.retain_mut(|task| task.as_mut().poll(&mut context).is_pending());
}

/// Looks after each round in which ten are asked; one in ten is not answered.
fn watched(rounds: u32) -> LeakReport {
    let subscriber = tracing_subscriber::registry().with(khive_perf::layer());
    let _default = tracing::subscriber::set_default(subscriber);
    let mut detector = LeakDetector::new(LeakConfig::default());
    let (mut tasks, mut spans) = (Vec::<Task>::new(), Vec::new());
    for round in 0..rounds {
        for number in 0..10 {
            let polls = 1 + (round * 7 + number) % 5;
            tasks.push(Box::pin(ask(number > 0, polls)));
            tasks.push(Box::pin(ask_another(polls)));
        }
        let closed = tracing::info_span!("closed");
        closed.in_scope(|| ());
        let kept = tracing::info_span!("kept");
        kept.in_scope(|| ());
        spans.push(kept);
        poll_all(&mut tasks);
        detector.observe();
    }
    // Each call must be known to be under way to the very end.
    let report = detector.report();
    drop((tasks, spans));
    report
}

#[test]
fn what_never_ends_is_told_from_what_does() {
    let report = watched(600);
    let of = |name: &str| {
        let findings = report.findings().iter();
        let mut calls = findings.filter(|finding| finding.kind() == Kind::Call);
        calls.find(|finding| finding.callsite().ends_with(name))
    };
    let found = of("::ask").expect("calls of it are in flight");
    assert_eq!(found.verdict(), Verdict::Leaking, "{report}");
    assert!(found.origin().file.ends_with("leaks_of_calls.rs"));
    assert!(found.live() >= 600 && found.live() < 700, "{report}");
    let other = of("::ask_another").expect("calls of it are in flight");
    assert!(
        other.verdict() < Verdict::Leaking && other.live() < 100,
        "{report}"
    );
    // They only come, so that a cache could do the same for a while; and then no more.
    let kept = of("kept").expect("they are never closed");
    assert_eq!(
        (kept.verdict(), kept.live()),
        (Verdict::Leaking, 600),
        "{report}"
    );
    assert!(
        of("closed").is_none_or(|found| found.verdict() < Verdict::Suspect),
        "{report}"
    );
}
