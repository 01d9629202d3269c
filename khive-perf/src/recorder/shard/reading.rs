//! Reading a shard, by any thread that keeps it alive, while its owner writes.
//!
//! Counters only grow, each on its own. The last call that ended has not been counted yet: [`waiting`](crate::recorder::waiting)
//! says how it is read with its cell and node so that it counts once.

use std::ptr;

use crate::recorder::cell::Cell;
use crate::recorder::frame::{Finished, Tags};
use crate::recorder::node::{Node, OVERFLOW_ID, ROOT_ID};
use crate::recorder::shard::Shard;
use crate::recorder::totals::{PathFigures, SeriesTotals, Totals};
use crate::recorder::waiting::{Copied, Record};
use crate::sync::{Ordering, prefetch};

/// How many of a row are on their way to the processor while one is read: there are some lines of each, and a line from
/// memory takes as long as reading a few.
const AHEAD: usize = 8;

impl Shard {
    /// Adds all that was recorded to `totals`.
    pub(crate) fn read_into(&self, totals: &mut Totals, nodes_max: usize) {
        let units = self.units();
        let waiting = self.waiting.copy();
        let waiting = waiting.filter(|copied| !Tags::strip(copied.record.at).is_null());
        let node_apart = waiting.as_ref();
        let node_apart = node_apart.map_or(ptr::null(), |copied| Tags::strip(copied.record.at));
        // SAFETY: null, or a node, which lives as long as its shard.
        let cell_apart = unsafe { node_apart.as_ref() }.map_or(ptr::null(), |node| node.cell);
        let cells = self.cells();
        for (at, cell) in cells.iter().enumerate() {
            if let Some(later) = cells.get(at + AHEAD) {
                prefetch(*later);
            }
            if let Some(soon) = cells.get(at + AHEAD / 2) {
                soon.ok.prefetch_counts();
            }
            if !ptr::eq(*cell, cell_apart) {
                cell.read_into(totals.series.of(cell.id), units, None);
            }
        }
        let nodes = self.nodes();
        self.read_path(&nodes, totals);
        let indices = self.read_tree(&nodes, totals, nodes_max, node_apart);
        if let Some(waiting) = waiting {
            self.read_apart(&waiting, totals, &indices);
        }
    }

    /// All cells there are, by the numbers of their series.
    fn cells(&self) -> Vec<&Cell> {
        let pages = self.pages.iter().map(|page| page.load(Ordering::Acquire));
        // SAFETY: null, or a page, which was whole when it was published, and lives as long as its shard.
        let pages = pages.filter_map(|page| unsafe { page.as_ref() });
        let cells = pages.flat_map(|page| &page.cells);
        let cells = cells.map(|cell| cell.load(Ordering::Acquire));
        // SAFETY: null, or a cell, of which the same holds.
        cells.filter_map(|cell| unsafe { cell.as_ref() }).collect()
    }

    /// All nodes there are; a caller comes before its callees.
    fn nodes(&self) -> Vec<&Node> {
        let mut nodes = Vec::new();
        let mut node = self.newest_node.load(Ordering::Acquire).cast_const();
        // SAFETY: nodes, linked before they are published, live as long as their shard.
        while let Some(found) = unsafe { node.as_ref() } {
            prefetch(found.ahead);
            nodes.push(found);
            node = found.next;
        }
        nodes.reverse();
        nodes
    }

    /// Adds the calls that are under way on the path to the current node. Of other nodes, those were counted, and those that
    /// were passed by a recursive call have one; see [`read_tree`](Self::read_tree).
    fn read_path(&self, nodes: &[&Node], totals: &mut Totals) {
        let current = self.current.load(Ordering::Relaxed).cast_const();
        // One that was made since the nodes were listed may not be looked at yet.
        let known = |at: *const Node| nodes.iter().find(|node| ptr::eq(**node, at)).copied();
        let mut at = known(current);
        if at.is_some_and(Node::is_overflow) {
            at = known(self.overflow_from.load(Ordering::Relaxed));
        }
        while let Some(node) = at {
            let is_call = node.id != ROOT_ID && node.id != OVERFLOW_ID;
            if is_call && node.passed.read() == 0 {
                totals.series.of(node.id).open += 1;
            }
            // SAFETY: null, or a node, made before this one.
            at = unsafe { node.parent.as_ref() };
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
        for (at, node) in nodes.iter().enumerate() {
            if let Some(later) = nodes.get(at + AHEAD) {
                prefetch(*later);
            }
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
            let series = totals.series.of(node.id);
            series.open += node.open.read() + u64::from(node.passed.read() > 0);
            if !ptr::eq(*node, apart) {
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
    fn read_apart(&self, waiting: &Copied<Node>, totals: &mut Totals, indices: &[usize]) {
        let units = self.units();
        // SAFETY: what waits is a call, with node and cell; nodes live as long as their shard.
        let node = unsafe { &*Tags::strip(waiting.record.at) };
        // SAFETY: cells live as long as their shard.
        let cell = unsafe { &*node.cell };
        let at = indices.get(node.ordinal as usize).copied().unwrap_or(0);
        let read = |record: Option<&Record<Node>>| {
            let call = record
                .map(|record| Finished::new(record.at, record.weight, self.region(record.ticks)));
            let mut series = SeriesTotals::default();
            cell.read_into(&mut series, units, call.as_ref());
            let figures = self.read_node(node, call.as_ref(), &mut series);
            (series, figures)
        };
        let (series, figures) = self.waiting.read_with(waiting, read);
        totals.series.of(node.id).merge(&series);
        totals.tree.add(at, figures);
    }
}
