//! The clocks that the benches measure, and the ones they measure with.

use std::hint::black_box;
use std::time::{Duration, Instant};

/// One reading of the fastest clock.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
pub fn ticks() -> u64 {
    // SAFETY: the instruction exists on every x86-64 processor and touches no memory.
    unsafe { core::arch::x86_64::_rdtsc() }
}

/// One reading of the fastest clock.
#[cfg(not(target_arch = "x86_64"))]
#[inline(always)]
pub fn ticks() -> u64 {
    static START: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    let start = START.get_or_init(now);
    u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

/// Two readings of the fastest clock: what timing costs at the least.
#[inline(always)]
pub fn pair<R>(work: impl FnOnce() -> R) -> R {
    let start = ticks();
    let result = black_box(work());
    black_box(ticks().wrapping_sub(start));
    result
}

/// Two readings of the standard library's clock.
#[inline(always)]
pub fn instant_pair() -> Duration {
    let start = now();
    black_box(());
    start.elapsed()
}

/// The time that passes.
#[inline(always)]
#[expect(clippy::disallowed_methods, reason = "the door to the clock")]
#[must_use]
pub fn now() -> Instant {
    Instant::now()
}

/// The time that this thread has had a processor to itself.
///
/// With more threads than processors, this and not the time that passes is what a call costs.
pub fn thread_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    let nanos = u32::try_from(time.tv_nsec).unwrap_or_default();
    Duration::new(seconds, nanos)
}

/// The time that passes during `work`.
pub fn passed(work: impl FnOnce()) -> Duration {
    let start = now();
    work();
    start.elapsed()
}

/// The time that a processor spent on `work`.
pub fn on_processor(work: impl FnOnce()) -> Duration {
    let start = thread_time();
    work();
    thread_time().saturating_sub(start)
}
