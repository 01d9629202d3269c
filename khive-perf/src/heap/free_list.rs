//! FreeList: entries that are not in use, each naming the next.
//!
//! `tests/loom` goes through the ways in which threads that take entries and give them back may interleave.

use crate::sync::{AtomicU64, Ordering, constant};

/// Index of the first free entry, plus one; above it a number that makes each state of the list another one, so that a
/// thread which was suspended does not take a list for the one that it has seen.
pub(super) struct FreeList(AtomicU64);

impl FreeList {
    constant! {
        pub(super) fn new() -> Self {
            Self(AtomicU64::new(0))
        }
    }

    /// Takes an entry; `next` says what [`give_back`](Self::give_back) had it remember. It may be called of an entry that
    /// another thread has by then, and whatever it says counts for nothing then.
    pub(super) fn take(&self, next: impl Fn(u32) -> Option<u32>) -> Option<u32> {
        let mut head = self.0.load(Ordering::Acquire);
        loop {
            let index = (head as u32).checked_sub(1)?;
            let rest = (head >> 32).wrapping_add(1) << 32 | u64::from(next(index)?);
            match self
                .0
                .compare_exchange_weak(head, rest, Ordering::AcqRel, Ordering::Acquire)
            {
                Ok(_) => return Some(index),
                Err(now) => head = now,
            }
        }
    }

    /// Gives an entry back; `remember` has it remember which one is the next.
    pub(super) fn give_back(&self, index: u32, remember: impl Fn(u32)) {
        let mut head = self.0.load(Ordering::Relaxed);
        loop {
            remember(head as u32);
            let first = (head >> 32).wrapping_add(1) << 32 | u64::from(index + 1);
            match self
                .0
                .compare_exchange_weak(head, first, Ordering::AcqRel, Ordering::Relaxed)
            {
                Ok(_) => return,
                Err(now) => head = now,
            }
        }
    }
}
