//! Where sampled blocks go, so that a free can tell them from others; and the mask that it tells them by.

use std::alloc::Layout;

use crate::heap::rate::Rate;
use crate::heap::slab::Shape;
use crate::sync::{AtomicBool, AtomicUsize, Mutex, Ordering, lock};

/// Sampled blocks begin at multiples of this, and [`BESIDE`] more.
const PAGE: usize = 4_096;
/// Where on their page sampled blocks begin. Not at its beginning: there is where allocators put what they carve pages
/// into, so that each block of a page or more would be looked for in the table. What must be aligned to more than this
/// begins there all the same.
const BESIDE: usize = 128;
/// What of an address says whether it may be one of a sampled block, beside those bits that it must have.
const ON_PAGE: usize = PAGE - 1;
/// The same once there are some at the beginning of pages.
const ON_PAGE_OR_BESIDE: usize = ON_PAGE & !BESIDE;
/// Blocks of so many bytes stay where they are, too: allocators map them, and move their pages when they grow, where copying
/// them would touch each anew. By its size, too, a free knows that it has to ask the table.
const LARGE: usize = 128 << 10;
/// Rates with a smaller mean leave blocks where they are: from here on a page each is at most an eighth of what they
/// stand for.
const PAGES_FROM_POWER: u8 = 15;

/// Read by every free, and hardly ever written: alone in its cache lines.
#[repr(align(128))]
struct Mask(AtomicUsize);

/// What of an address is zero, but for [`BESIDE`], where the table must be asked: [`ON_PAGE`] until the first block is
/// sampled that has to be at the beginning of a page, [`ON_PAGE_OR_BESIDE`], or 0 for all addresses. `Relaxed`, because a
/// block comes to whoever frees it by way of something that orders more than that.
///
/// Written under `IN_PLACE_USERS`, but that the hook takes `BESIDE` out. Nobody puts that back, so it cannot be lost.
static MASK: Mask = Mask(AtomicUsize::new(ON_PAGE));
/// Whether blocks may stay in place. Set after the mask was; while it is not set the mask may be put back.
static IN_PLACE_ALLOWED: AtomicBool = AtomicBool::new(false);
/// Blocks in the table, or on the way there, that are in place.
static IN_PLACE: AtomicUsize = AtomicUsize::new(0);
/// Who wants blocks to stay in place. Never taken by the hook.
static IN_PLACE_USERS: Mutex<Users> = Mutex::new(Users {
    captures: 0,
    process: false,
});

struct Users {
    captures: usize,
    process: bool,
}

/// Whether a block of this size at this address may be in the table.
#[inline(always)]
pub(crate) fn needs_table(block: *mut u8, size: usize) -> bool {
    (block.addr() ^ BESIDE) & MASK.0.load(Ordering::Relaxed) == 0 || size >= LARGE
}

/// Who it is that wants blocks to stay in place, or does not any more.
#[derive(Clone, Copy, Debug)]
pub(crate) enum User {
    CaptureBegins,
    CaptureEnds,
    Process(Rate),
}

/// Lets blocks stay in place, or not, as its users want it.
pub(crate) fn use_in_place(user: User) {
    let mut users = lock(&IN_PLACE_USERS);
    match user {
        User::CaptureBegins => users.captures += 1,
        User::CaptureEnds => users.captures = users.captures.saturating_sub(1),
        User::Process(rate) => users.process = stays_in_place(rate),
    }
    if users.captures > 0 || users.process {
        MASK.0.store(0, Ordering::SeqCst);
        IN_PLACE_ALLOWED.store(true, Ordering::SeqCst);
        return;
    }
    // Whoever counts a block in place afterwards sees that it may not be; whoever did before is seen here.
    IN_PLACE_ALLOWED.store(false, Ordering::SeqCst);
    let was_in_place = MASK.0.load(Ordering::SeqCst) == 0;
    if was_in_place && IN_PLACE.load(Ordering::SeqCst) == 0 {
        MASK.0.store(ON_PAGE_OR_BESIDE, Ordering::SeqCst);
    }
}

const fn stays_in_place(rate: Rate) -> bool {
    match rate {
        Rate::Off => false,
        Rate::Every => true,
        Rate::Mean(power) => power < PAGES_FROM_POWER,
    }
}

/// Where a block that is to be sampled goes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    /// What the inner allocator is asked for.
    pub(crate) layout: Layout,
    pub(super) shape: Shape,
}

/// Plans a block; `None` if it would be too large to be.
pub(crate) fn plan(layout: Layout, rate: Rate) -> Option<Plan> {
    let mut shape = Shape {
        offset: 0,
        align_log2: layout.align().ilog2() as u8,
        is_padded: false,
        is_in_place: false,
        rate: rate.to_code(),
    };
    if stays_in_place(rate) {
        IN_PLACE.fetch_add(1, Ordering::SeqCst);
        if IN_PLACE_ALLOWED.load(Ordering::SeqCst) {
            shape.is_in_place = true;
            return Some(Plan { layout, shape });
        }
        IN_PLACE.fetch_sub(1, Ordering::SeqCst);
    }
    if layout.size() >= LARGE {
        return Some(Plan { layout, shape });
    }
    if shape.begins() != BESIDE && MASK.0.load(Ordering::Relaxed) & BESIDE != 0 {
        MASK.0.fetch_and(!BESIDE, Ordering::SeqCst);
    }
    if layout.align() >= PAGE {
        return Some(Plan { layout, shape });
    }
    shape.is_padded = true;
    Some(Plan {
        layout: padded(layout)?,
        shape,
    })
}

fn padded(layout: Layout) -> Option<Layout> {
    let size = layout.size().checked_add(PAGE)?;
    Layout::from_size_align(size, layout.align()).ok()
}

impl Plan {
    /// Our block in the one that the inner allocator gave.
    pub(crate) fn block_in(&mut self, base: *mut u8) -> *mut u8 {
        if !self.shape.is_padded {
            return base;
        }
        let start = base.expose_provenance();
        // Less than a page.
        let offset = self.shape.begins().wrapping_sub(start) % PAGE;
        self.shape.offset = offset as u16;
        base.wrapping_add(offset)
    }

    /// Whether the block is a part of the inner allocator's.
    pub(crate) const fn is_padded(&self) -> bool {
        self.shape.is_padded
    }

    /// Gives it up: no block is made.
    pub(crate) fn give_up(self) {
        self.shape.leave();
    }
}

impl Shape {
    /// Where on its page the block begins, if it is not in place.
    const fn begins(self) -> usize {
        if 1 << self.align_log2 > BESIDE {
            0
        } else {
            BESIDE
        }
    }

    /// Whether nothing but its size tells that a block of this shape may be in the table, so that it can't stay where it is
    /// when that gets smaller, from `before` to `after` bytes.
    pub(super) const fn is_found_by_size(self, before: usize, after: usize) -> bool {
        !self.is_padded && !self.is_in_place && before >= LARGE && after < LARGE
    }

    /// Says that a block of this shape is not in the table any more.
    pub(super) fn leave(self) {
        if self.is_in_place {
            IN_PLACE.fetch_sub(1, Ordering::SeqCst);
        }
    }

    /// What the inner allocator was asked for, of a block of this size; `None` if it would be too large.
    pub(super) fn layout(self, size: usize) -> Option<Layout> {
        let layout = Layout::from_size_align(size, 1 << self.align_log2).ok()?;
        if self.is_padded {
            padded(layout)
        } else {
            Some(layout)
        }
    }
}
