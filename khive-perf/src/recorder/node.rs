//! Node: what one thread has recorded of one path of calls.

use std::ptr;

use crate::recorder::cell::Cell;
use crate::sync::{OwnedU64, OwnerCell};

/// Id of a thread's root: no call at all.
pub(crate) const ROOT_ID: u32 = u32::MAX;
/// Id of the node above all paths beyond the limit.
pub(crate) const OVERFLOW_ID: u32 = u32::MAX - 1;
/// Id of what stands where no child is.
const NOBODY_ID: u32 = u32::MAX - 2;

/// Stands where no child is, so that the hot path need not ask whether there is one.
pub(crate) static NOBODY: Node = Node::new(NOBODY_ID, 0, ptr::null(), ptr::null(), ptr::null());
/// Stands where no call is: the root of threads that have no shard.
pub(crate) static NOWHERE: Node = Node::new(ROOT_ID, 0, ptr::null(), ptr::null(), ptr::null());

/// What one thread has recorded of one path of calls. Times are in ticks.
///
/// The alignment leaves the low bits of its address free for [`Tags`](crate::recorder::frame::Tags).
#[repr(C, align(16))]
pub(crate) struct Node {
    /// Series called; or [`ROOT_ID`], or [`OVERFLOW_ID`].
    pub(crate) id: u32,
    /// How many nodes the thread had before.
    pub(crate) ordinal: u32,
    /// The child entered last, so that a call from a loop needs no search; never null.
    pub(crate) last_child: OwnerCell<*const Self>,
    /// Outside callees. In two's complement: where callees are sampled, they are estimated to have taken more, for a
    /// while, than there was.
    pub(crate) self_ticks: OwnedU64,
    /// Of the series; null for the two that are no calls.
    pub(crate) cell: *const Cell,
    /// Calls finished.
    pub(crate) calls: OwnedU64,
    /// Of outermost calls.
    pub(crate) total_ticks: OwnedU64,
    /// Of futures.
    pub(crate) polls: OwnedU64,
    /// The caller's node; null for the root.
    pub(crate) parent: *const Self,
    /// The node that was new before this one; null at the end.
    pub(crate) next: *const Self,
}

// SAFETY: `last_child` is touched by the owner only; all else is atomic or does not change.
unsafe impl Sync for Node {}

impl Node {
    pub(crate) const fn new(
        id: u32,
        ordinal: u32,
        cell: *const Cell,
        parent: *const Self,
        next: *const Self,
    ) -> Self {
        Self {
            id,
            ordinal,
            last_child: OwnerCell::new(&raw const NOBODY),
            self_ticks: OwnedU64::new(0),
            cell,
            calls: OwnedU64::new(0),
            total_ticks: OwnedU64::new(0),
            polls: OwnedU64::new(0),
            parent,
            next,
        }
    }
}

/// Finds the node of a call from its caller's node; the owner's alone.
///
/// Open addressing over a power of two, at most half full.
#[derive(Default)]
pub(crate) struct NodeTable {
    slots: Vec<Slot>,
    len: usize,
}

#[derive(Clone, Copy)]
struct Slot {
    parent: *const Node,
    id: u32,
    /// Null where the slot is free.
    node: *const Node,
}

const FREE: Slot = Slot {
    parent: ptr::null(),
    id: 0,
    node: ptr::null(),
};

impl NodeTable {
    pub(crate) const fn new() -> Self {
        Self {
            slots: Vec::new(),
            len: 0,
        }
    }

    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    /// Where a call of `id` from `parent` is recorded, if that was said.
    pub(crate) fn find(&self, parent: *const Node, id: u32) -> Option<*const Node> {
        let mask = self.slots.len().checked_sub(1)?;
        let mut at = hash(parent, id) & mask;
        loop {
            let slot = self.slots.get(at)?;
            if slot.node.is_null() {
                return None;
            }
            if slot.id == id && ptr::eq(slot.parent, parent) {
                return Some(slot.node);
            }
            at = (at + 1) & mask;
        }
    }

    /// Says where a call of `id` from `parent`, which [`find`](Self::find) did not find, is recorded.
    pub(crate) fn insert(&mut self, parent: *const Node, id: u32, node: *const Node) {
        if self.slots.len() < (self.len + 1) * 2 {
            let larger = vec![FREE; (self.slots.len() * 2).max(16)];
            for old in std::mem::replace(&mut self.slots, larger) {
                if !old.node.is_null() {
                    self.place(old);
                }
            }
        }
        self.place(Slot { parent, id, node });
        self.len += 1;
    }

    fn place(&mut self, new: Slot) {
        let mask = self.slots.len() - 1;
        let mut at = hash(new.parent, new.id) & mask;
        while let Some(slot) = self.slots.get_mut(at) {
            if slot.node.is_null() {
                *slot = new;
                return;
            }
            at = (at + 1) & mask;
        }
    }
}

fn hash(parent: *const Node, id: u32) -> usize {
    let word = (parent as usize as u64 >> 4) ^ (u64::from(id) << 40) ^ u64::from(id);
    (word.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 24) as usize
}
