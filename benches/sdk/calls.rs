//! What measuring one call costs, of each kind.

use std::hint::black_box;

use khive_perf_benches::operations as op;
use khive_perf_benches::{Bench, base, case, floor, ideal};

/// Calls of a turn: about a millisecond where each takes as long as two clock readings.
const CALLS: u32 = 20_000;

pub(crate) fn run(bench: &Bench) {
    bench.compare(
        "empty function",
        CALLS,
        vec![
            base(|| op::plain(black_box(1))),
            floor(|| op::clock_pair(black_box(1))),
            ideal(|| op::ideal(black_box(1))),
            case("measure", || op::measured(black_box(1))),
        ],
    );
    bench.compare(
        "empty function, by argument",
        CALLS,
        vec![
            base(|| op::plain(black_box(1))),
            floor(|| op::clock_pair(black_box(1))),
            case("measure(err)", || op::measured_err(black_box(1))),
            case("measure(ok_if)", || op::measured_ok_if(black_box(1))),
            case("measure(slow)", || op::measured_slow(black_box(1))),
            case("measure(sample = 64)", || op::measured_sample(black_box(1))),
            case("measure(alloc)", || op::measured_alloc(black_box(1))),
            case("measure(fields)", || op::measured_fields(black_box(1))),
            case("span!", || op::with_span(black_box(1))),
        ],
    );
    bench.compare(
        "two functions, one in the other",
        CALLS,
        vec![
            base(|| op::plain_caller(black_box(1))),
            floor(|| op::clock_pair_caller(black_box(1))),
            case("measure", || op::measured_caller(black_box(1))),
        ],
    );
    bench.compare(
        "1 µs function",
        CALLS / 4,
        vec![
            base(|| op::kernel(black_box(1))),
            floor(|| op::clock_pair_kernel(black_box(1))),
            ideal(|| op::ideal_kernel(black_box(1))),
            case("measure", || op::measured_kernel(black_box(1))),
        ],
    );
}
