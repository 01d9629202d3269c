//! Part: what the owner makes once it needs it, and any thread reads from then on.
//!
//! `tests/loom` goes through the ways in which the two may interleave.

use crate::sync::{OwnedPtr, constant};

/// A part that is made once, by the owner, and stays as long as what it is a part of.
pub(crate) struct Part<T>(OwnedPtr<T>);

// SAFETY: a reference to a part gives references to what is in it, to any thread, and the part owns that.
unsafe impl<T: Send + Sync> Sync for Part<T> {}
// SAFETY: as above.
unsafe impl<T: Send + Sync> Send for Part<T> {}

impl<T> Part<T> {
    constant! {
        pub(crate) fn new() -> Self {
            Self(OwnedPtr::new(std::ptr::null_mut()))
        }
    }

    /// What was made, if it was; by the owner, who has seen to it.
    #[inline(always)]
    pub(crate) fn owned(&self) -> Option<&T> {
        // SAFETY: null, or made by `make`, on this thread; it stays as long as `self`.
        unsafe { self.0.own().as_ref() }
    }

    /// What was made, if it was; by any thread.
    pub(crate) fn read(&self) -> Option<&T> {
        // SAFETY: null, or whole by the time that it was published; it stays as long as `self`.
        unsafe { self.0.read_acquire().as_ref() }
    }

    /// Makes the part, unless it was made; by the owner.
    pub(crate) fn make(&self, value: T) -> &T {
        if let Some(made) = self.owned() {
            return made;
        }
        let made = Box::into_raw(Box::new(value));
        self.0.set_release(made);
        // SAFETY: made just now; it stays as long as `self`.
        unsafe { &*made }
    }
}

impl<T> Drop for Part<T> {
    fn drop(&mut self) {
        let made = self.0.take();
        if !made.is_null() {
            // SAFETY: it came from `Box::into_raw` in `make`, and is dropped once, here.
            drop(unsafe { Box::from_raw(made) });
        }
    }
}
