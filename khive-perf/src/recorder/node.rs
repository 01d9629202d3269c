//! Node: what one thread has recorded of one path of calls.

use std::ptr;

use crate::recorder::self_time::SelfTime;
use crate::sync::{OwnedU64, OwnerCell};

/// Id of a thread's root: no call at all.
pub(crate) const ROOT_ID: u32 = u32::MAX;
/// Id of the node that stands for all paths beyond the limit.
pub(crate) const OVERFLOW_ID: u32 = u32::MAX - 1;

/// What one thread has recorded of one path of calls.
pub(crate) struct Node {
    /// Series called; or [`ROOT_ID`], or [`OVERFLOW_ID`].
    pub(crate) id: u32,
    /// How many nodes the thread had before.
    pub(crate) ordinal: u32,
    /// The caller's node; null for the root.
    pub(crate) parent: *const Self,
    /// The node that was new before this one; null at the end.
    pub(crate) next: *const Self,
    /// The child entered last, so that a call from a loop needs no search.
    pub(crate) last_child: OwnerCell<*const Self>,
    pub(crate) calls: OwnedU64,
    pub(crate) total_ns: OwnedU64,
    pub(crate) self_ns: SelfTime,
}

impl Node {
    pub(crate) const fn new(id: u32, ordinal: u32, parent: *const Self, next: *const Self) -> Self {
        Self {
            id,
            ordinal,
            parent,
            next,
            last_child: OwnerCell::new(ptr::null()),
            calls: OwnedU64::new(0),
            total_ns: OwnedU64::new(0),
            self_ns: SelfTime::new(),
        }
    }

    /// Adds the times of a call of a plain cell; by the owner.
    #[inline(always)]
    pub(crate) fn grow(&self, total_ns: u64, self_ns: u64) {
        self.self_ns.grow(self_ns);
        self.total_ns.add(total_ns);
    }

    /// Adds time; by the owner.
    pub(crate) fn add_time(&self, total_ns: u64, self_ns: i64) {
        self.self_ns.add(self_ns);
        self.total_ns.add(total_ns);
    }
}

/// Finds the node of a call from its caller's node; the owner's alone.
///
/// Open addressing over a power of two, at most half full.
#[derive(Default)]
pub(crate) struct NodeTable {
    slots: Vec<*const Node>,
    len: usize,
}

impl NodeTable {
    pub(crate) const fn new() -> Self {
        Self {
            slots: Vec::new(),
            len: 0,
        }
    }

    /// The child `id` of `parent`, if there is one.
    ///
    /// # Safety
    ///
    /// Every node that was inserted is still alive.
    pub(crate) unsafe fn find(&self, parent: *const Node, id: u32) -> Option<*const Node> {
        let mask = self.slots.len().checked_sub(1)?;
        let mut at = hash(parent, id) & mask;
        loop {
            let node = *self.slots.get(at)?;
            // SAFETY: the caller vouches for inserted nodes.
            let found = unsafe { node.as_ref() }?;
            if found.id == id && ptr::eq(found.parent, parent) {
                return Some(node);
            }
            at = (at + 1) & mask;
        }
    }

    /// Adds a node that [`find`](Self::find) did not find.
    ///
    /// # Safety
    ///
    /// `node` and every node inserted before are alive, and stay so while the table is used.
    pub(crate) unsafe fn insert(&mut self, node: *const Node) {
        if self.slots.len() < (self.len + 1) * 2 {
            let larger = vec![ptr::null(); (self.slots.len() * 2).max(16)];
            for old in std::mem::replace(&mut self.slots, larger) {
                if !old.is_null() {
                    // SAFETY: as the caller vouches.
                    unsafe { self.place(old) };
                }
            }
        }
        // SAFETY: as the caller vouches.
        unsafe { self.place(node) };
        self.len += 1;
    }

    /// # Safety
    ///
    /// `node` is alive, and there is an empty slot.
    unsafe fn place(&mut self, node: *const Node) {
        // SAFETY: the caller vouches for the node.
        let found = unsafe { &*node };
        let mask = self.slots.len() - 1;
        let mut at = hash(found.parent, found.id) & mask;
        while let Some(slot) = self.slots.get_mut(at) {
            if slot.is_null() {
                *slot = node;
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
