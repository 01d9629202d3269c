//! Node: what one thread has recorded of one path of calls.

use std::ptr;

use crate::recorder::cell::Cell;
use crate::recorder::part::Part;
use crate::recorder::sampled::Sampled;
use crate::recorder::turn::Turn;
use crate::sync::{OwnedU64, OwnerCell};

/// Id of a thread's root: no call at all.
pub(crate) const ROOT_ID: u32 = u32::MAX;
/// Id of the node above all paths beyond the limit.
pub(crate) const OVERFLOW_ID: u32 = u32::MAX - 1;
/// Id of what stands where no child is.
const NOBODY_ID: u32 = u32::MAX - 2;
/// Key of a node whose calls always take the long way.
pub(crate) const LONG_WAY: u32 = u32::MAX - 3;
/// Beside the id, in the key of a node of which each call is timed. Nothing is, in that of one of whose calls some are not
/// timed and are only counted: those must be told with least effort.
pub(crate) const TIMED: u32 = 1 << 30;
/// The same of a node whose calls have callees, so that those that are not timed are entered and left.
pub(crate) const ENTERED: u32 = 1 << 29;
/// Callees that a node has at hand.
const AT_HAND: usize = 16;

/// Timed calls on one path, on one thread, until it is looked whether each has to be timed.
pub(crate) const FIRST_REVIEW: u64 = 64;

/// Stands where no child is, so that the hot path need not ask whether there is one.
pub(crate) static NOBODY: Node = Node::new(NOBODY_ID, 0, ptr::null(), ptr::null(), ptr::null(), 0);
/// Stands where no call is: the root of threads that have no shard.
pub(crate) static NOWHERE: Node = Node::new(ROOT_ID, 0, ptr::null(), ptr::null(), ptr::null(), 0);

/// What one thread has recorded of one path of calls. Times are in ticks.
///
/// The alignment leaves the low bits of its address free for [`Tags`](crate::recorder::frame::Tags), and puts all that a call
/// touches which is not timed in one cache line: where many functions are called in turn, each line is one that has to come
/// from far.
#[repr(C, align(64))]
pub(crate) struct Node {
    /// What the short way compares with the callsite's id: the same, or with [`TIMED`] or [`ENTERED`]; or what no callsite
    /// has. The owner's alone.
    pub(crate) key: OwnerCell<u32>,
    /// Series called; or [`ROOT_ID`], or [`OVERFLOW_ID`].
    pub(crate) id: u32,
    /// Calls that were not timed, as they begin, and when one is.
    pub(crate) turn: Turn,
    /// The caller's node; null for the root.
    pub(crate) parent: *const Self,
    /// Open recursive calls that went from this node, or one below it, to one further up: as long as there are such, a
    /// call of this node is open that is not on the path from the current one.
    pub(crate) passed: OwnedU64,
    /// Calls that were not timed and took the long way and have not ended; in two's complement, because a future may end
    /// on another path.
    pub(crate) untimed_open: OwnedU64,
    /// Of the open call that went the short way: ticks at its beginning, and the shard's count of ticks in callees then.
    pub(crate) start: OwnerCell<u64>,
    pub(crate) callees_before: OwnerCell<u64>,
    // === the second cache line: what only timed calls touch
    /// Outside callees. In two's complement: where callees are sampled, they are estimated to have taken more, for a
    /// while, than there was.
    pub(crate) self_ticks: OwnedU64,
    /// Calls that were timed and ended well.
    pub(crate) calls: OwnedU64,
    /// Of outermost calls, each as often as it stands for calls; of futures, of their polls.
    pub(crate) total_ticks: OwnedU64,
    /// Timed calls until the budget is looked at. The owner's alone.
    pub(crate) until_review: OwnerCell<u64>,
    /// Of the series; null for the two that are no calls.
    pub(crate) cell: *const Cell,
    /// How many nodes the thread had before.
    pub(crate) ordinal: u32,
    /// Polls of futures.
    pub(crate) polls: OwnedU64,
    /// Futures whose first poll was here.
    pub(crate) begun: OwnedU64,
    // === the third
    /// Calls that were not timed and did not end well.
    pub(crate) untimed_failed: OwnedU64,
    /// Calls that were timed and did not end well.
    pub(crate) failed: OwnedU64,
    /// Calls inside a call of the same series, and those of them that were not timed.
    pub(crate) inner: OwnedU64,
    pub(crate) inner_untimed: OwnedU64,
    /// Nodes whose parent this is.
    pub(crate) children: OwnedU64,
    /// Open frames of inner calls, and of calls on paths beyond the limit.
    pub(crate) open: OwnedU64,
    /// Made once it is looked at how calls are timed.
    sampled: Part<Sampled>,
    /// Ticks at its making.
    pub(crate) made_at: u64,
    /// The node that was new before this one; null at the end.
    pub(crate) next: *const Self,
    /// One some nodes further, for readers to have it fetched meanwhile; any node, or null.
    pub(crate) ahead: *const Self,
    /// Of the callees that are only counted, the one that was listed last, and the one listed before this one; null at
    /// the end. The owner's alone, like all of the list.
    counted: OwnerCell<*const Self>,
    counted_before: OwnerCell<*const Self>,
    /// Whether this one is in its caller's list.
    is_listed: OwnerCell<bool>,
    /// Of the callees, for each remainder of ids the one entered last, so that calls of a few functions in whatever
    /// order need no search; never null. The owner's alone.
    at_hand: [OwnerCell<*const Self>; AT_HAND],
}

