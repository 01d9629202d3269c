//! What is measured: every operation of the SDK, and the same work without it.

use std::future::Future;
use std::hint::black_box;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use khive_perf::{FutureExt as _, measure};

/// A function that does next to nothing.
#[inline(never)]
pub fn plain(number: u64) -> u64 {
    number.wrapping_add(1)
}

/// [`plain`] between two readings of the clock.
#[inline(never)]
pub fn clock_pair(number: u64) -> u64 {
    crate::clock::pair(|| number.wrapping_add(1))
}

/// [`plain`], timed into a histogram of the thread's own.
#[inline(never)]
pub fn ideal(number: u64) -> u64 {
    crate::ideal::call(|| black_box(number.wrapping_add(1)))
}

/// [`plain`], measured.
#[measure]
#[inline(never)]
pub fn measured(number: u64) -> u64 {
    number.wrapping_add(1)
}

/// Returns a `Result`, and is not measured.
///
/// # Errors
///
/// Never.
#[inline(never)]
pub fn plain_result(number: u64) -> Result<u64, std::fmt::Error> {
    Ok(number.wrapping_add(1))
}

/// Measured, its outcome too.
///
/// # Errors
///
/// Never.
#[measure(err)]
#[inline(never)]
pub fn measured_err(number: u64) -> Result<u64, std::fmt::Error> {
    Ok(number.wrapping_add(1))
}

/// Measured, its outcome by a test of the user's.
#[measure(ok_if = Option::is_some)]
#[inline(never)]
pub fn measured_ok_if(number: u64) -> Option<u64> {
    number.checked_add(1)
}

/// Measured, in a series for the value of its argument.
#[measure(fields(number))]
#[inline(never)]
pub fn measured_fields(number: u64) -> u64 {
    number.wrapping_add(1)
}

/// Measured, with a threshold that is never reached.
#[measure(slow = "1s")]
#[inline(never)]
pub fn measured_slow(number: u64) -> u64 {
    number.wrapping_add(1)
}

/// Measured, with one call in 64 timed.
#[measure(sample = 64)]
#[inline(never)]
pub fn measured_sample(number: u64) -> u64 {
    number.wrapping_add(1)
}

/// Measured, what it allocates too.
#[measure(alloc)]
#[inline(never)]
pub fn measured_alloc(number: u64) -> u64 {
    number.wrapping_add(1)
}

/// A region of a function that is not measured.
#[inline(never)]
pub fn with_span(number: u64) -> u64 {
    let _span = khive_perf::span!("region");
    number.wrapping_add(1)
}

/// Calls a function; neither is measured.
#[inline(never)]
pub fn plain_caller(number: u64) -> u64 {
    plain(number)
}

/// Calls a function between two readings of the clock, between two readings of the clock.
#[inline(never)]
pub fn clock_pair_caller(number: u64) -> u64 {
    crate::clock::pair(|| clock_pair(number))
}

/// Calls a function; both are measured.
#[measure]
#[inline(never)]
pub fn measured_caller(number: u64) -> u64 {
    measured(number)
}

/// About a microsecond of work, of the same instructions for all that measure it: each step needs the one before it,
/// and memory none.
#[inline(never)]
#[must_use]
pub fn microsecond(number: u64) -> u64 {
    (0..STEPS).fold(number, |state, _| {
        let state = state ^ (state << 13);
        let state = state ^ (state >> 7);
        state ^ (state << 17)
    })
}

/// So many that it takes a microsecond on a processor of 3 GHz.
const STEPS: u32 = 500;

/// [`microsecond`], called from a function of its own.
#[inline(never)]
pub fn kernel(number: u64) -> u64 {
    black_box(microsecond(number))
}

/// [`kernel`] between two readings of the clock.
#[inline(never)]
pub fn clock_pair_kernel(number: u64) -> u64 {
    crate::clock::pair(|| microsecond(number))
}

/// [`kernel`], timed into a histogram of the thread's own.
#[inline(never)]
pub fn ideal_kernel(number: u64) -> u64 {
    crate::ideal::call(|| black_box(microsecond(number)))
}

/// [`kernel`], measured.
#[measure]
#[inline(never)]
pub fn measured_kernel(number: u64) -> u64 {
    black_box(microsecond(number))
}

/// A future that is ready at once.
pub async fn ready() {}

/// [`ready`], measured.
#[measure]
pub async fn measured_ready() {}

/// A future that is pending once, and asks for no wake.
pub async fn yield_once() {
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

/// [`yield_once`], measured.
#[measure]
pub async fn measured_yield_once() {
    yield_once().await;
}

/// [`yield_once`], measured where it is awaited.
pub async fn measured_where_awaited() {
    yield_once().measured("yield once").await;
}

/// A future that lets the runtime go round once.
pub async fn yield_now() {
    tokio::task::yield_now().await;
}

/// [`yield_now`], measured.
#[measure]
pub async fn measured_yield_now() {
    tokio::task::yield_now().await;
}

/// Polls a future to its end, without a runtime.
pub fn drive(future: impl Future<Output = ()>) {
    let mut future = pin!(future);
    while future
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()))
        .is_pending()
    {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_variant_of_the_work_does_the_same_work() {
        for variant in [
            plain,
            clock_pair,
            ideal,
            measured,
            measured_fields,
            measured_slow,
            measured_sample,
            measured_alloc,
            with_span,
            plain_caller,
            clock_pair_caller,
            measured_caller,
        ] {
            assert_eq!(variant(41), 42);
        }
        assert_eq!(plain_result(41), measured_err(41));
        assert_eq!(measured_ok_if(41), Some(42));
        for variant in [clock_pair_kernel, ideal_kernel, measured_kernel] {
            assert_eq!(variant(3), kernel(3));
        }
    }

    #[cfg(feature = "enabled")]
    #[test]
    fn measured_variants_record_and_plain_ones_do_not() {
        let ((), captured) = khive_perf::testing::capture(|| {
            measured_caller(plain_caller(1));
            drive(measured_yield_once());
            drive(yield_once());
        });
        assert_eq!(captured.callsites().len(), 3);
        for name in ["::measured", "::measured_caller", "::measured_yield_once"] {
            let callsite = captured
                .callsites()
                .iter()
                .find(|callsite| callsite.name().ends_with(name));
            assert_eq!(callsite.map(|stats| stats.calls()), Some(1), "{name}");
        }
    }
}
