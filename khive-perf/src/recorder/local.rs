//! Local: which shard the calling thread's hot path uses, and whether it may use any.
//!
//! The recorder allocates when it meets something for the first time. The allocator may be measured
//! itself, and must not come back into a table that is being grown or to a lock that is held: while a
//! [`Quiet`] lives, the thread's calls are not recorded.

use std::cell::Cell;
use std::marker::PhantomData;

use crate::recorder::shard::Shard;

/// The shard of those who have none.
pub(crate) static NOWHERE: Shard = Shard::nowhere();

/// It has no destructor, so it can be read while the thread ends.
struct Local {
    /// What the hot path uses: `shard`, or [`NOWHERE`] while the thread is quiet.
    fast: Cell<*const Shard>,
    shard: Cell<*const Shard>,
    quiet: Cell<u32>,
}

thread_local! {
    static LOCAL: Local = const {
        Local {
            fast: Cell::new(&raw const NOWHERE),
            shard: Cell::new(&raw const NOWHERE),
            quiet: Cell::new(0),
        }
    };
}

/// The shard that the hot path may use, or one without cells.
#[inline(always)]
pub(crate) fn fast() -> &'static Shard {
    // SAFETY: `NOWHERE`, or a shard that is alive while it is set. The caller uses it before the thread
    // can leave the scope or end.
    LOCAL.with(|local| unsafe { &*local.fast.get() })
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
        }
    });
}

/// Whether the recorder is at work on this thread, so that nothing may be recorded.
pub(crate) fn is_quiet() -> bool {
    LOCAL.with(|local| local.quiet.get() > 0)
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
            }
        });
    }
}