// SAFETY: `OwnerCell`s are touched by the owner only; all else is atomic or does not change.
unsafe impl Sync for Node {}

impl Node {
    pub(crate) const fn new(
        id: u32,
        ordinal: u32,
        cell: *const Cell,
        parent: *const Self,
        next: *const Self,
        made_at: u64,
    ) -> Self {
        Self {
            key: OwnerCell::new(LONG_WAY),
            ordinal,
            self_ticks: OwnedU64::new(0),
            calls: OwnedU64::new(0),
            total_ticks: OwnedU64::new(0),
            until_review: OwnerCell::new(FIRST_REVIEW),
            cell,
            parent,
            id,
            start: OwnerCell::new(0),
            callees_before: OwnerCell::new(0),
            turn: Turn::new(),
            untimed_open: OwnedU64::new(0),
            untimed_failed: OwnedU64::new(0),
            failed: OwnedU64::new(0),
            inner: OwnedU64::new(0),
            inner_untimed: OwnedU64::new(0),
            children: OwnedU64::new(0),
            open: OwnedU64::new(0),
            passed: OwnedU64::new(0),
            polls: OwnedU64::new(0),
            begun: OwnedU64::new(0),
            sampled: Part::new(),
            made_at,
            next,
            ahead: ptr::null(),
            counted: OwnerCell::new(ptr::null()),
            counted_before: OwnerCell::new(ptr::null()),
            is_listed: OwnerCell::new(false),
            at_hand: [const { OwnerCell::new(&raw const NOBODY) }; AT_HAND],
        }
    }

    /// Where the callee of series `id` is at hand, or another one, or what stands for none.
    #[inline(always)]
    #[expect(clippy::indexing_slicing, reason = "the remainder is below the length")]
    pub(crate) const fn at_hand(&self, id: u32) -> &OwnerCell<*const Self> {
        &self.at_hand[id as usize % AT_HAND]
    }

