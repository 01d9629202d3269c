//! Number: what the hot path knows of a callsite, one word, and how it comes to be.
//!
//! It is given under the lock of a table that has one row per number, and read without any. A number is complete in
//! itself: a thread that reads it looks for memory of its own, or asks the table, under its lock.
//!
//! `tests/loom` goes through the ways in which threads may meet here.

use crate::sync::{AtomicU32, Mutex, Ordering, constant, lock};

/// Id of a callsite that has not registered yet. No series has it, so the hot path finds no node and turns to the cold
/// one.
pub(crate) const NO_ID: u32 = 16_383;
/// Id of a callsite that is switched off. No series has it, and it falls into the same place of a table.
pub(crate) const OFF_ID: u32 = 32_767;

/// The number of a callsite. Written under the table's lock, read by every call; `Relaxed`, by the above.
#[derive(Debug)]
pub(crate) struct Number {
    /// Series id while recording, else [`NO_ID`] or [`OFF_ID`].
    id: AtomicU32,
    /// Series id once registered, also while switched off.
    assigned: AtomicU32,
}

impl Number {
    constant! {
        pub(crate) fn none() -> Self {
            Self {
                id: AtomicU32::new(NO_ID),
                assigned: AtomicU32::new(NO_ID),
            }
        }
    }

    /// The series id, or [`NO_ID`], or [`OFF_ID`].
    #[inline(always)]
    pub(crate) fn id(&self) -> u32 {
        self.id.load(Ordering::Relaxed)
    }

    /// The series id, also while switched off.
    pub(crate) fn assigned(&self) -> Option<u32> {
        Some(self.assigned.load(Ordering::Relaxed)).filter(|id| *id != NO_ID)
    }

    /// The series id; given now if there is none. `add` makes a row of the table and returns its number, and whether
    /// the callsite is to record; it is called once, whoever comes.
    pub(crate) fn assign<T>(
        &self,
        table: &Mutex<T>,
        add: impl FnOnce(&mut T) -> (u32, bool),
    ) -> u32 {
        if let Some(id) = self.assigned() {
            return id;
        }
        let mut table = lock(table);
        if let Some(id) = self.assigned() {
            return id;
        }
        let (id, on) = add(&mut table);
        self.assigned.store(id, Ordering::Relaxed);
        self.switch(on);
        id
    }

    /// Has it record or not; under the table's lock.
    pub(crate) fn switch(&self, on: bool) {
        let id = if on {
            self.assigned.load(Ordering::Relaxed)
        } else {
            OFF_ID
        };
        self.id.store(id, Ordering::Relaxed);
    }
}
