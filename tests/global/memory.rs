//! Memory: bounded by callsites and live threads, not by calls or by threads that have ended.
//!
//! One process of its own, because it counts the bytes that the whole process holds.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::Mutex;
use std::sync::atomic::{AtomicIsize, Ordering};
use std::thread;
use std::time::Duration;

use khive_perf::snapshot::CallsiteStats;
use khive_perf::testing::{Capture, ManualClock};

struct Counting;

static LIVE: AtomicIsize = AtomicIsize::new(0);

// SAFETY: every call is handed on to `System` as it came; only a counter is added.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LIVE.fetch_add(layout.size().cast_signed(), Ordering::Relaxed);
        // SAFETY: as the caller vouches.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size().cast_signed(), Ordering::Relaxed);
        // SAFETY: as the caller vouches.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The tests of this file look at the same process, so they go one after the other.
static ALONE: Mutex<()> = Mutex::new(());

macro_rules! functions {
    ($($tens:ident)*) => {$(
        mod $tens {
            functions!(@each f0 f1 f2 f3 f4 f5 f6 f7 f8 f9);
        }
    )*
        fn call_all() {
            $($tens::all();)*
        }
    };
    (@each $($name:ident)*) => {
        $(
            #[khive_perf::measure]
            fn $name() {}
        )*
        pub(super) fn all() {
            $($name();)*
        }
    };
}

functions!(m0 m1 m2 m3 m4 m5 m6 m7 m8 m9);

fn ours(snapshot: &khive_perf::Snapshot) -> impl Iterator<Item = &CallsiteStats> {
    snapshot
        .callsites()
        .iter()
        .filter(|stats| stats.name().starts_with("memory::m"))
}

fn threads(count: usize) {
    for _ in 0..count {
        thread::spawn(call_all).join().unwrap();
    }
}

#[test]
fn a_thousand_threads_leave_as_much_behind_as_ten() {
    let _alone = ALONE
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    let before = khive_perf::snapshot();
    // The durations of a hundred functions settle into their octaves.
    threads(10);
    let snapshot = khive_perf::snapshot();
    assert!(ours(&snapshot).count() == 100);
    drop(snapshot);
    let after_ten = LIVE.load(Ordering::Relaxed);
    threads(990);
    let snapshot = khive_perf::snapshot().since(&before);
    assert!(
        ours(&snapshot).all(|stats| stats.calls() == 1_000),
        "no call is lost"
    );
    drop(snapshot);
    let grown = LIVE.load(Ordering::Relaxed) - after_ten;
    // What may grow is the range of the histograms: octaves, of 264 bytes each, that a stray slow call
    // was the first to hit. The recorders of 990 threads, if they stayed, would be 80 MB.
    assert!(grown < 100 * 10 * 264, "{grown} bytes for 990 threads");
}

/// Each call takes a microsecond and a half, or up to two thirds less or more.
#[khive_perf::measure]
fn usual(clock: &ManualClock, call: u64) {
    let spread = call.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 54;
    clock.advance(Duration::from_nanos(500 + 2 * spread));
}

#[test]
fn a_callsite_of_one_usual_duration_takes_two_kibibytes_of_a_thread_at_most() {
    let _alone = ALONE
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    let clock = ManualClock::new();
    let take = || {
        // What a thread takes for itself is there.
        drop(khive_perf::span!("first"));
        let before = LIVE.load(Ordering::Relaxed);
        (0..10_000).for_each(|call| usual(&clock, call));
        LIVE.load(Ordering::Relaxed) - before
    };
    // From here on the callsite is known to the process.
    Capture::new().clock(&clock).run(take);
    let (grown, captured) = Capture::new().clock(&clock).run(take);
    assert_eq!(captured.callsite("usual").unwrap().calls(), 10_000);
    assert!(grown > 0, "what the recorder takes is counted");
    assert!(grown <= 2_048, "{grown} bytes");
}

#[test]
#[cfg(target_os = "linux")]
fn a_hundred_million_calls_do_not_grow_the_resident_set_by_a_megabyte() {
    #[khive_perf::measure]
    fn tiny() {}
    fn resident_kib() -> u64 {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status
            .lines()
            .find(|line| line.starts_with("VmRSS:"))
            .unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }
    let _alone = ALONE
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    for _ in 0..1_000 {
        tiny();
    }
    let before = resident_kib();
    for _ in 0..100_000_000 {
        tiny();
    }
    let grown = resident_kib().saturating_sub(before);
    assert!(grown < 1_024, "{grown} KiB");
    assert_eq!(
        khive_perf::snapshot().callsite("tiny").unwrap().calls(),
        100_001_000
    );
}
