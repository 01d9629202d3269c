//! Memo: stacks that were walked before, by where the hook's frame was.
//!
//! The unwinder takes microseconds for a stack. Whether the stack is one that it has walked before takes nanoseconds: each
//! return address must be where it was. That is enough: a return address says which function its frame belongs to, that
//! function how large its frame is, and so where the next return address lies. It begins with the hook's own frame, which is
//! where it was.

use std::ops::Range;

use crate::config::HEAP_STACK_FRAMES_CAPACITY as FRAMES_CAPACITY;
use crate::heap::memory::{Lazy, Zeroed};
use crate::sync::{AtomicBool, AtomicUsize, Ordering};

const SLOTS: usize = 256;
const WORD: usize = size_of::<usize>();

/// A return address, and the end of the frame that it returns from: it lies right below.
#[derive(Clone, Copy)]
pub(super) struct Return {
    pub(super) address: usize,
    pub(super) above: usize,
}

/// One stack. Whoever finds it in use goes without: nobody waits.
struct Slot {
    is_in_use: AtomicBool,
    hook: AtomicUsize,
    /// Frames that were asked for.
    wanted: AtomicUsize,
    len: AtomicUsize,
    returns: [(AtomicUsize, AtomicUsize); FRAMES_CAPACITY],
}

struct Memo([Slot; SLOTS]);

// SAFETY: all fields are atomics, for which zero is a value.
unsafe impl Zeroed for Memo {}

/// One for all threads: no two have a frame at the same place.
static MEMO: Lazy<Memo> = Lazy::new();

fn slot_of(memo: &Memo, hook: usize) -> Option<&Slot> {
    let mixed = (hook as u64 / 16).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    memo.0.get((mixed >> 32) as usize % SLOTS)
}

/// Gives out the return addresses of a stack, the innermost first, if it is known and as it was; says whether it is.
///
/// # Safety
///
/// Words between `within`'s ends can be read: they are of the calling thread's stack.
pub(super) unsafe fn recall(
    hook: usize,
    within: &Range<usize>,
    wanted: usize,
    mut push: impl FnMut(usize),
) -> bool {
    let Some(slot) = MEMO.get().and_then(|memo| slot_of(memo, hook)) else {
        return false;
    };
    if slot.is_in_use.swap(true, Ordering::Acquire) {
        return false;
    }
    let len = slot.len.load(Ordering::Relaxed);
    let returns = || {
        slot.returns
            .iter()
            .take(len)
            .map(|(address, above)| Return {
                address: address.load(Ordering::Relaxed),
                above: above.load(Ordering::Relaxed),
            })
    };
    let is_there = |found: Return| {
        let at = found.above.wrapping_sub(WORD);
        if !within.contains(&at) || !at.is_multiple_of(WORD) {
            return false;
        }
        let at = std::ptr::with_exposed_provenance::<usize>(at);
        // SAFETY: an aligned word within the bounds that the caller vouches for.
        unsafe { at.read_volatile() == found.address }
    };
    let is_same = len > 0
        && slot.hook.load(Ordering::Relaxed) == hook
        && slot.wanted.load(Ordering::Relaxed) == wanted
        && returns().all(is_there);
    if is_same {
        returns().for_each(|found| push(found.address));
    }
    slot.is_in_use.store(false, Ordering::Release);
    is_same
}

/// Keeps a stack, the innermost return address first, in the place of another.
pub(super) fn keep(hook: usize, wanted: usize, returns: &[Return]) {
    let Some(slot) = MEMO.get_or_make().and_then(|memo| slot_of(memo, hook)) else {
        return;
    };
    if slot.is_in_use.swap(true, Ordering::Acquire) {
        return;
    }
    slot.hook.store(hook, Ordering::Relaxed);
    slot.wanted.store(wanted, Ordering::Relaxed);
    slot.len
        .store(returns.len().min(FRAMES_CAPACITY), Ordering::Relaxed);
    for ((address, above), kept) in slot.returns.iter().zip(returns) {
        address.store(kept.address, Ordering::Relaxed);
        above.store(kept.above, Ordering::Relaxed);
    }
    slot.is_in_use.store(false, Ordering::Release);
}
