//! Shard: what one thread records into one registry, and how others read it meanwhile.
//!
//! # The life of a call
//!
//! ```text
//! enter   clock ──> the current node's child for this series ──> frame, on the caller's stack
//! exit    is the frame's node the current one? ──> clock ──> fold the call that waited ──> let this one wait
//! ```
//!
//! The record of a call waits in the shard until the next call ends. Folding it in then does not depend
//! on the clock reading just issued, so the processor does both at once, and recording hides behind the
//! clock. All is in ticks; readers know what a tick takes.
//!
//! What a frame's callees took is the difference of one count, `callees`, between its beginning and its end: a call
//! that ends sets it to what it was before, plus what the call took.
//!
//! How others read what the owner writes is in `reading`.

mod reading;

use std::ptr;

use crate::callsite::Timing;
use crate::clock::{Scale, Source, raw_ticks};
use crate::outcome::Outcome;
use crate::recorder::cell::Cell;
use crate::recorder::frame::{Finished, Frame, Tags};
use crate::recorder::histogram::Units;
use crate::recorder::local::quiet;
use crate::recorder::node::{self, Node, NodeTable, OVERFLOW_ID, ROOT_ID};
use crate::stats::buckets::Buckets;
use crate::sync::{
    AtomicBool, AtomicPtr, AtomicU64, OnceLock, Ordering, OwnedU64, OwnerCell, fence,
};

const PAGE_LEN: usize = 256;
const PAGES: usize = 64;
/// Generation of the shard that stands where there is none.
pub(crate) const NO_GENERATION: u64 = 0;

struct Page {
    cells: [AtomicPtr<Cell>; PAGE_LEN],
}

/// A finished call that has not been folded in. Written by the owner, guarded by `Shard::sequence`.
struct Waiting {
    /// Its node, tagged; where none waits, a tag without node.
    at: AtomicPtr<Node>,
    ticks: OwnedU64,
}

const NONE_WAITS: *mut Node = ptr::without_provenance_mut(Tags::OUTCOME);

/// What one thread records into one registry.
///
/// Methods that say "by the owner" are for the thread that the shard was made for.
#[repr(C, align(128))]
pub(crate) struct Shard {
    /// Node of the innermost open frame.
    current: OwnerCell<*const Node>,
    /// Ticks of the calls that have ended inside the innermost open frame, beside what was there before it.
    callees: OwnerCell<u64>,
    sequence: OwnedU64,
    /// Unique in the process, so that a frame knows its shard again. Not beside `callees`: copied into a frame as one
    /// wide word, the two would wait for the narrow store to the latter.
    pub(crate) generation: u64,
    waiting: Waiting,
    buckets: &'static Buckets,
    /// Ticks that an empty region appears to take.
    bias: u64,
    /// By series id. Null until first hit; published with `Release`.
    pages: [AtomicPtr<Page>; PAGES],
    /// Number of the registry it records into; 0 for none.
    pub(crate) registry: u64,
    /// Whether calls are timed one in so many, where their callsite says so.
    samples: bool,
    scale: Scale,
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

/// The buckets of clocks whose ticks are nanoseconds.
static NANOSECONDS: Buckets = Buckets::NANOSECONDS;

/// The buckets of a clock. There is one per process beside those whose ticks are nanoseconds.
fn buckets_of(scale: Scale) -> &'static Buckets {
    static OF_PROCESS: OnceLock<Buckets> = OnceLock::new();
    if scale.factor == Scale::NANOSECONDS.factor {
        &NANOSECONDS
    } else {
        OF_PROCESS.get_or_init(|| Buckets::new(scale.factor))
    }
}

