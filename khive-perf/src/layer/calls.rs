//! Calls: what is kept with a span while it is open, and which ones a thread is in.

use std::cell::RefCell;
use std::thread::panicking;

use tracing_subscriber::registry::{Extensions, ExtensionsMut};

use crate::callsite::Callsite;
use crate::outcome::Outcome;
use crate::recorder::local::quiet;
use crate::span::{Resumed, Word};
use crate::sync::{Arc, AtomicU64, Mutex, Ordering, lock};

/// A span that is measured. Kept in its extensions, and on the stack of each thread that is in it.
pub(super) struct Call {
    /// Number of the layer that measures it.
    layer: u64,
    /// Locked by those who enter and leave it, which may be several threads at once; never while other code runs.
    state: Mutex<State>,
}

struct State {
    resumed: Resumed,
    panicked: bool,
}

/// A span that this thread is in.
struct Entered {
    call: Arc<Call>,
    id: u64,
    /// Nothing where the thread was in it already.
    word: Option<Word>,
    was_panicking: bool,
}

thread_local! {
    /// The innermost last.
    static ENTERED: RefCell<Vec<Entered>> = const { RefCell::new(Vec::new()) };
}

/// A number for a new layer.
pub(super) fn next_number() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// Keeps a call with a new span, unless another layer of ours has done so.
pub(super) fn begin(layer: u64, callsite: &'static Callsite, extensions: &mut ExtensionsMut<'_>) {
    if extensions.get_mut::<Arc<Call>>().is_some() {
        return;
    }
    let _quiet = quiet();
    let state = State {
        resumed: Resumed::new(callsite),
        panicked: false,
    };
    extensions.insert(Arc::new(Call {
        layer,
        state: Mutex::new(state),
    }));
}

/// The call of a span, if this layer measures it.
pub(super) fn of(layer: u64, extensions: &Extensions<'_>) -> Option<Arc<Call>> {
    let call = extensions.get::<Arc<Call>>()?;
    (call.layer == layer).then(|| Arc::clone(call))
}

/// Enters a call on this thread. Not where the thread is ending: then nobody could say that it was left.
pub(super) fn enter(call: Arc<Call>, id: u64) {
    let known = ENTERED.try_with(|entered| {
        let entered = entered.try_borrow().ok()?;
        Some(entered.iter().any(|entry| Arc::ptr_eq(&entry.call, &call)))
    });
    let Ok(Some(is_inside)) = known else {
        return;
    };
    let word = (!is_inside).then(|| lock(&call.state).resumed.enter());
    let entry = Entered {
        call,
        id,
        word,
        was_panicking: panicking(),
    };
    let _quiet = quiet();
    // It was there just now, and nobody but this thread has it.
    let _ = ENTERED.try_with(|entered| entered.borrow_mut().push(entry));
}

/// Leaves a call that this thread entered last, of those with this id.
pub(super) fn leave(layer: u64, id: u64) {
    let taken = ENTERED.try_with(|entered| {
        let mut entered = entered.try_borrow_mut().ok()?;
        let at = entered
            .iter()
            .rposition(|entry| entry.id == id && entry.call.layer == layer)?;
        Some(entered.remove(at))
    });
    let Ok(Some(entry)) = taken else {
        return;
    };
    if let Some(word) = entry.word {
        let mut state = lock(&entry.call.state);
        state.resumed.leave(word);
        state.panicked |= panicking() && !entry.was_panicking;
    }
}

/// Ends a call.
pub(super) fn end(call: &Call) {
    let mut state = lock(&call.state);
    let outcome = if state.panicked {
        Outcome::Panic
    } else {
        Outcome::Ok
    };
    state.resumed.end(outcome);
}
