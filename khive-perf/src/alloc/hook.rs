//! What the allocator does out of the common case: blocks that are sampled, were, or may have been.

use std::alloc::{GlobalAlloc, Layout};
use std::ptr;

use crate::heap::rate::Rate;
use crate::heap::{self, Birth, Plan, Stack, Step, Taken, spare};
use crate::recorder::local::{self, Pick, quiet};
use crate::registry::current;

/// Whether a block is to be zeroed.
#[derive(Clone, Copy)]
pub(super) enum Zero {
    No,
    Yes,
}

/// Lies on the stack of the function that the allocator enters the hook by, so that frames of the hook can be told from those
/// of the program.
struct Here(#[expect(dead_code, reason = "it has an address")] u8);

/// # Safety
///
/// That of [`GlobalAlloc::alloc`].
unsafe fn plain<A: GlobalAlloc>(inner: &A, layout: Layout, zero: Zero) -> *mut u8 {
    match zero {
        // SAFETY: as the caller vouches.
        Zero::No => unsafe { inner.alloc(layout) },
        // SAFETY: as the caller vouches.
        Zero::Yes => unsafe { inner.alloc_zeroed(layout) },
    }
}

/// Allocates a block at which the thread's draw was used up.
///
/// # Safety
///
/// That of [`GlobalAlloc::alloc`].
#[cold]
#[inline(never)]
pub(super) unsafe fn alloc<A: GlobalAlloc>(inner: &A, layout: Layout, zero: Zero) -> *mut u8 {
    let here = Here(0);
    heap::note_installed();
    let pick = local::look();
    // SAFETY: as the caller vouches.
    let sampled = pick.and_then(|pick| unsafe { alloc_sampled(inner, layout, zero, pick, &here) });
    let block = sampled.unwrap_or_else(|| {
        // SAFETY: as the caller vouches.
        unsafe { plain(inner, layout, zero) }
    });
    if block.is_null() {
        local::take_back(layout.size());
    }
    block
}

/// Allocates a block and puts it into the table; `None` if it is to be allocated as any other.
///
/// # Safety
///
/// That of [`GlobalAlloc::alloc`].
unsafe fn alloc_sampled<A: GlobalAlloc>(
    inner: &A,
    layout: Layout,
    zero: Zero,
    pick: Pick,
    here: &Here,
) -> Option<*mut u8> {
    let mark = local::mark();
    let _quiet = quiet();
    let mut plan = heap::plan(layout, pick.rate)?;
    let spare = plan
        .is_padded()
        .then(|| spare::take::<A>(plan.layout, local::thread()));
    let (base, has_been_used) = match spare.flatten() {
        Some(room) => (room, true),
        // SAFETY: the layout is that of the caller, or larger.
        None => (unsafe { plain(inner, plan.layout, zero) }, false),
    };
    if base.is_null() {
        plan.give_up();
        return None;
    }
    let block = plan.block_in(base);
    if let (true, Zero::Yes) = (has_been_used, zero) {
        // SAFETY: there is room for so many bytes, and nobody else has it.
        unsafe { block.write_bytes(0, layout.size()) };
    }
    let birth = Birth {
        ledger: pick.ledger,
        rate: pick.rate,
        size: layout.size(),
        mark,
    };
    if insert(block, plan, birth, here) {
        return Some(block);
    }
    if plan.layout == layout {
        // It was allocated as it will be freed, so nobody needs to know of it.
        return Some(block);
    }
    // SAFETY: it was allocated with this layout, above, and nobody has it.
    unsafe { inner.dealloc(base, plan.layout) };
    None
}

fn insert(block: *mut u8, plan: Plan, birth: Birth<'_>, here: &Here) -> bool {
    let calls = current::open_calls();
    let stack = stack_of(birth, here);
    let steps = calls.iter().map(Step::Call).chain(stack.steps());
    heap::insert(block, plan, birth, steps)
}

/// The stack that a block is made from, where it is to be kept.
fn stack_of(birth: Birth<'_>, here: &Here) -> Stack {
    if birth.ledger.keeps_stack() {
        Stack::take(here)
    } else {
        Stack::none()
    }
}

/// Frees a block that may be in the table.
///
/// # Safety
///
/// That of [`GlobalAlloc::dealloc`].
#[cold]
#[inline(never)]
pub(super) unsafe fn dealloc<A: GlobalAlloc>(inner: &A, block: *mut u8, layout: Layout) {
    let Some(taken) = heap::take(block) else {
        // SAFETY: as the caller vouches.
        return unsafe { inner.dealloc(block, layout) };
    };
    let base = taken.base(block);
    let known = taken.layout(layout.size()).unwrap_or(layout);
    let is_padded = taken.is_padded();
    taken.free(local::mark());
    // SAFETY: as the table knows, it was allocated so, by an allocator of this type; and is freed once, as the caller
    // vouches.
    if is_padded && unsafe { spare::keep::<A>(base, known, local::thread()) } {
        return;
    }
    // SAFETY: see above.
    unsafe { inner.dealloc(base, known) };
}

/// Resizes a block that may be in the table.
///
/// # Safety
///
/// That of [`GlobalAlloc::realloc`].
#[cold]
#[inline(never)]
pub(super) unsafe fn realloc_tabled<A: GlobalAlloc>(
    inner: &A,
    block: *mut u8,
    layout: Layout,
    size: usize,
) -> *mut u8 {
    let here = Here(0);
    let growth = size.saturating_sub(layout.size());
    let is_time = local::count_allocation(growth);
    let pick = if is_time { local::look() } else { None };
    let Some(taken) = heap::take(block) else {
        // SAFETY: as the caller vouches.
        return unsafe { resize_untracked(inner, block, layout, size, pick, &here) };
    };
    // SAFETY: as the caller vouches.
    let moved = unsafe { resize_tracked(inner, taken, block, layout, size, (pick, &here)) };
    if moved.is_null() {
        local::take_back(growth);
    }
    moved
}

/// Resizes a block by whose growth the thread's draw was used up.
///
/// # Safety
///
/// That of [`GlobalAlloc::realloc`].
#[cold]
#[inline(never)]
pub(super) unsafe fn realloc_picked<A: GlobalAlloc>(
    inner: &A,
    block: *mut u8,
    layout: Layout,
    size: usize,
) -> *mut u8 {
    let here = Here(0);
    let pick = local::look();
    // SAFETY: as the caller vouches.
    unsafe { resize_untracked(inner, block, layout, size, pick, &here) }
}

/// Resizes a block that is not in the table, and puts it in if it is picked: then it is sampled as if it had been made
/// with the size that it has now, because so many of its bytes have gone by.
///
/// # Safety
///
/// That of [`GlobalAlloc::realloc`].
unsafe fn resize_untracked<A: GlobalAlloc>(
    inner: &A,
    block: *mut u8,
    layout: Layout,
    size: usize,
    pick: Option<Pick>,
    here: &Here,
) -> *mut u8 {
    let growth = size.saturating_sub(layout.size());
    let mark = local::mark();
    let quiet = quiet();
    let pick = pick.filter(|pick| !count_growth_only(pick, growth));
    // SAFETY: as the caller vouches.
    let into_table =
        |pick| unsafe { move_into_table(inner, block, layout, size, (pick, mark), here) };
    let moved = pick.and_then(into_table).unwrap_or_else(|| {
        // SAFETY: as the caller vouches.
        unsafe { inner.realloc(block, layout, size) }
    });
    drop(quiet);
    if moved.is_null() {
        local::take_back(growth);
    }
    moved
}

/// Where a capture tracks each block that is made in it, one that is not tracked was made elsewhere, and does not become
/// its own by growing.
fn count_growth_only(pick: &Pick, growth: usize) -> bool {
    let is_capture = !ptr::eq(pick.ledger, &raw const heap::PROCESS);
    let only = is_capture && pick.rate == Rate::Every;
    if only {
        let calls = current::open_calls();
        let site = pick.ledger.site_of(calls.iter().map(Step::Call));
        pick.ledger.count_growth(site, growth as u64);
    }
    only
}

/// Moves a block to where it can be found, with another size; `None` if that cannot be, and nothing has changed.
///
/// # Safety
///
/// That of [`GlobalAlloc::realloc`].
unsafe fn move_into_table<A: GlobalAlloc>(
    inner: &A,
    block: *mut u8,
    layout: Layout,
    size: usize,
    (pick, mark): (Pick, u16),
    here: &Here,
) -> Option<*mut u8> {
    let resized = Layout::from_size_align(size, layout.align()).ok()?;
    let mut plan = heap::plan(resized, pick.rate)?;
    let birth = Birth {
        ledger: pick.ledger,
        rate: pick.rate,
        size,
        mark,
    };
    if !plan.is_padded() {
        // SAFETY: as the caller vouches.
        let moved = unsafe { inner.realloc(block, layout, size) };
        if moved.is_null() {
            plan.give_up();
        } else {
            // If there is no room it stays untracked.
            insert(moved, plan, birth, here);
        }
        return Some(moved);
    }
    // SAFETY: the size is not zero, because that of the caller is not.
    let base = unsafe { inner.alloc(plan.layout) };
    if base.is_null() {
        plan.give_up();
        return None;
    }
    let moved = plan.block_in(base);
    if !insert(moved, plan, birth, here) {
        // SAFETY: it was allocated with this layout, above, and nobody has it.
        unsafe { inner.dealloc(base, plan.layout) };
        return None;
    }
    // SAFETY: both are blocks of at least so many bytes, and not the same.
    unsafe { ptr::copy_nonoverlapping(block, moved, size.min(layout.size())) };
    // SAFETY: as the caller vouches; it is not in the table.
    unsafe { inner.dealloc(block, layout) };
    Some(moved)
}

/// Resizes a block that was taken out of the table, and puts it back.
///
/// # Safety
///
/// That of [`GlobalAlloc::realloc`].
unsafe fn resize_tracked<A: GlobalAlloc>(
    inner: &A,
    taken: Taken,
    block: *mut u8,
    layout: Layout,
    size: usize,
    (pick, here): (Option<Pick>, &Here),
) -> *mut u8 {
    let mark = local::mark();
    let chance = local::chance();
    let _quiet = quiet();
    if taken.must_move(layout.size(), size) {
        // SAFETY: as the caller vouches.
        return unsafe { shrink_away(inner, taken, block, layout, size, chance) };
    }
    let (Some(known), Some(wanted)) = (taken.layout(layout.size()), taken.layout(size)) else {
        taken.put_back();
        return ptr::null_mut();
    };
    // SAFETY: as the table knows, it was allocated so; and the size, which is not zero, was looked at just now.
    let base = unsafe { inner.realloc(taken.base(block), known, wanted.size()) };
    if base.is_null() {
        // It is still there.
        taken.put_back();
        return base;
    }
    let mut plan = taken.plan(wanted);
    let moved = plan.block_in(base);
    let came_to = base.wrapping_add(taken.offset());
    if !ptr::eq(came_to, moved) {
        // SAFETY: both are within the inner allocator's block, which is larger than ours by a page.
        unsafe { ptr::copy(came_to, moved, size.min(layout.size())) };
    }
    let growth = size.saturating_sub(layout.size());
    let reborn = pick.filter(|pick| taken.is_struck_off() && !count_growth_only(pick, growth));
    match reborn {
        Some(pick) => {
            let calls = current::open_calls();
            let birth = Birth {
                ledger: pick.ledger,
                rate: pick.rate,
                size,
                mark,
            };
            let stack = stack_of(birth, here);
            let steps = calls.iter().map(Step::Call).chain(stack.steps());
            taken.reborn(moved, plan, birth, steps);
        }
        None => taken.moved(moved, plan, size, chance),
    }
    moved
}

/// Makes a block that was taken out of the table smaller, and puts it back, where it is as large as not to be found when it is
/// smaller.
///
/// # Safety
///
/// That of [`GlobalAlloc::realloc`]; and the inner allocator knows the block by this layout.
unsafe fn shrink_away<A: GlobalAlloc>(
    inner: &A,
    taken: Taken,
    block: *mut u8,
    layout: Layout,
    size: usize,
    chance: f64,
) -> *mut u8 {
    let resized = Layout::from_size_align(size, layout.align());
    let Some(mut plan) = resized
        .ok()
        .and_then(|resized| heap::plan(resized, taken.rate()))
    else {
        taken.put_back();
        return ptr::null_mut();
    };
    // SAFETY: the size is not zero, because that of the caller is not.
    let base = unsafe { inner.alloc(plan.layout) };
    if base.is_null() {
        plan.give_up();
        taken.put_back();
        return base;
    }
    let moved = plan.block_in(base);
    // SAFETY: both are blocks of at least so many bytes, and not the same.
    unsafe { ptr::copy_nonoverlapping(block, moved, size) };
    // SAFETY: as the caller vouches; it is not in the table.
    unsafe { inner.dealloc(block, layout) };
    taken.moved(moved, plan, size, chance);
    moved
}
