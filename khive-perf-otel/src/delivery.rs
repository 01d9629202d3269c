//! Delivery, Stats and the ledger behind them: what became of every data point, span and log record.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::signal::Signal;

/// What became of data points, spans and log records: during a flush, or, from a shutdown, since the exporter started.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Delivery {
    /// Data points accepted by the receiver.
    pub sent: u64,
    /// Data points refused by the receiver, for good.
    pub rejected: u64,
    /// Data points given up: the queue was full, or the exporter shut down before the receiver took them.
    ///
    /// A request that was under way at the end counts as dropped; the receiver may have taken it.
    pub dropped: u64,
    /// Data points still waiting to be sent. Zero after a shutdown.
    pub pending: u64,
    /// The same of the spans of traces.
    pub spans: Items,
    /// The same of log records.
    pub logs: Items,
    /// The latest problem, or a warning that came with a success.
    pub last_error: Option<String>,
}

/// What became of spans or of log records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Items {
    /// Accepted by the receiver.
    pub sent: u64,
    /// Refused by the receiver, for good.
    pub rejected: u64,
    /// Given up: there was no room where they had to wait, the spans never ended, or the exporter shut down before the receiver
    /// took them.
    pub dropped: u64,
    /// Still waiting to be sent. Zero after a shutdown.
    pub pending: u64,
}

/// What an exporter has done since it started. It is not itself exported.
///
/// Of data points, of spans and of log records, `collected` is `sent + rejected + dropped + superseded + pending`.
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
    /// Spans of traces that were kept, with those that were lost before.
    pub spans_collected: u64,
    /// What became of them.
    pub spans: Items,
    /// Log records of findings.
    pub logs_collected: u64,
    /// What became of them.
    pub logs: Items,
    /// Requests made, retries included.
    pub requests: u64,
    /// Requests that were made again after a failure.
    pub retries: u64,
    /// The latest problem, or a warning that came with a success.
    pub last_error: Option<String>,
}

/// What became of the items of one signal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) collected: u64,
    pub(crate) sent: u64,
    pub(crate) rejected: u64,
    pub(crate) dropped: u64,
    pub(crate) superseded: u64,
    pub(crate) pending: u64,
    pub(crate) requests: u64,
    pub(crate) retries: u64,
}

/// The counts of all signals, shared by the worker and the guard.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    book: Mutex<Book>,
}

#[derive(Debug, Default)]
struct Book {
    metrics: Counts,
    traces: Counts,
    logs: Counts,
    last_error: Option<String>,
    /// Number of problems so far, to tell old ones from new.
    errors: u64,
    /// What shutdown reported.
    closed: Option<Delivery>,
}

/// A moment in the ledger, to which a later one is compared.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Mark {
    metrics: Counts,
    traces: Counts,
    logs: Counts,
    errors: u64,
}

// === impl Delivery ===

impl Delivery {
    /// Whether nothing was rejected or dropped, and nothing is pending.
    #[must_use]
    pub const fn is_complete(&self) -> bool {
        self.rejected == 0
            && self.dropped == 0
            && self.pending == 0
            && self.spans.are_sent()
            && self.logs.are_sent()
    }
}

impl fmt::Display for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            sent,
            rejected,
            dropped,
            pending,
            spans,
            logs,
            last_error,
        } = self;
        write!(
            f,
            "{sent} data points sent, {rejected} rejected, {dropped} dropped, {pending} pending"
        )?;
        for (items, name) in [(spans, "spans"), (logs, "log records")] {
            if *items != Items::default() {
                let Items {
                    sent,
                    rejected,
                    dropped,
                    pending,
                } = items;
                write!(
                    f,
                    "; {sent} {name} sent, {rejected} rejected, {dropped} dropped, {pending} pending"
                )?;
            }
        }
        match last_error {
            Some(error) => write!(f, "; last error: {error}"),
            None => Ok(()),
        }
    }
}

// === impl Items ===

impl Items {
    const fn are_sent(&self) -> bool {
        self.rejected == 0 && self.dropped == 0 && self.pending == 0
    }
}

// === impl Ledger ===

impl Ledger {
    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the counts of a signal in one step, so that no reader sees them out of balance.
    ///
    /// Once the book is closed, what is still under way has been given up already.
    pub(crate) fn update(&self, signal: Signal, change: impl FnOnce(&mut Counts)) {
        let mut book = self.book();
        if book.closed.is_some() {
            return;
        }
        let counts = book.of(signal);
        change(counts);
        debug_assert_eq!(
            counts.collected,
            counts.accounted(),
            "{} got lost",
            signal.items()
        );
    }

