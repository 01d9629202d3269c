//! Index: finds the entry of a block by its address, without a lock.
//!
//! Buckets of six slots, open addressing from bucket to bucket. A bucket's header holds a byte of the hash for each
//! slot that is taken, and counts the entries that were put elsewhere because it was full; so that where no byte fits,
//! and nothing was put elsewhere, one load says that an address is not here.
//!
//! An address is put in, looked up and taken out by the thread that has the block. Of two threads, none ever works on the
//! same address; on the same bucket they may, by compare-and-swap on its header.

use crate::heap::memory::{Lazy, Zeroed};
use crate::heap::slab::Slab;
use crate::sync::{AtomicU32, AtomicU64, Ordering};

const SLOTS: usize = 6;
const BUCKETS_LOG2: [u32; 2] = [17, 20];
/// Blocks from which on the second, larger table takes new ones.
const FIRST_TABLE_MAX: usize = 3 << BUCKETS_LOG2[0];
/// Buckets that a new address may be away from its first one.
const PROBES: usize = 64;

const ONES: u64 = 0x0000_0101_0101_0101;
const HIGHS: u64 = 0x0000_8080_8080_8080;
const ELSEWHERE: u64 = 1 << 48;

#[repr(C, align(32))]
struct Bucket {
    /// Six bytes of hash, zero where the slot is free; above them the number of entries put elsewhere.
    header: AtomicU64,
    /// Index of an entry, plus one; zero while the slot is being taken or left.
    slots: [AtomicU32; SLOTS],
}

struct Table<const BUCKETS: usize>([Bucket; BUCKETS]);

// SAFETY: all fields are atomics, for which zero is a value.
unsafe impl<const BUCKETS: usize> Zeroed for Table<BUCKETS> {}

/// Where an address was found.
#[derive(Clone, Copy)]
pub(super) struct Found {
    pub(super) entry: u32,
    table: usize,
    /// Buckets from the first one on.
    distance: usize,
    slot: usize,
}

/// The addresses of all blocks in the table.
pub(super) struct Index {
    first: Lazy<Table<{ 1 << BUCKETS_LOG2[0] }>>,
    second: Lazy<Table<{ 1 << BUCKETS_LOG2[1] }>>,
}

