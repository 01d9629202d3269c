//! The tracking allocator under strain, over one that checks every layout: blocks freed by other threads, resized both ways,
//! zeroed, aligned; threads that end and allocate while they do, calls that panic, processes that fork, rates that change
//! meanwhile.
//!
//! `KHIVE_PERF_STRESS=10000` in the environment runs so many rounds instead of a few; so does `cargo xtask heap-stress`.

use std::alloc::{GlobalAlloc, Layout, System, alloc, alloc_zeroed, dealloc, realloc};
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};

use khive_perf::alloc::{HeapSnapshot, TrackingAllocator};
use khive_perf::{Config, configure, measure};

/// Keeps the layout in front of each block, and aborts where it is given back with another.
struct Checked;

static WRONG: AtomicUsize = AtomicUsize::new(0);

/// Room in front of a block, a multiple of its alignment.
const fn room(layout: Layout) -> usize {
    if layout.align() > 32 {
        layout.align()
    } else {
        32
    }
}

fn outer(layout: Layout) -> Option<Layout> {
    let size = layout.size().checked_add(room(layout))?;
    Layout::from_size_align(size, layout.align().max(16)).ok()
}

impl Checked {
    /// # Safety
    ///
    /// `base` is a block for `outer(layout)`, or null.
    unsafe fn note(base: *mut u8, layout: Layout) -> *mut u8 {
        if base.is_null() {
            return base;
        }
        let block = base.wrapping_add(room(layout));
        let note = block.cast::<usize>();
        // SAFETY: there are at least 32 bytes in front of the block.
        unsafe { note.wrapping_sub(1).write(layout.size()) };
        // SAFETY: as above.
        unsafe { note.wrapping_sub(2).write(layout.align()) };
        block
    }

    /// # Safety
    ///
    /// `block` came from `note`.
    unsafe fn check(block: *mut u8, layout: Layout) -> *mut u8 {
        let note = block.cast::<usize>();
        // SAFETY: written there by `note`.
        let size = unsafe { note.wrapping_sub(1).read() };
        // SAFETY: as above.
        let align = unsafe { note.wrapping_sub(2).read() };
        if (size, align) != (layout.size(), layout.align()) {
            WRONG.fetch_add(1, ORDERING);
        }
        block.wrapping_sub(room(layout))
    }
}

// SAFETY: what `System` gives, less some room in front, aligned as is asked, because the room is a multiple of that.
unsafe impl GlobalAlloc for Checked {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let Some(outer) = outer(layout) else {
            return std::ptr::null_mut();
        };
        // SAFETY: the size is not zero.
        let base = unsafe { System.alloc(outer) };
        // SAFETY: as it asks.
        unsafe { Self::note(base, layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: blocks come from `alloc`.
        let base = unsafe { Self::check(block, layout) };
        if let Some(outer) = outer(layout) {
            // SAFETY: it was allocated so, or `check` has counted it.
            unsafe { System.dealloc(base, outer) };
        }
    }
}

#[global_allocator]
static ALLOCATOR: TrackingAllocator<Checked> = TrackingAllocator::new(Checked);

/// A block, its layout, and what is written into each of its bytes.
struct Block {
    at: *mut u8,
    layout: Layout,
    pattern: u8,
}

// SAFETY: whoever has it is the only one.
unsafe impl Send for Block {}

impl Block {
    #[measure]
    fn new(random: &mut Random) -> Option<Self> {
        let largest = if random.below(20) == 0 { 300_000 } else { 600 };
        let size = 1 + random.below(largest);
        let largest = if random.below(10) == 0 { 14 } else { 5 };
        let align = 1 << random.below(largest);
        let layout = Layout::from_size_align(size, align).ok()?;
        let zeroed = random.below(4) == 0;
        let at = if zeroed {
            // SAFETY: the size is not zero.
            unsafe { alloc_zeroed(layout) }
        } else {
            // SAFETY: as above.
            unsafe { alloc(layout) }
        };
        if at.is_null() {
            return None;
        }
        assert!(at.addr().is_multiple_of(align), "aligned as was asked");
        let mut block = Self {
            at,
            layout,
            pattern: 0,
        };
        if zeroed {
            block.verify();
        }
        block.pattern = u8::try_from(random.below(256)).unwrap_or(0);
        // SAFETY: it is as large.
        unsafe { at.write_bytes(block.pattern, size) };
        Some(block)
    }

    /// Its ends, which are what is lost first.
    fn verify(&self) {
        for at in [0, self.layout.size() / 2, self.layout.size() - 1] {
            // SAFETY: within the block, which was written to.
            let byte = unsafe { self.at.wrapping_add(at).read() };
            assert_eq!(byte, self.pattern, "the block is what it was");
        }
    }

    #[measure]
    fn resize(&mut self, random: &mut Random) {
        self.verify();
        let size = 1 + random.below(self.layout.size() * 2 + 100);
        // SAFETY: it was allocated so, and the size is not zero.
        let at = unsafe { realloc(self.at, self.layout, size) };
        if at.is_null() {
            return;
        }
        self.at = at;
        let kept = size.min(self.layout.size());
        self.layout = Layout::from_size_align(size, self.layout.align()).expect("as it was");
        // SAFETY: within the block.
        assert_eq!(unsafe { at.wrapping_add(kept - 1).read() }, self.pattern);
        // SAFETY: it is as large.
        unsafe { at.write_bytes(self.pattern, size) };
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        self.verify();
        // SAFETY: it was allocated so, and is given back once.
        unsafe { dealloc(self.at, self.layout) };
    }
}

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() >> 11).unwrap_or(0) % limit
    }
}

