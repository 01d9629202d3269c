//! Local: which shard the calling thread's hot path uses, and whether it may use any.
//!
//! The recorder allocates when it meets something for the first time. The allocator may be measured
//! itself, and must not come back into a table that is being grown or to a lock that is held: while a
//! [`Quiet`] lives, the thread's calls are not recorded.

use std::cell::Cell;
use std::marker::PhantomData;

use crate::recorder::node::{NOBODY, Node};
use crate::recorder::shard::Shard;

/// The shard of those who have none.
pub(crate) static NOWHERE: Shard = Shard::nowhere();

/// It has no destructor, so it can be read while the thread ends.
struct Local {
    /// What the hot path uses: `shard`, or [`NOWHERE`] while the thread is quiet.
    fast: Cell<*const Shard>,
    /// The current node of `fast`.
    current: Cell<*const Node>,
    shard: Cell<*const Shard>,
    quiet: Cell<u32>,
    /// The thread records into another registry than the process's.
    scoped: Cell<bool>,
    allocated: Cell<Allocated>,
}

/// What a thread has allocated since it started, by its own code and not by the recorder.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Allocated {
    pub(crate) bytes: u64,
    pub(crate) allocations: u64,
}

impl Allocated {
    /// What came after `earlier`.
    pub(crate) const fn since(self, earlier: Self) -> Self {
        Self {
            bytes: self.bytes.wrapping_sub(earlier.bytes),
            allocations: self.allocations.wrapping_sub(earlier.allocations),
        }
    }

    pub(crate) const fn and(self, other: Self) -> Self {
        Self {
            bytes: self.bytes.wrapping_add(other.bytes),
            allocations: self.allocations.wrapping_add(other.allocations),
        }
    }
}

thread_local! {
    static LOCAL: Local = const {
        Local {
            fast: Cell::new(&raw const NOWHERE),
            current: Cell::new(&raw const NOBODY),
            shard: Cell::new(&raw const NOWHERE),
            quiet: Cell::new(0),
            scoped: Cell::new(false),
            allocated: Cell::new(Allocated {
                bytes: 0,
                allocations: 0,
            }),
        }
    };
}

/// The shard that the hot path may use, or one without cells.
#[inline(always)]
pub(crate) fn fast() -> &'static Shard {
    // A reference here would cost a test: null would be an access error.
    let shard = LOCAL.with(|local| local.fast.get());
    // SAFETY: `NOWHERE`, or a shard that is alive while it is set. The caller uses it before the thread
    // can leave the scope or end.
    unsafe { &*shard }
}

/// The node of a call of series `id` that is to come, if it is at hand where the thread is; another one if not.
#[inline(always)]
pub(crate) fn at_hand(id: u32) -> &'static Node {
    let current = LOCAL.with(|local| local.current.get());
    // SAFETY: a node of `fast`, which is alive, or what stands for none.
    let current = unsafe { &*current };
    // SAFETY: the nodes of `fast` are this thread's; what stands for none does not change.
    let node = unsafe { current.at_hand(id).get() };
    // SAFETY: as of the current node.
    unsafe { &*node }
}

/// Says which node is the current one.
///
/// # Safety
///
/// It is a node of [`fast`], or what stands for none.
#[inline(always)]
pub(crate) unsafe fn set_current(node: *const Node) {
    LOCAL.with(|local| local.current.set(node));
}

/// Takes the current node from the shard, after it has changed there.
pub(crate) fn follow_shard() {
    LOCAL.with(Local::follow_shard);
}

impl Local {
    fn follow_shard(&self) {
        // SAFETY: `NOWHERE`, or a shard that is alive while it is set.
        let shard = unsafe { &*self.fast.get() };
        self.current.set(shard.current());
    }
}

/// Sets the shard of the hot path.
///
/// # Safety
///
/// The shard belongs to this thread and stays alive until another is set.
pub(crate) unsafe fn set_fast(shard: *const Shard) {
    LOCAL.with(|local| {
        local.shard.set(shard);
        if local.quiet.get() == 0 {
            local.fast.set(shard);
            local.follow_shard();
        }
    });
}

/// Whether the thread records into another registry than the process's.
#[inline(always)]
pub(crate) fn is_scoped() -> bool {
    LOCAL.with(|local| local.scoped.get())
}

/// Says whether it does.
pub(crate) fn set_scoped(scoped: bool) {
    LOCAL.with(|local| local.scoped.set(scoped));
}

/// Whether the recorder is at work on this thread, so that nothing may be recorded.
pub(crate) fn is_quiet() -> bool {
    LOCAL.with(|local| local.quiet.get() > 0)
}

/// What this thread has allocated so far.
pub(crate) fn allocated() -> Allocated {
    LOCAL.with(|local| local.allocated.get())
}

/// Counts an allocation of this thread, unless it is the recorder's.
#[inline]
pub(crate) fn count_allocation(bytes: u64) {
    LOCAL.with(|local| {
        if local.quiet.get() == 0 {
            let one = Allocated {
                bytes,
                allocations: 1,
            };
            local.allocated.set(local.allocated.get().and(one));
        }
    });
}

/// While it lives, this thread's calls are not recorded.
pub(crate) struct Quiet {
    not_send: PhantomData<*const ()>,
}

/// Keeps the thread's calls from being recorded.
pub(crate) fn quiet() -> Quiet {
    LOCAL.with(|local| {
        local.quiet.set(local.quiet.get() + 1);
        local.fast.set(&raw const NOWHERE);
        local.current.set(&raw const NOBODY);
    });
    Quiet {
        not_send: PhantomData,
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        LOCAL.with(|local| {
            local.quiet.set(local.quiet.get() - 1);
            if local.quiet.get() == 0 {
                local.fast.set(local.shard.get());
                local.follow_shard();
            }
        });
    }
}
