//! The table of sampled blocks: what goes in, comes out, and is looked at.

use std::alloc::Layout;
use std::ptr;

use crate::config;
use crate::heap::index::Index;
use crate::heap::ledger::Ledger;
use crate::heap::rate::Rate;
use crate::heap::shape::Plan;
use crate::heap::slab::{Block, Entry, Slab};
use crate::heap::spare;
use crate::heap::traces::Step;
use crate::sync::{AtomicU64, Ordering};

static SLAB: Slab = Slab::new();
static INDEX: Index = Index::new();

/// What is known of a block when it is made.
#[derive(Clone, Copy)]
pub(crate) struct Birth<'a> {
    pub(crate) ledger: &'a Ledger,
    pub(crate) rate: Rate,
    pub(crate) size: usize,
    pub(crate) mark: u16,
}

fn born(birth: Birth<'_>, plan: Plan, steps: impl Iterator<Item = Step>) -> Block {
    static NEXT_ID: AtomicU64 = AtomicU64::new(1);
    Block {
        id: NEXT_ID.fetch_add(1, Ordering::Relaxed),
        site: birth.ledger.site_of(steps),
        born_ns: birth.ledger.now_ns(),
        size: birth.size,
        weight: birth.rate.weight(birth.size),
        ledger: birth.ledger,
        grown: 0,
        mark: birth.mark,
        shape: plan.shape,
    }
}

/// Puts a block in; by the thread that made it. Says whether there was room; if not, the plan is given up.
pub(crate) fn insert(
    block: *mut u8,
    plan: Plan,
    birth: Birth<'_>,
    steps: impl Iterator<Item = Step>,
) -> bool {
    let live = SLAB.live.load(Ordering::Relaxed);
    let Some((index, entry)) = SLAB.acquire(config::heap_blocks_max()) else {
        birth.ledger.count_untracked();
        plan.give_up();
        return false;
    };
    let made = born(birth, plan, steps);
    entry.key.store(block.addr(), Ordering::Relaxed);
    if !INDEX.insert(block.addr(), index, live) {
        entry.key.store(0, Ordering::Relaxed);
        SLAB.release(index, entry);
        birth.ledger.count_untracked();
        plan.give_up();
        return false;
    }
    birth.ledger.credit(&made);
    entry.write(&made);
    true
}

/// A block that was taken out of the table; by the thread that has it.
pub(crate) struct Taken {
    index: u32,
    address: usize,
    block: Block,
}

/// Takes a block out, if it is in; by the thread that has it.
#[inline]
pub(crate) fn take(block: *mut u8) -> Option<Taken> {
    let address = block.addr();
    let found = INDEX.find(&SLAB, address)?;
    let entry = SLAB.entry(found.entry)?;
    entry.key.store(0, Ordering::Relaxed);
    INDEX.remove(address, found);
    Some(Taken {
        index: found.entry,
        address,
        block: entry.read(),
    })
}

impl Taken {
    pub(crate) fn rate(&self) -> Rate {
        Rate::from_code(self.block.shape.rate)
    }

    /// What the inner allocator knows the block by.
    pub(crate) fn base(&self, block: *mut u8) -> *mut u8 {
        if !self.block.shape.is_padded {
            return block;
        }
        // The owner's pointer need not reach beyond the block; the one that was exposed does.
        ptr::with_exposed_provenance_mut(block.addr() - self.offset())
    }

    /// Whether it is a part of the inner allocator's block.
    pub(crate) const fn is_padded(&self) -> bool {
        self.block.shape.is_padded
    }

    /// Whether it must be moved to get smaller, from `before` to `after` bytes, so that it is found where it is freed.
    pub(crate) const fn must_move(&self, before: usize, after: usize) -> bool {
        self.block.shape.is_found_by_size(before, after)
    }

    /// What the inner allocator was asked for, if the block had this size; `None` if it would be too large.
    pub(crate) fn layout(&self, size: usize) -> Option<Layout> {
        self.block.shape.layout(size)
    }

    /// Our block in the one that the inner allocator gave for another.
    pub(crate) fn plan(&self, layout: Layout) -> Plan {
        Plan {
            layout,
            shape: self.block.shape,
        }
    }

