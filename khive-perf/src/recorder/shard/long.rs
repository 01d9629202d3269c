//! The long way: a call from wherever it comes, timed or not, and of which anything is to be said.

use std::ptr;

use crate::outcome::Outcome;
use crate::recorder::cell::Cell;
use crate::recorder::frame::{Frame, SpanRef, Tags};
use crate::recorder::local;
use crate::recorder::node::Node;
use crate::recorder::shard::Shard;
use crate::sync::Ordering;

impl Shard {
    /// Opens the frame of a call.
    ///
    /// # Safety
    ///
    /// The calling thread owns this shard, and `cell` is one of its cells.
    pub(crate) unsafe fn open(&self, cell: &Cell, now: impl FnOnce() -> u64) -> Frame {
        // SAFETY: as the caller vouches.
        let node = unsafe { self.node_of_next(cell) };
        // SAFETY: the caller is the owner, and the node is its node.
        let weight = unsafe { self.weight_of_next(node) };
        let start = if weight == 0 { 0 } else { now() };
        if weight == 0 {
            node.turn.count();
            node.untimed_open.add(1);
        }
        // SAFETY: as above.
        unsafe { self.open_at(node, start, weight) }
    }

    /// The node of a call, or a poll, that is to come.
    ///
    /// # Safety
    ///
    /// The calling thread owns this shard, and `cell` is one of its cells.
    pub(crate) unsafe fn node_of_next(&self, cell: &Cell) -> &Node {
        // SAFETY: as the caller vouches.
        let at = unsafe { self.path(self.current(), cell) };
        // SAFETY: nodes live as long as their shard.
        unsafe { &*at }
    }

    /// Opens the frame of a call, or of a poll of one, that stands for `weight` calls; 0 for one that is not timed.
    ///
    /// # Safety
    ///
    /// The calling thread owns this shard, and `node` is one of its nodes.
    pub(crate) unsafe fn open_at(&self, node: &Node, start: u64, weight: u32) -> Frame {
        let from = self.current();
        let mut tags = 0;
        if !ptr::eq(node.parent, from) {
            tags |= Tags::IRREGULAR;
        }
        // SAFETY: the caller is the owner, and both are nodes of this shard.
        if unsafe { self.is_around(node, from) } {
            tags |= Tags::INNER;
        }
        if tags != 0 {
            node.open.add(1);
            // SAFETY: as above.
            unsafe { self.pass(node, from, true) };
        }
        if weight > 1 {
            tags |= Tags::SPECIAL;
        }
        let at = ptr::from_ref(node);
        self.set_current(at);
        local::follow_shard();
        Frame {
            start: Frame::start(start, weight),
            at: at.map_addr(|address| address | tags),
            // SAFETY: the caller is the owner.
            callees_before: unsafe { self.callees.get() },
            generation: self.generation,
            weight,
            from,
            span: SpanRef::NONE,
            span_before: SpanRef::NONE,
        }
    }

    /// The frame of the open call that went the short way to this node, and is timed for itself alone, or not at all.
    ///
    /// # Safety
    ///
    /// The calling thread owns this shard.
    pub(crate) unsafe fn frame_of(&self, node: &Node, is_timed: bool) -> Frame {
        // SAFETY: as the caller vouches.
        unsafe { self.frame_of_weight(node, u32::from(is_timed)) }
    }

    /// The same of one that is timed for others, too.
    ///
    /// # Safety
    ///
    /// The calling thread owns this shard.
    pub(crate) unsafe fn weighted_frame_of(&self, node: &Node) -> Frame {
        let weight = node
            .sampled()
            // SAFETY: the caller is the owner.
            .map_or(1, |sampled| unsafe { sampled.open_weight() });
        // SAFETY: as the caller vouches.
        unsafe { self.frame_of_weight(node, weight) }
    }

    /// # Safety
    ///
    /// The calling thread owns this shard.
    unsafe fn frame_of_weight(&self, node: &Node, weight: u32) -> Frame {
        let tags = if weight > 1 { Tags::SPECIAL } else { 0 };
        Frame {
            // SAFETY: the caller is the owner.
            start: Frame::start(unsafe { node.start.get() }, weight),
            at: ptr::from_ref(node).map_addr(|address| address | tags),
            // SAFETY: the caller is the owner.
            callees_before: unsafe { node.callees_before.get() },
            generation: self.generation,
            weight,
            from: node.parent,
            span: SpanRef::NONE,
            span_before: SpanRef::NONE,
        }
    }

    /// Closes a frame; returns its ticks.
    ///
    /// Frames close in the order opposite to their opening, unless a guard was leaked, kept across an
    /// await, or dropped out of turn. Then the frame that closes first takes those above it with it, and
    /// one whose turn has passed leaves the stack alone.
    ///
    /// # Safety
    ///
    /// The calling thread owns this shard, and `frame` was opened here and not closed.
    pub(crate) unsafe fn close(&self, frame: &Frame, end: u64) -> u64 {
        let at = frame.node();
        // SAFETY: nodes live as long as their shard.
        let node = unsafe { &*at };
        let irregular = Tags::of(frame.at) & Tags::IRREGULAR != 0;
        if irregular || !frame.is_outermost() {
            node.open.sub(1);
            // SAFETY: the caller is the owner, and it came from there.
            unsafe { self.pass(node, frame.from, false) };
        }
        let ticks = if frame.is_timed() {
            end.saturating_sub(frame.start)
        } else {
            0
        };
        if !is_on_path(self.current(), at) {
            return ticks;
        }
        // SAFETY: the caller is the owner.
        let in_callees = unsafe { self.callees.get() }.wrapping_sub(frame.callees_before);
        let weight = u64::from(frame.weight);
        let of_all = ticks.wrapping_mul(weight);
        // SAFETY: the caller is the owner.
        unsafe { self.callees.set(frame.callees_before.wrapping_add(of_all)) };
        self.set_current(if irregular { frame.from } else { node.parent });
        local::follow_shard();
        let own = ticks.wrapping_sub(in_callees).wrapping_mul(weight);
        node.self_ticks.add(own);
        ticks
    }

