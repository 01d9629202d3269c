//! Index: finds the entry of a block by its address, without a lock.
//!
//! Two tables of [buckets](crate::heap::bucket), of which the larger one is made when the other has enough.

use crate::heap::bucket::{self, Bucket, Place};
use crate::heap::memory::{Lazy, Zeroed};
use crate::heap::slab::Slab;
use crate::sync::Ordering;

const BUCKETS_LOG2: [u32; 2] = [17, 20];
/// Blocks from which on the second, larger table takes new ones.
const FIRST_TABLE_MAX: usize = 3 << BUCKETS_LOG2[0];
/// Buckets that a new address may be away from its first one.
const PROBES: usize = 64;

struct Table<const BUCKETS: usize>([Bucket; BUCKETS]);

// SAFETY: all fields are atomics, for which zero is a value.
unsafe impl<const BUCKETS: usize> Zeroed for Table<BUCKETS> {}

/// Where an address was found.
#[derive(Clone, Copy)]
pub(super) struct Found {
    pub(super) entry: u32,
    table: usize,
    place: Place,
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

    /// Finds an address.
    #[inline]
    pub(super) fn find(&self, slab: &Slab, address: usize) -> Option<Found> {
        let hash = hash(address);
        (0..BUCKETS_LOG2.len()).find_map(|table| self.find_in(table, slab, address, hash))
    }

    #[inline]
    fn find_in(&self, table: usize, slab: &Slab, address: usize, hash: u64) -> Option<Found> {
        let is_it = |index| {
            let entry = slab.entry(index);
            entry.is_some_and(|entry| entry.key.load(Ordering::Relaxed) == address)
        };
        let place = bucket::find(self.buckets(table)?, hash, is_it)?;
        Some(Found {
            entry: place.entry,
            table,
            place,
        })
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
            let buckets = self.buckets(table).filter(|_| made);
            buckets.is_some_and(|buckets| bucket::insert(buckets, hash, entry, probes))
        })
    }

    /// Takes an address out that was found; by the thread that has its block.
    pub(super) fn remove(&self, address: usize, found: Found) {
        if let Some(buckets) = self.buckets(found.table) {
            bucket::remove(buckets, hash(address), found.place);
        }
    }
}
