//! Futures: wall, busy and idle time, polls, cancellation, on whichever thread they are polled.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use khive_perf::testing::{Capture, Captured, ManualClock, capture, capture_async};
use khive_perf::{Context as Recording, FutureExt as _, Outcome, measure};

const MS: Duration = Duration::from_millis(1);

fn poll_once<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// Takes `busy[i]` in its poll number `i`, and is ready at the end of the last.
#[measure]
async fn work(clock: ManualClock, busy: Vec<Duration>) -> usize {
    let mut polls = 0;
    poll_fn(|_| {
        clock.advance(busy[polls]);
        polls += 1;
        if polls == busy.len() {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
    polls
}

#[test]
fn a_future_polled_on_several_threads_is_accounted_exactly() {
    let clock = ManualClock::new();
    let (polls, captured) = Capture::new().clock(&clock).run(|| {
        let mut future = Box::pin(work(clock.clone(), vec![3 * MS, 7 * MS, 2 * MS]));
        clock.advance(100 * MS);
        assert!(poll_once(future.as_mut()).is_pending());
        clock.advance(20 * MS);
        let context = Recording::current();
        let mut future = thread::scope(|scope| {
            let other = scope.spawn(|| {
                context.scope(|| {
                    assert!(poll_once(future.as_mut()).is_pending());
                    future
                })
            });
            other.join().unwrap()
        });
        clock.advance(50 * MS);
        poll_once(future.as_mut())
    });
    assert_eq!(polls, Poll::Ready(3));
    let stats = captured.callsite("work").unwrap();
    assert_eq!((stats.calls(), stats.ok(), stats.polls()), (1, 1, 3));
    assert_eq!(
        stats.wall().sum(),
        82 * MS,
        "from the first poll to the end"
    );
    assert_eq!(stats.busy(), 12 * MS);
    assert_eq!(stats.idle(), 70 * MS);
    assert_eq!(stats.max_poll(), 7 * MS);
    assert_eq!(stats.self_time(), 12 * MS);
    assert_eq!(stats.in_flight(), 0);
}

#[test]
fn a_future_inside_another_is_its_callee_in_every_poll() {
    #[measure]
    async fn outer(clock: ManualClock) {
        clock.advance(MS);
        work(clock.clone(), vec![2 * MS, 4 * MS]).await;
        clock.advance(8 * MS);
    }
    let clock = ManualClock::new();
    let ((), captured) = Capture::new().clock(&clock).run(|| {
        let mut future = pin!(outer(clock.clone()));
        assert!(poll_once(future.as_mut()).is_pending());
        clock.advance(16 * MS);
        assert!(poll_once(future.as_mut()).is_ready());
    });
    let outer = captured.callsite("outer").unwrap();
    assert_eq!(
        (outer.busy(), outer.self_time(), outer.idle()),
        (15 * MS, 9 * MS, 16 * MS)
    );
    let [root] = captured.call_tree().roots().try_into().unwrap();
    let [child] = root.children().try_into().unwrap();
    assert_eq!((root.calls(), child.calls()), (1, 1));
    assert_eq!((root.total(), child.total()), (15 * MS, 6 * MS));
}

#[test]
fn a_future_dropped_half_way_is_cancelled_and_flatters_nobody() {
    let clock = ManualClock::new();
    let ((), captured) = Capture::new().clock(&clock).run(|| {
        let mut future = Box::pin(work(clock.clone(), vec![MS, MS]));
        assert!(poll_once(future.as_mut()).is_pending());
        clock.advance(5 * MS);
        drop(future);
        drop(work(clock.clone(), vec![]));
    });
    let stats = captured.callsite("work").unwrap();
    assert_eq!(
        (stats.calls(), stats.cancelled()),
        (1, 1),
        "the one never polled was never called"
    );
    assert!(stats.wall().is_empty());
    assert_eq!(stats.wall_by(Outcome::Cancelled).sum(), 6 * MS);
    assert_eq!(
        (stats.busy(), stats.idle(), stats.in_flight()),
        (MS, 5 * MS, 0)
    );
}

/// Takes `poll` in its only poll, and `drop` when it is dropped.
#[measure(sample = 4)]
async fn takes_long_to_drop(clock: ManualClock, poll: Duration, drop: Duration) {
    struct Long(ManualClock, Duration);
    impl Drop for Long {
        fn drop(&mut self) {
            self.0.advance(self.1);
        }
    }
    let _long = Long(clock.clone(), drop);
    clock.advance(poll);
    std::future::pending::<()>().await;
}

/// Polls as many of them once and drops them; `within` says what is around that.
fn dropped(capture: Capture, calls: u64, within: impl FnOnce(&mut dyn FnMut())) -> Captured {
    let clock = ManualClock::new();
    let drops = || {
        for _ in 0..calls {
            let mut future = Box::pin(takes_long_to_drop(clock.clone(), MS, 20 * MS));
            assert!(poll_once(future.as_mut()).is_pending());
            clock.advance(5 * MS);
        }
    };
    capture.clock(&clock).run(|| within(&mut { drops })).1
}

#[test]
fn the_drop_of_a_pending_future_takes_time_and_is_no_poll() {
    let plain = dropped(Capture::new(), 3, |drops| drops());
    let in_a_trace = dropped(Capture::new(), 3, |drops| {
        let collector =
            khive_perf::trace::Collector::new(khive_perf::trace::TraceConfig::default());
        collector.root("request").scope(drops);
        assert_eq!(collector.take(usize::MAX).len(), 4);
    });
    for captured in [plain, in_a_trace] {
        let stats = captured.callsite("takes_long_to_drop").unwrap();
        assert_eq!((stats.calls(), stats.cancelled(), stats.polls()), (3, 3, 3));
        assert_eq!(stats.max_poll(), MS);
        assert_eq!((stats.busy(), stats.idle()), (3 * 21 * MS, 3 * 5 * MS));
        assert_eq!(stats.wall_by(Outcome::Cancelled).sum(), 3 * 26 * MS);
    }
    // Most of these are counted only, and the others stand for them.
    let captured = dropped(Capture::new().sampled(), 4_000, |drops| drops());
    let stats = captured.callsite("takes_long_to_drop").unwrap();
    assert_eq!((stats.cancelled(), stats.polls()), (4_000, 4_000));
    assert!(stats.sampled());
    assert_eq!(stats.max_poll(), MS);
    let busy = stats.busy().as_secs_f64() / (4_000 * 21 * MS).as_secs_f64();
    assert!((0.8..1.2).contains(&busy), "{busy}");
}

#[test]
fn a_drop_that_panics_is_no_poll_either() {
    struct Falls;
    impl Drop for Falls {
        fn drop(&mut self) {
            panic!("on purpose");
        }
    }
    #[measure]
    async fn falls_when_dropped() {
        let _falls = Falls;
        std::future::pending::<()>().await;
    }
    let (caught, captured) = capture(|| {
        let mut future = Box::pin(falls_when_dropped());
        assert!(poll_once(future.as_mut()).is_pending());
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(future)))
    });
    assert!(caught.is_err());
    let stats = captured.callsite("falls_when_dropped").unwrap();
    assert_eq!(
        (stats.panics(), stats.polls(), stats.in_flight()),
        (1, 1, 0)
    );
}

#[test]
fn a_panic_in_a_poll_is_counted_and_goes_on_unwinding() {
    #[measure]
    async fn falls() {
        tokio::task::yield_now().await;
        panic!("on purpose");
    }
    let (caught, captured) = capture(|| {
        std::panic::catch_unwind(|| {
            let mut future = pin!(falls());
            while poll_once(future.as_mut()).is_pending() {}
        })
    });
    assert_eq!(
        caught.unwrap_err().downcast_ref::<&str>(),
        Some(&"on purpose")
    );
    let stats = captured.callsite("falls").unwrap();
    assert_eq!(
        (stats.calls(), stats.panics(), stats.cancelled()),
        (1, 1, 0)
    );
    assert_eq!(stats.in_flight(), 0);
}

#[test]
#[expect(clippy::mem_forget, reason = "what happens then is the question")]
fn a_future_under_way_is_in_flight_and_its_busy_time_shows() {
    let clock = ManualClock::new();
    let ((), captured) = Capture::new().clock(&clock).run(|| {
        let mut future = Box::pin(work(clock.clone(), vec![MS, MS]));
        assert!(poll_once(future.as_mut()).is_pending());
        std::mem::forget(future);
    });
    let stats = captured.callsite("work").unwrap();
    assert_eq!(
        (
            stats.calls(),
            stats.in_flight(),
            stats.polls(),
            stats.busy()
        ),
        (0, 1, 1, MS)
    );
}

#[test]
fn recursive_futures_count_inclusive_time_once() {
    #[measure]
    async fn dive(clock: &ManualClock, depth: u32) {
        if depth == 0 {
            clock.advance(10 * MS);
            tokio::task::yield_now().await;
        } else {
            Box::pin(dive(clock, depth - 1)).await;
        }
    }
    let clock = ManualClock::new();
    let ((), captured) = Capture::new().clock(&clock).run(|| {
        let mut future = pin!(dive(&clock, 9));
        while poll_once(future.as_mut()).is_pending() {
            clock.advance(MS);
        }
    });
    let stats = captured.callsite("dive").unwrap();
    assert_eq!((stats.calls(), stats.wall().count()), (10, 1));
    assert_eq!(
        (stats.wall().sum(), stats.busy(), stats.idle()),
        (11 * MS, 10 * MS, MS)
    );
    assert_eq!(stats.self_time(), 10 * MS);
}

#[tokio::test]
async fn futures_that_are_no_functions_are_measured_by_name_and_place() {
    let ((), captured) = capture_async(async {
        for _ in 0..2 {
            tokio::task::yield_now().measured("wait for a reply").await;
        }
        tokio::task::yield_now().measured("wait for a reply").await;
    })
    .await;
    let calls: Vec<_> = captured
        .callsites()
        .iter()
        .map(|s| (s.name(), s.calls(), s.polls()))
        .collect();
    assert_eq!(
        calls,
        [("wait for a reply", 2, 4), ("wait for a reply", 1, 2)]
    );
    assert!(captured.callsites()[0].line() < captured.callsites()[1].line());
}

fn assert_send<T: Send>(value: T) -> T {
    value
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tasks_on_a_multi_thread_runtime_are_all_counted() {
    #[measure(err)]
    async fn task(number: u32) -> Result<u32, u32> {
        for _ in 0..number % 5 {
            tokio::task::yield_now().await;
        }
        if number.is_multiple_of(3) {
            Err(number)
        } else {
            Ok(number)
        }
    }
    let (_, captured) = capture_async(async {
        let tasks: Vec<_> = (0..300)
            .map(|number| tokio::spawn(assert_send(task(number)).in_current_context()))
            .collect();
        for task in tasks {
            let _ = task.await.unwrap();
        }
    })
    .await;
    let stats = captured.callsite("task").unwrap();
    assert_eq!(
        (stats.ok(), stats.errors(), stats.in_flight()),
        (200, 100, 0)
    );
    assert_eq!(stats.polls(), 300 + 60 * (1 + 2 + 3 + 4));
}

#[test]
fn a_measured_future_is_at_most_96_bytes_larger() {
    async fn plain() -> u64 {
        let held = [0_u8; 1024];
        tokio::task::yield_now().await;
        held.iter().map(|byte| u64::from(*byte)).sum()
    }
    let extra = size_of_val(&plain().measured("size")) - size_of_val(&plain());
    assert!(extra <= 96, "{extra} bytes");
}
