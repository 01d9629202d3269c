//! Shard: what one thread records into one registry, and how others read it meanwhile.
//!
//! # The life of a call
//!
//! ```text
//! enter   cell of the series ──> is it timed? ──> clock ──> node of the path ──> frame (on the caller's stack)
//! exit    clock ──> fold the call that waited ──> let this one wait
//! ```
//!
//! The record of a call waits in the shard until the next call ends. Folding it in then does not depend
//! on the clock reading just issued, so the processor does both at once, and recording hides behind the
//! clock.
//!
//! How others read what the owner writes is in `reading`.

mod reading;

use std::ptr;

use crate::callsite::Timing;
use crate::clock::{Scale, Source, raw_ticks};
use crate::outcome::Outcome;
use crate::recorder::cell::Cell;
use crate::recorder::finished::{Finished, OUTERMOST, PLAIN, WEIGHT_SHIFT};
use crate::recorder::local::quiet;
use crate::recorder::node::{Node, NodeTable, OVERFLOW_ID, ROOT_ID};
use crate::sync::{AtomicBool, AtomicPtr, AtomicU64, Ordering, OwnedU64, OwnerCell, fence};

const PAGE_LEN: usize = 256;
const PAGES: usize = 64;
/// Generation of the shard that stands where there is none.
pub(crate) const NO_GENERATION: u64 = 0;

struct Page {
    cells: [AtomicPtr<Cell>; PAGE_LEN],
}

/// A finished call that has not been folded in. Written by the owner, guarded by `Shard::sequence`.
struct Waiting {
    cell: AtomicPtr<Cell>,
    node: AtomicPtr<Node>,
    ticks: OwnedU64,
    self_ticks: OwnedU64,
    /// [`Outcome`] in the low bits, [`OUTERMOST`] beside, the weight above.
    how: OwnedU64,
}

/// What one thread records into one registry.
///
/// Methods that say "by the owner" are for the thread that the shard was made for.
#[repr(align(128))]
pub(crate) struct Shard {
    sequence: AtomicU64,
    waiting: Waiting,
    /// Node of the innermost open frame.
    current: OwnerCell<*const Node>,
    /// Ticks spent in callees of the innermost open frame.
    callee_ticks: OwnerCell<u64>,
    /// Number of open frames.
    depth: OwnerCell<u32>,
    /// Unique in the process, so that a frame knows its shard again.
    pub(crate) generation: u64,
    /// Number of the registry it records into; 0 for none.
    pub(crate) registry: u64,
    /// Whether calls are timed one in so many, where their callsite says so.
    samples: bool,
    scale: Scale,
    /// By series id. Null until first hit; published with `Release`.
    pages: [AtomicPtr<Page>; PAGES],
    newest_cell: AtomicPtr<Cell>,
    newest_node: AtomicPtr<Node>,
    paths: OwnerCell<NodeTable>,
    nodes_len: OwnerCell<u32>,
    source: Option<Source>,
    /// Set by the owner when its thread ends, with `Release`; it writes nothing afterwards.
    pub(crate) ended: AtomicBool,
    /// The shard pushed before this one; for the registry.
    pub(crate) next: AtomicPtr<Self>,
}

// SAFETY: what is not atomic is an `OwnerCell`, touched by the owner only, or does not change after
// construction; the nodes and cells behind the pointers are shared in the same way.
unsafe impl Sync for Shard {}
// SAFETY: the last owner hands the shard to the registry through `ended`; nothing in it is tied to a
// thread by the operating system.
unsafe impl Send for Shard {}

/// An open call: plain values on the caller's stack.
///
/// The order of the fields is not that of the shard's. Where two neighbours were copied as one wide word,
/// the load would wait for the narrow store that a callee has just made.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(crate) struct Frame {
    saved_callee_ticks: u64,
    pub(crate) start: u64,
    pub(crate) generation: u64,
    pub(crate) cell: *const Cell,
    pub(crate) node: *const Node,
    depth: u32,
    /// [`OUTERMOST`], and above it the weight.
    how: u32,
    parent: *const Node,
}

impl Frame {
    /// Belongs to no shard; closing it does nothing.
    pub(crate) const NOOP: Self = Self {
        cell: ptr::null(),
        node: ptr::null(),
        parent: ptr::null(),
        start: 0,
        saved_callee_ticks: 0,
        generation: u64::MAX,
        depth: 0,
        how: 0,
    };

    /// Whether no other call of the same series was around this one.
    pub(crate) const fn outermost(&self) -> bool {
        self.how & OUTERMOST as u32 != 0
    }

    /// How many calls this one stands for; 0 for one that is not timed.
    #[inline(always)]
    pub(crate) const fn weight(&self) -> u32 {
        self.how >> WEIGHT_SHIFT
    }
}

