//! Table: the calls of a layer's open spans, each in the slot that the id of its span tells.
//!
//! ```text
//! free ── claim ──> held by a thread ── let go ──> held by nobody ── hold ──> held by a thread ── end ──> free
//! ```
//!
//! Whoever holds a slot has its call to himself, and holds it while he is in the span; nobody waits for a slot. A thread that
//! comes to a span while another one is in it measures its part for itself, and adds it when it leaves. A span whose slot
//! is another's has its call in the extensions of the subscriber's registry instead.
//!
//! All of this is one read-modify-write when a span is entered for the first time, one each further time, and one when it is
//! closed. The extensions alone would be several, and two allocations.

use crate::layer::call::{Call, Part};
use crate::recorder::local::quiet;
use crate::sync::{
    AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Mutex, Ordering, OwnerCell, lock,
};

/// As many open spans have a slot at the most. 64 KiB.
const SLOTS: usize = 512;

pub(super) struct Table {
    slots: Box<[Slot]>,
    /// Calls that the registry keeps.
    spilled: AtomicUsize,
}

/// A call, and who holds it.
///
/// As large as what a processor fetches at once, so that threads do not disturb each other.
#[repr(align(128))]
pub(super) struct Slot {
    /// Of the span; 0 while the slot is free. Set by who claims it, with a compare-and-exchange so that one does; cleared by
    /// who holds it.
    id: AtomicU64,
    /// [`NOBODY`], or who holds it. Changed from nobody to a thread with a compare-and-exchange that acquires what the one
    /// before released; else by the holder alone.
    holder: AtomicUsize,
    /// The span was closed while somebody held it, which takes a broken program: he ends the call when he lets go.
    is_closed: AtomicBool,
    /// What others who come in must know, as [`Call::hint`] has it; written by the holder. Just a number: who reads one too old
    /// counts his part in full.
    hint: AtomicU64,
    /// What others were in it, added up.
    parts: Parts,
    /// The holder's; vacant while the slot is free.
    call: OwnerCell<Call>,
}

#[derive(Default)]
struct Parts {
    busy: AtomicU64,
    left: AtomicU64,
    panicked: AtomicU32,
}

/// A thread that may hold slots.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Holder(usize);

const NOBODY: usize = 0;
/// A free slot is held, too, so that nobody takes hold of one that has been claimed and not filled.
const FREE: usize = 1;

impl Holder {
    /// Who holds a slot just to end its call.
    const CLOSES: Self = Self(2);

    /// A thread that is told by the address of something of its own.
    pub(super) fn at<T>(own: &T) -> Self {
        const { assert!(align_of::<T>() > 2, "an address is none of the words above") };
        Self(std::ptr::from_ref(own).addr())
    }
}

