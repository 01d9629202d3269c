//! The short way: a call that has been made from there before, and of which nothing is to be said.
//!
//! The record of a call waits in the shard until the next call ends. Folding it in then does not depend
//! on the clock reading just issued, so the processor does both at once, and recording hides behind the
//! clock.

use std::ptr;

use crate::clock::settled_ticks;
use crate::outcome::Outcome;
use crate::recorder::frame::{Finished, Tags};
use crate::recorder::local;
use crate::recorder::node::{Node, TIMED};
use crate::recorder::shard::Shard;

/// How a call may go the short way.
pub(crate) enum Short {
    /// It is to be timed, for itself alone.
    Timed(&'static Node),
    /// It is not timed, and has been counted.
    Counted(&'static Node),
}

/// Looks whether a call of series `id` is like one before it: it comes from the same place, and there is nothing
/// special about it.
#[inline(always)]
pub(crate) fn short(id: u32) -> Option<Short> {
    let node = local::at_hand(id);
    // SAFETY: it is a node of this thread's shard.
    match unsafe { node.key.get() } ^ id {
        0 if node.turn.leave_untimed() => Some(Short::Counted(node)),
        TIMED => Some(Short::Timed(node)),
        _ => None,
    }
}

impl Shard {
    /// Opens a call that is to be timed, is like one before it, and began at `start`.
    ///
    /// # Safety
    ///
    /// The calling thread owns this shard, and `node` is at hand at the current one.
    #[inline(always)]
    pub(crate) unsafe fn open_short(&self, node: &Node, start: u64) {
        // SAFETY: the caller is the owner, and so for every access below.
        unsafe { node.start.set(start) };
        // SAFETY: the caller is the owner.
        let callees = unsafe { self.callees.get() };
        // SAFETY: the caller is the owner.
        unsafe { node.callees_before.set(callees) };
        self.set_current(node);
        // SAFETY: a node of this shard.
        unsafe { local::set_current(node) };
    }

    /// Opens a call that is not timed and may have callees.
    ///
    /// # Safety
    ///
    /// The calling thread owns this shard, and `node` is at hand at the current one.
    #[inline(always)]
    pub(crate) unsafe fn open_untimed(&self, node: &Node) {
        // SAFETY: as the caller vouches.
        unsafe { self.open_short(node, 0) };
    }

    /// Opens a call that is timed for others, too; returns its beginning.
    ///
    /// The clock is read last, and once all else is done: what few calls come to is in no cache, and would be taken for
    /// the call's own time.
    ///
    /// # Safety
    ///
    /// The calling thread owns this shard, and `node` is at hand at the current one.
    pub(crate) unsafe fn open_weighted(&self, node: &Node, weight: u32) -> u64 {
        // SAFETY: as the caller vouches, and so for every access below.
        unsafe { node.sampled_or_new().open_for(weight) };
        // SAFETY: as the caller vouches.
        unsafe { self.open_short(node, 0) };
        let start = if self.is_raw() {
            settled_ticks()
        } else {
            self.now()
        };
        // SAFETY: the caller is the owner.
        unsafe { node.start.set(start) };
        start
    }

    /// Counts a call that a function makes of itself, unless it is the turn of one that is timed; by the owner.
    ///
    /// All that is inside it is booked to the same node as what is around it, so there is nothing to enter.
    #[inline]
    pub(crate) fn count_recursive(&self, id: u32) -> Option<&Node> {
        // SAFETY: the current node is alive.
        let node = unsafe { &*self.current() };
        if node.id != id || !node.turn.leave_untimed() {
            return None;
        }
        node.inner.add(1);
        node.inner_untimed.add(1);
        Some(node)
    }

    /// Closes the call that went the short way to this node and is not timed, if it is the innermost one of this shard.
    ///
    /// # Safety
    ///
    /// The calling thread owns this shard. The node may be none.
    pub(crate) unsafe fn close_untimed(&self, at: *const Node) -> Option<&Node> {
        let node = self.innermost(at)?;
        // SAFETY: the caller is the owner, and so for every access below.
        let before = unsafe { node.callees_before.get() };
        // What callees took is taken off those calls that are timed, for this one, too.
        // SAFETY: the caller is the owner.
        unsafe { self.callees.set(before) };
        self.set_current(node.parent);
        // SAFETY: a node of this shard.
        unsafe { local::set_current(node.parent) };
        Some(node)
    }

    /// The node of the innermost call of this shard, if it is this one, which may be none; by the owner.
    #[inline(always)]
    pub(crate) fn innermost(&self, at: *const Node) -> Option<&Node> {
        // SAFETY: the current node is alive.
        ptr::eq(self.current(), at).then(|| unsafe { &*at })
    }

    /// Closes the innermost call, which went the short way to this node; counts and returns what it took itself.
    ///
    /// # Safety
    ///
    /// The calling thread owns this shard, and the node is that of its [`innermost`](Self::innermost) call.
    #[inline(always)]
    pub(crate) unsafe fn close_short(&self, node: &Node, end: u64) -> u64 {
        // SAFETY: the caller is the owner, and so for every access below.
        let start = unsafe { node.start.get() };
        // SAFETY: the caller is the owner.
        let before = unsafe { node.callees_before.get() };
        // What is below zero, as counters of two processors may differ, is nothing once it is folded in.
        let ticks = end.wrapping_sub(start);
        // SAFETY: the caller is the owner.
        let in_callees = unsafe { self.callees.get() }.wrapping_sub(before);
        // SAFETY: the caller is the owner.
        unsafe { self.callees.set(before.wrapping_add(ticks)) };
        self.set_current(node.parent);
        // SAFETY: a node of this shard.
        unsafe { local::set_current(node.parent) };
        node.self_ticks.add(ticks.wrapping_sub(in_callees));
        ticks
    }

    /// Lets a call that ended well, and stands for itself alone, wait, and folds in the one that waited.
    ///
    /// Every way out of the common case is a call at the very end, so that nothing need be kept across it.
    #[inline(always)]
    pub(crate) fn let_wait(&self, at: *const Node, ticks: u64) {
        let (before, ticks_before) = self.waiting.replace(at, ticks);
        if Tags::of(before) != 0 {
            return self.fold_rare(before, ticks_before, self.waiting.weight());
        }
        // SAFETY: nodes live as long as their shard.
        let node = unsafe { &*before };
        // SAFETY: what waits is a call, whose node has a cell; cells live as long as their shard.
        let cell = unsafe { &*node.cell };
        let Some(region) = cell.ok.record_one(ticks_before, self.bias, self.buckets) else {
            return self.fold_rare(before, ticks_before, 1);
        };
        node.calls.add(1);
        node.total_ticks.add(region);
        self.waiting.folded();
        self.count_down(node, region);
    }

    /// Says of the call that waits how it really ended.
    pub(crate) fn correct_waiting(&self, outcome: Outcome) {
        self.waiting
            .correct(|at| at.map_addr(|at| (at & !Tags::OUTCOME) | outcome.index()));
    }

    /// Lets a call wait of which something is to be said, or that stands for several.
    pub(crate) fn let_special_wait(&self, tagged: *const Node, ticks: u64, weight: u32) {
        let before = self
            .waiting
            .replace_weighted(tagged, ticks, u64::from(weight));
        self.fold_rare(before.at, before.ticks, before.weight);
    }

    /// Folds in the call that waited. `weight` counts if its tags say so.
    #[cold]
    #[inline(never)]
    fn fold_rare(&self, tagged: *const Node, ticks: u64, weight: u64) {
        // SAFETY: null, or a node, which lives as long as its shard.
        let Some(node) = (unsafe { Tags::strip(tagged).as_ref() }) else {
            return self.waiting.folded();
        };
        let call = Finished::new(tagged, weight, self.region(ticks));
        self.fold(node, &call, call.ticks);
        node.total_ticks.add(call.total_ticks());
        self.waiting.folded();
        self.count_down(node, 0);
    }

    /// Looks at a path if it is time to, after a timed call of so many ticks; by the owner. None of them where slow calls
    /// have been counted already.
    #[inline(always)]
    fn count_down(&self, node: &Node, ticks: u64) {
        // SAFETY: by the owner.
        if unsafe { node.count_down() } {
            self.look_at(node, ticks);
        }
    }

    /// Counts and records a future that ended well, and took so many ticks of wall time, if it stands for itself alone and
    /// there is room for it already. Says whether it did.
    #[inline(always)]
    pub(crate) fn record_plain_future(&self, node: &Node, wall: u64) -> bool {
        // SAFETY: a call's node has a cell; cells live as long as their shard.
        let ok = unsafe { &(*node.cell).ok };
        let Some(region) = ok.record_one(wall, self.bias, self.buckets) else {
            return false;
        };
        node.calls.add(1);
        self.count_down(node, region);
        true
    }

    /// Counts and records a future that was timed, and took so many ticks on threads. Its node has its total time from
    /// its polls.
    pub(crate) fn record_future(&self, node: &Node, call: &Finished, busy: u64) {
        self.fold(node, call, busy);
        self.count_down(node, 0);
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
