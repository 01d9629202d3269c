//! What a call allocates: the thread's counters at its beginning and at its end, beside its span.

use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::callsite::{Callsite, NO_ID};
use crate::recorder::alloc::AllocCell;
use crate::recorder::cell::Cell;
use crate::recorder::local::{Allocated, allocated};
use crate::registry::current;
use crate::span::enabled::{SpanGuard, is_off};
use crate::span::future::Series;

/// Counts what is allocated while it lives, for the call of a [`SpanGuard`]. It stays on its thread.
#[must_use = "it counts until it is dropped; bind it: `let _alloc = ..`"]
#[derive(Debug)]
pub struct AllocGuard {
    generation: u32,
    cell: *const Cell,
    before: Allocated,
    not_send: PhantomData<*const ()>,
}

/// Counts what the call of this guard allocates from now on.
pub fn count_alloc(guard: &SpanGuard) -> AllocGuard {
    let (generation, cell) = guard.place();
    if let Some(cell) = cell_of(generation, cell) {
        cell.begin();
    }
    AllocGuard {
        generation,
        cell,
        before: allocated(),
        not_send: PhantomData,
    }
}

/// The cell, if the thread still records into its shard.
fn cell_of<'a>(generation: u32, cell: *const Cell) -> Option<&'a AllocCell> {
    current::shard_of(generation)?;
    // SAFETY: null, or a cell of the shard with this generation, which is this thread's and alive.
    unsafe { cell.as_ref() }.map(|cell| &cell.alloc)
}

impl Drop for AllocGuard {
    fn drop(&mut self) {
        let since = allocated().since(self.before);
        if let Some(cell) = cell_of(self.generation, self.cell) {
            cell.end(since);
            cell.note_call(since.bytes);
        }
    }
}

/// A future whose polls are looked at for what they allocate.
#[must_use = "a future does nothing unless it is polled"]
#[derive(Debug)]
pub struct CountAlloc<F> {
    /// Pinned with `self`.
    inner: F,
    callsite: &'static Callsite,
    /// Series, or [`NO_ID`] to take the callsite's.
    id: u32,
    /// Allocated in the polls so far.
    bytes: u64,
}

/// Counts what the future of a callsite allocates in its polls.
pub fn count_alloc_future<F: Future>(callsite: &'static Callsite, future: F) -> CountAlloc<F> {
    CountAlloc {
        inner: future,
        callsite,
        id: NO_ID,
        bytes: 0,
    }
}

/// Counts what the future of a series that was found before allocates in its polls.
pub fn count_alloc_future_with<F: Future>(
    callsite: &'static Callsite,
    future: F,
    series: Series,
) -> CountAlloc<F> {
    let mut counting = count_alloc_future(callsite, future);
    counting.id = series.id();
    counting
}

impl<F> CountAlloc<F> {
    /// Where the poll that is under way is recorded, if it is.
    fn cell(&self) -> Option<&'static AllocCell> {
        if is_off(self.callsite) {
            return None;
        }
        let id = match self.id {
            NO_ID => self.callsite.assigned()?,
            id => id,
        };
        Some(&current::shard()?.cell(id)?.alloc)
    }
}

impl<F: Future> Future for CountAlloc<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let cell = self.cell();
        // SAFETY: `inner` is pinned because `self` is, and is moved by nobody.
        let this = unsafe { self.get_unchecked_mut() };
        // SAFETY: as above.
        let inner = unsafe { Pin::new_unchecked(&mut this.inner) };
        let counting = CountingPoll::begin(cell);
        let polled = inner.poll(context);
        this.bytes += counting.end();
        if let (true, Some(cell)) = (polled.is_ready(), cell) {
            cell.note_call(this.bytes);
        }
        polled
    }
}

/// One poll. Left by `end`; if that does not come, by unwinding.
struct CountingPoll {
    cell: Option<&'static AllocCell>,
    before: Allocated,
}

impl CountingPoll {
    fn begin(cell: Option<&'static AllocCell>) -> Self {
        if let Some(cell) = cell {
            cell.begin();
        }
        Self {
            cell,
            before: allocated(),
        }
    }

    /// Bytes allocated in the poll.
    fn end(self) -> u64 {
        allocated().since(self.before).bytes
    }
}

impl Drop for CountingPoll {
    fn drop(&mut self) {
        if let Some(cell) = self.cell {
            cell.end(allocated().since(self.before));
        }
    }
}
