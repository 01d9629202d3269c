//! Reading a shard, by any thread that keeps it alive, while its owner writes.
//!
//! Counters only grow, each on its own. The waiting record is guarded by a sequence word: odd while the
//! owner folds one and puts the next in its place. A reader copies the waiting record between two equal
//! even readings, adds it to what the cell holds, and if the word has moved meanwhile waits for the fold
//! to be over and reads the cell again, without it. So a call is neither missed nor counted twice, and
//! the owner never waits. Should the owner be suspended in the middle of a fold, the reader gives up
//! after a bounded wait, and may miss that one call until the next reading.

use std::ptr;

use crate::recorder::frame::{Finished, Tags};
use crate::recorder::node::{Node, OVERFLOW_ID, ROOT_ID};
use crate::recorder::shard::Shard;
use crate::recorder::totals::{PathFigures, SeriesTotals, Totals};
use crate::sync::{Ordering, fence};

/// How often a reader looks again before it gives up on the waiting record.
const READ_ATTEMPTS: usize = 10_000;

impl Shard {
    /// Adds all that was recorded to `totals`.
    pub(crate) fn read_into(&self, totals: &mut Totals, nodes_max: usize) {
        let units = self.units();
        let waiting = self.copy_waiting();
        let node_apart = waiting.as_ref().map_or(ptr::null(), Copied::node);
        // SAFETY: null, or a node, which lives as long as its shard.
        let cell_apart = unsafe { node_apart.as_ref() }.map_or(ptr::null(), |node| node.cell);
        let mut cell = self.newest_cell.load(Ordering::Acquire).cast_const();
        // SAFETY: cells, linked before they are published, live as long as their shard.
        while let Some(found) = unsafe { cell.as_ref() } {
            if !ptr::eq(cell, cell_apart) {
                found.read_into(totals.series.of(found.id), units, None);
            }
            cell = found.next;
        }
        let nodes = self.nodes();
        self.read_open(&nodes, totals);
        let indices = self.read_tree(&nodes, totals, nodes_max, node_apart);
        if let Some(waiting) = waiting {
            self.read_apart(&waiting, totals, &indices);
        }
    }

    /// All nodes there are; a caller comes before its callees.
    fn nodes(&self) -> Vec<&Node> {
        let mut nodes = Vec::new();
        let mut node = self.newest_node.load(Ordering::Acquire).cast_const();
        // SAFETY: nodes, linked before they are published, live as long as their shard.
        while let Some(found) = unsafe { node.as_ref() } {
            nodes.push(found);
            node = found.next;
        }
        nodes.reverse();
        nodes
    }

    /// Adds the calls that are under way: outermost ones are on the path to the current node, or were passed by a
    /// recursive call; others were counted.
    fn read_open(&self, nodes: &[&Node], totals: &mut Totals) {
        let mut add = |node: &Node, open| {
            if open > 0 {
                totals.series.of(node.id).open += open;
            }
        };
        let current = self.current.load(Ordering::Relaxed).cast_const();
        // One that was made since the nodes were listed may not be looked at yet.
        let known = |at: *const Node| nodes.iter().find(|node| ptr::eq(**node, at)).copied();
        let mut at = known(current);
        if at.is_some_and(Node::is_overflow) {
            at = known(self.overflow_from.load(Ordering::Relaxed));
        }
        while let Some(node) = at {
            let counted_below = node.id == ROOT_ID || node.passed.read() > 0;
            add(node, u64::from(!counted_below));
            // SAFETY: null, or a node, made before this one.
            at = unsafe { node.parent.as_ref() };
        }
        for node in nodes {
            add(node, node.open.read() + u64::from(node.passed.read() > 0));
        }
    }

    /// Adds every node to the tree, and to its series, but of the one apart no calls; returns the tree's index of
    /// each, by ordinal.
    fn read_tree(
        &self,
        nodes: &[&Node],
        totals: &mut Totals,
        nodes_max: usize,
        apart: *const Node,
    ) -> Vec<usize> {
        let mut indices = Vec::with_capacity(nodes.len());
        for node in nodes {
            // SAFETY: null, or a node, made before this one; only the root has no parent.
            let parent = unsafe { node.parent.as_ref() };
            let at = parent.map_or(0, |parent| {
                let parent = indices.get(parent.ordinal as usize).copied().unwrap_or(0);
                totals.tree.child(parent, node.id, nodes_max)
            });
            indices.push(at);
            if node.id == ROOT_ID || node.id == OVERFLOW_ID {
                continue;
            }
            if let Some(sampled) = node.sampled() {
                self.wake_if_rare(node, sampled);
            }
            if !ptr::eq(*node, apart) {
                let series = totals.series.of(node.id);
                let figures = self.read_node(node, None, series);
                totals.tree.add(at, figures);
            }
        }
        indices
    }

