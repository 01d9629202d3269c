//! Slab: the entries of sampled blocks, in chunks that are never given back.

use crate::heap::free_list::FreeList;
use crate::heap::ledger::{Ledger, PROCESS};
use crate::heap::memory::{Lazy, Zeroed};
use crate::heap::rate::Rate;
use crate::heap::sequence::Sequence;
use crate::sync::{AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering};

const CHUNK_LEN: usize = 1_024;
const CHUNKS: usize = 4_096;
const _: () = assert!(CHUNK_LEN * CHUNKS == crate::config::HEAP_BLOCKS_CAPACITY);

/// A sampled block.
///
/// Written by the thread that has the block: what can free it can have no other. Read by anyone, under `sequence`.
#[repr(C, align(64))]
pub(crate) struct Entry {
    /// Guards what is known of the block.
    sequence: Sequence,
    site: AtomicU32,
    /// Never used again; 0 where there is no block.
    id: AtomicU64,
    /// The block's address; 0 while it is not in the table.
    pub(super) key: AtomicUsize,
    size: AtomicUsize,
    born_ns: AtomicU64,
    /// What it stands for; 0 if it is in the table for its layout only.
    weight: AtomicU64,
    /// Where it is accounted for. Whoever takes it out debits it.
    ledger: AtomicPtr<Ledger>,
    /// While there is no block: index of the next free entry, plus one. Else how often it has grown, and its mark.
    link: AtomicU32,
    shape: AtomicU32,
}

/// What is known of a sampled block.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Block {
    pub(crate) id: u64,
    pub(crate) site: u32,
    pub(crate) born_ns: u64,
    pub(crate) size: usize,
    /// In parts of [`WHOLE_BLOCK`](crate::heap::rate::WHOLE_BLOCK).
    pub(crate) weight: u64,
    pub(crate) ledger: *const Ledger,
    pub(crate) grown: u16,
    /// What the thread that made it, and nobody else, will know again, as long as it makes no other.
    pub(crate) mark: u16,
    pub(crate) shape: Shape,
}

impl Block {
    /// Bytes that it stands for.
    pub(crate) const fn bytes(&self) -> u64 {
        super::weighted(self.size, self.weight)
    }

    /// The mean of the rate that it was sampled at.
    pub(crate) fn mean(&self) -> f64 {
        Rate::from_code(self.shape.rate).mean()
    }
}

/// How the inner allocator knows the block, and how it was sampled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    /// Bytes between the inner allocator's block and ours.
    pub(crate) offset: u16,
    pub(crate) align_log2: u8,
    /// Our block is the aligned part of a larger one.
    pub(crate) is_padded: bool,
    /// The block is where it would be if it had not been sampled, so that only the table knows it.
    pub(crate) is_in_place: bool,
    /// The rate that it was sampled at.
    pub(crate) rate: u8,
}

impl Shape {
    fn to_word(self) -> u32 {
        u32::from(self.offset)
            | u32::from(self.is_padded) << 14
            | u32::from(self.is_in_place) << 15
            | u32::from(self.align_log2) << 16
            | u32::from(self.rate) << 24
    }

    const fn from_word(word: u32) -> Self {
        Self {
            offset: (word & 0x3fff) as u16,
            is_padded: word & 1 << 14 != 0,
            is_in_place: word & 1 << 15 != 0,
            align_log2: (word >> 16) as u8,
            rate: (word >> 24) as u8,
        }
    }
}

impl Entry {
    /// Writes what is known of the block; by the thread that has it.
    pub(super) fn write(&self, block: &Block) {
        self.sequence.write(|| {
            self.id.store(block.id, Ordering::Relaxed);
            self.site.store(block.site, Ordering::Relaxed);
            self.size.store(block.size, Ordering::Relaxed);
            self.born_ns.store(block.born_ns, Ordering::Relaxed);
            self.weight.store(block.weight, Ordering::Relaxed);
            self.ledger
                .store(block.ledger.cast_mut(), Ordering::Relaxed);
            let link = u32::from(block.grown) | u32::from(block.mark) << 16;
            self.link.store(link, Ordering::Relaxed);
            self.shape.store(block.shape.to_word(), Ordering::Relaxed);
        });
    }

    /// What is known of the block; by the thread that has it.
    pub(super) fn read(&self) -> Block {
        let link = self.link.load(Ordering::Relaxed);
        Block {
            id: self.id.load(Ordering::Relaxed),
            site: self.site.load(Ordering::Relaxed),
            born_ns: self.born_ns.load(Ordering::Relaxed),
            size: self.size.load(Ordering::Relaxed),
            weight: self.weight.load(Ordering::Relaxed),
            ledger: self.ledger.load(Ordering::Relaxed),
            grown: link as u16,
            mark: (link >> 16) as u16,
            shape: Shape::from_word(self.shape.load(Ordering::Relaxed)),
        }
    }

