//! Traces: takes spans out of the collector and queues them as requests.

use khive_perf::trace::{self, Losses};

use crate::config::Config;
use crate::encode::{self, Envelope};
use crate::signal::Signal;
use crate::worker::collect::bytes_max;
use crate::worker::state::State;

pub(super) struct Traces {
    collector: trace::Collector,
    envelope: Envelope,
    bytes_max: usize,
    /// What was missing when it was asked last.
    missing: Losses,
}

impl Traces {
    pub(super) fn new(config: &Config, collector: trace::Collector) -> Self {
        Self {
            collector,
            envelope: Envelope {
                resource: encode::resource(&config.resource),
                scope: encode::scope(),
            },
            bytes_max: bytes_max(config, Signal::Traces),
            missing: Losses::default(),
        }
    }

    pub(super) fn collect(&mut self, state: &State) {
        let spans = self.collector.take(usize::MAX);
        let spans = encode::spans(&spans);
        let split = encode::split_spans(spans, &self.envelope, self.bytes_max);
        state.enqueue(split, true);
        let missing = self.collector.losses();
        let before = std::mem::replace(&mut self.missing, missing);
        for ((why, now), (_, before)) in missing.spans().zip(before.spans()) {
            state.lose(now.saturating_sub(before), why);
        }
    }
}
