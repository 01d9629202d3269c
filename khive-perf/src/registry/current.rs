//! Current: which shard the calling thread records into.
//!
//! A thread has a home shard in the process's registry, made at its first measured call and retired when
//! it ends. Inside a [scope](Scope) it records into another registry instead.

use std::cell::Cell;
use std::marker::PhantomData;

use crate::heap::Ledger;
use crate::recorder::local::{self, NOWHERE};
use crate::recorder::shard::Shard;
use crate::registry::{Loss, Registry};
use crate::sync::{Arc, AtomicU64, Ordering};

/// The registry that a process's snapshots are taken from.
pub(crate) static PROCESS: Registry = Registry::of_process();

/// The calling thread's place. It has no destructor, so it can be read while the thread ends.
struct Local {
    /// The current shard, or [`NOWHERE`].
    shard: Cell<*const Shard>,
    /// The shard in the process's registry, or [`NOWHERE`].
    home: Cell<*const Shard>,
    /// The current scope's registry; null outside any.
    scope: Cell<*const Registry>,
    /// The thread has retired its home shard.
    ending: Cell<bool>,
}

thread_local! {
    static LOCAL: Local = const {
        Local {
            shard: Cell::new(&raw const NOWHERE),
            home: Cell::new(&raw const NOWHERE),
            scope: Cell::new(std::ptr::null()),
            ending: Cell::new(false),
        }
    };
    static RETIRE: Retire = const { Retire };
}

impl Local {
    fn enter_shard(&self, shard: *const Shard) {
        self.shard.set(shard);
        // SAFETY: `shard` is `NOWHERE`, or alive while it is current.
        let raw = unsafe { &*shard }.is_raw();
        // SAFETY: `NOWHERE` is everyone's; `shard` is this thread's, and alive while it is current.
        unsafe { local::set_fast(if raw { shard } else { &raw const NOWHERE }) };
    }
}

/// Retires the home shard when the thread ends.
struct Retire;

impl Drop for Retire {
    fn drop(&mut self) {
        LOCAL.with(|local| {
            local.ending.set(true);
            let home = local.home.replace(&raw const NOWHERE);
            if std::ptr::eq(local.shard.get(), home) {
                local.enter_shard(&raw const NOWHERE);
            }
            if !std::ptr::eq(home, &raw const NOWHERE) {
                // SAFETY: the registry frees a shard only after it has ended.
                unsafe { &*home }.ended.store(true, Ordering::Release);
                PROCESS.retire_ended();
            }
        });
    }
}

/// The shard to record into, made if need be. `None` while the thread is ending.
pub(crate) fn shard() -> Option<&'static Shard> {
    LOCAL.with(|local| {
        if std::ptr::eq(local.shard.get(), &raw const NOWHERE) {
            if local.ending.get() || RETIRE.try_with(|_| ()).is_err() {
                PROCESS.count_loss(Loss::ThreadEnding);
                return None;
            }
            let home = PROCESS.add_shard();
            local.home.set(home);
            local.enter_shard(home);
        }
        // SAFETY: alive while it is current; the caller uses it before the thread leaves the scope.
        Some(unsafe { &*local.shard.get() })
    })
}

/// The shard of this thread that has the generation: the current one, or the home shard.
pub(crate) fn shard_of(generation: u32) -> Option<&'static Shard> {
    LOCAL.with(|local| {
        [local.shard.get(), local.home.get()]
            .into_iter()
            // SAFETY: `NOWHERE`, or alive while current, or at home while the thread lives.
            .map(|shard| unsafe { &*shard })
            .find(|shard| shard.generation == generation)
    })
}