    /// Takes the ledger out, so that it is debited once; null if somebody else has. That of the process nobody else takes out:
    /// it may stay.
    pub(super) fn take_ledger(&self) -> *const Ledger {
        let ledger = self.ledger.load(Ordering::Relaxed);
        if std::ptr::eq(ledger, &raw const PROCESS) {
            return ledger;
        }
        self.ledger.swap(std::ptr::null_mut(), Ordering::AcqRel)
    }

    /// Takes this ledger out, if it is there; says whether it was.
    pub(super) fn detach(&self, ledger: *const Ledger) -> bool {
        let swapped = self.ledger.compare_exchange(
            ledger.cast_mut(),
            std::ptr::null_mut(),
            Ordering::AcqRel,
            Ordering::Relaxed,
        );
        swapped.is_ok()
    }

    /// A reader's copy, if there is a block, and nobody is writing.
    fn copy(&self) -> Option<Block> {
        let block = self.sequence.read(|| self.read())?;
        Some(block).filter(|block| block.id != 0)
    }

    /// Says that there is no block any more; by the thread that had it.
    fn clear(&self) {
        self.sequence.write(|| self.id.store(0, Ordering::Relaxed));
    }
}

struct Chunk([Entry; CHUNK_LEN]);

// SAFETY: all fields are atomics, for which zero is a value.
unsafe impl Zeroed for Chunk {}

/// All entries.
pub(super) struct Slab {
    chunks: [Lazy<Chunk>; CHUNKS],
    /// Entries that were ever used: those below are in chunks that have been made.
    used: AtomicU32,
    free: FreeList,
    pub(super) live: AtomicUsize,
}

impl Slab {
    pub(super) const fn new() -> Self {
        Self {
            chunks: [const { Lazy::new() }; CHUNKS],
            used: AtomicU32::new(0),
            free: FreeList::new(),
            live: AtomicUsize::new(0),
        }
    }

    pub(super) fn entry(&self, index: u32) -> Option<&Entry> {
        let chunk = self.chunks.get(index as usize / CHUNK_LEN)?.get()?;
        chunk.0.get(index as usize % CHUNK_LEN)
    }

    /// An entry for a block; `None` where `max` are in use, or where there is no memory.
    pub(super) fn acquire(&self, max: usize) -> Option<(u32, &Entry)> {
        if self.live.fetch_add(1, Ordering::Relaxed) >= max {
            self.live.fetch_sub(1, Ordering::Relaxed);
            return None;
        }
        let found = self.reuse().or_else(|| self.fresh());
        if found.is_none() {
            self.live.fetch_sub(1, Ordering::Relaxed);
        }
        found
    }

    fn reuse(&self) -> Option<(u32, &Entry)> {
        let next = |index| Some(self.entry(index)?.link.load(Ordering::Relaxed));
        let index = self.free.take(next)?;
        Some((index, self.entry(index)?))
    }

    fn fresh(&self) -> Option<(u32, &Entry)> {
        let mut used = self.used.load(Ordering::Relaxed);
        loop {
            let place = self.chunks.get(used as usize / CHUNK_LEN)?;
            let chunk = place.get_or_make()?;
            let claimed = self.used.compare_exchange_weak(
                used,
                used + 1,
                Ordering::AcqRel,
                Ordering::Relaxed,
            );
            match claimed {
                Ok(_) => return Some((used, chunk.0.get(used as usize % CHUNK_LEN)?)),
                Err(now) => used = now,
            }
        }
    }

    /// Gives an entry back; by the thread that had its block.
    pub(super) fn release(&self, index: u32, entry: &Entry) {
        entry.clear();
        let remember = |next| entry.link.store(next, Ordering::Relaxed);
        self.free.give_back(index, remember);
        self.live.fetch_sub(1, Ordering::Relaxed);
    }

    /// Hands out all blocks that there are. A block that is freed or resized meanwhile may be missed.
    pub(super) fn visit(&self, mut each: impl FnMut(&Entry, &Block)) {
        let used = self.used.load(Ordering::Acquire) as usize;
        let chunks = self.chunks.iter().map_while(Lazy::get);
        for entry in chunks.flat_map(|chunk| &chunk.0).take(used) {
            if let Some(block) = entry.copy() {
                each(entry, &block);
            }
        }
    }

    /// Bytes of the chunks that were made.
    pub(super) fn own_bytes(&self) -> u64 {
        let chunks = self.chunks.iter().map_while(Lazy::get).count();
        (chunks * size_of::<Chunk>()) as u64
    }
}
