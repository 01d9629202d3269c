//! What calls of one series have allocated, on one thread.

use crate::recorder::local::Allocated;
use crate::recorder::totals::AllocTotals;
use crate::sync::OwnedU64;

/// What calls of one series have allocated, on one thread.
pub(crate) struct AllocCell {
    /// Calls of this series on the owner's stack: 0 means that the next one is the outermost.
    active: OwnedU64,
    bytes: OwnedU64,
    allocations: OwnedU64,
    max_bytes: OwnedU64,
}

impl AllocCell {
    pub(crate) const fn new() -> Self {
        Self {
            active: OwnedU64::new(0),
            bytes: OwnedU64::new(0),
            allocations: OwnedU64::new(0),
            max_bytes: OwnedU64::new(0),
        }
    }

    /// Begins a call, or a part of one; by the owner.
    pub(crate) fn begin(&self) {
        self.active.add(1);
    }

    /// Adds what a call, or a part of one, allocated; by the owner. What an inner call of the same series
    /// allocates is part of what the outer one does.
    pub(crate) fn end(&self, allocated: Allocated) {
        self.active.sub(1);
        if self.active.read() == 0 {
            self.bytes.add(allocated.bytes);
            self.allocations.add(allocated.allocations);
        }
    }

    /// Notes what one whole call allocated; by the owner.
    pub(crate) fn note_call(&self, bytes: u64) {
        self.max_bytes.raise(bytes);
    }

    pub(crate) fn read_into(&self, into: &mut AllocTotals) {
        into.bytes += self.bytes.read();
        into.allocations += self.allocations.read();
        into.max_bytes = into.max_bytes.max(self.max_bytes.read());
    }
}
