//! Waiting: a finished call that its thread has not folded in yet, and how others read it meanwhile.
//!
//! The owner folds a call in when the next one takes its place. A sequence word is odd while it does. A reader copies the
//! record between two equal even readings and adds it to what was folded in; if the word has moved by then, it waits for
//! the fold to be over and reads again, without it. So a call is neither missed nor counted twice, and the owner never
//! waits. Should the owner be suspended in the middle of a fold, the reader waits for it as long as a busy machine may take
//! to let it go on. Then it gives up, and may miss that one call until the next reading.
//!
//! `tests/loom` goes through the ways in which the two may interleave.

use crate::sync::{Ordering, OwnedPtr, OwnedU64, WAITS, constant, fence, wait_a_little};

/// The record of one finished call, where there is one. Written by the owner, read by any.
#[repr(C)]
pub(crate) struct Waiting<T> {
    /// Odd while a record is being folded in and another takes its place.
    sequence: OwnedU64,
    /// What the call is to be counted to, and in its low bits what is to be said of it.
    at: OwnedPtr<T>,
    ticks: OwnedU64,
    /// How many calls it stands for, where `at` says that this counts.
    weight: OwnedU64,
}

/// A copy of a record.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Record<T> {
    pub(crate) at: *const T,
    pub(crate) ticks: u64,
    pub(crate) weight: u64,
}

/// A reader's copy of a record, and when it was made.
pub(crate) struct Copied<T> {
    pub(crate) record: Record<T>,
    sequence: u64,
}

impl<T> Waiting<T> {
    constant! {
        /// With `none` as what stands for no call.
        pub(crate) fn new(none: *mut T) -> Self {
            Self {
                sequence: OwnedU64::new(0),
                at: OwnedPtr::new(none),
                ticks: OwnedU64::new(0),
                weight: OwnedU64::new(1),
            }
        }
    }

    /// How many calls the record stands for; by the owner.
    #[inline(always)]
    pub(crate) fn weight(&self) -> u64 {
        self.weight.own()
    }

    /// Puts a call in the place of the one that waited, and returns that one, which is to be folded in now, until
    /// [`folded`](Self::folded) says that it is; by the owner.
    #[inline(always)]
    pub(crate) fn replace(&self, at: *const T, ticks: u64) -> (*const T, u64) {
        let before = self.at.own().cast_const();
        let ticks_before = self.ticks.own();
        // Released, though the fold is only about to begin: a reader that waits for the one before may see this number, and
        // must see what was folded in then.
        self.sequence.add_release(1);
        fence(Ordering::Release);
        self.ticks.set(ticks);
        self.at.set(at.cast_mut());
        (before, ticks_before)
    }

    /// The same with a call that stands for several; by the owner.
    pub(crate) fn replace_weighted(&self, at: *const T, ticks: u64, weight: u64) -> Record<T> {
        let weight_before = self.weight.own();
        let (at, ticks) = self.replace(at, ticks);
        self.weight.set(weight);
        Record {
            at,
            ticks,
            weight: weight_before,
        }
    }

    /// Says that what waited has been folded in; by the owner.
    #[inline(always)]
    pub(crate) fn folded(&self) {
        self.sequence.add_release(1);
    }

    /// Says something else of the call that waits; by the owner.
    ///
    /// One word changes, and the call waits on. So the sequence stays as it is: a reader that saw it move would take the
    /// call for folded in, and miss it.
    pub(crate) fn correct(&self, correct: impl FnOnce(*const T) -> *const T) {
        let corrected = correct(self.at.own().cast_const());
        self.at.set(corrected.cast_mut());
    }

    /// What waits, or stands for nothing; by any thread. `None` where the owner is in the middle of a fold for too long.
    pub(crate) fn copy(&self) -> Option<Copied<T>> {
        for wait in 0..WAITS {
            let sequence = self.sequence.read_acquire();
            let record = Record {
                at: self.at.read().cast_const(),
                ticks: self.ticks.read(),
                weight: self.weight.read(),
            };
            fence(Ordering::Acquire);
            if sequence & 1 == 0 && self.sequence.read() == sequence {
                return Some(Copied { record, sequence });
            }
            wait_a_little(wait);
        }
        None
    }

    /// Reads what the copied call is folded into, so that it counts once; by any thread. `read` is given the call as long
    /// as it has not been folded in, and what it returned for that may be thrown away.
    pub(crate) fn read_with<R>(
        &self,
        copied: &Copied<T>,
        mut read: impl FnMut(Option<&Record<T>>) -> R,
    ) -> R {
        let found = read(Some(&copied.record));
        fence(Ordering::Acquire);
        if self.sequence.read() == copied.sequence {
            return found;
        }
        self.wait_for_fold(copied.sequence);
        read(None)
    }

    fn wait_for_fold(&self, sequence: u64) {
        for wait in 0..WAITS {
            if self.sequence.read_acquire().wrapping_sub(sequence) >= 2 {
                return;
            }
            wait_a_little(wait);
        }
    }
}