/// What a thread finds that comes to a span.
pub(super) enum Found {
    /// Its call, which is the thread's own now.
    Held(&'static Slot),
    /// The thread is in it already.
    Again(&'static Slot),
    /// Another thread is.
    Elsewhere(&'static Slot),
    /// It has no call in the table.
    Nothing,
}

/// A layer's table.
pub(super) struct OfLayer(&'static Table);

/// Tables of layers that are gone.
static SPARE: Mutex<Vec<&'static Table>> = Mutex::new(Vec::new());

impl OfLayer {
    pub(super) fn new() -> Self {
        let spare = lock(&SPARE).pop();
        Self(spare.unwrap_or_else(|| {
            let _quiet = quiet();
            Box::leak(Box::new(Table::new()))
        }))
    }

    #[inline]
    pub(super) const fn get(&self) -> &'static Table {
        self.0
    }
}

impl Drop for OfLayer {
    /// Another layer may have the table, unless a thread still holds a slot: that one stays as it is, for ever.
    fn drop(&mut self) {
        if self.0.slots.iter().all(|slot| slot.is_of(0)) {
            self.0.spilled.store(0, Ordering::SeqCst);
            let _quiet = quiet();
            lock(&SPARE).push(self.0);
        }
    }
}

impl Table {
    fn new() -> Self {
        Self {
            slots: (0..SLOTS).map(|_| Slot::new()).collect(),
            spilled: AtomicUsize::new(0),
        }
    }

    /// The slot where a span's call is, if it is in one.
    #[inline]
    fn slot(&'static self, id: u64) -> Option<&'static Slot> {
        // The low bits count the spans of a thread's page, the high ones how often a place was used.
        let hash = id.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        self.slots.get(hash as usize % SLOTS)
    }

    /// Takes hold of a span's call.
    #[inline]
    pub(super) fn find(&'static self, id: u64, holder: Holder) -> Found {
        match self.slot(id) {
            Some(slot) if slot.is_of(id) => slot.hold(id, holder),
            _ => Found::Nothing,
        }
    }

    /// Gives a span a call, unless it has one in the table, or its slot is another's.
    #[inline]
    pub(super) fn claim(
        &'static self,
        id: u64,
        holder: Holder,
        fill: impl FnOnce(&mut Call),
    ) -> Found {
        let Some(slot) = self.slot(id) else {
            return Found::Nothing;
        };
        let claimed = slot
            .id
            .compare_exchange(0, id, Ordering::SeqCst, Ordering::Relaxed);
        match claimed {
            Ok(_) => {
                slot.holder.store(holder.0, Ordering::Relaxed);
                slot.with(fill);
                Found::Held(slot)
            }
            Err(of) if of == id => slot.hold(id, holder),
            Err(_) => {
                // Whoever was told to end it may have been gone already.
                if slot.is_closed.load(Ordering::Relaxed) {
                    slot.close();
                }
                Found::Nothing
            }
        }
    }

    /// Ends a span's call, if it is in the table.
    #[inline]
    pub(super) fn close(&'static self, id: u64) -> bool {
        match self.slot(id) {
            Some(slot) if slot.is_of(id) => {
                slot.close();
                true
            }
            _ => false,
        }
    }

    /// Whether a span has its call here.
    pub(super) fn has(&'static self, id: u64) -> bool {
        self.slot(id).is_some_and(|slot| slot.is_of(id))
    }

    /// Whether the registry may keep calls.
    ///
    /// Who claims a slot asks this thereafter, and who leaves a call to the registry says so before he looks at the slot, both
    /// in the one order of all such accesses: one of them sees the other.
    #[inline]
    pub(super) fn has_spilled(&self) -> bool {
        self.spilled.load(Ordering::SeqCst) > 0
    }

    pub(super) fn spill(&self) {
        self.spilled.fetch_add(1, Ordering::SeqCst);
    }

    pub(super) fn unspill(&self) {
        self.spilled.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Slot {
    const fn new() -> Self {
        Self {
            id: AtomicU64::new(0),
            holder: AtomicUsize::new(FREE),
            is_closed: AtomicBool::new(false),
            hint: AtomicU64::new(0),
            parts: Parts {
                busy: AtomicU64::new(0),
                left: AtomicU64::new(0),
                panicked: AtomicU32::new(0),
            },
            call: OwnerCell::holding(Call::vacant()),
        }
    }

    #[inline]
    pub(super) fn is_of(&self, id: u64) -> bool {
        self.id.load(Ordering::Relaxed) == id
    }

    pub(super) fn is_closed(&self) -> bool {
        self.is_closed.load(Ordering::Relaxed)
    }

    #[inline]
    fn hold(&'static self, id: u64, holder: Holder) -> Found {
        if let Err(other) = self.try_hold(holder) {
            return if other == holder.0 {
                Found::Again(self)
            } else {
                Found::Elsewhere(self)
            };
        }
        if self.is_of(id) {
            return Found::Held(self);
        }
        // It has become another's since it was found.
        self.let_go();
        Found::Nothing
    }

    #[inline]
    fn try_hold(&self, holder: Holder) -> Result<usize, usize> {
        self.holder
            .compare_exchange(NOBODY, holder.0, Ordering::Acquire, Ordering::Relaxed)
    }

    /// Lets go of the slot; by the holder.
    #[inline]
    pub(super) fn let_go(&self) {
        self.holder.store(NOBODY, Ordering::Release);
        if self.is_closed() {
            self.close();
        }
    }

    /// Does something with the call; by the holder.
    #[inline]
    pub(super) fn with<R>(&self, f: impl FnOnce(&mut Call) -> R) -> R {
        // SAFETY: the caller holds the slot, so no other thread is here. `f` records, which may come back to other slots when
        // it ends a trace, but not to this one: whoever holds it in order to end it is told by no thread's own word.
        unsafe { self.call.with(f) }
    }

    /// Tells others who come in what they must know; by the holder.
    #[inline]
    pub(super) fn tell(&self, hint: u64) {
        self.hint.store(hint, Ordering::Relaxed);
    }

    pub(super) fn hint(&self) -> u64 {
        self.hint.load(Ordering::Relaxed)
    }

    /// Adds what another thread was in it; by anybody.
    pub(super) fn add(&self, part: &Part) {
        self.parts.busy.fetch_add(part.busy, Ordering::Relaxed);
        self.parts.left.fetch_max(part.left, Ordering::Relaxed);
        if part.panicked {
            self.parts.panicked.store(1, Ordering::Relaxed);
        }
    }

    /// Ends the call, or has the holder do so.
    fn close(&self) {
        if self.try_hold(Holder::CLOSES).is_err() {
            self.is_closed.store(true, Ordering::SeqCst);
            // He may have let go meanwhile.
            if self.try_hold(Holder::CLOSES).is_err() {
                return;
            }
        }
        self.end();
    }

    /// Frees the slot of a call that nobody was in; by the holder.
    pub(super) fn abandon(&self) {
        self.with(Call::vacate);
        self.free();
    }

    #[inline]
    fn free(&self) {
        if self.is_closed() {
            self.is_closed.store(false, Ordering::Relaxed);
        }
        self.holder.store(FREE, Ordering::Relaxed);
        self.id.store(0, Ordering::Release);
    }

    /// Ends the call, and frees the slot; by the holder.
    #[inline]
    pub(super) fn end(&self) {
        let part = Part {
            busy: taken(&self.parts.busy),
            left: taken(&self.parts.left),
            panicked: self.parts.panicked.load(Ordering::Relaxed) != 0,
        };
        if part.panicked {
            self.parts.panicked.store(0, Ordering::Relaxed);
        }
        self.with(|call| {
            call.add(&part);
            call.end();
            call.vacate();
        });
        self.free();
    }
}

/// What a number was, which is zero from then on; by the only one who is at it.
#[inline]
fn taken(number: &AtomicU64) -> u64 {
    let was = number.load(Ordering::Relaxed);
    if was != 0 {
        number.store(0, Ordering::Relaxed);
    }
    was
}
