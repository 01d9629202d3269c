//! Which calls of a path are timed, so that measuring stays in the budget. See [`budget`](crate::recorder::budget).

use crate::config;
use crate::heap;
use crate::recorder::budget::{self, Costs, Usage};
use crate::recorder::cell::Cell;
use crate::recorder::node::{ENTERED, FIRST_REVIEW, Node, TIMED};
use crate::recorder::sampled::{Reviewed, Sampled};
use crate::recorder::shard::Shard;
use crate::recorder::turn::Next;

/// Timed calls between two looks at a path of which each call is timed.
const REVIEW_TIMED: u64 = 1_024;
/// And of one that is sampled.
const REVIEW_SAMPLED: u64 = 32;
/// Nanoseconds between two looks of readers at whether calls have become rare.
const READER_PERIOD_NS: u64 = 10_000_000;

impl Shard {
    /// Says how the calls of a new node are timed.
    ///
    /// # Safety
    ///
    /// The calling thread owns this shard, and `cell` is the node's.
    pub(super) unsafe fn begin_timing(&self, node: &Node, cell: Option<&Cell>) {
        let Some(cell) = cell else { return };
        if cell.timing.every > 1 {
            let sampled = node.sampled_or_new();
            // SAFETY: the caller is the owner, here and below.
            unsafe { sampled.set_every(cell.timing.every) };
            // SAFETY: see above.
            unsafe { self.draw(node, sampled) };
        }
        // SAFETY: see above.
        unsafe { node.until_review.set(self.next_review(cell, FIRST_REVIEW)) };
        // SAFETY: see above.
        unsafe { self.settle_key(node, cell) };
    }

    /// Timed calls until the next look at a path, which is after `adaptive` of them where the budget is in question. Where
    /// slow calls are counted each is looked at.
    const fn next_review(&self, cell: &Cell, adaptive: u64) -> u64 {
        if cell.has_threshold() {
            1
        } else if self.is_adaptive(cell) {
            adaptive
        } else {
            u64::MAX
        }
    }

    /// Whether the budget says how many of the calls are timed.
    const fn is_adaptive(&self, cell: &Cell) -> bool {
        self.samples && !cell.timing.is_pinned && !cell.has_threshold()
    }

    /// How many calls the next one on a path stands for: 1 where every call is timed, 0 if it is not timed.
    ///
    /// # Safety
    ///
    /// The calling thread owns this shard, and `node` is one of its nodes.
    #[inline]
    pub(crate) unsafe fn weight_of_next(&self, node: &Node) -> u32 {
        let Some(sampled) = node.sampled() else {
            return 1;
        };
        // SAFETY: the caller is the owner, here and below.
        if unsafe { sampled.every() } == 1 {
            return 1;
        }
        let is_woken = match node.turn.next() {
            Next::Untimed => return 0,
            next => next == Next::Woken,
        };
        // SAFETY: see above.
        unsafe { self.fire(node, sampled, is_woken) }
    }

    /// Says how many calls the one stands for whose turn it is, and draws the next gap. Where the owner was `woken`,
    /// it is nobody's turn: another gap takes the place of the one that was drawn.
    ///
    /// # Safety
    ///
    /// The calling thread owns this shard, and `node` is one of its nodes.
    #[inline(never)]
    unsafe fn fire(&self, node: &Node, sampled: &Sampled, woken: bool) -> u32 {
        // SAFETY: the caller is the owner, and so for every access below.
        let weight = unsafe { sampled.weight() };
        // SAFETY: the caller is the owner.
        let fires = unsafe { sampled.count_fire() };
        let never = config::overhead_budget().is_none();
        if woken || never || fires.is_multiple_of(REVIEW_SAMPLED) {
            self.review(node);
            // SAFETY: the caller is the owner.
            if unsafe { sampled.every() } == 1 {
                // What was drawn before holds for this call, if it was its turn.
                return if woken { 1 } else { weight };
            }
        }
        // SAFETY: the caller is the owner.
        let left = unsafe { self.draw(node, sampled) };
        if !woken {
            return weight;
        }
        if left > 0 {
            return 0;
        }
        // SAFETY: the caller is the owner.
        let weight = unsafe { sampled.weight() };
        // SAFETY: the caller is the owner.
        unsafe { self.draw(node, sampled) };
        weight
    }

    /// Draws the gap before the next timed call.
    ///
    /// # Safety
    ///
    /// The calling thread owns this shard.
    unsafe fn draw(&self, node: &Node, sampled: &Sampled) -> u64 {
        // SAFETY: as the caller vouches.
        let left = unsafe { sampled.draw(&self.random) };
        node.turn.wait_for(left);
        left
    }

