//! The overhead budget in a process of its own: which calls it leaves untimed, and that it counts them all.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::thread;
use std::time::Duration;

use khive_perf::testing::{Capture, ManualClock};
use khive_perf::{Config, configure, measure, report, snapshot};

#[measure]
fn tiny(number: u64) -> u64 {
    std::hint::black_box(number.wrapping_add(1))
}

#[measure(err)]
fn falls_now_and_then(number: u64) -> Result<u64, u64> {
    if number.is_multiple_of(1_000) {
        resume_unwind(Box::new("a panic of which nothing is printed"));
    }
    if number.is_multiple_of(7) {
        Err(number)
    } else {
        Ok(number)
    }
}

#[measure]
fn outer(number: u64) -> u64 {
    tiny(number)
}

struct Closes;

impl Drop for Closes {
    fn drop(&mut self) {
        tiny(1);
    }
}

const CALLS: u64 = 200_000;

/// One test, because configuration is the process's.
#[test]
fn what_is_too_short_to_be_timed_is_counted_exactly() {
    (0..CALLS).for_each(|number| {
        tiny(number);
    });
    let taken = snapshot();
    let stats = taken.callsite("tiny").unwrap();
    assert_eq!((stats.calls(), stats.ok()), (CALLS, CALLS));
    assert!(stats.sampled() && stats.timed() < CALLS / 10, "{stats:?}");
    assert!(stats.timed() >= 256, "{stats:?}");
    assert!(stats.total_error() > Duration::ZERO && stats.overhead() > Duration::ZERO);
    let text = report::text(&taken);
    assert!(text.contains("measuring took about"), "{text}");
    // With a budget of a millionth nothing is long enough.
    configure(Config::default().overhead_budget(1e-6)).unwrap();
    assert!(stats.is_too_short());
    let text = report::text(&taken);
    assert!(text.contains("too short"), "{text}");
    configure(Config::default()).unwrap();

    failures_are_counted();
    callees_stay_below_their_callers();
    calls_of_destructors_did_not_panic();
    every_call_is_timed_where_that_is_asked();
    rare_calls_are_all_timed_again();
}

fn failures_are_counted() {
    for number in 1..=CALLS {
        let _ = catch_unwind(AssertUnwindSafe(|| falls_now_and_then(number)));
    }
    let taken = snapshot();
    let stats = taken.callsite("falls_now_and_then").unwrap();
    let panics = CALLS / 1_000;
    let errors = CALLS / 7 - CALLS / 7_000;
    assert_eq!((stats.panics(), stats.errors()), (panics, errors));
    assert_eq!(stats.calls(), CALLS);
    assert_eq!(stats.in_flight(), 0);
}

fn callees_stay_below_their_callers() {
    let before = snapshot().callsite("tiny").unwrap().calls();
    (0..CALLS).for_each(|number| {
        outer(number);
    });
    let taken = snapshot();
    assert_eq!(taken.callsite("outer").unwrap().calls(), CALLS);
    assert_eq!(taken.callsite("tiny").unwrap().calls(), before + CALLS);
    let roots = taken.call_tree().roots();
    let outer = roots
        .iter()
        .find(|path| path.name().ends_with("outer"))
        .unwrap();
    assert_eq!(outer.children()[0].calls(), CALLS);
}

fn calls_of_destructors_did_not_panic() {
    let before = snapshot().callsite("tiny").unwrap().panics();
    for _ in 0..100 {
        let _ = catch_unwind(|| {
            let _closes: [Closes; 10] = std::array::from_fn(|_| Closes);
            resume_unwind(Box::new("a panic of which nothing is printed"));
        });
    }
    // A call that is only counted does not know that the thread was unwinding when it began; the first one of each
    // review may be taken for a panic, and the others are not.
    let after = snapshot().callsite("tiny").unwrap().panics();
    assert!(after - before <= 100, "{after}");
}

fn every_call_is_timed_where_that_is_asked() {
    configure(Config::default().time_every_call()).unwrap();
    let before = snapshot();
    // On a thread of its own nothing is sampled from earlier.
    thread::scope(|scope| {
        scope.spawn(|| {
            (0..CALLS).for_each(|number| {
                tiny(number);
            })
        });
    });
    let since = snapshot().since(&before);
    let stats = since.callsite("tiny").unwrap();
    assert_eq!((stats.calls(), stats.timed()), (CALLS, CALLS));
    configure(Config::default()).unwrap();

    let error = configure(Config::default().overhead_budget(0.0)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "`Config::overhead_budget` is 0; it must be above 0 and at most 1"
    );
    assert!(configure(Config::default().process_overhead_budget(f64::NAN)).is_err());
}

/// By a manual clock, that stands still in the first part and moves by a second for each call in the second.
fn rare_calls_are_all_timed_again() {
    let clock = ManualClock::new();
    let capture = Capture::new().clock(&clock).sampled();
    let timed = capture.run(|| {
        let context = khive_perf::Context::current();
        for _ in 0..10_000 {
            clock.advance(Duration::from_nanos(20));
            tiny(1);
        }
        let busy = context.snapshot();
        for _ in 0..3_000 {
            clock.advance(Duration::from_secs(1));
            tiny(1);
            // A reader, as an exporter is one.
            let _ = context.snapshot();
        }
        let rare = context.snapshot().since(&busy);
        (
            busy.callsite("tiny").unwrap().timed(),
            rare.callsite("tiny").unwrap().timed(),
        )
    });
    let ((busy, rare), _) = timed;
    assert!(busy < 2_000, "{busy}");
    assert!(rare > 2_900, "{rare}");
}