    /// Adds one node, and the call of it that waits, to its series; returns what the tree says of it.
    fn read_node(
        &self,
        node: &Node,
        waiting: Option<&Finished>,
        series: &mut SeriesTotals,
    ) -> PathFigures {
        let of_waiting = |of: &dyn Fn(&Finished) -> u64| waiting.map_or(0, of);
        let ok = node.calls.read() + of_waiting(&|call| u64::from(call.outcome.index() == 0));
        let failed = node.failed.read() + of_waiting(&|call| u64::from(call.outcome.index() > 0));
        let inner = node.inner.read() + of_waiting(&|call| u64::from(!call.is_outermost));
        let total_ticks = node.total_ticks.read();
        let total_ticks = total_ticks.wrapping_add(of_waiting(&Finished::total_ticks));
        let untimed = node.untimed_finished();
        let self_ns = self.self_ns(node);

        let [all_ok, ..] = &mut series.calls;
        *all_ok += ok + untimed.saturating_sub(node.untimed_failed.read());
        series.untimed += untimed;
        series.inner += inner;
        series.polls += node.polls.read();
        series.begun += node.begun.read();
        series.ended += ok + failed + untimed;
        series.self_ns = series.self_ns.saturating_add(self_ns);

        let inner_untimed = node.inner_untimed.read();
        let outermost_untimed = untimed.saturating_sub(inner_untimed);
        let exact = (ok + failed).saturating_sub(inner.saturating_sub(inner_untimed));
        let total_ns = match node.sampled().filter(|_| untimed > 0) {
            None => self.scale.ns(total_ticks),
            Some(sampled) => {
                let estimate = sampled.estimate(total_ticks, exact, outermost_untimed, waiting);
                let ns_per_tick = self.scale.ns_per_tick();
                series.variance += estimate.variance * ns_per_tick * ns_per_tick;
                series.sampled += estimate.timed;
                (estimate.ticks * ns_per_tick).round() as u64
            }
        };
        series.total_ns += total_ns;
        PathFigures {
            calls: ok + failed + untimed,
            total_ns,
            self_ns,
        }
    }

    /// Self time of a node, less what the clock takes for itself.
    fn self_ns(&self, node: &Node) -> i64 {
        let ticks = node.self_ticks.read() as i64;
        let regions = node.polls.read().max(node.finished());
        let of_clock = self.bias.wrapping_mul(regions) as i64;
        let ticks = if ticks > 0 {
            ticks.saturating_sub(of_clock).max(0)
        } else {
            ticks
        };
        let ns = self.scale.ns(ticks.unsigned_abs()) as i64;
        if ticks < 0 { -ns } else { ns }
    }

    /// Reads the cell and the node of the waiting record so that it counts once.
    fn read_apart(&self, waiting: &Copied, totals: &mut Totals, indices: &[usize]) {
        let units = self.units();
        // SAFETY: what waits is a call, with node and cell; nodes live as long as their shard.
        let node = unsafe { &*waiting.node() };
        // SAFETY: cells live as long as their shard.
        let cell = unsafe { &*node.cell };
        let at = indices.get(node.ordinal as usize).copied().unwrap_or(0);
        let read = |call: Option<&Finished>| {
            let mut series = SeriesTotals::default();
            cell.read_into(&mut series, units, call);
            let figures = self.read_node(node, call, &mut series);
            (series, figures)
        };
        let call = Finished::new(waiting.at, waiting.weight, self.region(waiting.ticks));
        let (mut series, mut figures) = read(Some(&call));
        fence(Ordering::Acquire);
        if self.sequence.read() != waiting.sequence {
            self.wait_for_fold(waiting.sequence);
            (series, figures) = read(None);
        }
        totals.series.of(node.id).merge(&series);
        totals.tree.add(at, figures);
    }

    fn wait_for_fold(&self, sequence: u64) {
        for _ in 0..READ_ATTEMPTS {
            if self.sequence.read_acquire().wrapping_sub(sequence) >= 2 {
                return;
            }
            std::hint::spin_loop();
        }
    }

    fn copy_waiting(&self) -> Option<Copied> {
        for _ in 0..READ_ATTEMPTS {
            let sequence = self.sequence.read_acquire();
            let copied = Copied {
                sequence,
                at: self.waiting.at.load(Ordering::Relaxed),
                ticks: self.waiting.ticks.read(),
                weight: self.waiting.weight.read(),
            };
            fence(Ordering::Acquire);
            if sequence & 1 == 0 && self.sequence.read() == sequence {
                return Some(copied).filter(|copied| !copied.node().is_null());
            }
            std::hint::spin_loop();
        }
        None
    }
}

/// A reader's copy of the waiting record.
struct Copied {
    sequence: u64,
    at: *const Node,
    ticks: u64,
    weight: u64,
}

impl Copied {
    fn node(&self) -> *const Node {
        Tags::strip(self.at)
    }
}
