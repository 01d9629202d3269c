//! Sequence: words that one thread at a time writes, and any thread reads together.
//!
//! `tests/loom` goes through the ways in which the two may interleave.

use crate::sync::{Ordering, OwnedU32, fence, spin_loop};

/// Odd while what it guards is being written.
#[repr(transparent)]
pub(super) struct Sequence(OwnedU32);

impl Sequence {
    /// Where no memory can be zeroed to be one.
    #[cfg(loom)]
    pub(super) fn new() -> Self {
        Self(OwnedU32::new(0))
    }

    /// Has words written, by relaxed stores; by the one thread that may.
    pub(super) fn write(&self, write: impl FnOnce()) {
        let sequence = self.0.own();
        self.0.set(sequence.wrapping_add(1));
        fence(Ordering::Release);
        write();
        self.0.set_release(sequence.wrapping_add(2));
    }

    /// What `read` gets by relaxed loads, if nothing was written meanwhile; tries for a while.
    pub(super) fn read<R>(&self, read: impl Fn() -> R) -> Option<R> {
        const ATTEMPTS: usize = 64;
        for _ in 0..ATTEMPTS {
            let before = self.0.read_acquire();
            if before & 1 == 0 {
                let found = read();
                fence(Ordering::Acquire);
                if self.0.read() == before {
                    return Some(found);
                }
            }
            spin_loop();
        }
        None
    }
}