    pub(crate) fn error(&self, message: &str) {
        let mut book = self.book();
        book.errors += 1;
        book.last_error = Some(message.to_owned());
    }

    pub(crate) fn stats(&self) -> Stats {
        let book = self.book();
        let (metrics, traces, logs) = (book.metrics, book.traces, book.logs);
        Stats {
            collected: metrics.collected,
            sent: metrics.sent,
            rejected: metrics.rejected,
            dropped: metrics.dropped,
            superseded: metrics.superseded,
            pending: metrics.pending,
            spans_collected: traces.collected,
            spans: traces.items(),
            logs_collected: logs.collected,
            logs: logs.items(),
            requests: metrics.requests + traces.requests + logs.requests,
            retries: metrics.retries + traces.retries + logs.retries,
            last_error: book.last_error.clone(),
        }
    }

    pub(crate) fn mark(&self) -> Mark {
        let book = self.book();
        Mark {
            metrics: book.metrics,
            traces: book.traces,
            logs: book.logs,
            errors: book.errors,
        }
    }

    /// What happened since `mark`. What waits behind an older problem names that problem.
    pub(crate) fn since(&self, mark: &Mark) -> Delivery {
        let book = self.book();
        let metrics = book.metrics.since(&mark.metrics);
        let traces = book.traces.since(&mark.traces);
        let logs = book.logs.since(&mark.logs);
        let is_pending = metrics.pending > 0 || traces.pending > 0 || logs.pending > 0;
        let is_relevant = book.errors > mark.errors || is_pending;
        let error = book.last_error.clone().filter(|_| is_relevant);
        delivery([&metrics, &traces, &logs], error)
    }

    /// Gives up all that is pending, and ends the book. A second time changes nothing.
    pub(crate) fn close(&self) -> Delivery {
        let mut book = self.book();
        if let Some(closed) = &book.closed {
            return closed.clone();
        }
        let mut given_up = Vec::new();
        for signal in Signal::ALL {
            let counts = book.of(signal);
            let pending = std::mem::take(&mut counts.pending);
            counts.dropped += pending;
            if pending > 0 {
                given_up.push(format!("{pending} {}", signal.items()));
            }
        }
        if !given_up.is_empty() {
            book.errors += 1;
            let before = book.last_error.take();
            let because = before.map_or_else(String::new, |error| format!(": {error}"));
            let given_up = given_up.join(" and ");
            book.last_error = Some(format!(
                "{given_up} were not sent before the shutdown ended{because}"
            ));
        }
        let counts = [&book.metrics, &book.traces, &book.logs];
        let delivery = delivery(counts, book.last_error.clone());
        book.closed = Some(delivery.clone());
        delivery
    }

    /// What shutdown reported, once it has.
    pub(crate) fn closed(&self) -> Option<Delivery> {
        self.book().closed.clone()
    }
}

fn delivery([metrics, traces, logs]: [&Counts; 3], last_error: Option<String>) -> Delivery {
    Delivery {
        sent: metrics.sent,
        rejected: metrics.rejected,
        dropped: metrics.dropped,
        pending: metrics.pending,
        spans: traces.items(),
        logs: logs.items(),
        last_error,
    }
}

impl Book {
    const fn of(&mut self, signal: Signal) -> &mut Counts {
        match signal {
            Signal::Metrics => &mut self.metrics,
            Signal::Traces => &mut self.traces,
            Signal::Logs => &mut self.logs,
        }
    }
}

impl Counts {
    const fn accounted(&self) -> u64 {
        self.sent + self.rejected + self.dropped + self.superseded + self.pending
    }

    const fn since(&self, earlier: &Self) -> Self {
        Self {
            sent: self.sent.saturating_sub(earlier.sent),
            rejected: self.rejected.saturating_sub(earlier.rejected),
            dropped: self.dropped.saturating_sub(earlier.dropped),
            ..*self
        }
    }

    const fn items(&self) -> Items {
        Items {
            sent: self.sent,
            rejected: self.rejected,
            dropped: self.dropped,
            pending: self.pending,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closing_gives_up_what_is_pending_and_says_why() {
        let ledger = Ledger::default();
        ledger.update(Signal::Metrics, |stats| {
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
        ledger.update(Signal::Traces, |stats| {
            (stats.collected, stats.sent) = (2, 2)
        });
        let delivery = ledger.since(&mark);
        assert_eq!((delivery.spans.sent, delivery.last_error), (2, None));
    }
}
