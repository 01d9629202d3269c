//! Shard: what one thread records into one registry, and how others read it meanwhile.
//!
//! # The life of a call
//!
//! ```text
//! enter   the current node's callee at hand, if it is of this series ──> clock, kept in the node
//! exit    clock ──> is the frame's node the current one? ──> fold the call that waited ──> let this one wait
//! ```
//!
//! That is the short way, in `short`, for calls that have been made from there before. All others go the long way: `long` opens
//! and closes them wherever they come from, `paths` finds their nodes, and `budget` says whether they are timed. All is
//! in ticks; readers, in `reading`, know what a tick takes.
//!
//! What a frame's callees took is the difference of one count, `callees`, between its beginning and its end: a call
//! that ends sets it to what it was before, plus what the call took.

mod budget;
mod long;
mod paths;
mod reading;
mod short;

#[cfg(feature = "enabled")]
pub(crate) use self::short::{Short, short};

use std::ptr;

use crate::callsite::Timing;
use crate::clock::{Scale, Source, raw_ticks};
use crate::recorder::budget::Pressure;
use crate::recorder::cell::Cell;
use crate::recorder::frame::{SpareFrames, Tags};
use crate::recorder::handoff::{Handed, Link};
use crate::recorder::histogram::Units;
use crate::recorder::node::{self, Node, NodeTable, ROOT_ID};
use crate::recorder::rooms::Rooms;
use crate::recorder::sampled::Random;
use crate::recorder::waiting::Waiting;
use crate::stats::buckets::Buckets;
use crate::sync::{AtomicPtr, AtomicU32, OnceLock, Ordering, OwnerCell};

const PAGE_LEN: usize = 256;
const PAGES: usize = 64;
/// Generation of the shard that stands where there is none.
pub(crate) const NO_GENERATION: u32 = 0;

struct Page {
    cells: [AtomicPtr<Cell>; PAGE_LEN],
    /// Of each series the node that was turned to last; null before the first. The owner's alone.
    nodes: [OwnerCell<*const Node>; PAGE_LEN],
}

/// Where no call waits: a tag without node.
const NONE_WAITS: *mut Node = ptr::without_provenance_mut(Tags::OUTCOME);

