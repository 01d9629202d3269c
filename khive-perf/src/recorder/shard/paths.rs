//! Paths: which node a call belongs to, from where it comes.

use std::ptr;

use crate::callsite::Timing;
use crate::recorder::cell::Cell;
use crate::recorder::local::quiet;
use crate::recorder::node::{NOBODY, Node, NodeTable, OVERFLOW_ID};
use crate::recorder::shard::{NO_GENERATION, Shard};
use crate::sync::Ordering;

impl Shard {
    /// The node of a call from `parent`.
    ///
    /// A recursive call goes to the node of the same series further up, so that the tree stays finite.
    ///
    /// # Safety
    ///
    /// The calling thread owns this shard, `parent` is one of its nodes, and `cell` one of its cells.
    pub(super) unsafe fn path(&self, parent: *const Node, cell: &Cell) -> *const Node {
        // SAFETY: nodes live as long as their shard.
        let at_hand = unsafe { &*parent }.at_hand(cell.id);
        // SAFETY: the caller is the owner.
        let last = unsafe { at_hand.get() };
        // SAFETY: nodes live as long as their shard, and what stands for none for ever.
        if unsafe { (*last).id } == cell.id {
            return last;
        }
        // SAFETY: the caller is the owner, and `with` is not entered again inside.
        let found = unsafe { self.paths.with(|paths| paths.find(parent, cell.id)) };
        let at = found.unwrap_or_else(|| {
            let _quiet = quiet();
            // SAFETY: as the caller vouches.
            let grow = |paths: &mut NodeTable| unsafe { self.grow(paths, parent, cell) };
            // SAFETY: the caller is the owner, and `grow` does not come back to the table.
            unsafe { self.paths.with(grow) }
        });
        // SAFETY: nodes live as long as their shard.
        let node = unsafe { &*at };
        if ptr::eq(node.parent, parent) {
            // While a call of it is open it must not be found the short way.
            if node.passed.read() == 0 {
                // SAFETY: the caller is the owner.
                unsafe { at_hand.set(at) };
            }
        } else if node.is_overflow() {
            self.note_overflow(parent);
        }
        at
    }

    /// The node of a call of series `id` from the current node, which is at hand from now on, if there is one and no call
    /// of it is open: such a call may go the short way.
    ///
    /// # Safety
    ///
    /// The calling thread owns this shard.
    #[inline]
    pub(crate) unsafe fn turn_to(&self, id: u32) -> Option<&Node> {
        if self.generation == NO_GENERATION {
            return None;
        }
        let parent = self.current();
        // SAFETY: the current node is alive.
        let at_hand = unsafe { &*parent }.at_hand(id);
        // SAFETY: the caller is the owner.
        let last = unsafe { at_hand.get() };
        // SAFETY: nodes live as long as their shard, and what stands for none for ever.
        let last = unsafe { &*last };
        if last.id == id {
            return Some(last);
        }
        let turned_to = self.turned_to(id)?;
        // SAFETY: the caller is the owner.
        let last = unsafe { turned_to.get() };
        // SAFETY: null, or a node, which lives as long as its shard.
        let last = unsafe { last.as_ref() };
        let node = match last.filter(|last| ptr::eq(last.parent, parent)) {
            Some(last) => last,
            None => {
                // SAFETY: the caller is the owner, and `with` is not entered again inside.
                let at = unsafe { self.paths.with(|paths| paths.find(parent, id)) }?;
                // SAFETY: the caller is the owner.
                unsafe { turned_to.set(at) };
                // SAFETY: nodes live as long as their shard.
                unsafe { &*at }
            }
        };
        if !ptr::eq(node.parent, parent) || node.passed.read() > 0 {
            return None;
        }
        // SAFETY: the caller is the owner.
        unsafe { at_hand.set(node) };
        Some(node)
    }

    /// The node of calls of series `id` from the current node, if there were some; by the owner.
    pub(crate) fn callee(&self, id: u32) -> Option<&Node> {
        if self.generation == NO_GENERATION {
            return None;
        }
        // SAFETY: the caller is the owner, and `with` is not entered again inside.
        let at = unsafe { self.paths.with(|paths| paths.find(self.current(), id)) }?;
        // SAFETY: nodes live as long as their shard.
        Some(unsafe { &*at })
    }

    /// The node of a series below the root; by the owner of a shard that has recorded nothing.
    ///
    /// # Safety
    ///
    /// The calling thread owns this shard.
    pub(crate) unsafe fn root_path(&self, id: u32, timing: Timing) -> Option<&Node> {
        let cell = self.cell_or_new(id, timing)?;
        // SAFETY: as the caller vouches.
        let at = unsafe { self.path(self.current(), cell) };
        // SAFETY: nodes live as long as their shard.
        Some(unsafe { &*at })
    }

