//! The short way: a call like the one before it, timed for itself alone or not at all.
//!
//! The record of a call waits in the shard until the next call ends. Folding it in then does not depend
//! on the clock reading just issued, so the processor does both at once, and recording hides behind the
//! clock.

use std::ptr;

use crate::recorder::frame::{Finished, Frame, Tags};
use crate::recorder::node::{COUNTED, Node};
use crate::recorder::shard::Shard;
use crate::sync::{Ordering, fence};

/// How a call may go the short way.
pub(crate) enum Short {
    /// It is to be timed, for itself alone.
    Timed(*const Node),
    /// It is not timed, and has been counted.
    Counted(*const Node),
}

impl Shard {
    /// Looks whether a call of series `id` is the one that was called last from the current node. There is nothing
    /// special about such a call: else it would not be found there.
    ///
    /// # Safety
    ///
    /// The calling thread owns this shard.
    #[inline(always)]
    pub(crate) unsafe fn short(&self, id: u32) -> Option<Short> {
        // SAFETY: the current node is alive.
        let last_child = unsafe { &(*self.current()).last_child };
        // SAFETY: the caller is the owner.
        let at = unsafe { last_child.get() };
        // SAFETY: nodes live as long as their shard, and what stands for none for ever.
        let node = unsafe { &*at };
        // SAFETY: the caller is the owner.
        match unsafe { node.key.get() } ^ id {
            0 => Some(Short::Timed(at)),
            COUNTED if node.leave_untimed() => Some(Short::Counted(at)),
            _ => None,
        }
    }

    /// The same for a poll of a future of series `id`; those that are not timed all go the long way.
    ///
    /// # Safety
    ///
    /// The calling thread owns this shard.
    #[inline(always)]
    pub(crate) unsafe fn short_poll(&self, id: u32) -> Option<*const Node> {
        // SAFETY: the current node is alive.
        let last_child = unsafe { &(*self.current()).last_child };
        // SAFETY: the caller is the owner.
        let at = unsafe { last_child.get() };
        // SAFETY: nodes live as long as their shard, and what stands for none for ever.
        let key = unsafe { &(*at).key };
        // SAFETY: the caller is the owner.
        (unsafe { key.get() } == id).then_some(at)
    }

    /// Opens the frame of a call that was found to be timed, and begins at `start`.
    ///
    /// # Safety
    ///
    /// The calling thread owns this shard, and [`short`](Self::short) said so of this node just now.
    #[inline(always)]
    pub(crate) unsafe fn open_short(&self, at: *const Node, start: u64) -> Frame {
        self.set_current(at);
        Frame {
            start,
            at,
            // SAFETY: the caller is the owner.
            callees_before: unsafe { self.callees.get() },
            stamp: self.stamp,
            from: ptr::null(),
        }
    }

    /// Whether a frame with this node is the innermost one, of this shard, and nothing is to be said of its call.
    #[inline(always)]
    pub(crate) fn is_innermost(&self, at: *const Node) -> bool {
        ptr::eq(self.current(), at)
    }

    /// Takes the innermost frame off, and counts what its call took; returns the node and the ticks.
    ///
    /// # Safety
    ///
    /// The calling thread owns this shard, and the node [is innermost](Self::is_innermost).
    #[inline(always)]
    pub(crate) unsafe fn leave_innermost(
        &self,
        at: *const Node,
        start: u64,
        callees_before: u64,
        end: u64,
    ) -> (&Node, u64) {
        // What is below zero, as counters of two processors may differ, is nothing once it is folded in.
        let ticks = end.wrapping_sub(start);
        // SAFETY: the caller is the owner, and so for every access below.
        let in_callees = unsafe { self.callees.get() }.wrapping_sub(callees_before);
        // SAFETY: the caller is the owner.
        unsafe { self.callees.set(callees_before.wrapping_add(ticks)) };
        // SAFETY: the current node is alive.
        let node = unsafe { &*at };
        self.set_current(node.parent);
        node.self_ticks.add(ticks.wrapping_sub(in_callees));
        (node, ticks)
    }

