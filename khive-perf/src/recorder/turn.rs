//! Turn: how many calls of a path were not timed, and when it is the turn of one that is.
//!
//! The owner counts up to a mark that it draws. A reader that finds calls to have become rare takes the mark away, so that
//! the owner looks at the path at its next call. The owner may draw another mark at that moment: then either the wish is
//! lost, until the next reading, or the new mark is, and the owner, woken, draws again. Counts are the owner's alone.
//!
//! `tests/loom` goes through the ways in which the two may interleave.

use crate::sync::{OwnedU64, constant};

/// Instead of a mark: the owner is to look at the path at its next call. Below each mark.
const WOKEN: u64 = 0;

/// Calls that were not timed, as they begin, and the mark.
#[repr(C)]
pub(crate) struct Turn {
    /// One more than there were, so that no mark is [`WOKEN`].
    counted: OwnedU64,
    /// The first call that begins when `counted` is this much is timed; or [`WOKEN`]. Written by the owner, and by readers
    /// to wake it.
    mark: OwnedU64,
}

/// What is to be done with the next call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// It is counted.
    Untimed,
    /// It is its turn.
    Timed,
    /// A reader wants the path to be looked at. It is nobody's turn.
    Woken,
}

impl Turn {
    constant! {
        pub(crate) fn new() -> Self {
            Self {
                counted: OwnedU64::new(1),
                mark: OwnedU64::new(1),
            }
        }
    }

    /// Calls that were not timed; by any thread.
    pub(crate) fn untimed(&self) -> u64 {
        self.counted.read() - 1
    }

    /// Counts a call that is not timed; by the owner.
    pub(crate) fn count(&self) {
        self.counted.add(1);
    }

    /// Leaves a call untimed, and counts it, unless there is something else to be done; by the owner.
    #[inline(always)]
    pub(crate) fn leave_untimed(&self) -> bool {
        if self.counted.own() >= self.mark.read() {
            return false;
        }
        self.counted.add(1);
        true
    }

    /// What is to be done with the next call; by the owner.
    pub(crate) fn next(&self) -> Next {
        match self.mark.read() {
            WOKEN => Next::Woken,
            mark if self.counted.own() < mark => Next::Untimed,
            _ => Next::Timed,
        }
    }

    /// Has so many calls go by until it is the turn of one; by the owner.
    pub(crate) fn wait_for(&self, calls: u64) {
        self.mark.set(self.counted.own().saturating_add(calls));
    }

    /// Has the owner look at the path, unless it does so at its next call anyway; by a reader.
    pub(crate) fn wake(&self) {
        if self.counted.read() < self.mark.read() {
            self.mark.set(WOKEN);
        }
    }
}