/// What one thread records into one registry.
///
/// Methods that say "by the owner" are for the thread that the shard was made for.
#[repr(C, align(128))]
pub(crate) struct Shard {
    /// Node of the innermost open frame. Written by the owner only.
    current: AtomicPtr<Node>,
    /// Ticks of the calls that have ended inside the innermost open frame, beside what was there before it.
    callees: OwnerCell<u64>,
    /// The call that ended last, tagged.
    waiting: Waiting<Node>,
    /// Unique in the process, so that a frame knows its shard again.
    pub(crate) generation: u32,
    buckets: &'static Buckets,
    /// Ticks that an empty region appears to take.
    bias: u64,
    /// By series id. Null until first hit; published with `Release`.
    pages: [AtomicPtr<Page>; PAGES],
    /// Number of the registry it records into; 0 for none.
    pub(crate) registry: u64,
    /// Whether its calls are spans of a trace, and so all go the long way.
    pub(crate) is_traced: bool,
    /// Whether calls are timed one in so many, where their callsite says so or the budget does.
    samples: bool,
    scale: Scale,
    random: Random,
    pressure: OwnerCell<Pressure>,
    /// The node from which the innermost path beyond the limit began.
    overflow_from: AtomicPtr<Node>,
    newest_node: AtomicPtr<Node>,
    paths: OwnerCell<NodeTable>,
    nodes: OwnerCell<Rooms<Node>>,
    cells: OwnerCell<Rooms<Cell>>,
    nodes_len: OwnerCell<u32>,
    /// Room for frames, so that a call that goes the long way needs no allocation each time.
    spare_frames: OwnerCell<SpareFrames>,
    source: Option<Source>,
    /// For the registry.
    pub(crate) link: Link<Self>,
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
            current: AtomicPtr::new((&raw const node::NOWHERE).cast_mut()),
            callees: OwnerCell::new(0),
            waiting: Waiting::new(NONE_WAITS),
            generation: NO_GENERATION,
            buckets: &NANOSECONDS,
            bias: 0,
            pages: [const { AtomicPtr::new(ptr::null_mut()) }; PAGES],
            registry: 0,
            is_traced: false,
            samples: false,
            scale: Scale::NANOSECONDS,
            random: Random::new(0),
            pressure: OwnerCell::new(Pressure::new()),
            overflow_from: AtomicPtr::new(ptr::null_mut()),
            newest_node: AtomicPtr::new(ptr::null_mut()),
            paths: OwnerCell::holding(NodeTable::new()),
            nodes: OwnerCell::holding(Rooms::new()),
            cells: OwnerCell::holding(Rooms::new()),
            nodes_len: OwnerCell::new(0),
            spare_frames: OwnerCell::holding(SpareFrames::new()),
            source: None,
            link: Link::new(),
        }
    }

    /// A shard for the calling thread; `registry` is the number of the registry it records into, and `samples`
    /// whether it may leave calls untimed.
    pub(crate) fn new(source: Source, registry: u64, samples: bool) -> Box<Self> {
        // After 2^32 shards the numbers begin anew; a frame that is open as long as that is none.
        static GENERATION: AtomicU32 = AtomicU32::new(NO_GENERATION + 1);
        let generation = GENERATION.fetch_add(1, Ordering::Relaxed);
        let root = Node::new(ROOT_ID, 0, ptr::null(), ptr::null(), ptr::null(), 0);
        let mut nodes = Rooms::new();
        let root = nodes.put(root);
        let mut shard = Box::new(Self::nowhere());
        shard.generation = generation;
        shard.registry = registry;
        shard.samples = samples;
        shard.scale = source.scale();
        shard.bias = shard.scale.bias;
        shard.buckets = buckets_of(shard.scale);
        shard.random = Random::new(u64::from(generation));
        shard.source = Some(source);
        shard.current = AtomicPtr::new(root);
        shard.newest_node = AtomicPtr::new(root);
        shard.nodes_len = OwnerCell::new(1);
        shard.nodes = OwnerCell::holding(nodes);
        shard
    }

    /// Whether the hot path may read [`raw_ticks`] for this shard.
    pub(crate) fn is_raw(&self) -> bool {
        self.source.as_ref().is_some_and(Source::is_raw)
    }

    pub(crate) fn now(&self) -> u64 {
        self.source.as_ref().map_or_else(raw_ticks, Source::now)
    }

    /// Node of the innermost open frame; by the owner.
    #[inline(always)]
    pub(crate) fn current(&self) -> *const Node {
        self.current.load(Ordering::Relaxed)
    }

    /// Ticks of the calls that have ended so far inside the innermost open one; by the owner.
    ///
    /// # Safety
    ///
    /// The calling thread owns this shard.
    pub(crate) unsafe fn in_callees(&self) -> u64 {
        // SAFETY: as the caller vouches.
        unsafe { self.callees.get() }
    }

    /// Takes calls that ended in another shard for callees of the innermost open one; by the owner.
    ///
    /// # Safety
    ///
    /// The calling thread owns this shard.
    pub(crate) unsafe fn add_callees(&self, ticks: u64) {
        // SAFETY: as the caller vouches.
        let before = unsafe { self.callees.get() };
        // SAFETY: see above.
        unsafe { self.callees.set(before.wrapping_add(ticks)) };
    }

    /// Hands out the series of the open calls, the innermost first.
    ///
    /// # Safety
    ///
    /// The calling thread owns this shard.
    pub(crate) unsafe fn for_each_open(&self, mut each: impl FnMut(u32)) {
        let mut at = self.current();
        // SAFETY: nodes, and their parents, live as long as their shard.
        while let Some(node) = unsafe { at.as_ref() } {
            if node.id != ROOT_ID && node.id != node::OVERFLOW_ID {
                each(node.id);
            }
            at = node.parent;
        }
    }

    #[inline(always)]
    fn set_current(&self, node: *const Node) {
        self.current.store(node.cast_mut(), Ordering::Relaxed);
    }

    const fn units(&self) -> Units {
        Units {
            scale: self.scale,
            buckets: self.buckets,
        }
    }

    fn page(&self, id: u32) -> Option<&Page> {
        let page = self
            .pages
            .get(id as usize / PAGE_LEN % PAGES)?
            .load(Ordering::Relaxed);
        // SAFETY: a page, once published, lives as long as its shard.
        unsafe { page.as_ref() }
    }

    /// Where the node of a series is that was turned to last, if the series has been called before; by the owner.
    fn turned_to(&self, id: u32) -> Option<&OwnerCell<*const Node>> {
        self.page(id)?.nodes.get(id as usize % PAGE_LEN)
    }

    /// The owner's cell of a series, if it has been called before.
    pub(crate) fn cell(&self, id: u32) -> Option<&Cell> {
        let cell = self
            .page(id)?
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
                nodes: [const { OwnerCell::new(ptr::null()) }; PAGE_LEN],
            };
            page = Box::into_raw(Box::new(empty));
            place.store(page, Ordering::Release);
        }
        let every = if self.samples { timing.every } else { 1 };
        let timing = Timing { every, ..timing };
        let cell = Cell::new(id, timing, self.units());
        // SAFETY: the caller is the owner, and nothing in it comes back here.
        let cell = unsafe { self.cells.with(|cells| cells.put(cell)) };
        // SAFETY: a page, once published, lives as long as its shard.
        let page = unsafe { &*page };
        page.cells
            .get(id as usize % PAGE_LEN)?
            .store(cell, Ordering::Release);
        // SAFETY: a cell, once published, lives as long as its shard.
        Some(unsafe { &*cell })
    }
}

impl Handed for Shard {
    fn link(&self) -> &Link<Self> {
        &self.link
    }
}

impl Drop for Shard {
    fn drop(&mut self) {
        for place in &mut self.pages {
            let page = *place.get_mut();
            if !page.is_null() {
                // SAFETY: it came from `Box::into_raw` in `cell_or_new`, and is dropped once, here.
                drop(unsafe { Box::from_raw(page) });
            }
        }
    }
}