/// Blocks that a thread has when it ends.
struct Left(RefCell<Vec<Block>>);

impl Drop for Left {
    /// Allocates, resizes and frees while the thread ends.
    fn drop(&mut self) {
        let mut random = Random(self as *const Self as u64 | 1);
        let mut blocks = self.0.take();
        for _ in 0..10 {
            blocks.extend(Block::new(&mut random));
        }
        blocks
            .iter_mut()
            .for_each(|block| block.resize(&mut random));
    }
}

thread_local! {
    static LEFT: Left = const { Left(RefCell::new(Vec::new())) };
}

fn strain(seed: u64, send: &Sender<Block>, receive: &Receiver<Block>) {
    let mut random = Random(seed | 1);
    let mut kept = Vec::new();
    for _ in 0..300 {
        match random.below(8) {
            0..=2 => kept.extend(Block::new(&mut random)),
            3 if !kept.is_empty() => {
                let at = random.below(kept.len());
                kept[at].resize(&mut random);
            }
            4 if !kept.is_empty() => {
                let at = random.below(kept.len());
                let _ = send.send(kept.swap_remove(at));
            }
            5 => kept.extend(receive.try_recv()),
            6 if !kept.is_empty() => {
                let at = random.below(kept.len());
                drop(kept.swap_remove(at));
            }
            7 if random.below(30) == 0 => {
                let block = Block::new(&mut random);
                let unwound = catch_unwind(AssertUnwindSafe(move || {
                    let _freed_by_unwinding = block;
                    std::panic::resume_unwind(Box::new(1_u8));
                }));
                assert!(unwound.is_err());
            }
            _ => {}
        }
    }
    LEFT.with(|left| left.0.borrow_mut().append(&mut kept));
}

/// A child of this process, made while its threads allocate: it has one thread, what they were at remains half done, and it
/// must not wait for them.
#[cfg(target_os = "linux")]
mod child {
    use std::panic::catch_unwind;

    use super::{Block, ORDERING, Random, WRONG};

    unsafe extern "C" {
        fn fork() -> i32;
        fn waitpid(child: i32, status: *mut i32, options: i32) -> i32;
        fn alarm(seconds: u32) -> u32;
        fn _exit(status: i32) -> !;
    }

    /// Seconds after which a child is stuck.
    const PATIENCE_S: u32 = 60;

    /// Makes one that allocates, resizes and frees; says how it ended.
    pub(super) fn status_of_one(seed: u64) -> i32 {
        // SAFETY: the child calls nothing but the allocator, which is what is tested, and leaves by `_exit`.
        let child = unsafe { fork() };
        if child == 0 {
            // SAFETY: ends the child where it gets stuck.
            unsafe { alarm(PATIENCE_S) };
            let strained = catch_unwind(|| strain(seed));
            let wrong = strained.is_err() || WRONG.load(ORDERING) > 0;
            // SAFETY: nothing of the parent's is to be put in order.
            unsafe { _exit(i32::from(wrong)) };
        }
        let mut status = -1;
        // SAFETY: it is this process's child, waited for once.
        let waited = unsafe { waitpid(child, &raw mut status, 0) };
        assert_eq!(waited, child, "the child is ours");
        status
    }

    fn strain(seed: u64) {
        let mut random = Random(seed | 1);
        let mut kept = Vec::new();
        for _ in 0..200 {
            kept.extend(Block::new(&mut random));
            let at = random.below(kept.len().max(1));
            if let Some(block) = kept.get_mut(at) {
                block.resize(&mut random);
            }
            if random.below(2) == 0 && at < kept.len() {
                drop(kept.swap_remove(at));
            }
        }
    }
}

const ORDERING: Ordering = Ordering::Relaxed;

#[test]
fn every_block_is_given_back_as_it_was_taken() {
    let rounds = std::env::var("KHIVE_PERF_STRESS").ok();
    // This thread has met each measured function: a child must not wait for the lock under which they are numbered.
    let mut random = Random(1);
    if let Some(mut block) = Block::new(&mut random) {
        block.resize(&mut random);
    }
    let rounds: u64 = rounds.and_then(|rounds| rounds.parse().ok()).unwrap_or(60);
    for round in 1..=rounds {
        // Off, each block, in place, on pages; and as few as find no room.
        let rate = [0, 1, 256, 65_536, 524_288][usize::try_from(round % 5).expect("small")];
        let limit = if round % 7 == 0 { 10 } else { 100_000 };
        let config = Config::default()
            .heap_sample_bytes(rate)
            .heap_blocks_max(limit);
        configure(config).expect("these are limits");
        std::thread::scope(|scope| {
            let (mut sends, mut receives): (Vec<_>, Vec<_>) = (0..3).map(|_| channel()).unzip();
            sends.rotate_left(1);
            for number in 0..3_u64 {
                let (send, receive) = (sends.pop().expect("3"), receives.pop().expect("3"));
                let seed = (round << 8 | number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
                scope.spawn(move || strain(seed, &send, &receive));
            }
            #[cfg(target_os = "linux")]
            if round % 3 == 0 {
                assert_eq!(child::status_of_one(round), 0, "in round {round}");
            }
            drop(HeapSnapshot::take());
        });
        assert_eq!(WRONG.load(ORDERING), 0, "in round {round}");
    }
}
