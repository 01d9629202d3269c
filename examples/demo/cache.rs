//! Lru: a bounded map that forgets what was used least recently.
//!
//! Entries live in a slab and are linked from most to least recently used by index, so that a hit
//! moves two links and allocates nothing.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};

use serde::Serialize;

/// A map of at most `capacity` entries; inserting into a full one evicts the least recently used.
#[derive(Debug)]
pub struct Lru<K, V> {
    slots: Vec<Slot<K, V>>,
    index: HashMap<K, usize>,
    newest: usize,
    oldest: usize,
    capacity: usize,
    hits: u64,
    misses: u64,
    evictions: u64,
}

#[derive(Debug)]
struct Slot<K, V> {
    key: K,
    value: V,
    newer: usize,
    older: usize,
}

/// What a cache holds and how it has served so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct CacheStats {
    /// Entries held now.
    pub len: usize,
    /// Entries held at most.
    pub capacity: usize,
    /// Lookups that found their entry.
    pub hits: u64,
    /// Lookups that did not.
    pub misses: u64,
    /// Entries forgotten to make room.
    pub evictions: u64,
}

/// No slot: the end of the list in either direction.
const NONE: usize = usize::MAX;

// === impl Lru ===

impl<K: Clone + Eq + Hash, V: Clone> Lru<K, V> {
    /// An empty cache; a capacity of 0 is taken as 1.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self {
            slots: Vec::new(),
            index: HashMap::new(),
            newest: NONE,
            oldest: NONE,
            capacity: capacity.max(1),
            hits: 0,
            misses: 0,
            evictions: 0,
        }
    }

    /// Looks an entry up and makes it the most recently used.
    pub fn get(&mut self, key: &K) -> Option<V> {
        let Some(&at) = self.index.get(key) else {
            self.misses += 1;
            return None;
        };
        self.hits += 1;
        self.unlink(at);
        self.link_newest(at);
        Some(self.slots[at].value.clone())
    }

    /// Stores an entry as the most recently used and returns the one that had to go, if any.
    pub fn insert(&mut self, key: K, value: V) -> Option<(K, V)> {
        if let Some(&at) = self.index.get(&key) {
            self.slots[at].value = value;
            self.unlink(at);
            self.link_newest(at);
            return None;
        }
        if self.slots.len() < self.capacity {
            self.slots.push(Slot {
                key: key.clone(),
                value,
                newer: NONE,
                older: NONE,
            });
            let at = self.slots.len() - 1;
            self.index.insert(key, at);
            self.link_newest(at);
            return None;
        }
        Some(self.replace_oldest(key, value))
    }

    /// What the cache holds and how it has served so far.
    #[must_use]
    pub fn stats(&self) -> CacheStats {
        CacheStats {
            len: self.slots.len(),
            capacity: self.capacity,
            hits: self.hits,
            misses: self.misses,
            evictions: self.evictions,
        }
    }

    fn replace_oldest(&mut self, key: K, value: V) -> (K, V) {
        let at = self.oldest;
        self.unlink(at);
        let slot = &mut self.slots[at];
        let old_key = std::mem::replace(&mut slot.key, key.clone());
        let old_value = std::mem::replace(&mut slot.value, value);
        self.index.remove(&old_key);
        self.index.insert(key, at);
        self.link_newest(at);
        self.evictions += 1;
        (old_key, old_value)
    }

    fn unlink(&mut self, at: usize) {
        let Slot { newer, older, .. } = self.slots[at];
        match newer {
            NONE => self.newest = older,
            newer => self.slots[newer].older = older,
        }
        match older {
            NONE => self.oldest = newer,
            older => self.slots[older].newer = newer,
        }
    }

    fn link_newest(&mut self, at: usize) {
        let older = self.newest;
        self.slots[at].newer = NONE;
        self.slots[at].older = older;
        match older {
            NONE => self.oldest = at,
            older => self.slots[older].newer = at,
        }
        self.newest = at;
    }
}

/// An [`Lru`] that is shared between tasks; the lock is held for one lookup or one insertion.
#[derive(Debug)]
pub(crate) struct SharedCache<K, V> {
    entries: Mutex<Lru<K, V>>,
}

// === impl SharedCache ===

impl<K: Clone + Eq + Hash, V: Clone> SharedCache<K, V> {
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            entries: Mutex::new(Lru::new(capacity)),
        }
    }

    #[khive_perf::measure(name = "cache::get", group = "cache")]
    pub(crate) fn get(&self, key: &K) -> Option<V> {
        self.locked(|entries| entries.get(key))
    }

    #[khive_perf::measure(name = "cache::insert", group = "cache")]
    pub(crate) fn insert(&self, key: K, value: V) {
        let evicted = self.locked(|entries| entries.insert(key, value));
        drop(evicted); // freed after the lock
    }

    pub(crate) fn stats(&self) -> CacheStats {
        self.locked(|entries| entries.stats())
    }

    fn locked<R>(&self, work: impl FnOnce(&mut Lru<K, V>) -> R) -> R {
        work(&mut self.entries.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_recently_used_entry_is_evicted() {
        let mut cache = Lru::new(2);
        cache.insert("a", 1);
        cache.insert("b", 2);
        assert_eq!(cache.get(&"a"), Some(1));
        assert_eq!(cache.insert("c", 3), Some(("b", 2)));
        assert_eq!(cache.get(&"b"), None);
        assert_eq!(cache.get(&"a"), Some(1));
        assert_eq!(cache.get(&"c"), Some(3));
        let stats = cache.stats();
        assert_eq!((stats.hits, stats.misses, stats.evictions), (3, 1, 1));
    }

    #[test]
    fn inserting_an_existing_key_replaces_its_value_and_refreshes_it() {
        let mut cache = Lru::new(2);
        cache.insert("a", 1);
        cache.insert("b", 2);
        assert_eq!(cache.insert("a", 10), None);
        assert_eq!(cache.insert("c", 3), Some(("b", 2)));
        assert_eq!(cache.get(&"a"), Some(10));
        assert_eq!(cache.stats().len, 2);
    }

    #[test]
    fn a_cache_of_one_misses_every_alternating_key() {
        let mut cache = Lru::new(1);
        for round in 0..10 {
            assert_eq!(cache.get(&(round % 2)), None);
            cache.insert(round % 2, round);
        }
        let stats = cache.stats();
        assert_eq!((stats.len, stats.hits, stats.misses), (1, 0, 10));
        assert_eq!(stats.evictions, 9);
    }

    /// Goal: the linked list agrees with the obvious model. Method: a long pseudo-random sequence of
    /// lookups and insertions against a vector kept in order of use.
    #[test]
    fn a_long_sequence_agrees_with_a_plain_list() {
        let mut cache = Lru::new(7);
        let mut model: Vec<(u64, u64)> = Vec::new();
        let mut state = 42_u64;
        for step in 0..20_000 {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            let key = (state >> 33) % 12;
            let known = model.iter().position(|&(k, _)| k == key);
            if state >> 63 == 0 {
                let expected = known.map(|at| {
                    let entry = model.remove(at);
                    model.push(entry);
                    entry.1
                });
                assert_eq!(cache.get(&key), expected, "step {step}");
            } else {
                let expected = match known {
                    Some(at) => {
                        model.remove(at);
                        None
                    }
                    None if model.len() == 7 => Some(model.remove(0)),
                    None => None,
                };
                model.push((key, step));
                assert_eq!(cache.insert(key, step), expected, "step {step}");
            }
        }
        assert!(cache.stats().evictions > 1_000);
    }
}
