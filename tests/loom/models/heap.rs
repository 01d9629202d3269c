//! Models of the table of sampled blocks: `khive-perf/src/heap/{bucket,free_list,sequence}.rs`.

use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::thread;

use crate::bucket::{self, Bucket};
use crate::check;
use crate::free_list::FreeList;
use crate::sequence::Sequence;
use crate::sync::{AtomicU32, AtomicU64, Ordering};

/// Two buckets, and which address is at which entry.
struct Table {
    buckets: [Bucket; 2],
    keys: [AtomicU64; 16],
}

/// All of them begin in the first bucket, and have the same byte in its header: the worst there is.
const fn hash(address: u64) -> u64 {
    address & 0x7fff_ffff | 5 << 32
}

impl Table {
    fn new() -> Self {
        Self {
            buckets: [Bucket::empty(), Bucket::empty()],
            keys: std::array::from_fn(|_| AtomicU64::new(0)),
        }
    }

    fn put(&self, address: u64, entry: u32) {
        self.keys[entry as usize].store(address, Ordering::Relaxed);
        assert!(
            bucket::insert(&self.buckets, hash(address), entry, 2),
            "there is room"
        );
    }

    fn find(&self, address: u64) -> Option<bucket::Place> {
        bucket::find(&self.buckets, hash(address), |entry| {
            self.keys[entry as usize].load(Ordering::Relaxed) == address
        })
    }

    fn take(&self, address: u64) -> u32 {
        let place = self.find(address).expect("what was put in is found");
        self.keys[place.entry as usize].store(0, Ordering::Relaxed);
        bucket::remove(&self.buckets, hash(address), place);
        place.entry
    }
}

/// What a thread has put in it finds, and takes out, while another does so in the same bucket.
#[test]
fn an_address_is_found_by_the_thread_that_has_it() {
    check(3, || {
        let table = Arc::new(Table::new());
        let other = {
            let table = Arc::clone(&table);
            thread::spawn(move || {
                table.put(20, 2);
                assert_eq!(table.take(20), 2);
            })
        };
        table.put(10, 1);
        assert_eq!(table.take(10), 1);
        assert!(table.find(10).is_none(), "what was taken out is gone");
        other.join().expect("no model panics");
    });
}

/// What was put elsewhere because its bucket was full is found there, while another thread empties that bucket.
#[test]
fn an_address_that_was_put_elsewhere_is_found() {
    check(2, || {
        let table = Arc::new(Table::new());
        for entry in 1..=6 {
            table.put(u64::from(entry) * 10, entry);
        }
        let other = {
            let table = Arc::clone(&table);
            thread::spawn(move || {
                assert_eq!(table.take(10), 1);
                table.put(80, 8);
            })
        };
        table.put(70, 7);
        assert_eq!(table.take(70), 7);
        other.join().expect("no model panics");
        for entry in [2, 3, 4, 5, 6, 8] {
            assert_eq!(table.take(u64::from(entry) * 10), entry);
        }
    });
}

/// An address that another thread has had, and gave back, is the one that this thread puts in, and no other.
#[test]
fn an_address_that_changes_hands_is_found_where_it_was_put_last() {
    check(3, || {
        let table = Arc::new(Table::new());
        table.put(10, 1);
        let allocator = Arc::new(AtomicU32::new(0));
        let other = {
            let (table, allocator) = (Arc::clone(&table), Arc::clone(&allocator));
            thread::spawn(move || {
                assert_eq!(table.take(10), 1);
                // The inner allocator has the block from here on.
                allocator.store(1, Ordering::Release);
            })
        };
        if allocator.load(Ordering::Acquire) == 1 {
            table.put(10, 2);
            assert_eq!(table.take(10), 2);
        }
        other.join().expect("no model panics");
    });
}

/// Entries of which each is in use by one thread at a time.
struct Entries {
    free: FreeList,
    next: [AtomicU32; 2],
    used_by: [UnsafeCell<u32>; 2],
}

// SAFETY: `used_by` is touched by the thread that took the entry, which is what the models are about; loom would notice.
unsafe impl Sync for Entries {}
// SAFETY: as above.
unsafe impl Send for Entries {}

impl Entries {
    fn give_back(&self, index: u32) {
        let remember = |next| self.next[index as usize].store(next, Ordering::Relaxed);
        self.free.give_back(index, remember);
    }

    fn take(&self) -> Option<u32> {
        self.free
            .take(|index| Some(self.next[index as usize].load(Ordering::Relaxed)))
    }

    fn use_one(&self, thread: u32) {
        if let Some(index) = self.take() {
            // SAFETY: this thread has taken it.
            self.used_by[index as usize].with_mut(|by| unsafe { *by = thread });
            self.give_back(index);
        }
    }
}

/// No two threads have one entry at a time, and none is lost, however often they are taken and given back meanwhile.
#[test]
fn an_entry_is_in_use_by_one_thread_at_a_time() {
    check(3, || {
        let entries = Arc::new(Entries {
            free: FreeList::new(),
            next: [AtomicU32::new(0), AtomicU32::new(0)],
            used_by: [UnsafeCell::new(0), UnsafeCell::new(0)],
        });
        entries.give_back(0);
        entries.give_back(1);
        let other = {
            let entries = Arc::clone(&entries);
            thread::spawn(move || {
                entries.use_one(1);
                entries.use_one(1);
            })
        };
        let (first, second) = (entries.take(), entries.take());
        assert!(first != second || first.is_none());
        for index in [first, second].into_iter().flatten() {
            // SAFETY: this thread has taken it.
            entries.used_by[index as usize].with_mut(|by| unsafe { *by = 2 });
            entries.give_back(index);
        }
        other.join().expect("no model panics");
        let mut all = [entries.take(), entries.take()];
        all.sort_unstable();
        assert_eq!((all, entries.take()), ([Some(0), Some(1)], None));
    });
}

/// What a reader is given of an entry was in it at one time.
#[test]
fn an_entry_is_read_whole_or_not_at_all() {
    check(3, || {
        let entry = Arc::new((Sequence::new(), AtomicU64::new(1), AtomicU64::new(10)));
        let writer = {
            let entry = Arc::clone(&entry);
            thread::spawn(move || {
                for value in [2, 3] {
                    entry.0.write(|| {
                        entry.1.store(value, Ordering::Relaxed);
                        entry.2.store(value * 10, Ordering::Relaxed);
                    });
                }
            })
        };
        let read = || {
            (
                entry.1.load(Ordering::Relaxed),
                entry.2.load(Ordering::Relaxed),
            )
        };
        if let Some((one, ten)) = entry.0.read(read) {
            assert_eq!(one * 10, ten);
        }
        writer.join().expect("no model panics");
    });
}