impl Shard {
    /// A shard without cells, in which no call finds a place.
    pub(crate) const fn nowhere() -> Self {
        Self {
            sequence: AtomicU64::new(0),
            waiting: Waiting {
                cell: AtomicPtr::new(ptr::null_mut()),
                node: AtomicPtr::new(ptr::null_mut()),
                ticks: OwnedU64::new(0),
                self_ticks: OwnedU64::new(0),
                how: OwnedU64::new(0),
            },
            current: OwnerCell::new(ptr::null()),
            callee_ticks: OwnerCell::new(0),
            depth: OwnerCell::new(0),
            generation: NO_GENERATION,
            registry: 0,
            samples: false,
            scale: Scale::NANOSECONDS,
            pages: [const { AtomicPtr::new(ptr::null_mut()) }; PAGES],
            newest_cell: AtomicPtr::new(ptr::null_mut()),
            newest_node: AtomicPtr::new(ptr::null_mut()),
            paths: OwnerCell::holding(NodeTable::new()),
            nodes_len: OwnerCell::new(0),
            source: None,
            ended: AtomicBool::new(false),
            next: AtomicPtr::new(ptr::null_mut()),
        }
    }

    /// A shard for the calling thread; `registry` is the number of the registry it records into, and `samples`
    /// whether it may leave calls untimed.
    pub(crate) fn new(source: Source, registry: u64, samples: bool) -> Box<Self> {
        static GENERATION: AtomicU64 = AtomicU64::new(NO_GENERATION + 1);
        let root = Box::into_raw(Box::new(Node::new(ROOT_ID, 0, ptr::null(), ptr::null())));
        let mut shard = Box::new(Self::nowhere());
        shard.generation = GENERATION.fetch_add(1, Ordering::Relaxed);
        shard.registry = registry;
        shard.samples = samples;
        shard.scale = source.scale();
        shard.source = Some(source);
        shard.current = OwnerCell::new(root);
        shard.newest_node = AtomicPtr::new(root);
        shard.nodes_len = OwnerCell::new(1);
        shard
    }

    /// Whether the hot path may read [`raw_ticks`] for this shard.
    pub(crate) fn is_raw(&self) -> bool {
        self.source.as_ref().is_some_and(Source::is_raw)
    }

    pub(crate) fn now(&self) -> u64 {
        self.source.as_ref().map_or_else(raw_ticks, Source::now)
    }

    pub(crate) const fn scale(&self) -> Scale {
        self.scale
    }

    /// The owner's cell of a series, if it has been called before.
    #[inline(always)]
    pub(crate) fn cell(&self, id: u32) -> Option<&Cell> {
        let page = self
            .pages
            .get(id as usize / PAGE_LEN % PAGES)?
            .load(Ordering::Relaxed);
        // SAFETY: a page, once published, lives as long as its shard.
        let page = unsafe { page.as_ref() }?;
        let cell = page
            .cells
            .get(id as usize % PAGE_LEN)?
            .load(Ordering::Relaxed);
        // SAFETY: a cell, once published, lives as long as its shard.
        unsafe { cell.as_ref() }
    }

    /// The owner's cell of a series, made if need be; by the owner.
    pub(crate) fn cell_or_new(&self, id: u32, timing: Timing) -> Option<&Cell> {
        if let Some(cell) = self.cell(id) {
            return Some(cell);
        }
        let place = self.pages.get(id as usize / PAGE_LEN % PAGES)?;
        let mut page = place.load(Ordering::Relaxed);
        if page.is_null() {
            let empty = Page {
                cells: [const { AtomicPtr::new(ptr::null_mut()) }; PAGE_LEN],
            };
            page = Box::into_raw(Box::new(empty));
            place.store(page, Ordering::Release);
        }
        let before = self.newest_cell.load(Ordering::Relaxed);
        let every = if self.samples { timing.every } else { 1 };
        let timing = Timing { every, ..timing };
        let cell = Box::into_raw(Box::new(Cell::new(id, timing, before)));
        // SAFETY: a page, once published, lives as long as its shard.
        let page = unsafe { &*page };
        page.cells
            .get(id as usize % PAGE_LEN)?
            .store(cell, Ordering::Release);
        self.newest_cell.store(cell, Ordering::Release);
        // SAFETY: a cell, once published, lives as long as its shard.
        Some(unsafe { &*cell })
    }

