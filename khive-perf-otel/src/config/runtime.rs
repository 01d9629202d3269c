//! A runtime of tokio that was given to look at.

use tokio::runtime::RuntimeMetrics;

use crate::encode::{Runtime, RuntimeWorker};

/// What to look at, and how to call it.
#[derive(Clone, Debug)]
pub(crate) struct Watched {
    pub(crate) name: String,
    pub(crate) metrics: RuntimeMetrics,
}

impl Watched {
    /// What tokio counts of it now, as far as it promises to go on counting that.
    pub(crate) fn look(&self) -> Runtime {
        let metrics = &self.metrics;
        Runtime {
            name: self.name.clone(),
            workers: metrics.num_workers() as u64,
            tasks: metrics.num_alive_tasks() as u64,
            queue_len: metrics.global_queue_depth() as u64,
            each: workers(metrics),
        }
    }
}

#[cfg(target_has_atomic = "64")]
fn workers(metrics: &RuntimeMetrics) -> Vec<RuntimeWorker> {
    let of = |worker| RuntimeWorker {
        busy: metrics.worker_total_busy_duration(worker),
        parks: metrics.worker_park_count(worker),
    };
    (0..metrics.num_workers()).map(of).collect()
}

/// Tokio counts them with atomics of 64 bits.
#[cfg(not(target_has_atomic = "64"))]
fn workers(_: &RuntimeMetrics) -> Vec<RuntimeWorker> {
    Vec::new()
}
