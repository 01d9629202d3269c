//! TrackingAllocator: a global allocator that counts what each thread allocates, over any other.

mod formats;
mod hook;
mod modules;
pub(crate) mod names;
mod query;
mod saved;
pub(crate) mod snapshot;

use std::alloc::{GlobalAlloc, Layout, System};

pub use self::query::{HeapChange, HeapGroup, HeapGrouping};
pub use self::saved::HeapError;
pub use self::snapshot::{HeapCall, HeapFrame, HeapSite, HeapSnapshot, HeapSymbol};
use crate::alloc::hook::Zero;
use crate::heap;
use crate::recorder::local;

/// Without the `enabled` feature, everything is handed on and nothing counted.
const COUNTS: bool = cfg!(feature = "enabled");

/// A global allocator that hands everything to another one, and counts.
///
/// Functions with `#[measure(alloc)]` say with it how much their calls allocate, see
/// [`CallsiteStats::alloc`](crate::snapshot::CallsiteStats::alloc).
///
/// # Overhead
///
/// An allocation: a few loads and two stores in memory of this thread. A free: a mask, a comparison, and two branches. Both
/// together take 0.4 to 1.3 ns for 64 bytes. One block in
/// [`Config::heap_sample_bytes`](crate::Config::heap_sample_bytes) is sampled, which takes 0.5 to 0.8 us and, below 128 KiB, a
/// page; `benches/allocators` measures it beside other allocators. Blocks that are not sampled are those of the inner
/// allocator, without a header, and with the layout that was asked for.
///
/// # Examples
///
/// ```
/// use khive_perf::alloc::TrackingAllocator;
///
/// #[global_allocator]
/// static ALLOCATOR: TrackingAllocator = TrackingAllocator::system();
///
/// #[khive_perf::measure(alloc)]
/// fn collect() -> Vec<u64> {
///     Vec::with_capacity(128)
/// }
///
/// let (_, captured) = khive_perf::testing::capture(collect);
/// let alloc = captured.callsite("collect").unwrap().alloc();
/// assert_eq!((alloc.bytes(), alloc.allocations()), (1_024, 1));
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct TrackingAllocator<A = System> {
    inner: A,
}

impl TrackingAllocator<System> {
    /// Over the allocator of the operating system.
    #[must_use]
    pub const fn system() -> Self {
        Self::new(System)
    }
}

impl<A> TrackingAllocator<A> {
    /// Over another allocator.
    #[must_use]
    pub const fn new(inner: A) -> Self {
        Self { inner }
    }
}

/// Whether a [`TrackingAllocator`] counts the allocations of this process.
#[must_use]
pub fn is_installed() -> bool {
    heap::is_installed() || {
        // Were it installed, the first of a thread, at the latest, would have been noticed.
        drop(std::hint::black_box(Box::new(0_u8)));
        heap::is_installed()
    }
}

// SAFETY: every method hands its arguments to the inner allocator as they are, and returns what that returned; or does so
// for a sampled block, see `hook`. Counting does not allocate, and cannot unwind.
unsafe impl<A: GlobalAlloc> GlobalAlloc for TrackingAllocator<A> {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if COUNTS && local::count_allocation(layout.size()) {
            // SAFETY: the caller's promises are passed on, here and below.
            return unsafe { hook::alloc(&self.inner, layout, Zero::No) };
        }
        // SAFETY: see above.
        unsafe { self.inner.alloc(layout) }
    }

    #[inline]
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        if COUNTS && heap::needs_table(block, layout.size()) {
            // SAFETY: the caller's promises are passed on, here and below.
            return unsafe { hook::dealloc(&self.inner, block, layout) };
        }
        // SAFETY: see above.
        unsafe { self.inner.dealloc(block, layout) };
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if COUNTS && local::count_allocation(layout.size()) {
            // SAFETY: the caller's promises are passed on, here and below.
            return unsafe { hook::alloc(&self.inner, layout, Zero::Yes) };
        }
        // SAFETY: see above.
        unsafe { self.inner.alloc_zeroed(layout) }
    }

    #[inline]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if COUNTS && heap::needs_table(block, layout.size()) {
            // SAFETY: the caller's promises are passed on, here and below.
            return unsafe { hook::realloc_tabled(&self.inner, block, layout, size) };
        }
        // What it grows by is counted; shrinking takes nothing back, as a free does not.
        let growth = size.saturating_sub(layout.size());
        if COUNTS && local::count_allocation(growth) {
            // SAFETY: see above.
            return unsafe { hook::realloc_picked(&self.inner, block, layout, size) };
        }
        // SAFETY: see above.
        unsafe { self.inner.realloc(block, layout, size) }
    }
}