    /// Lets a call that ended well, and stands for itself alone, wait, and folds in the one that waited.
    ///
    /// Every way out of the common case is a call at the very end, so that nothing need be kept across it.
    #[inline(always)]
    pub(crate) fn let_wait(&self, at: *const Node, ticks: u64) {
        let before = self.waiting.at.load(Ordering::Relaxed).cast_const();
        let ticks_before = self.waiting.ticks.read();
        self.sequence.add(1);
        fence(Ordering::Release);
        self.waiting.ticks.set(ticks);
        self.waiting.at.store(at.cast_mut(), Ordering::Relaxed);
        if Tags::of(before) != 0 {
            return self.fold_rare(before, ticks_before, self.waiting.weight.read());
        }
        // SAFETY: nodes live as long as their shard.
        let node = unsafe { &*before };
        // SAFETY: what waits is a call, whose node has a cell; cells live as long as their shard.
        let cell = unsafe { &*node.cell };
        let region = self.region(ticks_before);
        if !cell.ok.record_one(region, self.buckets) {
            return self.fold_rare(before, ticks_before, 1);
        }
        node.calls.add(1);
        node.total_ticks.add(region);
        let left = node.until_review.read().wrapping_sub(1);
        node.until_review.set(left);
        self.sequence.add_release(1);
        if left == 0 {
            self.review(node);
        }
    }

    /// Lets a call wait of which something is to be said, or that stands for several.
    pub(crate) fn let_special_wait(&self, tagged: *const Node, ticks: u64, weight: u32) {
        let before = self.waiting.at.load(Ordering::Relaxed).cast_const();
        let (ticks_before, weight_before) = (self.waiting.ticks.read(), self.waiting.weight.read());
        self.sequence.add(1);
        fence(Ordering::Release);
        self.waiting.ticks.set(ticks);
        self.waiting.weight.set(u64::from(weight));
        self.waiting.at.store(tagged.cast_mut(), Ordering::Relaxed);
        self.fold_rare(before, ticks_before, weight_before);
    }

    /// Folds in the call that waited. `weight` counts if its tags say so.
    #[cold]
    #[inline(never)]
    fn fold_rare(&self, tagged: *const Node, ticks: u64, weight: u64) {
        // SAFETY: null, or a node, which lives as long as its shard.
        if let Some(node) = unsafe { Tags::strip(tagged).as_ref() } {
            let call = Finished::new(tagged, weight, self.region(ticks));
            self.fold(node, &call, call.ticks);
            node.total_ticks.add(call.total_ticks());
        }
        self.sequence.add_release(1);
    }

    /// Counts and records a future that was timed, and took so many ticks on threads. Its node has its total time from
    /// its polls.
    pub(crate) fn record_future(&self, node: &Node, call: &Finished, busy: u64) {
        self.fold(node, call, busy);
        let left = node.until_review.read().wrapping_sub(1);
        node.until_review.set(left);
        if left == 0 {
            self.review(node);
        }
    }

    /// Counts and records a call that was timed, but for its node's total time.
    fn fold(&self, node: &Node, call: &Finished, busy: u64) {
        // SAFETY: a call's node has a cell; cells live as long as their shard.
        let cell = unsafe { &*node.cell };
        cell.record(call, self.buckets);
        if call.outcome.index() == 0 {
            node.calls.add(1);
        } else {
            node.failed.add(1);
        }
        if !call.is_outermost {
            node.inner.add(1);
        }
        if let (true, Some(sampled)) = (call.weight > 1, node.sampled()) {
            sampled.note(call, busy);
        }
    }

    /// Ticks of a region, less the clock's own cost.
    #[inline(always)]
    pub(crate) fn region(&self, ticks: u64) -> u64 {
        let region = ticks.wrapping_sub(self.bias) as i64;
        region.max(0) as u64
    }
}
