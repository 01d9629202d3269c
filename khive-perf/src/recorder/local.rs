//! Local: which shard the calling thread's hot path uses, and whether it may use any.
//!
//! The recorder allocates when it meets something for the first time. The allocator may be measured
//! itself, and must not come back into a table that is being grown or to a lock that is held: while a
//! [`Quiet`] lives, the thread's calls are not recorded.

use std::cell::Cell;
use std::marker::PhantomData;

use crate::heap::rate::{Random, Rate};
use crate::heap::{self, Ledger};
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
    heap: Heap,
}

/// What the allocator's hook knows of a thread.
struct Heap {
    /// Bytes until the next block is sampled, as drawn; below zero once it is time. [`QUIET`] while the recorder is at
    /// work.
    left: Cell<i64>,
    /// `left`, while the recorder is at work.
    kept: Cell<i64>,
    /// What the thread has allocated, and `left`. So one subtraction counts bytes and says when it is time.
    drawn: Cell<i64>,
    allocations: Cell<u64>,
    /// The rate that `left` was drawn at; `None` before the first.
    rate: Cell<Option<Rate>>,
    /// Where blocks are accounted for; null for the process's ledger.
    ledger: Cell<*const Ledger>,
    random: Cell<Random>,
}

/// Instead of a number of bytes: every allocation takes the cold way, where it is let pass.
const QUIET: i64 = i64::MIN / 2;

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
}

thread_local! {
    static LOCAL: Local = const {
        Local {
            fast: Cell::new(&raw const NOWHERE),
            current: Cell::new(&raw const NOBODY),
            shard: Cell::new(&raw const NOWHERE),
            quiet: Cell::new(0),
            scoped: Cell::new(false),
            heap: Heap {
                left: Cell::new(0),
                kept: Cell::new(0),
                drawn: Cell::new(0),
                allocations: Cell::new(0),
                rate: Cell::new(None),
                ledger: Cell::new(std::ptr::null()),
                random: Cell::new(Random::UNSEEDED),
            },
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
    LOCAL.with(|local| Allocated {
        bytes: local.heap.drawn.get().wrapping_sub(local.left().get()) as u64,
        allocations: local.heap.allocations.get(),
    })
}

/// Counts an allocation of this thread; `true` if it is time to [`look`].
#[inline(always)]
pub(crate) fn count_allocation(bytes: usize) -> bool {
    LOCAL.with(|local| {
        let left = local.heap.left.get().wrapping_sub(bytes as i64);
        local.heap.left.set(left);
        if left < 0 {
            return true;
        }
        let allocations = &local.heap.allocations;
        allocations.set(allocations.get().wrapping_add(1));
        false
    })
}

/// A block that is to be sampled.
#[derive(Clone, Copy)]
pub(crate) struct Pick {
    pub(crate) rate: Rate,
    pub(crate) ledger: &'static Ledger,
}

/// Counts an allocation of which [`count_allocation`] said that it is time, and says whether it is to be sampled.
pub(crate) fn look() -> Option<Pick> {
    LOCAL.with(|local| {
        if local.quiet.get() > 0 {
            local.heap.left.set(QUIET);
            return None;
        }
        let allocations = &local.heap.allocations;
        allocations.set(allocations.get().wrapping_add(1));
        let heap = &local.heap;
        let drawn_at = match heap.rate.get() {
            Some(rate) => rate,
            None => {
                // The first of the thread: nothing was drawn yet, so it has to be now, for this one as for all others.
                let bytes = heap.left.replace(0);
                local.draw();
                heap.left.set(heap.left.get().wrapping_add(bytes));
                if heap.left.get() >= 0 {
                    return None;
                }
                heap.rate.get().unwrap_or(Rate::Off)
            }
        };
        local.draw();
        if drawn_at == Rate::Off {
            return None;
        }
        let ledger = heap.ledger.get();
        // SAFETY: null, or alive while it is set. The caller uses it before the thread can leave the scope.
        let ledger = unsafe { ledger.as_ref() }.unwrap_or(&heap::PROCESS);
        Some(Pick {
            rate: drawn_at,
            ledger,
        })
    })
}

/// Takes back the count of an allocation that failed.
pub(crate) fn take_back(bytes: usize) {
    LOCAL.with(|local| {
        if local.quiet.get() == 0 {
            let heap = &local.heap;
            heap.drawn.set(heap.drawn.get().wrapping_sub(bytes as i64));
            heap.allocations.set(heap.allocations.get().wrapping_sub(1));
        }
    });
}

/// A number that no other thread has at the same time.
pub(crate) fn thread() -> usize {
    LOCAL.with(|local| std::ptr::from_ref(local).addr())
}

/// What this thread will know again until it allocates.
pub(crate) fn mark() -> u16 {
    LOCAL.with(|local| {
        let thread = std::ptr::from_ref(local).addr() as u64;
        let mixed = (thread ^ local.heap.allocations.get()).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (mixed >> 48) as u16
    })
}

/// A number between 0 and 1.
pub(crate) fn chance() -> f64 {
    LOCAL.with(|local| local.with_random(Random::unit))
}

/// Says where the thread's blocks are accounted for from now on; null for the process's ledger.
///
/// # Safety
///
/// It stays alive until another is set.
pub(crate) unsafe fn set_ledger(ledger: *const Ledger) {
    LOCAL.with(|local| {
        if !std::ptr::eq(local.heap.ledger.replace(ledger), ledger) {
            // What was drawn before may be thrown away: gaps have no memory.
            local.draw();
        }
    });
}

impl Local {
    /// Bytes until the next block is sampled.
    fn left(&self) -> &Cell<i64> {
        if self.quiet.get() > 0 {
            &self.heap.kept
        } else {
            &self.heap.left
        }
    }

    /// Draws the next gap, at the rate that holds now. The bytes that were counted stay.
    fn draw(&self) {
        let heap = &self.heap;
        // SAFETY: null, or alive while it is set.
        let ledger = unsafe { heap.ledger.get().as_ref() }.unwrap_or(&heap::PROCESS);
        let rate = ledger.rate();
        let counted = heap.drawn.get().wrapping_sub(self.left().get());
        let gap = self.with_random(|random| rate.draw(random));
        heap.rate.set(Some(rate));
        self.left().set(gap);
        heap.drawn.set(counted.wrapping_add(gap));
    }

    fn with_random<R>(&self, f: impl FnOnce(&mut Random) -> R) -> R {
        let mut random = self.heap.random.get();
        if !random.is_seeded() {
            let thread = std::ptr::from_ref(self).addr() as u64;
            random = Random::seeded(thread ^ crate::clock::raw_ticks().rotate_left(32));
        }
        let result = f(&mut random);
        self.heap.random.set(random);
        result
    }
}

/// While it lives, this thread's calls are not recorded.
pub(crate) struct Quiet {
    not_send: PhantomData<*const ()>,
}

/// Keeps the thread's calls from being recorded.
pub(crate) fn quiet() -> Quiet {
    LOCAL.with(|local| {
        if local.quiet.get() == 0 {
            local.heap.kept.set(local.heap.left.replace(QUIET));
        }
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
                local.heap.left.set(local.heap.kept.get());
                local.fast.set(local.shard.get());
                local.follow_shard();
            }
        });
    }
}
