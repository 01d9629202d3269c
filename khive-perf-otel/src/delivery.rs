//! Delivery: what became of the data points, as the exporter knows it.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// What became of all data points since the exporter was started.
///
/// Every point that was taken out of a snapshot is in exactly one of the four counts, with one
/// exception: a cumulative point that waits while a newer one of the same series is taken is replaced by
/// it, because the newer one says all that it said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Delivery {
    /// Points that the receiver accepted.
    pub sent: u64,
    /// Points that the receiver refused for good: a partial success, or an answer that must not be
    /// retried.
    pub rejected: u64,
    /// Points that were given up: the queue was full, or the exporter was shut down.
    pub dropped: u64,
    /// Points that wait to be sent, or to be sent again.
    pub waiting: u64,
    /// Requests that had to be sent again.
    pub retries: u64,
    /// What went wrong last, whatever came after it.
    pub last_error: Option<String>,
}

impl Delivery {
    /// Whether every point arrived: none was rejected, dropped, or is waiting.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.rejected == 0 && self.dropped == 0 && self.waiting == 0
    }
}

impl fmt::Display for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            sent,
            rejected,
            dropped,
            waiting,
            ..
        } = self;
        write!(
            f,
            "{sent} data points sent, {rejected} rejected, {dropped} dropped, {waiting} waiting"
        )?;
        match &self.last_error {
            Some(error) => write!(f, "; last error: {error}"),
            None => Ok(()),
        }
    }
}

/// What an error callback is given.
pub(crate) type OnError = Arc<dyn Fn(&str) + Send + Sync>;

/// The counts, shared by the worker that makes them and the guards that read them.
#[derive(Clone, Default)]
pub(crate) struct Ledger {
    counts: Arc<Mutex<Delivery>>,
    on_error: Option<OnError>,
}

impl Ledger {
    pub(crate) fn new(on_error: Option<OnError>) -> Self {
        Self {
            counts: Arc::default(),
            on_error,
        }
    }

    pub(crate) fn read(&self) -> Delivery {
        self.counts
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(crate) fn change(&self, change: impl FnOnce(&mut Delivery)) {
        change(&mut self.counts.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Keeps the error, and tells whoever asked to be told.
    pub(crate) fn error(&self, error: &str) {
        self.change(|counts| counts.last_error = Some(error.to_owned()));
        if let Some(on_error) = &self.on_error {
            on_error(error);
        }
    }

    /// What waits will not be sent any more.
    pub(crate) fn give_up_waiting(&self) {
        self.change(|counts| counts.dropped += std::mem::take(&mut counts.waiting));
    }
}

impl fmt::Debug for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.read().fmt(f)
    }
}
