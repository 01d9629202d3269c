//! What measuring one call costs, beside the bare pair of clock readings.

use std::future::Future;
use std::hint::black_box;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use khive_perf::measure;
use khive_perf_benches::{case, compare};

#[inline(never)]
fn plain(number: u64) -> u64 {
    number.wrapping_add(1)
}

#[cfg(target_arch = "x86_64")]
#[inline(never)]
fn clock_pair(number: u64) -> u64 {
    // SAFETY: the instruction exists on every x86-64 processor and touches no memory.
    let start = unsafe { core::arch::x86_64::_rdtsc() };
    let result = black_box(number.wrapping_add(1));
    // SAFETY: as above.
    let end = unsafe { core::arch::x86_64::_rdtsc() };
    black_box(end.wrapping_sub(start));
    result
}

#[cfg(not(target_arch = "x86_64"))]
#[inline(never)]
#[expect(clippy::disallowed_methods, reason = "the floor of timing here")]
fn clock_pair(number: u64) -> u64 {
    let start = std::time::Instant::now();
    let result = black_box(number.wrapping_add(1));
    black_box(start.elapsed());
    result
}

#[measure]
#[inline(never)]
fn measured(number: u64) -> u64 {
    number.wrapping_add(1)
}

#[measure(err)]
#[inline(never)]
fn measured_result(number: u64) -> Result<u64, ()> {
    Ok(number.wrapping_add(1))
}

#[measure(fields(number))]
#[inline(never)]
fn measured_with_field(number: u64) -> u64 {
    number.wrapping_add(1)
}

#[measure]
#[inline(never)]
fn measured_caller(number: u64) -> u64 {
    measured(number)
}

/// A microsecond of work that the clock can hide behind.
#[inline(never)]
fn kernel(number: u64) -> u64 {
    (0..600).fold(number, |sum, i| {
        black_box(sum.wrapping_mul(31).wrapping_add(i))
    })
}

#[measure]
#[inline(never)]
fn measured_kernel(number: u64) -> u64 {
    (0..600).fold(number, |sum, i| {
        black_box(sum.wrapping_mul(31).wrapping_add(i))
    })
}

async fn yield_once() {
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

#[measure]
async fn measured_yield_once() {
    yield_once().await;
}

fn drive(future: impl Future<Output = ()>) {
    let mut future = pin!(future);
    while future
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()))
        .is_pending()
    {}
}

fn main() {
    compare(
        "empty function",
        vec![
            case("plain", || plain(black_box(1))),
            case("clock pair", || clock_pair(black_box(1))),
            case("measure", || measured(black_box(1))),
            case("measure(err)", || measured_result(black_box(1))),
            case("measure(fields(number))", || {
                measured_with_field(black_box(1))
            }),
            case("measure, calling another", || measured_caller(black_box(1))),
        ],
    );
    compare(
        "a microsecond of work",
        vec![
            case("plain", || kernel(black_box(1))),
            case("clock pair around it", || clock_pair(kernel(black_box(1)))),
            case("measure", || measured_kernel(black_box(1))),
        ],
    );
    compare(
        "a future that yields once",
        vec![
            case("plain", || drive(yield_once())),
            case("two clock pairs beside it", || {
                clock_pair(clock_pair(1));
                drive(yield_once());
            }),
            case("measure", || drive(measured_yield_once())),
        ],
    );
    khive_perf::configure(khive_perf::Config::default().disable()).unwrap_or_default();
    compare(
        "empty function, switched off at run time",
        vec![
            case("plain", || plain(black_box(1))),
            case("clock pair", || clock_pair(black_box(1))),
            case("measure", || measured(black_box(1))),
        ],
    );
}
