//! Tracked: a guard by which a program declares what it must give back.

use std::panic::Location;
use std::time::Duration;

use crate::clock::monotonic_ns;
use crate::leak::census::{Census, Kind, Live};
use crate::leak::names::Names;
use crate::sync::{AtomicU64, Mutex, Ordering, lock};

/// A thing that the program is going to give back: a lease, a subscription, a handle of a foreign library.
///
/// Put it into the thing, or beside it. For as long as it is not dropped, censuses have it, under its name and the
/// place that made it; a detector judges it as it does blocks of memory.
///
/// # Overhead
///
/// A reading of the clock and a lock that only those with the same number by 16 take, when it is made; the lock again when
/// it is dropped. 56 bytes beside the guard. Without the feature `enabled`, nothing.
///
/// # Limits
///
/// 1,048,576 of them at the same time; later ones are not tracked, and counted in
/// [`LeakReport::unknown`](crate::leak::LeakReport::unknown).
///
/// # Examples
///
/// ```
/// use khive_perf::leak::Tracked;
///
/// struct Lease {
///     _tracked: Tracked,
/// }
///
/// let lease = Lease { _tracked: Tracked::new("database lease") };
/// assert_eq!(khive_perf::leak::tracked_count("database lease"), 1);
/// drop(lease);
/// assert_eq!(khive_perf::leak::tracked_count("database lease"), 0);
/// ```
#[derive(Debug)]
#[must_use = "it counts as given back once it is dropped"]
pub struct Tracked {
    id: u64,
    /// Where it stands among those of its shard; `NOWHERE` if it is not tracked.
    slot: u32,
}

const SHARDS: usize = 16;
const PER_SHARD_MAX: usize = 65_536;
const NOWHERE: u32 = u32::MAX;

/// Guards that are alive, by the remainder of their numbers.
static ALIVE: [Mutex<Shard>; SHARDS] = [const { Mutex::new(Shard::new()) }; SHARDS];
/// Number of the next guard; `Relaxed`, as it orders nothing.
static NEXT: AtomicU64 = AtomicU64::new(0);
/// Guards that found no room; `Relaxed`, as it only counts.
static LEFT_OUT: AtomicU64 = AtomicU64::new(0);

#[derive(Debug)]
struct Shard {
    entries: Vec<Option<Entry>>,
    vacant: Vec<u32>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    id: u64,
    name: &'static str,
    place: &'static Location<'static>,
    born_ns: u64,
    bytes: usize,
}

impl Tracked {
    /// Declares one thing.
    #[track_caller]
    pub fn new(name: &'static str) -> Self {
        Self::with_bytes(name, 0)
    }

    /// Declares one thing that takes so many bytes.
    #[track_caller]
    pub fn with_bytes(name: &'static str, bytes: usize) -> Self {
        let untracked = Self {
            id: 0,
            slot: NOWHERE,
        };
        if !cfg!(feature = "enabled") {
            return untracked;
        }
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        let entry = Entry {
            id,
            name,
            place: Location::caller(),
            born_ns: monotonic_ns(),
            bytes,
        };
        let Some(slot) = shard_of(id).and_then(|shard| lock(shard).add(entry)) else {
            LEFT_OUT.fetch_add(1, Ordering::Relaxed);
            return untracked;
        };
        Self { id, slot }
    }

    /// Says how many bytes it takes now.
    pub fn set_bytes(&self, bytes: usize) {
        if let Some(shard) = shard_of(self.id) {
            let mut shard = lock(shard);
            let entry = shard.entries.get_mut(self.slot as usize);
            if let Some(entry) = entry.and_then(Option::as_mut) {
                entry.bytes = bytes;
            }
        }
    }
}

impl Drop for Tracked {
    fn drop(&mut self) {
        if self.slot != NOWHERE
            && let Some(shard) = shard_of(self.id)
        {
            lock(shard).remove(self.slot);
        }
    }
}

fn shard_of(id: u64) -> Option<&'static Mutex<Shard>> {
    ALIVE.get(id as usize % SHARDS)
}

impl Shard {
    const fn new() -> Self {
        Self {
            entries: Vec::new(),
            vacant: Vec::new(),
        }
    }

    fn add(&mut self, entry: Entry) -> Option<u32> {
        if let Some(slot) = self.vacant.pop() {
            *self.entries.get_mut(slot as usize)? = Some(entry);
            return Some(slot);
        }
        if self.entries.len() == PER_SHARD_MAX {
            return None;
        }
        self.entries.push(Some(entry));
        u32::try_from(self.entries.len() - 1).ok()
    }

    fn remove(&mut self, slot: u32) {
        if let Some(entry) = self.entries.get_mut(slot as usize) {
            *entry = None;
            self.vacant.push(slot);
        }
    }
}

/// Number of [`Tracked`] of this name that are alive.
///
/// # Overhead
///
/// Looks at all that are alive, and keeps a sixteenth of them at a time from being made and dropped.
#[must_use]
pub fn tracked_count(name: &str) -> usize {
    let mut count = 0;
    visit(|entry| count += usize::from(entry.name == name));
    count
}

fn visit(mut each: impl FnMut(&Entry)) {
    for shard in &ALIVE {
        lock(shard).entries.iter().flatten().for_each(&mut each);
    }
}

/// Adds all guards to a census; the number of those that found no room.
pub(super) fn add_to(census: &mut Census, names: &mut Names) -> u64 {
    visit(|entry| {
        let (file, line) = (entry.place.file(), entry.place.line());
        let origin = names.number(Kind::Declared, entry.name, file, line);
        let born = Duration::from_nanos(entry.born_ns);
        census
            .live
            .push(Live::new(entry.id, origin, born, entry.bytes));
    });
    LEFT_OUT.load(Ordering::Relaxed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry() -> Entry {
        Entry {
            id: 1,
            name: "x",
            place: Location::caller(),
            born_ns: 0,
            bytes: 0,
        }
    }

    fn census() -> (Census, Names) {
        let (mut census, mut names) = (Census::at(Duration::from_secs(1)), Names::default());
        add_to(&mut census, &mut names);
        (census, names)
    }

    #[test]
    fn a_census_has_what_is_declared_until_it_is_dropped() {
        let tracked = Tracked::with_bytes("tracked: one", 10);
        tracked.set_bytes(20);
        let (mut census, names) = census();
        names.describe(&mut census);
        let (id, origin) = census
            .origins
            .iter()
            .find(|(_, origin)| origin.callsite == "tracked: one")
            .expect("it is alive");
        assert!(origin.file.ends_with("tracked.rs"));
        let live = census.live.iter().find(|live| live.origin == *id);
        assert_eq!(live.map(|live| live.size), Some(20));
        drop(tracked);
        assert_eq!(tracked_count("tracked: one"), 0);
    }

    #[test]
    fn a_place_that_became_vacant_is_used_again() {
        let mut shard = Shard::new();
        let entry = entry();
        assert_eq!(shard.add(entry), Some(0));
        assert_eq!(shard.add(entry), Some(1));
        shard.remove(0);
        assert_eq!(shard.add(entry), Some(0));
        assert_eq!(shard.entries.len(), 2);
    }

    #[test]
    fn what_finds_no_room_is_refused() {
        let mut shard = Shard::new();
        let entry = entry();
        shard.entries = vec![Some(entry); PER_SHARD_MAX];
        assert_eq!(shard.add(entry), None);
    }
}
