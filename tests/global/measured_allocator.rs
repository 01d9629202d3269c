//! An allocator that is measured itself: the recorder allocates, and must not come back into itself.
//!
//! One process of its own, because it has one allocator.

use std::alloc::{GlobalAlloc, Layout, System};
use std::thread;

use khive_perf::testing::capture;

struct Measured;

// SAFETY: every call is handed on to `System` as it came.
unsafe impl GlobalAlloc for Measured {
    #[khive_perf::measure(name = "alloc")]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as the caller vouches.
        unsafe { System.alloc(layout) }
    }

    #[khive_perf::measure(name = "dealloc")]
    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: as the caller vouches.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Measured = Measured;

#[khive_perf::measure(fields(size))]
fn allocate(size: usize) -> usize {
    vec![0_u8; size].len()
}

#[khive_perf::measure]
fn falls() {
    panic!("{}", "on purpose".to_owned());
}

#[test]
fn a_measured_allocator_neither_deadlocks_nor_loses_a_call_unseen() {
    let (_, captured) = capture(|| {
        for size in 0..500 {
            allocate(size);
        }
        std::panic::catch_unwind(falls).is_err()
    });
    let calls = |name: &str| -> u64 {
        let named = captured
            .callsites()
            .iter()
            .filter(|stats| stats.name() == name);
        named.map(khive_perf::snapshot::CallsiteStats::calls).sum()
    };
    let measured: u64 = captured.callsites().iter().map(|stats| stats.calls()).sum();
    assert!(calls("alloc") >= 499, "{}", calls("alloc"));
    assert!(measured - calls("alloc") - calls("dealloc") >= 501);
    assert!(
        captured
            .overflow()
            .iter()
            .any(|(reason, _)| reason == "inside_recorder")
    );

    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for size in 0..50 {
                    allocate(size);
                    let _ = khive_perf::snapshot();
                }
            });
        }
    });
    let snapshot = khive_perf::snapshot();
    let all: u64 = snapshot
        .callsites()
        .iter()
        .filter(|stats| stats.name().ends_with("allocate"))
        .map(khive_perf::snapshot::CallsiteStats::calls)
        .sum();
    assert_eq!(all, 8 * 50);
}
