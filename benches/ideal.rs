//! The least that can be done: what a measured call would cost if nothing but its times were kept.
//!
//! A pair of clock readings and a histogram of this thread's own: count by bucket, and sum. No callsite, no
//! caller, no outcome, nobody who could read it.

use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use crate::clock::ticks;

const SUBDIVISIONS_LOG2: u32 = 4;
const BUCKETS: usize = 64 << SUBDIVISIONS_LOG2;

struct Histogram {
    sum: Cell<u64>,
    busy: Cell<u64>,
    buckets: [Cell<u32>; BUCKETS],
}

thread_local! {
    static HISTOGRAM: Histogram = const {
        Histogram {
            sum: Cell::new(0),
            busy: Cell::new(0),
            buckets: [const { Cell::new(0) }; BUCKETS],
        }
    };
}

impl Histogram {
    #[inline(always)]
    fn record(&self, ticks: u64) {
        self.sum.set(self.sum.get().wrapping_add(ticks));
        let bucket = &self.buckets[bucket_of(ticks)];
        bucket.set(bucket.get().wrapping_add(1));
    }
}

/// By leading zeros and the bits behind the first; the smallest share a bucket.
#[inline(always)]
fn bucket_of(ticks: u64) -> usize {
    let ticks = ticks.max(1 << SUBDIVISIONS_LOG2);
    let exponent = 63 - ticks.leading_zeros();
    let mantissa = (ticks >> (exponent - SUBDIVISIONS_LOG2)) & ((1 << SUBDIVISIONS_LOG2) - 1);
    ((exponent << SUBDIVISIONS_LOG2) as usize | mantissa as usize) % BUCKETS
}

/// Times `work` and keeps the time.
#[inline(always)]
pub fn call<R>(work: impl FnOnce() -> R) -> R {
    let start = ticks();
    let result = work();
    let end = ticks();
    HISTOGRAM.with(|histogram| histogram.record(end.wrapping_sub(start)));
    result
}

/// What this thread has recorded: calls, and ticks in all.
#[must_use]
pub fn recorded() -> (u64, u64) {
    HISTOGRAM.with(|histogram| {
        let counts = histogram.buckets.iter().map(|count| u64::from(count.get()));
        (counts.sum(), histogram.sum.get())
    })
}

pin_project! {
    /// A future whose wall and busy time are kept: two readings of the clock per poll.
    #[derive(Debug)]
    #[must_use = "a future does nothing unless it is polled"]
    pub struct Ideal<F> {
        #[pin]
        inner: F,
        start: u64,
        busy: u64,
    }
}

/// Measures a future as an [`Ideal`] one.
pub fn future<F: Future>(inner: F) -> Ideal<F> {
    Ideal {
        inner,
        start: 0,
        busy: 0,
    }
}

impl<F: Future> Future for Ideal<F> {
    type Output = F::Output;

    #[inline]
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let entered = ticks();
        if *this.start == 0 {
            *this.start = entered;
        }
        let polled = this.inner.poll(context);
        let left = ticks();
        *this.busy = this.busy.wrapping_add(left.wrapping_sub(entered));
        if polled.is_ready() {
            HISTOGRAM.with(|histogram| {
                histogram.record(left.wrapping_sub(*this.start));
                histogram
                    .busy
                    .set(histogram.busy.get().wrapping_add(*this.busy));
            });
        }
        polled
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_grow_with_the_value_and_are_within_a_sixteenth_of_it() {
        let mut before = 0;
        for value in (0..10_000).chain([u64::MAX / 2, u64::MAX]) {
            let bucket = bucket_of(value);
            assert!(bucket >= before && bucket < BUCKETS, "{value}");
            before = bucket;
        }
        assert_ne!(bucket_of(1_000), bucket_of(1_100));
    }

    #[test]
    fn calls_and_futures_are_recorded_once_each() {
        let (before, _) = recorded();
        assert_eq!(call(|| 7), 7);
        crate::operations::drive(future(crate::operations::yield_once()));
        assert_eq!(recorded().0, before + 2);
    }
}
