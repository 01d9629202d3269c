//! State: what the sender of one signal and the controller of its worker share. Both run on its thread.

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::config::OnError;
use crate::delivery::{Counts, Ledger};
use crate::encode::Split;
use crate::error::ExportError;
use crate::signal::Signal;
use crate::worker::queue::Queue;

pub(super) struct State {
    pub(super) signal: Signal,
    pub(super) queue: RefCell<Queue>,
    pub(super) ledger: Arc<Ledger>,
    on_error: Option<OnError>,
    phase: Cell<Phase>,
    /// Someone asked for a round since the last one began.
    is_asked: Cell<bool>,
    round_deadline: Cell<Instant>,
    /// Wakes the sender.
    wake: Notify,
    /// Wakes the controller, which looks at all signals.
    settled: Rc<Notify>,
}

/// What the sender does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Nothing, until the next round.
    Resting,
    /// Sends what is queued.
    Sending,
}

impl State {
    pub(super) fn new(
        signal: Signal,
        queue: Queue,
        ledger: Arc<Ledger>,
        on_error: Option<OnError>,
        settled: Rc<Notify>,
    ) -> Self {
        Self {
            signal,
            queue: RefCell::new(queue),
            ledger,
            on_error,
            phase: Cell::new(Phase::Resting),
            is_asked: Cell::new(false),
            round_deadline: Cell::new(Instant::now()),
            wake: Notify::new(),
            settled,
        }
    }

    /// Adds requests to the queue. Cumulative ones replace those that wait.
    pub(super) fn enqueue(&self, split: Split, is_delta: bool) {
        let mut queue = self.queue.borrow_mut();
        let superseded = if is_delta { 0 } else { queue.supersede() };
        let mut added = 0;
        let mut dropped = 0;
        for (body, points) in split.requests {
            added += points;
            dropped += queue.push(body, points);
        }
        self.update(|stats| {
            stats.collected += added + split.oversize;
            stats.dropped += dropped + split.oversize;
            stats.superseded += superseded;
            stats.pending = (stats.pending + added).saturating_sub(superseded + dropped);
        });
        drop(queue);
        let items = self.signal.items();
        if dropped > 0 {
            self.error(
                &format!("the queue is full: {dropped} {items} dropped"),
                false,
            );
        }
        if split.oversize > 0 {
            let oversize = split.oversize;
            self.error(
                &format!("{oversize} {items} dropped, larger than a request may be"),
                false,
            );
        }
    }

    /// Books what was lost before it could be queued.
    pub(super) fn lose(&self, lost: u64, why: &str) {
        if lost > 0 {
            self.update(|stats| {
                stats.collected += lost;
                stats.dropped += lost;
            });
            let items = self.signal.items();
            self.error(&format!("{lost} {items} dropped: {why}"), false);
        }
    }

    /// Changes the counts of the signal.
    pub(super) fn update(&self, change: impl FnOnce(&mut Counts)) {
        self.ledger.update(self.signal, change);
    }

    /// Notes a problem, and tells the host if it wants to know.
    pub(super) fn error(&self, message: &str, is_retryable: bool) {
        self.ledger.error(message);
        if let Some(on_error) = &self.on_error {
            let error = ExportError::new(message, is_retryable);
            // The exporter outlives a panic of the host's code.
            let _ = catch_unwind(AssertUnwindSafe(|| on_error(&error)));
        }
    }

    /// Asks the sender for a round, until `deadline`.
    pub(super) fn ask(&self, deadline: Instant) {
        self.is_asked.set(true);
        self.phase.set(Phase::Sending);
        self.round_deadline
            .set(self.round_deadline.get().max(deadline));
        self.wake.notify_one();
    }

    /// Waits until a round is asked for.
    pub(super) async fn asked(&self) {
        while !self.is_asked.get() {
            self.wake.notified().await;
        }
        self.is_asked.set(false);
    }

    /// The round that was asked for is over, whether all is sent or not.
    pub(super) fn rest(&self) {
        if !self.is_asked.get() {
            self.phase.set(Phase::Resting);
        }
        self.settled.notify_one();
    }

    pub(super) const fn round_deadline(&self) -> Instant {
        self.round_deadline.get()
    }

    /// How many items wait to be sent.
    pub(super) fn waiting(&self) -> usize {
        usize::try_from(self.queue.borrow().points()).unwrap_or(usize::MAX)
    }

    /// Whether there is nothing to wait for: all is sent, or the sender has given up for now.
    pub(super) fn is_settled(&self) -> bool {
        self.queue.borrow().is_empty() || self.phase.get() == Phase::Resting
    }
}