    /// Opens a frame that began at `start` and stands for `weight` calls; 0 for one that is not timed.
    ///
    /// # Safety
    ///
    /// The calling thread owns this shard, and `cell` is one of its cells.
    #[inline(always)]
    pub(crate) unsafe fn open(&self, cell: &Cell, start: u64, weight: u32) -> Frame {
        let active = cell.active.read();
        cell.active.set(active + 1);
        // SAFETY: the caller is the owner, and so for every access below.
        let parent = unsafe { self.current.get() };
        // SAFETY: `parent` is a node of this shard.
        let last_child = unsafe { &(*parent).last_child };
        // SAFETY: the caller is the owner.
        let last = unsafe { last_child.get() };
        // SAFETY: `last` is null or a node of this shard.
        let node = match unsafe { last.as_ref() } {
            Some(node) if node.id == cell.id && active == 0 => last,
            // SAFETY: the caller is the owner.
            _ => unsafe { self.path(parent, cell.id, active > 0) },
        };
        // SAFETY: the caller is the owner.
        let depth = unsafe { self.depth.get() };
        // SAFETY: the caller is the owner.
        let saved_callee_ticks = unsafe { self.callee_ticks.get() };
        // SAFETY: the caller is the owner.
        unsafe { self.depth.set(depth.wrapping_add(1)) };
        // SAFETY: the caller is the owner.
        unsafe { self.current.set(node) };
        // SAFETY: the caller is the owner.
        unsafe { self.callee_ticks.set(0) };
        Frame {
            cell,
            node,
            parent,
            start,
            saved_callee_ticks,
            generation: self.generation,
            depth,
            how: (u32::from(active == 0) << 2) | (weight << WEIGHT_SHIFT),
        }
    }

    /// Closes a frame; returns its ticks and those of them outside callees, in two's complement.
    ///
    /// Frames close in the order opposite to their opening, unless a guard was leaked, kept across an
    /// await, or dropped out of turn. Then the frame that closes first takes those above it with it, and
    /// one whose turn has passed leaves the stack alone.
    ///
    /// # Safety
    ///
    /// The calling thread owns this shard, and `frame` was opened here and not closed.
    #[inline(always)]
    pub(crate) unsafe fn close(&self, frame: &Frame, end: u64) -> (u64, u64) {
        let ticks = end.saturating_sub(frame.start);
        // SAFETY: cells live as long as their shard.
        let cell = unsafe { &*frame.cell };
        cell.active.sub(1);
        // SAFETY: the caller is the owner, and so for every access below.
        if unsafe { self.depth.get() } <= frame.depth {
            return (ticks, 0);
        }
        // SAFETY: the caller is the owner.
        let in_callees = unsafe { self.callee_ticks.get() };
        // SAFETY: the caller is the owner.
        unsafe { self.depth.set(frame.depth) };
        // SAFETY: the caller is the owner.
        unsafe { self.current.set(frame.parent) };
        let of_all = ticks.wrapping_mul(u64::from(frame.weight()));
        // SAFETY: the caller is the owner.
        unsafe {
            self.callee_ticks
                .set(frame.saved_callee_ticks.wrapping_add(of_all))
        };
        (ticks, ticks.wrapping_sub(in_callees))
    }

    /// Closes the frame of a call that is not timed.
    ///
    /// # Safety
    ///
    /// As for [`close`](Self::close).
    pub(crate) unsafe fn close_untimed(&self, frame: &Frame) {
        // SAFETY: as the caller vouches. With neither beginning nor end it adds no ticks, and with no weight
        // nothing to its caller.
        unsafe { self.close(frame, 0) };
    }

    /// Counts a call that has ended and was not timed.
    ///
    /// # Safety
    ///
    /// As for [`record`](Self::record).
    pub(crate) unsafe fn count(&self, frame: &Frame, outcome: Outcome) {
        // SAFETY: cells live as long as their shard.
        unsafe { &*frame.cell }.count(outcome);
        // SAFETY: nodes live as long as their shard.
        unsafe { &*frame.node }.calls.add(1);
    }

    /// Lets a call wait, and folds in the one that waited.
    ///
    /// # Safety
    ///
    /// The calling thread owns this shard, and `frame` was opened here.
    #[inline(always)]
    pub(crate) unsafe fn record(
        &self,
        frame: &Frame,
        ticks: u64,
        self_ticks: u64,
        outcome: Outcome,
    ) {
        let sequence = self.sequence.load(Ordering::Relaxed);
        self.sequence.store(sequence | 1, Ordering::Relaxed);
        fence(Ordering::Release);
        self.fold();
        let waiting = &self.waiting;
        waiting.ticks.set(ticks);
        waiting.self_ticks.set(self_ticks);
        waiting.node.store(frame.node.cast_mut(), Ordering::Relaxed);
        waiting.cell.store(frame.cell.cast_mut(), Ordering::Relaxed);
        waiting
            .how
            .set(outcome.index() as u64 | u64::from(frame.how));
        self.sequence
            .store((sequence | 1).wrapping_add(1), Ordering::Release);
    }

