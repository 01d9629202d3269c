//! Calls: which spans a thread is in, and how it enters and leaves them.

use std::cell::{Cell, RefCell};
use std::thread::panicking;

use tracing::span::Id;
use tracing::{Metadata, Subscriber};
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use crate::callsite::Callsite;
use crate::layer::call::{Call, Guest};
use crate::layer::table::{Found, Holder, OfLayer, Slot};
use crate::recorder::local::quiet;
use crate::span::Word;
use crate::sync::{Arc, AtomicU64, Mutex, Ordering, lock};
use crate::tracer::Place;

/// The open spans of a layer.
pub(super) struct Open {
    /// No other layer has it.
    number: u64,
    table: OfLayer,
    /// Its spans are none of a trace.
    pub(super) is_hidden: bool,
}

/// A call that has no slot: kept in the extensions of its span, and on the stack of each thread that is in it.
struct Spilled {
    /// Number of the layer that measures it.
    layer: u64,
    /// Locked by those who enter and leave it, which may be several threads at once; never while other code runs.
    call: Mutex<Call>,
}

/// A span that this thread is in.
struct Entered {
    layer: u64,
    id: u64,
    held: Held,
    was_panicking: bool,
}

enum Held {
    /// The thread holds its slot.
    Slot(&'static Slot, Word),
    /// The thread was in it already.
    Again,
    /// Another thread holds its slot.
    Guest(&'static Slot, Box<Guest>),
    Spilled(Arc<Spilled>, Word),
}

/// The span that was made last on this thread, which is entered next, as a rule.
#[derive(Clone, Copy)]
struct Fresh {
    layer: u64,
    id: u64,
    /// Nothing if it is not measured.
    callsite: Option<&'static Callsite>,
}

const NOTHING_FRESH: Fresh = Fresh {
    layer: 0,
    id: 0,
    callsite: None,
};

struct Local {
    fresh: Cell<Fresh>,
    /// The innermost last.
    entered: RefCell<Vec<Entered>>,
    /// Entered since it was looked last for those that will never be left here; counted beyond [`SWEEP_AT`] only.
    since_sweep: Cell<usize>,
}

/// So many, and it is worth looking for those that will never be left here.
const SWEEP_AT: usize = 64;

thread_local! {
    static LOCAL: Local = const {
        Local {
            fresh: Cell::new(NOTHING_FRESH),
            entered: RefCell::new(Vec::new()),
            since_sweep: Cell::new(0),
        }
    };
}

impl Open {
    pub(super) fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self {
            number: NEXT.fetch_add(1, Ordering::Relaxed),
            table: OfLayer::new(),
            is_hidden: false,
        }
    }

    /// Of the layer.
    #[inline]
    pub(super) const fn number(&self) -> u64 {
        self.number
    }

    /// Takes note of a new span. Its call begins when it is entered.
    #[inline]
    pub(super) fn note(&self, id: &Id, callsite: Option<&'static Callsite>) {
        let fresh = Fresh {
            layer: self.number,
            id: id.into_u64(),
            callsite,
        };
        // A thread that is ending remembers nothing, and looks.
        let _ = LOCAL.try_with(|local| local.fresh.set(fresh));
    }

    /// Enters a span on this thread. Not where the thread is ending: then nobody could say that it was left.
    #[inline]
    pub(super) fn enter<S>(
        &self,
        id: &Id,
        context: &Context<'_, S>,
        callsite_of: impl Fn(&'static Metadata<'static>) -> Option<&'static Callsite>,
    ) where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        let number = id.into_u64();
        let _ = LOCAL.try_with(|local| {
            if local.entered.try_borrow().is_err() {
                return;
            }
            let me = Holder::at(local);
            let found = match self.table.get().find(number, me) {
                Found::Held(slot) => Some(Held::slot(slot)),
                Found::Again(_) => Some(Held::Again),
                found => self.enter_first(id, context, &callsite_of, local, found),
            };
            if let Some(held) = found {
                local.push(Entered {
                    layer: self.number,
                    id: number,
                    held,
                    was_panicking: panicking(),
                });
            }
        });
    }

