//! Current: which shard the calling thread records into.
//!
//! A thread has a home shard in the process's registry, made at its first measured call and retired when
//! it ends. Inside a [scope](Scope) it records into another registry instead, or, in a trace, into another shard of the
//! same: so the calls outside of traces need not know that there are any.

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
    /// The one there for the calls of traces, or [`NOWHERE`].
    traced_home: Cell<*const Shard>,
    /// Whether the current scope is in a trace.
    traced: Cell<bool>,
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
            traced_home: Cell::new(&raw const NOWHERE),
            traced: Cell::new(false),
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
        let shard_is = unsafe { &*shard };
        let raw = shard_is.is_raw() && !shard_is.is_traced;
        // SAFETY: `NOWHERE` is everyone's; `shard` is this thread's, and alive while it is current.
        unsafe { local::set_fast(if raw { shard } else { &raw const NOWHERE }) };
    }

    /// The shard in the process's registry, made if need be; [`NOWHERE`] while the thread is ending.
    fn home(&self, is_traced: bool) -> *const Shard {
        let home = if is_traced {
            &self.traced_home
        } else {
            &self.home
        };
        let is_there = !std::ptr::eq(home.get(), &raw const NOWHERE);
        if !is_there && !self.ending.get() && RETIRE.try_with(|_| ()).is_ok() {
            home.set(PROCESS.add_shard(is_traced));
        }
        home.get()
    }

    /// The shards that the thread records into: the current one, and those at home.
    fn shards(&self) -> impl Iterator<Item = &'static Shard> + use<> {
        let shards = [self.shard.get(), self.home.get(), self.traced_home.get()];
        // SAFETY: `NOWHERE`, or alive while current, or at home while the thread lives.
        shards.into_iter().map(|shard| unsafe { &*shard })
    }
}

/// Retires the shards at home when the thread ends.
struct Retire;

impl Drop for Retire {
    fn drop(&mut self) {
        LOCAL.with(|local| {
            local.ending.set(true);
            for home in [&local.home, &local.traced_home] {
                let home = home.replace(&raw const NOWHERE);
                if std::ptr::eq(home, &raw const NOWHERE) {
                    continue;
                }
                if std::ptr::eq(local.shard.get(), home) {
                    local.enter_shard(&raw const NOWHERE);
                }
                // SAFETY: the registry frees a shard only after it has ended.
                unsafe { &*home }.link.end();
                PROCESS.retire_ended();
            }
        });
    }
}

/// The shard to record into, made if need be. `None` while the thread is ending.
pub(crate) fn shard() -> Option<&'static Shard> {
    LOCAL.with(|local| {
        if std::ptr::eq(local.shard.get(), &raw const NOWHERE) {
            let home = local.home(false);
            if std::ptr::eq(home, &raw const NOWHERE) {
                PROCESS.count_loss(Loss::ThreadEnding);
                return None;
            }
            local.enter_shard(home);
        }
        // SAFETY: alive while it is current; the caller uses it before the thread leaves the scope.
        Some(unsafe { &*local.shard.get() })
    })
}

/// The shard of this thread that has the generation: the current one, or one at home.
pub(crate) fn shard_of(generation: u32) -> Option<&'static Shard> {
    LOCAL.with(|local| {
        let mut shards = local.shards();
        shards.find(|shard| shard.generation == generation)
    })
}

/// Looks for something in the shards that the thread records into: the current one, and those at home.
pub(crate) fn find_in_shards<R>(find: impl Fn(&'static Shard) -> Option<R>) -> Option<R> {
    LOCAL.with(|local| local.shards().find_map(find))
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

/// While it lives, the thread records into another registry, or is in a trace. It stays on its thread.
pub(crate) struct Scope {
    /// Kept alive for the pointers in `LOCAL`.
    _registry: Option<Arc<Registry>>,
    shard_before: *const Shard,
    scope_before: *const Registry,
    traced_before: bool,
    /// What the scope's shard had in callees when it was entered.
    callees_before: u64,
    not_send: PhantomData<*const ()>,
}

impl Scope {
    /// Enters a registry, `None` is the process's; in a trace or not.
    pub(crate) fn enter(registry: Option<Arc<Registry>>, is_traced: bool) -> Self {
        LOCAL.with(|local| {
            let quiet = local::quiet();
            let (shard, scope) = match &registry {
                Some(registry) => (
                    registry.shard_of_visitor(thread_number(), is_traced),
                    Arc::as_ptr(registry),
                ),
                None if is_traced => (local.home(true), std::ptr::null()),
                None => (local.home.get(), std::ptr::null()),
            };
            // SAFETY: `NOWHERE`, or alive: the registry is held, or it is at home.
            let entered = unsafe { &*shard };
            // SAFETY: `NOWHERE`, which nobody writes to, or this thread's.
            let callees_before = unsafe { entered.in_callees() };
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
                traced_before: local.traced.replace(is_traced),
                callees_before,
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
            local.traced.set(self.traced_before);
            let left = local.shard.get();
            // Outside any scope the home shard may have been made, or retired, in the meantime.
            let outer = match (self.scope_before.is_null(), self.traced_before) {
                (true, true) => local.traced_home.get(),
                (true, false) => local.home.get(),
                (false, _) => self.shard_before,
            };
            local.enter_shard(outer);
            self.hand_on_callees(left, outer);
        });
    }
}

impl Scope {
    /// The calls of a trace are callees of the call that the scope was entered in, though another shard has them.
    fn hand_on_callees(&self, left: *const Shard, outer: *const Shard) {
        let is_same = std::ptr::eq(left, outer) || !std::ptr::eq(outer, self.shard_before);
        if is_same || [left, outer].contains(&(&raw const NOWHERE)) {
            return;
        }
        // SAFETY: alive, because it was left just now.
        let left = unsafe { &*left };
        // SAFETY: alive, because it is current.
        let outer = unsafe { &*outer };
        if left.registry == outer.registry {
            // SAFETY: this thread's, as above.
            let ticks = unsafe { left.in_callees() }.wrapping_sub(self.callees_before);
            // SAFETY: this thread's, as above.
            unsafe { outer.add_callees(ticks) };
        }
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
