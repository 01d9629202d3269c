//! Bucket: a few addresses and where their entries are; a row of buckets is a table with open addressing.
//!
//! A bucket's header holds a byte of the hash for each slot that is taken, and counts the entries that were put elsewhere
//! because it was full; so that where no byte fits, and nothing was put elsewhere, one load says that an address is not
//! here.
//!
//! An address is put in, looked up and taken out by the thread that has the block. Of two threads, none ever works on the
//! same address; on the same bucket they may, by compare-and-swap on its header. `tests/loom` goes through the ways in
//! which they may interleave.

use crate::sync::{AtomicU32, AtomicU64, Ordering};

const SLOTS: usize = 6;

const ONES: u64 = 0x0000_0101_0101_0101;
const HIGHS: u64 = 0x0000_8080_8080_8080;
const ELSEWHERE: u64 = 1 << 48;

#[repr(C, align(32))]
pub(super) struct Bucket {
    /// Six bytes of hash, zero where the slot is free; above them the number of entries put elsewhere.
    header: AtomicU64,
    /// Index of an entry, plus one; zero while the slot is being taken or left.
    slots: [AtomicU32; SLOTS],
}

/// Where an entry was found in a row of buckets.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) entry: u32,
    /// Buckets from the first one on.
    distance: usize,
    slot: usize,
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

/// The bucket that is so far from the first one of a hash. There are 2^n of them, at least two.
fn bucket(buckets: &[Bucket], hash: u64, distance: usize) -> Option<&Bucket> {
    let first = (hash >> (64 - buckets.len().ilog2())) as usize;
    buckets.get((first + distance) & (buckets.len() - 1))
}

/// Finds the entry of a hash of which `is_it` says that it is the one that is looked for.
#[inline]
pub(super) fn find(buckets: &[Bucket], hash: u64, is_it: impl Fn(u32) -> bool) -> Option<Place> {
    for distance in 0..buckets.len() {
        let bucket = bucket(buckets, hash, distance)?;
        let header = bucket.header.load(Ordering::Acquire);
        let mut fits = zero_bytes(header ^ (tag(hash) * ONES));
        while fits != 0 {
            let slot = fits.trailing_zeros() as usize / 8;
            fits &= fits - 1;
            let entry = bucket.slots.get(slot)?.load(Ordering::Acquire);
            if let Some(entry) = entry.checked_sub(1).filter(|entry| is_it(*entry)) {
                return Some(Place {
                    entry,
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

/// Puts an entry into one of so many buckets; says whether there was room.
pub(super) fn insert(buckets: &[Bucket], hash: u64, entry: u32, probes: usize) -> bool {
    let probes = probes.min(buckets.len());
    for distance in 0..probes {
        let bucket = bucket(buckets, hash, distance);
        if bucket.is_some_and(|bucket| bucket.put(hash, entry)) {
            return true;
        }
    }
    come_back(buckets, hash, probes);
    false
}

/// Takes an entry out that was found; by the thread that has its block.
pub(super) fn remove(buckets: &[Bucket], hash: u64, place: Place) {
    let bucket = bucket(buckets, hash, place.distance);
    if let Some((bucket, slot)) = bucket.and_then(|b| Some((b, b.slots.get(place.slot)?))) {
        slot.store(0, Ordering::Release);
        let others = !(0xff << (8 * place.slot));
        bucket.header.fetch_and(others, Ordering::AcqRel);
    }
    come_back(buckets, hash, place.distance);
}

/// Says in the buckets before this one that an entry is not elsewhere any more.
fn come_back(buckets: &[Bucket], hash: u64, distance: usize) {
    for distance in 0..distance {
        if let Some(bucket) = bucket(buckets, hash, distance) {
            bucket.header.fetch_sub(ELSEWHERE, Ordering::AcqRel);
        }
    }
}

impl Bucket {
    /// Where no memory can be zeroed to be one.
    #[cfg(loom)]
    pub(super) fn empty() -> Self {
        Self {
            header: AtomicU64::new(0),
            slots: std::array::from_fn(|_| AtomicU32::new(0)),
        }
    }

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
