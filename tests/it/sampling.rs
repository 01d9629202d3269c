//! `sample = N` and `slow = ".."`: exact counts, estimated times, calls that took too long.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use khive_perf::testing::{Capture, Captured, ManualClock, capture};
use khive_perf::{Outcome, Snapshot, measure, report};

const US: Duration = Duration::from_micros(1);

/// A capture by a manual clock in which calls are sampled as outside of captures.
fn sampled(f: impl FnOnce(&ManualClock)) -> Captured {
    let clock = ManualClock::new();
    Capture::new().clock(&clock).sampled().run(|| f(&clock)).1
}

/// Standard deviation of an estimate from one call in `every`, as a share of the truth.
fn deviation(calls: u64, every: u64) -> f64 {
    ((every - 1) as f64 / calls as f64).sqrt()
}

fn is_near(estimate: Duration, truth: Duration, deviation: f64) -> bool {
    // Five standard deviations: once in two million runs by chance, and the seeds are fixed anyway.
    (estimate.as_secs_f64() / truth.as_secs_f64() - 1.0).abs() < 5.0 * deviation
}

#[measure(sample = 16)]
fn every_sixteenth(clock: &ManualClock, time: Duration) {
    clock.advance(time);
}

#[measure(sample = 16, err)]
fn fails_at_times(number: u32) -> Result<u32, u32> {
    assert!(number % 10 != 9, "nine");
    if number % 10 < 3 {
        Err(number)
    } else {
        Ok(number)
    }
}

#[test]
fn outcomes_of_sampled_calls_are_counted_exactly() {
    let captured = sampled(|_| {
        for number in 0..1_000 {
            let _ = catch_unwind(AssertUnwindSafe(|| fails_at_times(number)));
        }
    });
    let stats = captured.callsite("fails_at_times").unwrap();
    assert_eq!(
        (stats.ok(), stats.errors(), stats.panics()),
        (600, 300, 100)
    );
    assert_eq!(stats.in_flight(), 0);
    assert!(stats.sampled());
    assert!((1..200).contains(&stats.timed()), "{}", stats.timed());
    let path = captured.call_tree().roots()[0];
    assert_eq!(path.calls(), 1_000);
}

#[test]
fn times_of_sampled_calls_are_estimated_without_bias() {
    const CALLS: u32 = 100_000;
    // Two kinds of calls in turns, which a sampler with a fixed gap would take for one.
    let captured = sampled(|clock| {
        for call in 0..CALLS {
            every_sixteenth(clock, if call % 2 == 0 { US } else { 99 * US });
        }
    });
    let stats = captured.callsite("every_sixteenth").unwrap();
    assert_eq!(stats.calls(), u64::from(CALLS));
    let truth = 50 * US * CALLS;
    // The spread of the two kinds adds to that of the number.
    let deviation = 1.4 * deviation(u64::from(CALLS), 16);
    assert!(is_near(stats.wall().sum(), truth, deviation), "{stats:?}");
    assert!(is_near(stats.self_time(), truth, deviation), "{stats:?}");
    assert!(is_near(stats.busy(), truth, deviation), "{stats:?}");
    let path = captured.call_tree().roots()[0];
    assert!(is_near(path.total(), truth, deviation));
    assert_eq!((stats.wall().min(), stats.wall().max()), (US, 99 * US));
}

// One in one: the budget has no say.
#[measure(sample = 1)]
fn outer(clock: &ManualClock) {
    clock.advance(10 * US);
    for _ in 0..4 {
        every_sixteenth(clock, 20 * US);
    }
}

#[test]
fn the_self_time_of_a_caller_leaves_out_what_its_sampled_callees_took() {
    const CALLS: u32 = 20_000;
    let captured = sampled(|clock| {
        for _ in 0..CALLS {
            outer(clock);
        }
    });
    let stats = captured.callsite("sampling::outer").unwrap();
    assert!(!stats.sampled());
    assert_eq!(stats.busy(), 90 * US * CALLS);
    // 10 us of its own; the 80 us of the callees are an estimate with this deviation of their own.
    let deviation = deviation(4 * u64::from(CALLS), 16) * 8.0;
    assert!(
        is_near(stats.self_time(), 10 * US * CALLS, deviation),
        "{stats:?}"
    );
}

#[test]
fn a_capture_times_every_call_unless_it_is_asked_to_sample() {
    let clock = ManualClock::new();
    let ((), captured) = capture(|| {
        for _ in 0..100 {
            every_sixteenth(&clock, US);
        }
    });
    let stats = captured.callsite("every_sixteenth").unwrap();
    assert_eq!(
        (stats.calls(), stats.timed(), stats.sampled()),
        (100, 100, false)
    );
    assert_eq!(stats.wall().count(), 100);
}

#[measure(sample = 8)]
fn descends(levels: u32) {
    if levels > 1 {
        descends(levels - 1);
    }
}