    /// Bytes between the inner allocator's block and ours.
    pub(crate) fn offset(&self) -> usize {
        usize::from(self.block.shape.offset)
    }

    /// Puts it back as it was: it is still there.
    pub(crate) fn put_back(self) {
        if let Some(entry) = SLAB.entry(self.index) {
            entry.key.store(self.address, Ordering::Relaxed);
            INDEX.put_back(self.address, self.index);
        }
    }

    /// Says that it is freed. `mark` is that of the thread that frees it.
    pub(crate) fn free(self, mark: u16) {
        let Some(entry) = SLAB.entry(self.index) else {
            return;
        };
        let ledger = entry.take_ledger();
        // SAFETY: null, or alive, because the entry held it.
        if let Some(held) = unsafe { ledger.as_ref() } {
            held.debit(&self.block, mark);
            // SAFETY: the entry was counted among its holders, and lets go of it here.
            unsafe { Ledger::release(ledger) };
        }
        self.block.shape.leave();
        SLAB.release(self.index, entry);
    }

    /// Whether it is in the table for its layout only.
    pub(crate) fn is_struck_off(&self) -> bool {
        self.block.ledger.is_null()
    }

    /// Puts it back at another address, as a block that is made now.
    pub(crate) fn reborn(
        mut self,
        block: *mut u8,
        plan: Plan,
        birth: Birth<'_>,
        steps: impl Iterator<Item = Step>,
    ) {
        if let Some(entry) = SLAB.entry(self.index) {
            self.block = born(birth, plan, steps);
            birth.ledger.credit(&self.block);
            self.put(entry, block);
        }
    }

    fn put(&self, entry: &Entry, block: *mut u8) {
        entry.write(&self.block);
        entry.key.store(block.addr(), Ordering::Relaxed);
        INDEX.put_back(block.addr(), self.index);
    }

    /// Puts it back at another address, or with another size.
    ///
    /// It stays sampled as if it had been made with the size that it has now: one that grew is sampled with more
    /// likelihood than it was before, and stands for less; one that shrank is struck off with the likelihood that it would
    /// not have been sampled, of which `chance` decides, and only its layout is remembered.
    pub(crate) fn moved(mut self, block: *mut u8, plan: Plan, size: usize, chance: f64) {
        let Some(entry) = SLAB.entry(self.index) else {
            return;
        };
        let before = self.block;
        let ledger = entry.take_ledger();
        let rate = self.rate();
        let keep =
            size >= before.size || chance * rate.probability(before.size) <= rate.probability(size);
        self.block.size = size;
        self.block.shape = plan.shape;
        self.block.grown = before.grown.saturating_add(u16::from(size > before.size));
        self.block.ledger = ledger;
        // SAFETY: null, or alive, because the entry held it.
        match unsafe { ledger.as_ref() } {
            Some(held) if keep => {
                self.block.weight = rate.weight(size);
                held.resize(&before, &self.block);
            }
            Some(held) => {
                held.strike_off(&before);
                // SAFETY: the entry was counted among its holders, and lets go of it here.
                unsafe { Ledger::release(ledger) };
                self.block.strike_off();
            }
            None => self.block.strike_off(),
        }
        self.put(entry, block);
    }
}

impl Block {
    /// Remembers nothing but the layout.
    fn strike_off(&mut self) {
        self.weight = 0;
        self.ledger = ptr::null();
    }
}

/// Hands out every block that one ledger accounts for. A block that is freed or resized meanwhile may be missed.
pub(crate) fn visit(ledger: &Ledger, mut each: impl FnMut(&Block)) {
    SLAB.visit(|_, block| {
        if ptr::eq(block.ledger, ledger) {
            each(block);
        }
    });
}

/// Lets go of every block that a ledger accounts for.
pub(super) fn detach_all(ledger: *const Ledger) {
    SLAB.visit(|entry, block| {
        if ptr::eq(block.ledger, ledger) && entry.detach(ledger) {
            // SAFETY: the entry was counted among its holders, and lets go of it here; the caller is one, too.
            unsafe { Ledger::release(ledger) };
        }
    });
}

/// Bytes that the tables take, about.
pub(crate) fn own_bytes() -> u64 {
    SLAB.own_bytes() + INDEX.own_bytes() + spare::bytes()
}