impl Shard {
    /// A shard without cells, in which no call finds a place.
    pub(crate) const fn nowhere() -> Self {
        Self {
            current: OwnerCell::new(&raw const node::NOWHERE),
            callees: OwnerCell::new(0),
            generation: NO_GENERATION,
            sequence: OwnedU64::new(0),
            waiting: Waiting {
                at: AtomicPtr::new(NONE_WAITS),
                ticks: OwnedU64::new(0),
            },
            buckets: &NANOSECONDS,
            bias: 0,
            pages: [const { AtomicPtr::new(ptr::null_mut()) }; PAGES],
            registry: 0,
            samples: false,
            scale: Scale::NANOSECONDS,
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
        let root = Node::new(ROOT_ID, 0, ptr::null(), ptr::null(), ptr::null());
        let root = Box::into_raw(Box::new(root));
        let mut shard = Box::new(Self::nowhere());
        shard.generation = GENERATION.fetch_add(1, Ordering::Relaxed);
        shard.registry = registry;
        shard.samples = samples;
        shard.scale = source.scale();
        shard.bias = shard.scale.bias;
        shard.buckets = buckets_of(shard.scale);
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

    const fn units(&self) -> Units {
        Units {
            scale: self.scale,
            buckets: self.buckets,
        }
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
        let cell = Cell::new(id, timing, self.units(), before);
        let cell = Box::into_raw(Box::new(cell));
        // SAFETY: a page, once published, lives as long as its shard.
        let page = unsafe { &*page };
        page.cells
            .get(id as usize % PAGE_LEN)?
            .store(cell, Ordering::Release);
        self.newest_cell.store(cell, Ordering::Release);
        // SAFETY: a cell, once published, lives as long as its shard.
        Some(unsafe { &*cell })
    }

    // === the short way: a call like the one before it ===

    /// Opens the frame of a call of series `id` that began at `start` and is timed for itself alone, if it is the
    /// one that was called last from the current node, and no other one of its series is around it. There is
    /// nothing special about such a call: else it would not be found there.
    ///
    /// # Safety
    ///
    /// The calling thread owns this shard.
    #[inline(always)]
    pub(crate) unsafe fn open_again(&self, id: u32, start: u64) -> Option<Frame> {
        // SAFETY: the caller is the owner, and so for every access below.
        let parent = unsafe { self.current.get() };
        // SAFETY: the current node is alive.
        let last_child = unsafe { &(*parent).last_child };
        // SAFETY: the caller is the owner.
        let at = unsafe { last_child.get() };
        // SAFETY: nodes live as long as their shard, and what stands for none for ever.
        let node = unsafe { &*at };
        if node.id != id {
            return None;
        }
        // SAFETY: a node with the id of a series has a cell; cells live as long as their shard.
        let cell = unsafe { &*node.cell };
        if cell.active.read() > 0 {
            return None;
        }
        cell.active.set(1);
        // SAFETY: the caller is the owner.
        unsafe { self.current.set(at) };
        Some(Frame {
            start,
            at,
            parent,
            // SAFETY: the caller is the owner.
            callees_before: unsafe { self.callees.get() },
            generation: self.generation,
        })
    }

    /// Whether the frame is the innermost one, of this shard, and nothing is to be said of its call.
    ///
    /// # Safety
    ///
    /// The calling thread owns this shard.
    #[inline(always)]
    pub(crate) unsafe fn is_innermost(&self, frame: &Frame) -> bool {
        // SAFETY: the caller is the owner.
        ptr::eq(unsafe { self.current.get() }, frame.at)
    }

    /// Closes a frame that [`is_innermost`](Self::is_innermost), and records its call as one that ended well.
    ///
    /// # Safety
    ///
    /// The calling thread owns this shard, and the frame is the innermost.
    #[inline(always)]
    pub(crate) unsafe fn close_innermost(&self, frame: &Frame, end: u64) {
        // What is below zero, as counters of two processors may differ, is nothing once it is folded in.
        let ticks = end.wrapping_sub(frame.start);
        // SAFETY: the caller is the owner, and so for every access below.
        let in_callees = unsafe { self.callees.get() }.wrapping_sub(frame.callees_before);
        // SAFETY: the caller is the owner.
        unsafe { self.callees.set(frame.callees_before.wrapping_add(ticks)) };
        // SAFETY: the caller is the owner.
        unsafe { self.current.set(frame.parent) };
        // SAFETY: the current node is alive.
        let node = unsafe { &*frame.at };
        node.self_ticks.add(ticks.wrapping_sub(in_callees));
        // SAFETY: a frame's node is a call, and has a cell; cells live as long as their shard.
        unsafe { &*node.cell }.active.sub(1);
        self.let_wait(frame.at, ticks);
    }

    // === the long way ===

    /// Opens a frame that began at `start` and stands for `weight` calls; 0 for one that is not timed.
    ///
    /// # Safety
    ///
    /// The calling thread owns this shard, and `cell` is one of its cells.
    pub(crate) unsafe fn open(&self, cell: &Cell, start: u64, weight: u32) -> Frame {
        // SAFETY: the caller is the owner, and so for every access below.
        let parent = unsafe { self.current.get() };
        // SAFETY: the caller is the owner, and `parent` one of its nodes.
        let at = unsafe { self.path(parent, cell) };
        let mut tags = 0;
        if cell.active.read() > 0 {
            tags |= Tags::INNER;
        }
        if cell.is_special() {
            tags |= Tags::SPECIAL;
        }
        cell.active.add(1);
        // SAFETY: the caller is the owner.
        unsafe { self.current.set(at) };
        Frame {
            start: Frame::start(start, weight),
            at: at.map_addr(|address| address | tags),
            parent,
            // SAFETY: the caller is the owner.
            callees_before: unsafe { self.callees.get() },
            generation: self.generation,
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
        // SAFETY: a frame's node is a call, and has a cell; cells live as long as their shard.
        unsafe { &*node.cell }.active.sub(1);
        let ticks = if frame.is_timed() {
            end.saturating_sub(frame.start)
        } else {
            0
        };
        // SAFETY: the caller is the owner.
        if !is_on_path(unsafe { self.current.get() }, at) {
            return ticks;
        }
        // SAFETY: the caller is the owner.
        let in_callees = unsafe { self.callees.get() }.wrapping_sub(frame.callees_before);
        // SAFETY: the frame was opened here.
        let weight = unsafe { self.weight(frame) };
        let of_all = ticks.wrapping_mul(weight);
        // SAFETY: the caller is the owner.
        unsafe { self.callees.set(frame.callees_before.wrapping_add(of_all)) };
        // SAFETY: the caller is the owner.
        unsafe { self.current.set(frame.parent) };
        let own = ticks.wrapping_sub(in_callees).wrapping_mul(weight);
        node.self_ticks.add(own);
        ticks
    }

    /// How many calls a frame stands for; 0 for one that is not timed.
    ///
    /// # Safety
    ///
    /// The frame was opened here.
    pub(crate) unsafe fn weight(&self, frame: &Frame) -> u64 {
        if !frame.is_timed() {
            return 0;
        }
        if Tags::of(frame.at) & Tags::SPECIAL == 0 {
            return 1;
        }
        // SAFETY: the shard is alive, and the frame has a node.
        u64::from(unsafe { frame.cell() }.sampler.every())
    }

    /// Records a call whose frame has been closed and took so many ticks.
    ///
    /// # Safety
    ///
    /// The calling thread owns this shard, and `frame` was opened here.
    pub(crate) unsafe fn record(&self, frame: &Frame, ticks: u64, outcome: Outcome) {
        if frame.is_timed() {
            self.let_wait(frame.ended(outcome), ticks);
            return;
        }
        // SAFETY: the shard is alive, and the frame has a node.
        unsafe { frame.cell() }.count(outcome);
        // SAFETY: nodes live as long as their shard.
        unsafe { &*frame.node() }.calls.add(1);
    }

    /// Lets a call wait, and folds in the one that waited.
    ///
    /// Both ways out of the common case are calls at the very end, so that nothing need be kept across them.
    #[inline(always)]
    fn let_wait(&self, at: *const Node, ticks: u64) {
        let before = self.waiting.at.load(Ordering::Relaxed).cast_const();
        let ticks_before = self.waiting.ticks.read();
        self.sequence.add(1);
        fence(Ordering::Release);
        self.waiting.ticks.set(ticks);
        self.waiting.at.store(at.cast_mut(), Ordering::Relaxed);
        if Tags::of(before) != 0 {
            return self.fold_rare(before, ticks_before);
        }
        // SAFETY: nodes live as long as their shard.
        let node = unsafe { &*before };
        // SAFETY: what waits is a call, whose node has a cell; cells live as long as their shard.
        let cell = unsafe { &*node.cell };
        let region = self.region(ticks_before);
        if !cell.ok.record_one(region, self.buckets) {
            return self.fold_rare(before, ticks_before);
        }
        node.calls.add(1);
        node.total_ticks.add(region);
        self.sequence.add_release(1);
    }

    #[cold]
    #[inline(never)]
    fn fold_rare(&self, tagged: *const Node, ticks: u64) {
        // SAFETY: null, or a node, which lives as long as its shard.
        if let Some(node) = unsafe { Tags::strip(tagged).as_ref() } {
            // SAFETY: as in `let_wait`.
            let cell = unsafe { &*node.cell };
            let call = Finished::new(tagged, cell, self.region(ticks));
            node.calls.add(1);
            node.total_ticks.add(call.total_ticks());
            cell.record(&call, self.buckets);
        }
        self.sequence.add_release(1);
    }

    /// Ticks of a region, less the clock's own cost.
    #[inline(always)]
    pub(crate) fn region(&self, ticks: u64) -> u64 {
        let region = ticks.wrapping_sub(self.bias) as i64;
        region.max(0) as u64
    }

    /// Records what belongs to the end of a poll, and of the future if it has ended, beside its frame.
    pub(crate) fn record_finished(&self, cell: &Cell, call: &Finished) {
        cell.record(call, self.buckets);
    }

    /// The node of a call from `parent`.
    ///
    /// A recursive call goes to the node of the same series further up, so that the tree stays finite.
    ///
    /// # Safety
    ///
    /// The calling thread owns this shard, `parent` is one of its nodes, and `cell` one of its cells.
    unsafe fn path(&self, parent: *const Node, cell: &Cell) -> *const Node {
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
        // Nothing special may be found the short way.
        if ptr::eq(node.parent, parent) && !cell.is_special() {
            // SAFETY: nodes live as long as their shard.
            let parent = unsafe { &*parent };
            // SAFETY: the caller is the owner.
            unsafe { parent.last_child.set(at) };
        }
        at
    }

    /// Finds the node of a call further up, or makes one; beyond the limit, one below that of all further paths.
    ///
    /// # Safety
    ///
    /// The calling thread owns this shard, `parent` is one of its nodes, and `cell` one of its cells.
    #[cold]
    unsafe fn grow(&self, paths: &mut NodeTable, parent: *const Node, cell: &Cell) -> *const Node {
        let nodes_max = crate::config::call_tree_nodes_max();
        let recursive = cell.active.read() > 0;
        let mut above = if recursive { parent } else { ptr::null() };
        // SAFETY: null, or a node; nodes, and their parents, live as long as their shard.
        while let Some(node) = unsafe { above.as_ref() } {
            if node.id == cell.id {
                // Remembered, unless that were without bound, too.
                if paths.len() <= nodes_max.saturating_mul(2) {
                    paths.insert(parent, cell.id, above);
                }
                return above;
            }
            above = node.parent;
        }
        // SAFETY: the caller is the owner.
        let len = unsafe { self.nodes_len.get() };
        if len as usize <= nodes_max && !is_overflow(parent) {
            // SAFETY: the caller is the owner.
            return unsafe { self.add_node(paths, parent, cell.id, cell) };
        }
        let root = root_of(parent);
        let overflow = paths.find(root, OVERFLOW_ID).unwrap_or_else(|| {
            // SAFETY: the caller is the owner.
            unsafe { self.add_node(paths, root, OVERFLOW_ID, ptr::null()) }
        });
        paths.find(overflow, cell.id).unwrap_or_else(|| {
            // SAFETY: the caller is the owner.
            unsafe { self.add_node(paths, overflow, cell.id, cell) }
        })
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
        let node = Box::into_raw(Box::new(Node::new(id, len, cell, parent, before)));
        // SAFETY: the caller is the owner.
        unsafe { self.nodes_len.set(len + 1) };
        paths.insert(parent, id, node);
        self.newest_node.store(node, Ordering::Release);
        node
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

/// Whether a node stands for all calls of its series beyond the limit.
fn is_overflow(node: *const Node) -> bool {
    // SAFETY: nodes live as long as their shard.
    let parent = unsafe { node.as_ref() }.map_or(ptr::null(), |node| node.parent);
    // SAFETY: null, or a node.
    unsafe { parent.as_ref() }.is_some_and(|parent| parent.id == OVERFLOW_ID)
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