/// Looks for something in the shards that the thread records into: the current one, and the home shard.
pub(crate) fn find_in_shards<R>(find: impl Fn(&'static Shard) -> Option<R>) -> Option<R> {
    LOCAL.with(|local| {
        [local.shard.get(), local.home.get()]
            .into_iter()
            // SAFETY: `NOWHERE`, or alive while current, or at home while the thread lives.
            .find_map(|shard| find(unsafe { &*shard }))
    })
}

/// The measured calls that are open on this thread.
pub(crate) fn open_calls() -> OpenCalls {
    let mut calls = OpenCalls {
        ids: [0; OpenCalls::MAX],
        len: 0,
    };
    LOCAL.with(|local| {
        // SAFETY: `NOWHERE`, or alive while it is current, and this thread's.
        let shard = unsafe { &*local.shard.get() };
        // SAFETY: the shard is this thread's.
        unsafe { shard.for_each_open(|id| calls.push(id)) };
    });
    calls
}

/// The series of open calls.
pub(crate) struct OpenCalls {
    ids: [u32; Self::MAX],
    len: usize,
}

impl OpenCalls {
    /// Those further out are left away.
    const MAX: usize = 64;

    fn push(&mut self, id: u32) {
        if let Some(place) = self.ids.get_mut(self.len) {
            *place = id;
            self.len += 1;
        }
    }

    /// From the outermost on.
    pub(crate) fn iter(&self) -> impl Iterator<Item = u32> {
        self.ids.iter().take(self.len).rev().copied()
    }
}

/// Counts a loss in the current registry.
pub(crate) fn count_loss(loss: Loss) {
    LOCAL.with(|local| {
        // SAFETY: the scope's guard keeps the registry alive.
        match unsafe { local.scope.get().as_ref() } {
            Some(registry) => registry.count_loss(loss),
            None => PROCESS.count_loss(loss),
        }
    });
}

/// The current scope's registry; `None` for the process's.
pub(crate) fn registry() -> Option<Arc<Registry>> {
    LOCAL.with(|local| {
        let registry = local.scope.get();
        if registry.is_null() {
            return None;
        }
        // SAFETY: set from an `Arc` that the scope's guard holds, so the count is at least one.
        unsafe { Arc::increment_strong_count(registry) };
        // SAFETY: the count was just raised for this one.
        Some(unsafe { Arc::from_raw(registry) })
    })
}

/// While it lives, the thread records into another registry. It stays on its thread.
pub(crate) struct Scope {
    /// Kept alive for the pointers in `LOCAL`.
    _registry: Option<Arc<Registry>>,
    shard_before: *const Shard,
    scope_before: *const Registry,
    not_send: PhantomData<*const ()>,
}

impl Scope {
    /// Enters a registry; `None` is the process's.
    pub(crate) fn enter(registry: Option<Arc<Registry>>) -> Self {
        LOCAL.with(|local| {
            let quiet = local::quiet();
            let (shard, scope) = match &registry {
                Some(registry) => (
                    registry.shard_of_visitor(thread_number()),
                    Arc::as_ptr(registry),
                ),
                None => (local.home.get(), std::ptr::null()),
            };
            drop(quiet);
            let shard_before = local.shard.get();
            local.enter_shard(shard);
            let scope_before = local.scope.replace(scope);
            local::set_scoped(!scope.is_null());
            // SAFETY: the registry is kept alive by the scope, and its ledger with it.
            unsafe { local::set_ledger(ledger_of(scope)) };
            Self {
                _registry: registry,
                shard_before,
                scope_before,
                not_send: PhantomData,
            }
        })
    }
}

/// Where the blocks of a scope's registry are accounted for; null for the process's.
fn ledger_of(scope: *const Registry) -> *const Ledger {
    // SAFETY: null, or kept alive by its scope.
    let registry = unsafe { scope.as_ref() };
    registry.map_or(std::ptr::null(), |registry| {
        std::ptr::from_ref(registry.ledger())
    })
}

impl Drop for Scope {
    fn drop(&mut self) {
        LOCAL.with(|local| {
            local.scope.set(self.scope_before);
            local::set_scoped(!self.scope_before.is_null());
            // SAFETY: the outer scope keeps its registry alive.
            unsafe { local::set_ledger(ledger_of(self.scope_before)) };
            // Outside any scope the home shard may have been made, or retired, in the meantime.
            let outside = self.scope_before.is_null();
            local.enter_shard(if outside {
                local.home.get()
            } else {
                self.shard_before
            });
        });
    }
}

/// A number that no other thread has, or had.
fn thread_number() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    thread_local! {
        static NUMBER: u64 = NEXT.fetch_add(1, Ordering::Relaxed);
    }
    NUMBER.with(|number| *number)
}
