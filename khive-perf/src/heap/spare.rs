//! Spare: room that sampled blocks have left, for the next ones of their size.
//!
//! A sampled block takes a page more than it was asked for. Asked of the inner allocator again and again, such blocks leave
//! holes that it carves the program's own blocks from, and every block near there costs more than it did. So a few stay.
//!
//! A room is in one place at a time: in its slot, or with the thread that took it out by a swap. What it was asked for is
//! written in the room itself, which is nobody else's as long as it is spare.

use std::alloc::{GlobalAlloc, Layout};
use std::ptr::{self, NonNull};

use crate::sync::{AtomicPtr, AtomicUsize, Ordering};

/// Rooms that are kept at most.
const SLOTS: usize = 64;
/// Bytes of the largest. Of larger blocks each costs so much more than a sample that nothing is won.
const SIZE_MAX: usize = 32 << 10;

/// Gives a room back to its inner allocator.
type GiveBack = unsafe fn(*mut u8, Layout);

/// At the beginning of a room that is spare.
struct Header {
    layout: Layout,
    /// Tells inner allocators apart, too.
    give_back: GiveBack,
}

/// A place for one room; null while there is none.
#[repr(align(64))]
struct Slot {
    room: AtomicPtr<u8>,
    /// Bytes of the room that was here last: what is not of this size need not be taken out to be looked at.
    size: AtomicUsize,
}

static SPARE: [Slot; SLOTS] = [const {
    Slot {
        room: AtomicPtr::new(ptr::null_mut()),
        size: AtomicUsize::new(0),
    }
}; SLOTS];

/// Allocators without state are the same wherever they are, so that what one gave can be given back to any other of its type.
struct Stateless<A>(A);

impl<A: GlobalAlloc> Stateless<A> {
    const IS: bool = size_of::<A>() == 0;
    /// Evaluated once, so that it is the same wherever it is asked for; were it not, a room would be given back too early.
    const GIVE_BACK: GiveBack = Self::give_back;

    /// # Safety
    ///
    /// That of [`GlobalAlloc::dealloc`], for an allocator that [is](Self::IS) stateless.
    unsafe fn give_back(room: *mut u8, layout: Layout) {
        // SAFETY: a value without bytes can be read from anywhere; one exists, for it gave the room.
        let inner: &A = unsafe { NonNull::dangling().as_ref() };
        // SAFETY: as the caller vouches.
        unsafe { inner.dealloc(room, layout) };
    }
}

/// Whether rooms of this kind are kept.
fn is_kept<A: GlobalAlloc>(layout: Layout) -> bool {
    Stateless::<A>::IS && layout.size() <= SIZE_MAX
}

/// Where rooms of this size are, that the calling thread has left.
fn slot_of(layout: Layout, thread: usize) -> &'static Slot {
    let word = (layout.size() as u64).rotate_left(32) ^ thread as u64;
    let mixed = word.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
    #[expect(clippy::indexing_slicing, reason = "the remainder is below the length")]
    &SPARE[mixed as usize % SLOTS]
}

/// Room of this layout that a sampled block of this allocator has left, if there is some. `thread` is anything that the
/// calling thread has alone.
pub(crate) fn take<A: GlobalAlloc>(layout: Layout, thread: usize) -> Option<*mut u8> {
    if !is_kept::<A>(layout) {
        return None;
    }
    let slot = slot_of(layout, thread);
    if slot.size.load(Ordering::Relaxed) != layout.size() {
        return None;
    }
    let room = NonNull::new(slot.room.swap(ptr::null_mut(), Ordering::Acquire))?;
    // SAFETY: it was in a slot, so `keep` has written this; and nobody else has it.
    let header = unsafe { room.cast::<Header>().read_unaligned() };
    let is_ours = ptr::fn_addr_eq(header.give_back, Stateless::<A>::GIVE_BACK);
    if header.layout == layout && is_ours {
        return Some(room.as_ptr());
    }
    // SAFETY: its allocator gave it so, and nobody else has it.
    unsafe { (header.give_back)(room.as_ptr(), header.layout) };
    None
}

