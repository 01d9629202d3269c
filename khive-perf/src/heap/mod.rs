//! Heap: which blocks are alive, as far as they are sampled, and what they add up to.
//!
//! ```text
//! allocation ──> bytes of the thread's draw used up? ──> Shape: where the block goes ──> inner allocator ──> table, ledger
//! free ──> at that place of a page, or large? ──> Index ──> Entry out of the table, ledger debited ──> inner allocator
//! ```
//!
//! The allocator's hook works here, so nothing in this module allocates but from the system, waits for a lock, or
//! unwinds. A sampled block lies at one place of a page, so that a test of its address tells a free that a block was not
//! sampled. To put it there a larger one is asked for, which the inner allocator resizes, zeroes and frees as its own; a few
//! that were freed are spare, and the next ones of their size go there.
//!
//! Large blocks stay where they are: their size says that the table must be asked.
//!
//! Where blocks are sampled so often that a page for each would be too much, or each one is, blocks stay where they are,
//! and every free looks into the table: the mask of the test is then zero.
//!
//! An entry leaves the table before the inner allocator gets the block, else another thread could be given the same
//! address, and put it in, before this one has taken it out.

mod bucket;
mod free_list;
mod index;
pub(crate) mod ledger;
#[cfg(all(target_os = "linux", target_arch = "x86_64", not(miri)))]
mod memo;
mod memory;
pub(crate) mod rate;
mod sequence;
mod shape;
mod slab;
pub(crate) mod spare;
mod stack;
mod table;
mod traces;

pub(crate) use self::ledger::{Ledger, OwnLedger, PROCESS};
pub(crate) use self::shape::{Plan, User, needs_table, plan, use_in_place};
pub(crate) use self::stack::Stack;
use self::table::detach_all;
pub(crate) use self::table::{Birth, Taken, insert, own_bytes, take, visit};
pub(crate) use self::traces::Step;

use crate::config;
use crate::heap::rate::{Rate, WHOLE_BLOCK};
use crate::sync::{AtomicBool, Ordering};

/// Bytes of blocks of a size that are worth so many parts of a block.
const fn weighted(size: usize, weight: u64) -> u64 {
    ((size as u128 * weight as u128) / WHOLE_BLOCK as u128) as u64
}

/// The rate at which the process's blocks are sampled.
pub(crate) fn rate_of_process() -> Rate {
    if config::is_wanted() {
        Rate::of(config::heap_sample_bytes())
    } else {
        Rate::Off
    }
}

/// Set by an allocation of each thread, its first at the latest. Read where it must be known whether zero means zero.
static INSTALLED: AtomicBool = AtomicBool::new(false);

/// Says that an allocator counts.
pub(crate) fn note_installed() {
    if !INSTALLED.load(Ordering::Relaxed) {
        INSTALLED.store(true, Ordering::Relaxed);
    }
}

/// Whether an allocator has counted anything.
pub(crate) fn is_installed() -> bool {
    INSTALLED.load(Ordering::Relaxed)
}
