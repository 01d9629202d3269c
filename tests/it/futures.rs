//! Futures: wall, busy and idle time, polls, cancellation, on whichever thread they are polled.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use khive_perf::testing::{Capture, ManualClock, capture, capture_async};
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
