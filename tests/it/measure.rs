//! What the tests of `#[measure]` share: counts by outcome, and a future run to its end.

use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use khive_perf::snapshot::Snapshot;

/// Calls of a callsite: ok, errors, panics, cancelled. All zero where it was never called.
pub(crate) fn outcomes(snapshot: &Snapshot, name: &str) -> [u64; 4] {
    snapshot.callsite(name).map_or([0; 4], |stats| {
        [
            stats.ok(),
            stats.errors(),
            stats.panics(),
            stats.cancelled(),
        ]
    })
}

/// Polls a future to its end. None of the tests has a future that needs more than a few polls.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    for _ in 0..1000 {
        if let Poll::Ready(output) = poll_once(future.as_mut()) {
            return output;
        }
    }
    panic!("the future is pending after 1000 polls");
}

/// Polls a future once, with a waker that wakes nobody.
pub(crate) fn poll_once<F: Future + ?Sized>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// Is pending once, then ready.
pub(crate) async fn yield_now() {
    let mut yielded = false;
    std::future::poll_fn(|_| {
        if std::mem::replace(&mut yielded, true) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
}
