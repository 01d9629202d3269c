//! What the tests of this package share: many threads at once, in few calls under Miri, and in many elsewhere.
//!
//! `cargo xtask miri` interprets these tests; `cargo test` runs them as a stress. `KHIVE_PERF_STRESS=100` in the
//! environment makes that a hundred times as long.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

/// So many rounds, or `few` under Miri.
#[must_use]
pub fn rounds(many: u64, few: u64) -> u64 {
    if cfg!(miri) {
        return few;
    }
    let times = std::env::var("KHIVE_PERF_STRESS").ok();
    many * times.and_then(|times| times.parse().ok()).unwrap_or(1)
}

struct Nobody;

impl Wake for Nobody {
    fn wake(self: Arc<Self>) {}
}

/// Polls a future once, without a runtime.
pub fn poll<F: Future + ?Sized>(future: Pin<&mut F>) -> Poll<F::Output> {
    let waker = Waker::from(Arc::new(Nobody));
    future.poll(&mut Context::from_waker(&waker))
}

/// Is ready once it has been polled so many times.
#[derive(Debug)]
pub struct Polls(pub u32);

impl Future for Polls {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        let Some(left) = self.0.checked_sub(1) else {
            return Poll::Ready(());
        };
        self.0 = left;
        Poll::Pending
    }
}
