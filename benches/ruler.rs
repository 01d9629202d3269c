//! The ruler: what the machine's own operations cost, to read every other number against.

use std::cell::Cell;
use std::hint::black_box;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use khive_perf_benches::threads::case_on;
use khive_perf_benches::{Bench, Role, base, case, clock, floor};

static SHARED: AtomicU64 = AtomicU64::new(0);
static LOCK: Mutex<u64> = Mutex::new(0);

thread_local! {
    static OWN: Cell<u64> = const { Cell::new(0) };
}

fn count_on_own() -> u64 {
    OWN.with(|own| {
        own.set(own.get() + 1);
        own.get()
    })
}

fn count_on_shared() -> u64 {
    SHARED.fetch_add(1, Ordering::Relaxed)
}

fn main() {
    let bench = Bench::new("ruler");
    bench.compare(
        "ruler",
        20_000,
        vec![
            base(|| black_box(0_u64)),
            floor(|| clock::pair(|| ())),
            case("one clock reading", clock::ticks),
            case("Instant pair", clock::instant_pair),
            case("thread-local counter", count_on_own),
            case("atomic load", || SHARED.load(Ordering::Relaxed)),
            case("atomic fetch_add", count_on_shared),
            case("Mutex that nobody else wants", || {
                LOCK.lock().map_or(0, |mut count| {
                    *count += 1;
                    *count
                })
            }),
        ],
    );
    for (title, f) in [
        (
            "ruler: thread-local counter, by threads",
            count_on_own as fn() -> u64,
        ),
        ("ruler: atomic fetch_add, by threads", count_on_shared),
    ] {
        bench.compare(
            title,
            1_000_000,
            vec![
                case_on(1, "1 thread", Role::Base, f),
                case_on(2, "2 threads", Role::Subject, f),
            ],
        );
    }
}