    /// Enters a span that has no call yet, or whose call this thread cannot have to itself.
    fn enter_first<S>(
        &self,
        id: &Id,
        context: &Context<'_, S>,
        callsite_of: &impl Fn(&'static Metadata<'static>) -> Option<&'static Callsite>,
        local: &Local,
        found: Found,
    ) -> Option<Held>
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        let (table, number, me) = (self.table.get(), id.into_u64(), Holder::at(local));
        let looked_up = || callsite_of(context.span(id)?.metadata());
        if let Found::Elsewhere(slot) = found {
            return Held::guest(slot, looked_up()?);
        }
        let fresh = local.fresh.get();
        let callsite = if (fresh.layer, fresh.id) == (self.number, number) {
            fresh.callsite?
        } else {
            if let Some(spilled) = self.spilled(id, context) {
                return Some(spilled.enter(local));
            }
            looked_up()?
        };
        match table.claim(number, me, |call| call.fill(callsite, self.is_hidden)) {
            Found::Held(slot) => match self.spilled(id, context) {
                Some(spilled) => {
                    slot.abandon();
                    Some(spilled.enter(local))
                }
                None => Some(Held::slot(slot)),
            },
            Found::Again(_) => Some(Held::Again),
            Found::Elsewhere(slot) => Held::guest(slot, callsite),
            Found::Nothing => self.spill(id, context, callsite, local),
        }
    }

    /// Leaves a call to the registry, whose slot is another's.
    #[cold]
    fn spill<S>(
        &self,
        id: &Id,
        context: &Context<'_, S>,
        callsite: &'static Callsite,
        local: &Local,
    ) -> Option<Held>
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        let table = self.table.get();
        table.spill();
        let span = context.span(id);
        let spilled = span.and_then(|span| {
            let mut extensions = span.extensions_mut();
            if let Some(known) = extensions.get_mut::<Arc<Spilled>>() {
                return (known.layer == self.number).then(|| (Arc::clone(known), false));
            }
            if table.has(id.into_u64()) {
                return None;
            }
            let _quiet = quiet();
            let spilled = Arc::new(Spilled {
                layer: self.number,
                call: Mutex::new(Call::new(callsite, self.is_hidden)),
            });
            extensions.insert(Arc::clone(&spilled));
            Some((spilled, true))
        });
        if !matches!(spilled, Some((_, true))) {
            table.unspill();
        }
        match spilled {
            Some((spilled, _)) => Some(spilled.enter(local)),
            // Another thread was quicker.
            None => match table.find(id.into_u64(), Holder::at(local)) {
                Found::Held(slot) => Some(Held::slot(slot)),
                Found::Again(_) => Some(Held::Again),
                Found::Elsewhere(slot) => Held::guest(slot, callsite),
                Found::Nothing => None,
            },
        }
    }

    /// The call of a span, if the registry keeps it.
    #[inline]
    fn spilled<S>(&self, id: &Id, context: &Context<'_, S>) -> Option<Arc<Spilled>>
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        if !self.table.get().has_spilled() {
            return None;
        }
        self.spilled_among(id, context)
    }

    #[cold]
    fn spilled_among<S>(&self, id: &Id, context: &Context<'_, S>) -> Option<Arc<Spilled>>
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        let span = context.span(id)?;
        let extensions = span.extensions();
        let spilled = extensions.get::<Arc<Spilled>>()?;
        (spilled.layer == self.number).then(|| Arc::clone(spilled))
    }

    /// Leaves the span with this id that this thread entered last.
    #[inline]
    pub(super) fn leave(&self, id: &Id) {
        let id = id.into_u64();
        let taken = LOCAL.try_with(|local| {
            let mut entered = local.entered.try_borrow_mut().ok()?;
            let is_it = |entry: &Entered| entry.id == id && entry.layer == self.number;
            if entered.last().is_some_and(is_it) {
                return entered.pop();
            }
            let at = entered.iter().rposition(is_it)?;
            Some(entered.remove(at))
        });
        if let Ok(Some(entered)) = taken {
            entered.leave();
        }
    }

    /// The span of a trace that a span's call is; `None` before it was entered, outside of traces, and while another thread
    /// is in it.
    pub(super) fn place<S>(&self, id: &Id, context: &Context<'_, S>) -> Option<Place>
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        let number = id.into_u64();
        let place = |slot: &Slot| slot.with(|call| call.place());
        let found =
            LOCAL.try_with(
                |local| match self.table.get().find(number, Holder::at(local)) {
                    Found::Held(slot) => {
                        let found = place(slot);
                        slot.let_go();
                        found
                    }
                    // This thread holds it.
                    Found::Again(slot) => place(slot),
                    Found::Elsewhere(_) | Found::Nothing => None,
                },
            );
        found.ok().flatten().or_else(|| {
            let spilled = self.spilled(id, context)?;
            lock(&spilled.call).place()
        })
    }

    /// Ends the call of a span that was closed.
    #[inline]
    pub(super) fn close<S>(&self, id: &Id, context: &Context<'_, S>)
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        let table = self.table.get();
        if !table.close(id.into_u64())
            && let Some(spilled) = self.spilled(id, context)
        {
            table.unspill();
            lock(&spilled.call).end();
        }
    }
}

