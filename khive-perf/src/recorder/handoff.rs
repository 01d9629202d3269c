//! Handoff: how a thread brings the shard that it records into, and leaves it behind.
//!
//! Neither takes a lock. A new shard is pushed onto a stack that is only ever taken whole; one whose thread has ended is
//! marked. Whoever holds the registry's lock next adopts the ones and folds in the others.
//!
//! `tests/loom` goes through the ways in which threads and readers may interleave.

use crate::sync::{AtomicBool, AtomicPtr, Ordering, constant};

/// What a shard has for this.
pub(crate) struct Link<S> {
    /// Set by the owner when its thread ends, with `Release`; it writes nothing afterwards.
    ended: AtomicBool,
    /// The shard pushed before this one.
    next: AtomicPtr<S>,
}

/// What is handed over.
pub(crate) trait Handed: Sized {
    fn link(&self) -> &Link<Self>;
}

impl<S> Link<S> {
    constant! {
        pub(crate) fn new() -> Self {
            Self {
                ended: AtomicBool::new(false),
                next: AtomicPtr::new(std::ptr::null_mut()),
            }
        }
    }

    /// Says that the thread has ended; by the owner, who must not come back.
    pub(crate) fn end(&self) {
        self.ended.store(true, Ordering::Release);
    }
}

/// Shards that threads have brought and no holder of the lock has seen.
pub(crate) struct Incoming<S>(AtomicPtr<S>);

impl<S: Handed> Incoming<S> {
    constant! {
        pub(crate) fn new() -> Self {
            Self(AtomicPtr::new(std::ptr::null_mut()))
        }
    }

    /// Brings a shard. It stays until [`fold_ended`] is called after it has [ended](Link::end), or the registry is gone.
    pub(crate) fn push(&self, shard: Box<S>) -> *const S {
        let shard = Box::into_raw(shard);
        let mut head = self.0.load(Ordering::Relaxed);
        loop {
            // SAFETY: not published yet, so nobody else has it.
            unsafe { &*shard }
                .link()
                .next
                .store(head, Ordering::Relaxed);
            let pushed =
                self.0
                    .compare_exchange_weak(head, shard, Ordering::Release, Ordering::Relaxed);
            match pushed {
                Ok(_) => return shard,
                Err(now) => head = now,
            }
        }
    }

    /// Adds all that were brought to those that are known; under the lock.
    pub(crate) fn adopt(&self, known: &mut Vec<*mut S>) {
        let mut shard = self.0.swap(std::ptr::null_mut(), Ordering::Acquire);
        while !shard.is_null() {
            known.push(shard);
            // SAFETY: pushed whole; it is freed under the lock only.
            shard = unsafe { &*shard }.link().next.load(Ordering::Relaxed);
        }
    }
}

/// Takes the shards whose threads have ended from those that are known, and hands them out; under the lock.
///
/// # Safety
///
/// All that are known came from [`Incoming::adopt`], and nobody has them but their owners.
pub(crate) unsafe fn fold_ended<S: Handed>(known: &mut Vec<*mut S>, mut fold: impl FnMut(Box<S>)) {
    known.retain(|shard| {
        // SAFETY: adopted, and freed only here, under the lock.
        let ended = unsafe { &**shard }.link().ended.load(Ordering::Acquire);
        if ended {
            // SAFETY: made by `Box::into_raw` in `push`; its owner has said that it is done with it, and it leaves those
            // that are known now.
            fold(unsafe { Box::from_raw(*shard) });
        }
        !ended
    });
}