    #[inline(always)]
    fn fold(&self) {
        let waiting = &self.waiting;
        // SAFETY: null, or a cell of this shard.
        let Some(cell) = (unsafe { waiting.cell.load(Ordering::Relaxed).as_ref() }) else {
            return;
        };
        let (ticks, self_ticks) = (waiting.ticks.read(), waiting.self_ticks.read());
        let how = waiting.how.read();
        // SAFETY: set together with the cell; nodes live as long as their shard.
        let node = unsafe { &*waiting.node.load(Ordering::Relaxed) };
        node.calls.add(1);
        if how == PLAIN && self_ticks <= ticks && cell.is_plain() {
            let ns = self.scale.region_ns(ticks);
            let self_ns = self.scale.region_ns(self_ticks);
            node.grow(ns, self_ns);
            cell.record_ok(ns, self_ns);
        } else {
            let call = Finished::new(self.scale, ticks, self_ticks, how);
            Self::fold_rare(cell, node, &call);
        }
    }

    #[cold]
    #[inline(never)]
    fn fold_rare(cell: &Cell, node: &Node, call: &Finished) {
        let self_ns = call.self_ns_of_all();
        node.add_time(call.total_ns_of_all(), self_ns);
        cell.add_self(self_ns);
        cell.record(call);
    }

    /// The node for series `id` called from `parent`.
    ///
    /// A recursive call goes to the node of the same series further up, so that the tree stays finite.
    ///
    /// # Safety
    ///
    /// The calling thread owns this shard, and `parent` is one of its nodes.
    #[inline(never)]
    unsafe fn path(&self, parent: *const Node, id: u32, recursive: bool) -> *const Node {
        let mut above = parent;
        // SAFETY: nodes, and their parents, live as long as their shard.
        while let Some(node) = unsafe { above.as_ref() }.filter(|node| node.id != ROOT_ID) {
            if node.id == OVERFLOW_ID || (recursive && node.id == id) {
                return above;
            }
            if !recursive {
                break;
            }
            above = node.parent;
        }
        let look_up = |paths: &mut NodeTable| {
            // SAFETY: every node in the table lives as long as the shard.
            let known = unsafe { paths.find(parent, id) };
            // SAFETY: the caller is the owner.
            known.unwrap_or_else(|| unsafe { self.grow(paths, parent, id) })
        };
        // SAFETY: the caller is the owner, and `look_up` does not come back to the cell.
        let node = unsafe { self.paths.with(look_up) };
        // SAFETY: `parent` is a node of this shard.
        let last_child = unsafe { &(*parent).last_child };
        // SAFETY: the caller is the owner.
        unsafe { last_child.set(node) };
        node
    }

    /// Makes a node; beyond the limit, gives the one for all further paths.
    ///
    /// # Safety
    ///
    /// The calling thread owns this shard.
    #[cold]
    unsafe fn grow(&self, paths: &mut NodeTable, parent: *const Node, id: u32) -> *const Node {
        let _quiet = quiet();
        // SAFETY: the caller is the owner.
        let len = unsafe { self.nodes_len.get() };
        let (parent, id) = if len as usize > crate::config::call_tree_nodes_max() {
            (self.root(parent), OVERFLOW_ID)
        } else {
            (parent, id)
        };
        // SAFETY: every node in the table lives as long as the shard.
        if let Some(overflow) = unsafe { paths.find(parent, id) } {
            return overflow;
        }
        let before = self.newest_node.load(Ordering::Relaxed);
        let node = Box::into_raw(Box::new(Node::new(id, len, parent, before)));
        // SAFETY: the caller is the owner.
        unsafe { self.nodes_len.set(len + 1) };
        // SAFETY: the node was just made, and lives as long as the shard.
        unsafe { paths.insert(node) };
        self.newest_node.store(node, Ordering::Release);
        node
    }

    fn root(&self, node: *const Node) -> *const Node {
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
}

impl Drop for Shard {
    fn drop(&mut self) {
        let mut cell = *self.newest_cell.get_mut();
        while !cell.is_null() {
            // SAFETY: every cell came from `Box::into_raw` in `cell_or_new` and is in this list once.
            let owned = unsafe { Box::from_raw(cell) };
            cell = owned.next.cast_mut();
        }
        let mut node = *self.newest_node.get_mut();
        while !node.is_null() {
            // SAFETY: every node came from `Box::into_raw` and is in this list once.
            let owned = unsafe { Box::from_raw(node) };
            node = owned.next.cast_mut();
        }
        for place in &mut self.pages {
            let page = *place.get_mut();
            if !page.is_null() {
                // SAFETY: it came from `Box::into_raw` in `cell_or_new`, and is dropped once, here.
                drop(unsafe { Box::from_raw(page) });
            }
        }
    }
}