    /// Finds the node of a call further up, or makes one; beyond the limit, one below that of all further paths.
    ///
    /// # Safety
    ///
    /// The calling thread owns this shard, `parent` is one of its nodes, and `cell` one of its cells.
    #[cold]
    unsafe fn grow(&self, paths: &mut NodeTable, parent: *const Node, cell: &Cell) -> *const Node {
        let nodes_max = crate::config::call_tree_nodes_max();
        let above = above(parent, cell.id);
        if !above.is_null() {
            // Remembered, unless that were without bound, too.
            if paths.len() <= nodes_max.saturating_mul(2) {
                paths.insert(parent, cell.id, above);
            }
            return above;
        }
        // SAFETY: nodes live as long as their shard.
        let from_overflow = unsafe { &*parent }.is_overflow();
        // SAFETY: the caller is the owner.
        let len = unsafe { self.nodes_len.get() };
        if len as usize <= nodes_max && !from_overflow {
            // SAFETY: the caller is the owner.
            return unsafe { self.add_node(paths, parent, cell.id, cell) };
        }
        let root = root_of(parent);
        let overflow = paths.find(root, OVERFLOW_ID).unwrap_or_else(|| {
            // SAFETY: the caller is the owner.
            unsafe { self.add_node(paths, root, OVERFLOW_ID, ptr::null()) }
        });
        let at = paths.find(overflow, cell.id).unwrap_or_else(|| {
            // SAFETY: the caller is the owner.
            unsafe { self.add_node(paths, overflow, cell.id, cell) }
        });
        if paths.len() <= nodes_max.saturating_mul(4) {
            paths.insert(parent, cell.id, at);
        }
        at
    }

    /// # Safety
    ///
    /// The calling thread owns this shard.
    unsafe fn add_node(
        &self,
        paths: &mut NodeTable,
        parent: *const Node,
        id: u32,
        cell: *const Cell,
    ) -> *const Node {
        // SAFETY: the caller is the owner.
        let len = unsafe { self.nodes_len.get() };
        let before = self.newest_node.load(Ordering::Relaxed);
        let mut node = Node::new(id, len, cell, parent, before, self.now());
        // SAFETY: nodes live as long as their shard.
        node.ahead = unsafe { some_before(before) };
        // SAFETY: the caller is the owner, and nothing in it comes back here.
        let at = unsafe { self.nodes.with(|nodes| nodes.put(node)) };
        // SAFETY: just made, and not published yet.
        let node = unsafe { &*at };
        // SAFETY: null, or a cell, which lives as long as its shard.
        let cell = unsafe { cell.as_ref() };
        // SAFETY: null, or a node, which lives as long as its shard.
        if let Some(parent) = unsafe { parent.as_ref() } {
            parent.children.add(1);
            // The call that is made for the first time may come from inside of one that is only counted.
            // SAFETY: the caller is the owner.
            unsafe { parent.doubt() };
        }
        // SAFETY: the caller is the owner, and the cell the node's.
        unsafe { self.begin_timing(node, cell) };
        // SAFETY: the caller is the owner.
        unsafe { self.nodes_len.set(len + 1) };
        paths.insert(parent, id, at);
        self.newest_node.store(at, Ordering::Release);
        at
    }

    /// Notes from where the paths beyond the limit are entered.
    fn note_overflow(&self, from: *const Node) {
        // SAFETY: nodes live as long as their shard.
        if !unsafe { &*from }.is_overflow() {
            self.overflow_from.store(from.cast_mut(), Ordering::Relaxed);
        }
    }

    /// Whether an open call of this node is around the one that is to come from `from`.
    ///
    /// # Safety
    ///
    /// Both are nodes of this shard.
    pub(super) unsafe fn is_around(&self, node: &Node, from: *const Node) -> bool {
        if !node.is_overflow() {
            // A call from elsewhere is a recursive one: it is here because the node is above.
            return !ptr::eq(node.parent, from) || node.passed.read() > 0;
        }
        let entered_from = self.overflow_from.load(Ordering::Relaxed);
        let is_above = |from| !above(from, node.id).is_null();
        node.open.read() > 0 || is_above(from) || is_above(entered_from)
    }

    /// Notes, of all nodes between `from` and `node` further up, that a recursive call has passed them, or has ended.
    ///
    /// # Safety
    ///
    /// The calling thread owns this shard, and both are its nodes.
    pub(super) unsafe fn pass(&self, node: &Node, from: *const Node, begins: bool) {
        if ptr::eq(node.parent, from) || node.is_overflow() {
            return;
        }
        let mut at = from;
        while !ptr::eq(at, node) {
            // SAFETY: nodes, and their parents, live as long as their shard.
            let Some(passed) = (unsafe { at.as_ref() }) else {
                return;
            };
            if begins {
                passed.passed.add(1);
                // SAFETY: as above; only the root has no parent, and it is not passed.
                if let Some(parent) = unsafe { passed.parent.as_ref() } {
                    // SAFETY: the caller is the owner.
                    unsafe { parent.at_hand(passed.id).set(&raw const NOBODY) };
                }
            } else {
                passed.passed.sub(1);
            }
            at = passed.parent;
        }
    }
}

/// A node that was new some before this one, or the first.
///
/// # Safety
///
/// Null, or a node whose shard is alive.
unsafe fn some_before(node: *const Node) -> *const Node {
    const HOW_MANY: usize = 8;
    let mut at = node;
    for _ in 0..HOW_MANY {
        // SAFETY: as the caller vouches; nodes live as long as their shard.
        match unsafe { at.as_ref() } {
            Some(found) if !found.next.is_null() => at = found.next,
            _ => break,
        }
    }
    at
}

/// The node of the series at `from` or above it; null if there is none.
fn above(from: *const Node, id: u32) -> *const Node {
    let mut above = from;
    // SAFETY: null, or a node; nodes, and their parents, live as long as their shard.
    while let Some(node) = unsafe { above.as_ref() } {
        if node.id == id {
            return above;
        }
        above = node.parent;
    }
    ptr::null()
}

fn root_of(node: *const Node) -> *const Node {
    let mut at = node;
    // SAFETY: nodes, and their parents, live as long as their shard.
    while let Some(parent) = unsafe { at.as_ref() }.map(|node| node.parent) {
        if parent.is_null() {
            break;
        }
        at = parent;
    }
    at
}