#[test]
fn recursive_calls_are_sampled_and_counted_each() {
    let captured = sampled(|_| (0..100).for_each(|_| descends(10)));
    let stats = captured.callsite("descends").unwrap();
    assert_eq!(
        (stats.calls(), stats.ok(), stats.in_flight()),
        (1_000, 1_000, 0)
    );
}

#[measure(sample = 16, err)]
fn descends_to_a_fault(levels: u32) -> Result<u32, u32> {
    assert!(levels != 97, "no way down from here");
    match levels % 8 {
        0 => Err(levels),
        _ => descends_to_a_fault(levels - 1).or_else(|at| if at == 8 { Err(at) } else { Ok(at) }),
    }
}

#[test]
fn outcomes_of_recursive_calls_are_counted_each() {
    let captured = sampled(|_| {
        for _ in 0..200 {
            // 1 fails, 4 do well.
            let _ = descends_to_a_fault(20);
            // 3 fail.
            let _ = descends_to_a_fault(10);
            // 3 panic.
            let _ = catch_unwind(|| descends_to_a_fault(99));
        }
    });
    let stats = captured.callsite("descends_to_a_fault").unwrap();
    let outcomes = (stats.ok(), stats.errors(), stats.panics());
    assert_eq!(outcomes, (800, 800, 600));
    assert_eq!((stats.calls(), stats.in_flight()), (2_200, 0));
    assert!(stats.timed() < 400, "{}", stats.timed());
}

#[measure(sample = 8, err)]
async fn request(clock: &ManualClock, number: u32) -> Result<(), u32> {
    clock.advance(US);
    tokio::task::yield_now().await;
    clock.advance(3 * US);
    if number.is_multiple_of(4) {
        Err(number)
    } else {
        Ok(())
    }
}

#[tokio::test]
async fn sampled_futures_are_counted_exactly_with_all_their_polls() {
    const CALLS: u32 = 40_000;
    let clock = ManualClock::new();
    let capture = Capture::new().clock(&clock).sampled();
    let ((), captured) = capture
        .run_async(async {
            for number in 0..CALLS {
                let _ = request(&clock, number).await;
            }
        })
        .await;
    let stats = captured.callsite("sampling::request").unwrap();
    assert_eq!((stats.ok(), stats.errors()), (30_000, 10_000));
    assert_eq!((stats.polls(), stats.in_flight()), (80_000, 0));
    let deviation = deviation(u64::from(CALLS), 8);
    assert!(
        is_near(stats.busy(), 4 * US * CALLS, deviation),
        "{stats:?}"
    );
    assert_eq!(stats.max_poll(), 3 * US);
    let ok = stats.wall_by(Outcome::Ok).sum() + stats.wall_by(Outcome::Error).sum();
    assert!(is_near(ok, 4 * US * CALLS, deviation), "{stats:?}");
}

#[measure(slow = "250us")]
fn sometimes_slow(clock: &ManualClock, time: Duration) {
    clock.advance(time);
}

#[test]
fn calls_at_or_above_the_threshold_are_slow() {
    let captured = sampled(|clock| {
        for us in [1, 249, 250, 251, 1_000] {
            sometimes_slow(clock, us * US);
        }
    });
    let stats = captured.callsite("sometimes_slow").unwrap();
    assert_eq!((stats.slow(), stats.calls()), (3, 5));
    assert_eq!(stats.slow_threshold(), Some(250 * US));
    assert_eq!(stats.wall().count(), 5);
}

#[test]
fn reports_say_what_is_estimated_and_what_is_slow() {
    let captured = sampled(|clock| {
        (0..1_000).for_each(|_| every_sixteenth(clock, US));
        sometimes_slow(clock, 300 * US);
    });
    let snapshot: &Snapshot = &captured;
    let text = report::text(snapshot);
    let line = text.lines().find(|line| line.contains("every_sixteenth"));
    assert!(line.unwrap().contains('~'), "{text}");
    assert!(text.contains("~ estimated"), "{text}");
    assert!(text.contains("calls at or above their threshold"), "{text}");
    let json = report::json(snapshot);
    assert!(
        json.contains("\"slow\":{\"threshold_ns\":250000,\"calls\":1}"),
        "{json}"
    );
}

#[test]
fn what_came_since_is_exact_in_counts_too() {
    let clock = ManualClock::new();
    let first = sampled(|_| (0..100).for_each(|_| every_sixteenth(&clock, US)));
    let mut both = first.clone().into_snapshot();
    let second = sampled(|_| (0..50).for_each(|_| every_sixteenth(&clock, US)));
    both.merge(&second);
    assert_eq!(both.callsite("every_sixteenth").unwrap().calls(), 150);
    let since = both.since(&first);
    assert_eq!(since.callsite("every_sixteenth").unwrap().calls(), 50);
}