impl Spilled {
    fn enter(self: Arc<Self>, local: &Local) -> Held {
        let is_in =
            |entry: &Entered| matches!(&entry.held, Held::Spilled(of, _) if Arc::ptr_eq(of, &self));
        let entered = local.entered.try_borrow();
        if entered.is_ok_and(|entered| entered.iter().any(is_in)) {
            return Held::Again;
        }
        let word = lock(&self.call).enter();
        Held::Spilled(self, word)
    }
}

impl Held {
    #[inline]
    fn slot(slot: &'static Slot) -> Self {
        let (word, hint) = slot.with(|call| (call.enter(), call.hint()));
        slot.tell(hint);
        Self::Slot(slot, word)
    }

    #[cold]
    fn guest(slot: &'static Slot, callsite: &'static Callsite) -> Option<Self> {
        let guest = Guest::enter(callsite, slot.hint())?;
        let _quiet = quiet();
        Some(Self::Guest(slot, Box::new(guest)))
    }
}

impl Entered {
    #[inline]
    fn leave(self) {
        let panicked = panicking() && !self.was_panicking;
        match self.held {
            Held::Slot(slot, word) => {
                slot.with(|call| call.leave(word, panicked));
                slot.let_go();
            }
            Held::Again => {}
            Held::Guest(slot, guest) => {
                let part = guest.leave(panicked);
                if slot.is_of(self.id) {
                    slot.add(&part);
                }
            }
            Held::Spilled(spilled, word) => lock(&spilled.call).leave(word, panicked),
        }
    }

    /// Whether its span is closed, so that nobody will leave it any more.
    fn is_over(&self) -> bool {
        match &self.held {
            Held::Slot(slot, _) => slot.is_closed(),
            Held::Again => false,
            Held::Guest(slot, _) => !slot.is_of(self.id),
            Held::Spilled(spilled, _) => lock(&spilled.call).has_ended(),
        }
    }
}

impl Local {
    #[inline]
    fn push(&self, entry: Entered) {
        if let Ok(mut entered) = self.entered.try_borrow_mut()
            && entered.len() < entered.capacity()
            && entered.len() < SWEEP_AT
        {
            return entered.push(entry);
        }
        self.push_with_room(entry);
    }

    /// Makes room, also of what was left on other threads and has ended: else that would pile up here. It is looked for once
    /// in as many entries as there are, so that each costs a look or two, and what ended late goes, too.
    #[cold]
    fn push_with_room(&self, entry: Entered) {
        let mut over = Vec::new();
        let Ok(mut entered) = self.entered.try_borrow_mut() else {
            return;
        };
        {
            let _quiet = quiet();
            if entered.len() >= SWEEP_AT {
                let since = self.since_sweep.get() + 1;
                self.since_sweep
                    .set(if since < entered.len() { since } else { 0 });
                if since >= entered.len() {
                    over.extend(entered.extract_if(.., |entry| entry.is_over()));
                }
            }
            entered.push(entry);
        }
        drop(entered);
        over.into_iter().for_each(Entered::leave);
    }
}

impl Drop for Local {
    /// What the thread was in when it ended is left to others.
    fn drop(&mut self) {
        for entry in self.entered.get_mut().drain(..) {
            if let Held::Slot(slot, _) = entry.held {
                slot.let_go();
            }
        }
    }
}
