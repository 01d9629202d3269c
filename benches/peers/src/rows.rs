//! The rows in which a peer stands beside us: an empty function, a microsecond, a future, two threads.

use std::hint::black_box;
use std::rc::Rc;
use std::sync::OnceLock;

use khive_perf_benches::operations as op;
use khive_perf_benches::threads::case_on;
use khive_perf_benches::{Bench, Case, Role, async_case, base, floor, ideal};
use tokio::runtime::Builder;

use crate::{CASE, Function, Peer, one_by_one};

const CALLS: u32 = 20_000;
/// Of a turn on each thread.
const CALLS_OF_THREADS: u32 = 100_000;
const ROUNDS: usize = 101;
/// Rounds of threads: some peers keep every call in memory.
const ROUNDS_OF_THREADS: usize = 31;

pub(crate) fn run(bench: &Bench, peer: &Peer) {
    functions(
        bench,
        "empty function",
        CALLS,
        peer,
        peer.empty,
        Work {
            plain: op::plain,
            clock_pair: op::clock_pair,
            ideal: op::ideal,
            ours: op::measured,
        },
    );
    functions(
        bench,
        "1 µs function",
        CALLS / 4,
        peer,
        peer.kernel,
        Work {
            plain: op::kernel,
            clock_pair: op::clock_pair_kernel,
            ideal: op::ideal_kernel,
            ours: op::measured_kernel,
        },
    );
    futures(bench, peer);
    threads(bench, peer);
}

/// The work as others do it.
struct Work {
    plain: Function,
    clock_pair: Function,
    ideal: Function,
    ours: Function,
}

fn functions(bench: &Bench, title: &str, calls: u32, peer: &Peer, of_peer: Function, work: Work) {
    bench.compare_for(
        title,
        ROUNDS,
        calls,
        vec![
            base(move || (work.plain)(black_box(1))),
            floor(move || (work.clock_pair)(black_box(1))),
            ideal(move || (work.ideal)(black_box(1))),
            one_by_one("measure", work.ours),
            (peer.call)(CASE, of_peer),
        ],
    );
}

fn futures(bench: &Bench, peer: &Peer) {
    let Some(of_peer) = peer.future else { return };
    let Ok(runtime) = Builder::new_current_thread().build() else {
        return;
    };
    let runtime = Rc::new(runtime);
    let ideal = || khive_perf_benches::ideal::future(op::yield_now());
    bench.compare_for(
        "future, one yield, current-thread runtime",
        ROUNDS,
        CALLS / 2,
        vec![
            async_case(&runtime, 1, "plain", Role::Base, op::yield_now),
            async_case(&runtime, 1, "ideal", Role::Ideal, ideal),
            async_case(
                &runtime,
                1,
                "measure",
                Role::Subject,
                op::measured_yield_now,
            ),
            of_peer(&runtime),
        ],
    );
}

/// What the threads of a row call: a function pointer, which a thread's closure cannot hold.
static CALLED: OnceLock<Function> = OnceLock::new();

fn called() -> u64 {
    CALLED.get().map_or(0, |f| f(black_box(1)))
}

fn ours() -> u64 {
    op::measured(black_box(1))
}

fn threads(bench: &Bench, peer: &Peer) {
    let pair = |f: fn() -> u64| -> Vec<Case> {
        vec![
            case_on(1, "1 thread", Role::Base, f),
            case_on(2, "2 threads", Role::Subject, f),
        ]
    };
    let _ = CALLED.set(peer.empty);
    bench.compare_for(
        "2 threads: measure",
        ROUNDS_OF_THREADS,
        CALLS_OF_THREADS,
        pair(ours),
    );
    bench.compare_for(
        "2 threads: peer",
        ROUNDS_OF_THREADS,
        CALLS_OF_THREADS,
        pair(called),
    );
}

/// Declares the work as a peer measures it: the attributes, then the names.
#[macro_export]
macro_rules! work {
    ($(#[$attribute:meta])* => $empty:ident, $kernel:ident) => {
        $(#[$attribute])*
        #[inline(never)]
        fn $empty(number: u64) -> u64 {
            number.wrapping_add(1)
        }

        $(#[$attribute])*
        #[inline(never)]
        fn $kernel(number: u64) -> u64 {
            std::hint::black_box(khive_perf_benches::operations::microsecond(number))
        }
    };
}

/// Measures the work by a function that takes it as a closure.
#[macro_export]
macro_rules! work_within {
    ($around:path => $empty:ident, $kernel:ident) => {
        #[inline(never)]
        fn $empty(number: u64) -> u64 {
            $around(|| std::hint::black_box(number.wrapping_add(1)))
        }

        #[inline(never)]
        fn $kernel(number: u64) -> u64 {
            $around(|| std::hint::black_box(khive_perf_benches::operations::microsecond(number)))
        }
    };
}