    /// Records a call whose frame has been closed and took so many ticks.
    ///
    /// # Safety
    ///
    /// The calling thread owns this shard, and `frame` was opened here.
    pub(crate) unsafe fn record(&self, frame: &Frame, ticks: u64, outcome: Outcome) {
        if frame.is_timed() {
            let weight = frame.weight;
            return self.let_special_wait(frame.ended(outcome), ticks, weight);
        }
        // SAFETY: nodes live as long as their shard.
        let node = unsafe { &*frame.node() };
        self.count_untimed(node, outcome);
        node.untimed_open.sub(1);
        if !frame.is_outermost() {
            node.inner.add(1);
            node.inner_untimed.add(1);
        }
    }

    /// Counts the outcome of a call that was counted as one without a time.
    pub(crate) fn count_untimed(&self, node: &Node, outcome: Outcome) {
        if outcome != Outcome::Ok {
            // SAFETY: a call's node has a cell; cells live as long as their shard.
            unsafe { &*node.cell }.count_failure(outcome);
            node.untimed_failed.add(1);
        }
    }

    /// Keeps a frame until [`take_frame`](Self::take_frame).
    ///
    /// # Safety
    ///
    /// The calling thread owns this shard.
    pub(crate) unsafe fn keep_frame(&self, frame: Frame) -> *const Frame {
        // SAFETY: the caller is the owner, and nothing in it comes back here: the allocator does not record.
        unsafe { self.spare_frames.with(|spare| spare.keep(frame)) }
    }

    /// Takes back the room of a frame.
    ///
    /// # Safety
    ///
    /// The calling thread owns this shard; the frame was kept by one of its shards, and is not used any more.
    pub(crate) unsafe fn take_frame(&self, frame: *const Frame) {
        // SAFETY: as the caller vouches.
        let room = unsafe { Box::from_raw(frame.cast_mut()) };
        // SAFETY: the caller is the owner, and nothing in it comes back here.
        unsafe { self.spare_frames.with(|spare| spare.take(room)) }
    }

    /// The node, if it is one of this shard; it may be no node at all any more. By the owner.
    pub(crate) fn node_of(&self, at: *const Node) -> Option<&Node> {
        // SAFETY: the current node is alive.
        let current = unsafe { &*self.current() };
        if ptr::eq(current, at) {
            return Some(current);
        }
        self.node_elsewhere(current, at)
    }

    #[inline(never)]
    fn node_elsewhere(&self, current: &Node, at: *const Node) -> Option<&Node> {
        // SAFETY: by the owner.
        if unsafe { current.has_at_hand(at) } {
            // SAFETY: what is at hand is a node, and nodes live as long as their shard.
            return Some(unsafe { &*at });
        }
        let mut node = self.newest_node.load(Ordering::Relaxed).cast_const();
        // SAFETY: nodes, linked before they are published, live as long as their shard.
        while let Some(found) = unsafe { node.as_ref() } {
            if ptr::eq(node, at) {
                return Some(found);
            }
            node = found.next;
        }
        None
    }

    /// Goes through what a call costs, timed for itself (`special` 0) or for others, too. See
    /// [`Costs`](crate::recorder::budget::Costs).
    ///
    /// # Safety
    ///
    /// The calling thread owns this shard, and `node` is one of its nodes, below the current one.
    #[inline(never)]
    pub(crate) unsafe fn rehearse(&self, node: &Node, special: u32) {
        let now = || {
            if self.is_raw() {
                crate::clock::raw_ticks()
            } else {
                self.now()
            }
        };
        let start = now();
        if special > 0 {
            // SAFETY: as the caller vouches, here and below.
            unsafe { self.open_weighted(node, 2) };
            // SAFETY: see above.
            let frame = unsafe { self.weighted_frame_of(node) };
            // SAFETY: see above.
            let ticks = unsafe { self.close(&frame, now()) };
            // SAFETY: see above.
            unsafe { self.record(&frame, ticks, Outcome::Ok) };
            // This need not be the thread's shard.
            local::follow_shard();
            return;
        }
        // SAFETY: see above.
        unsafe { self.open_short(node, start) };
        // SAFETY: see above; it was opened just now.
        let ticks = unsafe { self.close_short(node, now()) };
        self.let_wait(node, ticks);
        // This need not be the thread's shard.
        local::follow_shard();
    }
}

/// Whether `node` is `from` or above it.
fn is_on_path(from: *const Node, node: *const Node) -> bool {
    let mut at = from;
    while !ptr::eq(at, node) {
        // SAFETY: nodes, and their parents, live as long as their shard.
        match unsafe { at.as_ref() } {
            Some(found) => at = found.parent,
            None => return false,
        }
    }
    true
}