    /// Says by which way the calls of a node go.
    ///
    /// # Safety
    ///
    /// The calling thread owns this shard, and `cell` is the node's.
    unsafe fn settle_key(&self, node: &Node, cell: &Cell) {
        // SAFETY: the caller is the owner, and so for every access below.
        let every = node
            .sampled()
            .map_or(1, |sampled| unsafe { sampled.every() });
        // A call that is not entered has what it allocates booked to its caller.
        let is_leaf = node.children.read() == 0 && !heap::is_installed();
        let key = match every {
            1 => node.id ^ TIMED,
            _ if cell.timing.is_future => node.id ^ ENTERED,
            // SAFETY: the caller is the owner.
            _ if is_leaf => return unsafe { node.only_count() },
            _ => node.id ^ ENTERED,
        };
        // SAFETY: the caller is the owner.
        unsafe { node.key.set(key) };
    }

    /// Looks at a path after a timed call of so many ticks; by the owner.
    #[cold]
    #[inline(never)]
    pub(super) fn look_at(&self, node: &Node, ticks: u64) {
        // SAFETY: a call's node has a cell; cells live as long as their shard.
        let cell = unsafe { &*node.cell };
        let next = self.next_review(cell, REVIEW_TIMED);
        // SAFETY: by the owner.
        unsafe { node.until_review.set(next) };
        if cell.has_threshold() {
            cell.count_slow(ticks);
        } else {
            self.review(node);
        }
    }

    /// Looks at what measuring a path costs, and says how many of its calls are timed from now on; by the owner.
    fn review(&self, node: &Node) {
        // SAFETY: a call's node has a cell; cells live as long as their shard.
        let cell = unsafe { &*node.cell };
        let sampled = node.sampled_or_new();
        if self.is_adaptive(cell) {
            // SAFETY: by the owner, and so for every access below.
            let before = unsafe { sampled.every() };
            // SAFETY: by the owner.
            let every = unsafe { self.every(node, sampled, cell.timing.is_future) };
            let (low, high) = (before - before / 4, before + before / 3);
            // Small changes are not worth it, but for the last step.
            if every == 1 || before == 1 || !(low..=high).contains(&every) {
                // SAFETY: by the owner.
                unsafe { sampled.set_every(every) };
            }
            if before == 1 && every > 1 {
                // SAFETY: by the owner.
                unsafe { self.draw(node, sampled) };
            }
        }
        // SAFETY: by the owner.
        unsafe { self.settle_key(node, cell) };
    }

    /// One call in how many is to be timed, by what the path has cost since it was looked at last.
    ///
    /// # Safety
    ///
    /// The calling thread owns this shard.
    unsafe fn every(&self, node: &Node, sampled: &Sampled, is_future: bool) -> u32 {
        let now = Reviewed {
            at: self.now(),
            calls: node.finished(),
            timed: node.calls.read() + node.failed.read(),
            self_ticks: node.self_ticks.read(),
            polls: node.polls.read(),
        };
        // SAFETY: the caller is the owner, and so for every access below.
        let before = unsafe { sampled.reviewed.get() };
        // SAFETY: the caller is the owner.
        unsafe { sampled.reviewed.set(now) };
        let ns = |ticks| self.scale.ns(ticks);
        let calls = now.calls.saturating_sub(before.calls) as f64;
        let timed = now.timed.saturating_sub(before.timed) as f64;
        let polls = now.polls.saturating_sub(before.polls) as f64;
        let regions = if is_future { polls } else { calls };
        let self_ticks = now.self_ticks.wrapping_sub(before.self_ticks) as i64;
        let own_ns = ns(self_ticks.unsigned_abs()) as f64 * self_ticks.signum() as f64;
        let usage = Usage {
            calls,
            regions,
            own_ns: own_ns - ns(self.bias) as f64 * regions,
            elapsed_ns: ns(now.at.saturating_sub(before.at)) as f64,
        };
        let costs = Costs::of_process();
        // SAFETY: the caller is the owner.
        let of_timed = if unsafe { sampled.every() } == 1 {
            costs.timed
        } else {
            costs.sampled
        };
        let spent = timed * of_timed + (calls - timed).max(0.0) * costs.untimed;
        let regions_per_call = (regions / calls.max(1.0)).max(1.0);
        // SAFETY: the caller is the owner.
        let mut pressure = unsafe { self.pressure.get() };
        pressure.add(spent * regions_per_call, now.at, ns);
        // SAFETY: the caller is the owner.
        unsafe { self.pressure.set(pressure) };
        budget::every(usage, costs, pressure.factor())
    }

    /// Has the owner look at a path whose calls have become rare, so that it may time each of them; by a reader.
    pub(super) fn wake_if_rare(&self, node: &Node, sampled: &Sampled) {
        let elapsed_ns = self
            .scale
            .ns(self.now().saturating_sub(sampled.read_at.read()));
        if elapsed_ns < READER_PERIOD_NS {
            return;
        }
        let finished = node.finished().max(node.polls.read());
        let calls = finished.saturating_sub(sampled.read_calls.read());
        sampled.read_at.set(self.now());
        sampled.read_calls.set(finished);
        if budget::is_rare(calls, elapsed_ns) {
            node.turn.wake();
        }
    }
}
