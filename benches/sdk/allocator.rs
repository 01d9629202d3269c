//! What counting costs an allocation.

use std::alloc::{GlobalAlloc, Layout, System};
use std::hint::black_box;

use khive_perf::alloc::TrackingAllocator;
use khive_perf_benches::{Bench, base, case};

const CALLS: u32 = 20_000;

static TRACKING: TrackingAllocator = TrackingAllocator::system();

/// Allocates and frees a block.
#[inline(never)]
fn block(allocator: &impl GlobalAlloc, bytes: usize) -> usize {
    let Ok(layout) = Layout::from_size_align(bytes.max(1), 8) else {
        return 0;
    };
    // SAFETY: the size is not zero.
    let block = black_box(unsafe { allocator.alloc(layout) });
    if !block.is_null() {
        // SAFETY: it came from this allocator with this layout, and nobody has it.
        unsafe { allocator.dealloc(block, layout) };
    }
    block.addr()
}

pub(crate) fn run(bench: &Bench) {
    for (title, bytes) in [
        ("allocation and free of 64 bytes", 64),
        ("allocation and free of 4 KiB", 4 << 10),
    ] {
        bench.compare(
            title,
            CALLS,
            vec![
                base(move || block(&System, black_box(bytes))),
                case("TrackingAllocator", move || {
                    block(&TRACKING, black_box(bytes))
                }),
            ],
        );
    }
}
