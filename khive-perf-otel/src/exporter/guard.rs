//! ExporterGuard: a running exporter in the hands of the host.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::delivery::{Delivery, Stats};
use crate::exporter::Place;
use crate::worker::Worker;

/// A running exporter.
///
/// Dropping it shuts it down, and waits for at most [`DROP_DEADLINE`](Self::DROP_DEADLINE) for what is
/// left to be sent. To wait longer, not to block a task, or to know what became of it all, shut it down
/// explicitly. `std::process::exit` runs no destructors; shut down before.
#[derive(Debug)]
#[must_use = "dropping the guard shuts the exporter down"]
pub struct ExporterGuard {
    /// `None` where the environment disables the exporter.
    worker: Option<Worker>,
    place: Mutex<Option<Place>>,
}

impl ExporterGuard {
    /// How long dropping a guard waits at most.
    pub const DROP_DEADLINE: Duration = Duration::from_secs(2);

    pub(super) const fn new(worker: Option<Worker>, place: Option<Place>) -> Self {
        Self {
            worker,
            place: Mutex::new(place),
        }
    }

    /// Collects and sends what there is; returns when that is done, when the receiver seems to be away,
    /// or when the deadline has passed.
    ///
    /// The delivery is about this call: what was sent, rejected and dropped meanwhile, and what is still
    /// pending, which the next collection tries again. What has not changed since the last collection is
    /// not sent twice.
    ///
    /// Blocks the calling thread, on which the exporter does not depend: it works on a current-thread
    /// runtime too. In tasks prefer [`flush_async`](Self::flush_async).
    pub fn flush(&self, deadline: Duration) -> Delivery {
        self.worker
            .as_ref()
            .map_or_else(Delivery::default, |worker| worker.flush(deadline))
    }

    /// [`flush`](Self::flush) for tasks of any executor.
    ///
    /// # Cancellation
    ///
    /// What was begun goes on; only the delivery is lost.
    pub async fn flush_async(&self, deadline: Duration) -> Delivery {
        match &self.worker {
            Some(worker) => worker.flush_async(deadline).await,
            None => Delivery::default(),
        }
    }

    /// Collects and sends what there is, then ends the exporter; what the receiver has not taken by the
    /// deadline is dropped and counted.
    ///
    /// The delivery is about the exporter's whole life. A second call returns the same one at once.
    pub fn shutdown(&self, deadline: Duration) -> Delivery {
        let delivery = self
            .worker
            .as_ref()
            .map_or_else(Delivery::default, |worker| worker.shutdown(deadline));
        self.leave();
        delivery
    }

    /// [`shutdown`](Self::shutdown) for tasks of any executor.
    ///
    /// # Cancellation
    ///
    /// The shutdown goes on. A later one reports it.
    pub async fn shutdown_async(&self, deadline: Duration) -> Delivery {
        let delivery = match &self.worker {
            Some(worker) => worker.shutdown_async(deadline).await,
            None => Delivery::default(),
        };
        self.leave();
        delivery
    }

    /// What the exporter has done so far.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.worker
            .as_ref()
            .map_or_else(Stats::default, Worker::stats)
    }

    /// Makes room for another exporter.
    fn leave(&self) {
        drop(
            self.place
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take(),
        );
    }
}

impl Drop for ExporterGuard {
    fn drop(&mut self) {
        self.shutdown(Self::DROP_DEADLINE);
    }
}