/// Keeps the room that a sampled block has left; `false` if it is to be given back.
///
/// # Safety
///
/// The room came from an allocator of this type with this layout, and nobody has it.
pub(crate) unsafe fn keep<A: GlobalAlloc>(room: *mut u8, layout: Layout, thread: usize) -> bool {
    if !is_kept::<A>(layout) {
        return false;
    }
    let slot = slot_of(layout, thread);
    if !slot.room.load(Ordering::Relaxed).is_null() {
        return false;
    }
    let header = Header {
        layout,
        give_back: Stateless::<A>::GIVE_BACK,
    };
    // SAFETY: it is larger than a page, and nobody else has it.
    unsafe { room.cast::<Header>().write_unaligned(header) };
    slot.size.store(layout.size(), Ordering::Relaxed);
    let empty = ptr::null_mut();
    slot.room
        .compare_exchange(empty, room, Ordering::Release, Ordering::Relaxed)
        .is_ok()
}

/// Bytes of rooms that are spare now, about.
pub(super) fn bytes() -> u64 {
    let taken = SPARE
        .iter()
        .filter(|slot| !slot.room.load(Ordering::Relaxed).is_null());
    taken
        .map(|slot| slot.size.load(Ordering::Relaxed) as u64)
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::alloc::System;
    use std::hint::black_box;

    /// Another allocator than that of the system, though it has it do all.
    #[derive(Debug)]
    struct Other;

    /// One with a state.
    struct Stateful(#[expect(dead_code, reason = "it takes room")] u8);

    macro_rules! over_system {
        ($($allocator:ty),*) => {$(
            // SAFETY: that of the system does all.
            unsafe impl GlobalAlloc for $allocator {
                unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
                    // SAFETY: as the caller vouches.
                    unsafe { System.alloc(layout) }
                }

                unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
                    black_box(size_of_val(self));
                    // SAFETY: as the caller vouches.
                    unsafe { System.dealloc(block, layout) };
                }
            }
        )*};
    }
    over_system!(Other, Stateful);

    fn room(layout: Layout) -> *mut u8 {
        // SAFETY: no size here is zero.
        unsafe { System.alloc(layout) }
    }

    fn free(room: *mut u8, layout: Layout) {
        // SAFETY: it came from `room`, and nobody has it.
        unsafe { System.dealloc(room, layout) };
    }

    #[test]
    fn the_next_block_of_the_layout_gets_the_room() {
        let layout = Layout::from_size_align(5_001, 8).unwrap();
        let (first, second) = (room(layout), room(layout));
        // SAFETY: it is of this layout, and nobody has it; and so below.
        assert!(unsafe { keep::<System>(first, layout, 1) });
        assert!(bytes() >= 5_001);
        // The slot has one.
        // SAFETY: see above.
        assert!(!unsafe { keep::<System>(second, layout, 1) });
        assert_eq!(take::<System>(layout, 1), Some(first));
        assert_eq!(take::<System>(layout, 1), None);
        free(first, layout);
        free(second, layout);
    }

    #[test]
    fn what_is_aligned_otherwise_or_came_from_another_allocator_is_given_back() {
        let layout = Layout::from_size_align(5_002, 1).unwrap();
        let aligned = Layout::from_size_align(5_002, 64).unwrap();
        // SAFETY: it is of this layout, and nobody has it; and so below.
        assert!(unsafe { keep::<System>(room(layout), layout, 1) });
        assert_eq!(take::<System>(aligned, 1), None);
        assert_eq!(take::<System>(layout, 1), None, "it was given back");
        // SAFETY: see above.
        assert!(unsafe { keep::<Other>(room(layout), layout, 1) });
        assert_eq!(take::<System>(layout, 1), None);
    }

    #[test]
    fn nothing_is_kept_of_an_allocator_with_a_state_nor_what_is_large() {
        let (small, large) = (5_003, SIZE_MAX + 1);
        let layout = |size| Layout::from_size_align(size, 8).unwrap();
        let (of_small, of_large) = (room(layout(small)), room(layout(large)));
        // SAFETY: they are of these layouts, and nobody has them.
        assert!(!unsafe { keep::<Stateful>(of_small, layout(small), 1) });
        // SAFETY: see above.
        assert!(!unsafe { keep::<System>(of_large, layout(large), 1) });
        free(of_small, layout(small));
        free(of_large, layout(large));
    }
}