const fn hash(address: usize) -> u64 {
    // Sampled blocks are on pages; the bits below count, too, where they are not.
    let word = address as u64;
    (word ^ (word >> 29)).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// The byte that stands for an address in a header.
const fn tag(hash: u64) -> u64 {
    // From the middle: the top bits choose the bucket, and the bottom ones say little of an address on a page.
    let byte = hash >> 32 & 0xff;
    if byte == 0 { 1 } else { byte }
}

/// The high bit of each of the six bytes that are zero. Above the lowest that is, others may be set wrongly.
const fn zero_bytes(word: u64) -> u64 {
    word.wrapping_sub(ONES) & !word & HIGHS
}

impl Index {
    pub(super) const fn new() -> Self {
        Self {
            first: Lazy::new(),
            second: Lazy::new(),
        }
    }

    /// Bytes of the tables that were made. The system has given memory for what was touched of them.
    pub(super) fn own_bytes(&self) -> u64 {
        let tables = (0..BUCKETS_LOG2.len()).filter_map(|table| self.buckets(table));
        tables.map(|buckets| size_of_val(buckets) as u64).sum()
    }

    fn buckets(&self, table: usize) -> Option<&[Bucket]> {
        match table {
            0 => Some(&self.first.get()?.0),
            _ => Some(&self.second.get()?.0),
        }
    }

    fn bucket(&self, table: usize, hash: u64, distance: usize) -> Option<&Bucket> {
        let buckets = self.buckets(table)?;
        let log2 = buckets.len().ilog2();
        let at = (hash >> (64 - log2)) as usize + distance;
        buckets.get(at & (buckets.len() - 1))
    }

    /// Finds an address.
    #[inline]
    pub(super) fn find(&self, slab: &Slab, address: usize) -> Option<Found> {
        let hash = hash(address);
        (0..BUCKETS_LOG2.len()).find_map(|table| self.find_in(table, slab, address, hash))
    }

    #[inline]
    fn find_in(&self, table: usize, slab: &Slab, address: usize, hash: u64) -> Option<Found> {
        for distance in 0..self.buckets(table)?.len() {
            let bucket = self.bucket(table, hash, distance)?;
            let header = bucket.header.load(Ordering::Acquire);
            let mut fits = zero_bytes(header ^ (tag(hash) * ONES));
            while fits != 0 {
                let slot = fits.trailing_zeros() as usize / 8;
                fits &= fits - 1;
                let entry = bucket.slots.get(slot)?.load(Ordering::Acquire);
                let Some(index) = entry.checked_sub(1) else {
                    continue;
                };
                let is_it = slab
                    .entry(index)
                    .is_some_and(|entry| entry.key.load(Ordering::Relaxed) == address);
                if is_it {
                    return Some(Found {
                        entry: index,
                        table,
                        distance,
                        slot,
                    });
                }
            }
            if header < ELSEWHERE {
                return None;
            }
        }
        None
    }

    /// Puts an address in; says whether there was room. `live` is how many there are already.
    pub(super) fn insert(&self, address: usize, entry: u32, live: usize) -> bool {
        self.insert_within(PROBES, address, entry, live)
    }

    /// Puts an address in that was taken out, or another for it, wherever there is room.
    pub(super) fn put_back(&self, address: usize, entry: u32) {
        let put = self.insert_within(usize::MAX, address, entry, 0);
        debug_assert!(put, "there are more slots than entries");
    }

    fn insert_within(&self, probes: usize, address: usize, entry: u32, live: usize) -> bool {
        let hash = hash(address);
        let is_first = live <= FIRST_TABLE_MAX;
        let order = if is_first { [0, 1] } else { [1, 0] };
        order.into_iter().any(|table| {
            let made = match table {
                0 => self.first.get_or_make().is_some(),
                // Not for the sake of one crowded place.
                _ if is_first => self.second.get().is_some(),
                _ => self.second.get_or_make().is_some(),
            };
            made && self.insert_in(table, hash, entry, probes)
        })
    }

    fn insert_in(&self, table: usize, hash: u64, entry: u32, probes: usize) -> bool {
        let probes = probes.min(self.buckets(table).map_or(0, <[_]>::len));
        for distance in 0..probes {
            let bucket = self.bucket(table, hash, distance);
            if bucket.is_some_and(|bucket| bucket.put(hash, entry)) {
                return true;
            }
        }
        self.come_back(table, hash, probes);
        false
    }

    /// Takes an address out that was found; by the thread that has its block.
    pub(super) fn remove(&self, address: usize, found: Found) {
        let hash = hash(address);
        let bucket = self.bucket(found.table, hash, found.distance);
        if let Some((bucket, slot)) = bucket.and_then(|b| Some((b, b.slots.get(found.slot)?))) {
            slot.store(0, Ordering::Release);
            let others = !(0xff << (8 * found.slot));
            bucket.header.fetch_and(others, Ordering::AcqRel);
        }
        self.come_back(found.table, hash, found.distance);
    }

    /// Says in the buckets before this one that an entry is not elsewhere any more.
    fn come_back(&self, table: usize, hash: u64, distance: usize) {
        for distance in 0..distance {
            if let Some(bucket) = self.bucket(table, hash, distance) {
                bucket.header.fetch_sub(ELSEWHERE, Ordering::AcqRel);
            }
        }
    }
}

impl Bucket {
    /// Puts an entry in; if there is no room, counts it as put elsewhere, and says so.
    fn put(&self, hash: u64, entry: u32) -> bool {
        let mut header = self.header.load(Ordering::Relaxed);
        loop {
            let free = zero_bytes(header);
            let slot = free.trailing_zeros() as usize / 8;
            let next = if free == 0 {
                // No more than 2^16 entries can be elsewhere: each has a bucket within reach, of six slots.
                header + ELSEWHERE
            } else {
                header | tag(hash) << (8 * slot)
            };
            let taken = self.header.compare_exchange_weak(
                header,
                next,
                Ordering::AcqRel,
                Ordering::Relaxed,
            );
            match taken {
                Err(now) => header = now,
                Ok(_) if free == 0 => return false,
                Ok(_) => {
                    if let Some(slot) = self.slots.get(slot) {
                        slot.store(entry + 1, Ordering::Release);
                    }
                    return true;
                }
            }
        }
    }
}
