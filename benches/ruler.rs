//! The ruler: what the machine's own operations cost, to read every other number against.

use std::cell::Cell;
use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use khive_perf_benches::{case, compare};

static SHARED: AtomicU64 = AtomicU64::new(0);

thread_local! {
    static OWN: Cell<u64> = const { Cell::new(0) };
}

/// What two readings of the fastest clock cost.
#[cfg(target_arch = "x86_64")]
fn clock_pair() -> u64 {
    // SAFETY: the instruction exists on every x86-64 processor and touches no memory.
    let start = unsafe { core::arch::x86_64::_rdtsc() };
    black_box(());
    // SAFETY: as above.
    unsafe { core::arch::x86_64::_rdtsc() }.wrapping_sub(start)
}

/// What two readings of the fastest clock cost.
#[cfg(not(target_arch = "x86_64"))]
fn clock_pair() -> std::time::Duration {
    instant_pair()
}

/// What two readings of the standard library's clock cost.
#[expect(
    clippy::disallowed_methods,
    reason = "the cost of this clock is the question"
)]
fn instant_pair() -> std::time::Duration {
    let start = Instant::now();
    black_box(());
    start.elapsed()
}

fn main() {
    compare(
        "ruler",
        vec![
            case("nothing", || black_box(0_u64)),
            case("clock pair (the floor of timing)", clock_pair),
            case("Instant pair", instant_pair),
            case("thread-local counter", || {
                OWN.with(|own| own.set(own.get() + 1))
            }),
            case("atomic load", || SHARED.load(Ordering::Relaxed)),
            case("atomic fetch_add", || {
                SHARED.fetch_add(1, Ordering::Relaxed)
            }),
        ],
    );
}
