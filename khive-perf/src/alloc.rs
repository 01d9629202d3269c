//! TrackingAllocator: a global allocator that counts what each thread allocates, over any other.

use std::alloc::{GlobalAlloc, Layout, System};

use crate::recorder::local;
use crate::sync::{AtomicBool, Ordering};

/// A global allocator that hands everything to another one, and counts.
///
/// Functions with `#[measure(alloc)]` say with it how much their calls allocate, see
/// [`CallsiteStats::alloc`](crate::snapshot::CallsiteStats::alloc).
///
/// # Overhead
///
/// An allocation: a few loads and two stores in memory of this thread. A free: nothing. It keeps no header and
/// changes no layout, so that blocks of the inner allocator and of this one are the same.
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

/// Set by the first allocation that is counted; read where it must be known whether zero means zero.
static INSTALLED: AtomicBool = AtomicBool::new(false);

/// Whether a [`TrackingAllocator`] counts the allocations of this process.
#[must_use]
pub fn is_installed() -> bool {
    INSTALLED.load(Ordering::Relaxed) || {
        // Were it installed, this would be counted.
        drop(std::hint::black_box(Box::new(0_u8)));
        INSTALLED.load(Ordering::Relaxed)
    }
}

#[inline]
fn count(block: *mut u8, bytes: usize) {
    if block.is_null() {
        return;
    }
    local::count_allocation(bytes as u64);
    if !INSTALLED.load(Ordering::Relaxed) {
        INSTALLED.store(true, Ordering::Relaxed);
    }
}

// SAFETY: every method hands its arguments to the inner allocator as they are, and returns what that returned.
// Counting does not allocate, and cannot unwind.
unsafe impl<A: GlobalAlloc> GlobalAlloc for TrackingAllocator<A> {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promises are passed on.
        let block = unsafe { self.inner.alloc(layout) };
        count(block, layout.size());
        block
    }

    #[inline]
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the caller's promises are passed on.
        unsafe { self.inner.dealloc(block, layout) };
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promises are passed on.
        let block = unsafe { self.inner.alloc_zeroed(layout) };
        count(block, layout.size());
        block
    }

    #[inline]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller's promises are passed on.
        let moved = unsafe { self.inner.realloc(block, layout, size) };
        // What it grew by; shrinking takes nothing back, as a free does not.
        count(moved, size.saturating_sub(layout.size()));
        moved
    }
}