    /// Has calls of it that are not timed only be counted.
    ///
    /// # Safety
    ///
    /// The calling thread owns the shard.
    pub(crate) unsafe fn only_count(&self) {
        // SAFETY: as the caller vouches, and so for every access below.
        unsafe { self.key.set(self.id) };
        // SAFETY: null, or a node, which lives as long as its shard.
        let Some(parent) = (unsafe { self.parent.as_ref() }) else {
            return;
        };
        // SAFETY: see above.
        if unsafe { self.is_listed.get() } {
            return;
        }
        // SAFETY: see above.
        let before = unsafe { parent.counted.get() };
        // SAFETY: see above.
        unsafe { self.counted_before.set(before) };
        // SAFETY: see above.
        unsafe { self.is_listed.set(true) };
        // SAFETY: see above.
        unsafe { parent.counted.set(self) };
    }

    /// Has calls of it, and of its callees, that are only counted take the long way until they are looked at again. As many
    /// callees are gone through as have been looked at since.
    ///
    /// # Safety
    ///
    /// The calling thread owns the shard.
    pub(crate) unsafe fn doubt(&self) {
        // SAFETY: as the caller vouches, and so for every access below.
        unsafe { self.doubt_itself() };
        // SAFETY: see above.
        let mut at = unsafe { self.counted.get() };
        // SAFETY: see above.
        unsafe { self.counted.set(ptr::null()) };
        // SAFETY: null, or a node, which lives as long as its shard.
        while let Some(callee) = unsafe { at.as_ref() } {
            // SAFETY: see above.
            unsafe { callee.doubt_itself() };
            // SAFETY: see above.
            unsafe { callee.is_listed.set(false) };
            // SAFETY: see above.
            at = unsafe { callee.counted_before.get() };
        }
    }

    /// # Safety
    ///
    /// The calling thread owns the shard.
    unsafe fn doubt_itself(&self) {
        // SAFETY: as the caller vouches, here and below.
        if unsafe { self.key.get() } == self.id {
            // SAFETY: see above.
            unsafe { self.key.set(LONG_WAY) };
        }
    }

    /// Counts a timed call; `true` if it is time to look at the budget.
    ///
    /// # Safety
    ///
    /// The calling thread owns the shard.
    #[inline(always)]
    pub(crate) unsafe fn count_down(&self) -> bool {
        // SAFETY: as the caller vouches, here and below.
        let left = unsafe { self.until_review.get() }.wrapping_sub(1);
        // SAFETY: see above.
        unsafe { self.until_review.set(left) };
        left == 0
    }

    /// Whether a node is at hand; by the owner.
    ///
    /// # Safety
    ///
    /// The calling thread owns the shard.
    pub(crate) unsafe fn has_at_hand(&self, node: *const Self) -> bool {
        self.at_hand
            .iter()
            // SAFETY: as the caller vouches.
            .any(|callee| ptr::eq(unsafe { callee.get() }, node))
    }

    /// What is known of its calls that are timed for others, too, once there are such.
    pub(crate) fn sampled(&self) -> Option<&Sampled> {
        self.sampled.read()
    }

    /// The same, made if need be; by the owner.
    pub(crate) fn sampled_or_new(&self) -> &Sampled {
        let made = self.sampled.owned();
        made.unwrap_or_else(|| self.sampled.make(Sampled::new(self.made_at)))
    }

    /// Finished calls that were not timed, however they ended.
    pub(crate) fn untimed_finished(&self) -> u64 {
        let ended = self.turn.untimed().wrapping_sub(self.untimed_open.read());
        (ended as i64).max(0) as u64
    }

    /// Finished calls, however they ended.
    pub(crate) fn finished(&self) -> u64 {
        self.calls.read() + self.failed.read() + self.untimed_finished()
    }

    /// Whether it stands for all calls of its series beyond the limit.
    pub(crate) fn is_overflow(&self) -> bool {
        // SAFETY: null, or a node, which lives as long as its shard.
        unsafe { self.parent.as_ref() }.is_some_and(|parent| parent.id == OVERFLOW_ID)
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
    let word = (parent as usize as u64 >> 6) ^ (u64::from(id) << 40) ^ u64::from(id);
    (word.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 24) as usize
}
