//! Delivery, Stats and the ledger behind them: what became of every data point.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What became of data points: during a flush, or, from a shutdown, since the exporter started.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Delivery {
    /// Accepted by the receiver.
    pub sent: u64,
    /// Refused by the receiver, for good.
    pub rejected: u64,
    /// Given up: the queue was full, or the exporter shut down before the receiver took them.
    ///
    /// A request that was under way at the end counts as dropped; the receiver may have taken it.
    pub dropped: u64,
    /// Still waiting to be sent. Zero after a shutdown.
    pub pending: u64,
    /// The latest problem, or a warning that came with a success.
    pub last_error: Option<String>,
}

/// What an exporter has done since it started. It is not itself exported.
///
/// `collected` is `sent + rejected + dropped + superseded + pending`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Data points that were made from snapshots.
    pub collected: u64,
    /// Data points that the receiver accepted.
    pub sent: u64,
    /// Data points that the receiver refused for good.
    pub rejected: u64,
    /// Data points that were given up.
    pub dropped: u64,
    /// Cumulative data points that a newer value replaced before they could be sent.
    pub superseded: u64,
    /// Data points that wait to be sent.
    pub pending: u64,
    /// Requests made, retries included.
    pub requests: u64,
    /// Requests that were made again after a failure.
    pub retries: u64,
    /// The latest problem, or a warning that came with a success.
    pub last_error: Option<String>,
}

/// The counts, shared by the worker and the guard.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    book: Mutex<Book>,
}

#[derive(Debug, Default)]
struct Book {
    stats: Stats,
    /// Number of problems so far, to tell old ones from new.
    errors: u64,
    /// What shutdown reported.
    closed: Option<Delivery>,
}

/// A moment in the ledger, to which a later one is compared.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Mark {
    sent: u64,
    rejected: u64,
    dropped: u64,
    errors: u64,
}

// === impl Delivery ===

impl Delivery {
    /// Whether nothing was rejected or dropped, and nothing is pending.
    #[must_use]
    pub const fn is_complete(&self) -> bool {
        self.rejected == 0 && self.dropped == 0 && self.pending == 0
    }
}

impl fmt::Display for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            sent,
            rejected,
            dropped,
            pending,
            last_error,
        } = self;
        write!(
            f,
            "{sent} data points sent, {rejected} rejected, {dropped} dropped, {pending} pending"
        )?;
        match last_error {
            Some(error) => write!(f, "; last error: {error}"),
            None => Ok(()),
        }
    }
}

// === impl Ledger ===

impl Ledger {
    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the counts in one step, so that no reader sees them out of balance.
    ///
    /// Once the book is closed, what is still under way has been given up already.
    pub(crate) fn update(&self, change: impl FnOnce(&mut Stats)) {
        let mut book = self.book();
        if book.closed.is_some() {
            return;
        }
        change(&mut book.stats);
        debug_assert_eq!(
            book.stats.collected,
            book.stats.accounted(),
            "a data point got lost"
        );
    }

    pub(crate) fn error(&self, message: &str) {
        let mut book = self.book();
        book.errors += 1;
        book.stats.last_error = Some(message.to_owned());
    }

    pub(crate) fn stats(&self) -> Stats {
        self.book().stats.clone()
    }

    pub(crate) fn mark(&self) -> Mark {
        let book = self.book();
        Mark {
            sent: book.stats.sent,
            rejected: book.stats.rejected,
            dropped: book.stats.dropped,
            errors: book.errors,
        }
    }

    /// What happened since `mark`. Points that wait behind an older problem name that problem.
    pub(crate) fn since(&self, mark: &Mark) -> Delivery {
        let book = self.book();
        let stats = &book.stats;
        let is_relevant = book.errors > mark.errors || stats.pending > 0;
        Delivery {
            sent: stats.sent.saturating_sub(mark.sent),
            rejected: stats.rejected.saturating_sub(mark.rejected),
            dropped: stats.dropped.saturating_sub(mark.dropped),
            pending: stats.pending,
            last_error: stats.last_error.clone().filter(|_| is_relevant),
        }
    }

    /// Gives up all that is pending, and ends the book. A second time changes nothing.
    pub(crate) fn close(&self) -> Delivery {
        let mut book = self.book();
        if let Some(closed) = &book.closed {
            return closed.clone();
        }
        let given_up = std::mem::take(&mut book.stats.pending);
        book.stats.dropped += given_up;
        if given_up > 0 {
            book.errors += 1;
            let before = book.stats.last_error.take();
            let because = before.map_or_else(String::new, |error| format!(": {error}"));
            book.stats.last_error = Some(format!(
                "{given_up} data points were not sent before the shutdown ended{because}"
            ));
        }
        let stats = &book.stats;
        let delivery = Delivery {
            sent: stats.sent,
            rejected: stats.rejected,
            dropped: stats.dropped,
            pending: 0,
            last_error: stats.last_error.clone(),
        };
        book.closed = Some(delivery.clone());
        delivery
    }

    /// What shutdown reported, once it has.
    pub(crate) fn closed(&self) -> Option<Delivery> {
        self.book().closed.clone()
    }
}

impl Stats {
    const fn accounted(&self) -> u64 {
        self.sent + self.rejected + self.dropped + self.superseded + self.pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closing_gives_up_what_is_pending_and_says_why() {
        let ledger = Ledger::default();
        ledger.update(|stats| {
            stats.collected = 7;
            stats.sent = 3;
            stats.pending = 4;
        });
        ledger.error("connection refused");
        let delivery = ledger.close();
        assert_eq!(
            (delivery.sent, delivery.dropped, delivery.pending),
            (3, 4, 0)
        );
        let error = delivery.last_error.clone().unwrap();
        assert!(error.contains("4 data points") && error.contains("connection refused"));
        assert_eq!(ledger.close(), delivery, "a second time changes nothing");
    }

    #[test]
    fn a_flush_that_went_well_does_not_repeat_an_old_error() {
        let ledger = Ledger::default();
        ledger.error("receiver was away");
        let mark = ledger.mark();
        ledger.update(|stats| (stats.collected, stats.sent) = (2, 2));
        let delivery = ledger.since(&mark);
        assert_eq!((delivery.sent, delivery.last_error), (2, None));
    }
}
