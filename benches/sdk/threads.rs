//! Whether threads that record at once get in each other's way.
//!
//! What is told is processor time, so that more threads than processors cost nothing by themselves. A counter
//! that all share stands beside it, to show what one shared cache line would do.

use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};

use khive_perf_benches::operations as op;
use khive_perf_benches::threads::case_on;
use khive_perf_benches::{Bench, Role};

/// Calls of a turn on each thread: so many that waking the threads takes no part of it.
const CALLS: u32 = 1_000_000;
const ROUNDS: usize = 51;

static SHARED: AtomicU64 = AtomicU64::new(0);

fn measured() -> u64 {
    op::measured(black_box(1))
}

fn counted() -> u64 {
    SHARED.fetch_add(op::plain(black_box(1)), Ordering::Relaxed)
}

pub(crate) fn run(bench: &Bench) {
    by_threads(bench, "measure", measured);
    by_threads(bench, "shared fetch_add", counted);
}

fn by_threads(bench: &Bench, name: &str, f: fn() -> u64) {
    for (count, calls) in [(2, CALLS), (64, CALLS / 5)] {
        let title = format!("{count} threads: {name}");
        if !bench.wants(&title) {
            continue;
        }
        let one = case_on(1, "1 thread", Role::Base, f);
        let several = case_on(count, &format!("{count} threads"), Role::Subject, f);
        bench.compare_for(&title, ROUNDS, calls, vec![one, several]);
    }
}
