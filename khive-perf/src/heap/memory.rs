//! Memory for the tables that the allocator's hook keeps: straight from the system, never through the hook.

use std::alloc::{GlobalAlloc, Layout, System};

use crate::sync::{AtomicPtr, Ordering};

/// Types for which bytes of zero are a value.
///
/// # Safety
///
/// All bytes zero are a valid value of the type.
pub(super) unsafe trait Zeroed: Sync {}

/// What every block of the system is aligned to. Where more is asked for, `System` would write zeros itself, and so touch
/// the whole of a table that is hardly used.
const ALIGN: usize = 2 * size_of::<usize>();

/// What is asked of the system for a value: room for it at any place, and before it for where the memory begins.
fn layout_of<T>() -> Option<Layout> {
    let room = align_of::<T>().max(ALIGN);
    let size = size_of::<T>().checked_add(room)?;
    Layout::from_size_align(size, ALIGN).ok()
}

/// Zeroed memory for a value; `None` where there is none left.
pub(super) fn allocate<T>() -> Option<*mut T> {
    let layout = layout_of::<T>()?;
    // SAFETY: the size is not zero, as there is room for more than the value.
    let memory = unsafe { System.alloc_zeroed(layout) };
    if memory.is_null() {
        return None;
    }
    let align = align_of::<T>().max(ALIGN);
    // At least `ALIGN` bytes further, at most `align`: both begin at multiples of `ALIGN`.
    let offset = align - memory.addr() % align;
    let value = memory.wrapping_add(offset).cast::<T>();
    let before = value.cast::<*mut u8>().wrapping_sub(1);
    // SAFETY: the word before the value is within the memory, by the above.
    unsafe { before.write(memory) };
    Some(value)
}

/// Gives back what [`allocate`] gave.
///
/// # Safety
///
/// It came from [`allocate`], nobody uses it any more, and it owns nothing.
pub(super) unsafe fn free<T>(value: *mut T) {
    let Some(layout) = layout_of::<T>() else {
        return;
    };
    let before = value.cast::<*mut u8>().wrapping_sub(1);
    // SAFETY: `allocate` wrote it there.
    let memory = unsafe { before.read() };
    // SAFETY: it was allocated so, and is given back once, as the caller vouches.
    unsafe { System.dealloc(memory, layout) };
}

/// A part of a table, made when it is first needed.
pub(super) struct Lazy<T: Zeroed>(AtomicPtr<T>);

impl<T: Zeroed> Lazy<T> {
    pub(super) const fn new() -> Self {
        Self(AtomicPtr::new(std::ptr::null_mut()))
    }

    /// The part, if it was made.
    #[inline]
    pub(super) fn get(&self) -> Option<&T> {
        // SAFETY: once published, whole, it stays as long as `self`.
        unsafe { self.0.load(Ordering::Acquire).as_ref() }
    }

    /// The part, made if need be; `None` where there is no memory. Waits for nobody: of two threads that make it, one
    /// gives its own back.
    pub(super) fn get_or_make(&self) -> Option<&T> {
        if let Some(made) = self.get() {
            return Some(made);
        }
        let new = allocate::<T>()?;
        let published = self.0.compare_exchange(
            std::ptr::null_mut(),
            new,
            Ordering::AcqRel,
            Ordering::Acquire,
        );
        let kept = published.map_or_else(
            |theirs| {
                // SAFETY: it was made above, and not published.
                unsafe { free(new) };
                theirs
            },
            |_| new,
        );
        // SAFETY: published, and so as in `get`.
        unsafe { kept.as_ref() }
    }
}

impl<T: Zeroed> Drop for Lazy<T> {
    fn drop(&mut self) {
        let made = *self.0.get_mut();
        if !made.is_null() {
            // SAFETY: it came from `allocate` in `get_or_make`, and is given back once, here. Types that own something
            // else, which are tables of `Lazy`, are never dropped through here.
            unsafe { free(made) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[repr(align(128))]
    struct Wide([u8; 300]);

    #[test]
    fn memory_is_zeroed_and_aligned_as_the_value_asks() {
        let values: Vec<*mut Wide> = (0..50).map(|_| allocate().unwrap()).collect();
        for value in &values {
            assert_eq!(value.addr() % 128, 0);
            // SAFETY: zeroed, and nobody else's.
            assert!(unsafe { &**value }.0.iter().all(|byte| *byte == 0));
        }
        // SAFETY: each came from `allocate`, and is not used again.
        values.into_iter().for_each(|value| unsafe { free(value) });
    }
}
