//! Traces: takes spans out of the collector and queues them as requests.

use khive_perf::trace::{self, Losses};

use crate::config::Config;
use crate::encode::{self, Envelope};
use crate::signal::Signal;
use crate::worker::collect::bytes_max;
use crate::worker::state::State;

/// Some thousands of spans: a request that fails is not so much to send again.
const REQUEST_BYTES_MAX: usize = 1 << 20;

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
            bytes_max: bytes_max(config, Signal::Traces).min(REQUEST_BYTES_MAX),
            missing: Losses::default(),
        }
    }

    /// Whether so many spans wait to be collected that it should be soon.
    pub(super) fn is_urgent(&self) -> bool {
        self.collector.waiting() >= self.collector.room() / 2
    }

    /// Whether any wait to be collected.
    pub(super) fn has_more(&self) -> bool {
        self.collector.waiting() > 0
    }

    /// Counts as lost what nobody will collect any more.
    pub(super) fn give_up(&mut self, state: &State) {
        let left = self.collector.take(usize::MAX).len() as u64;
        state.lose(
            left,
            "the exporter was shut down before there was room for them",
        );
        self.count_losses(state);
    }

    /// Queues as many spans as there is room for. The others stay where they are: what is dropped there has cost less.
    pub(super) fn collect(&mut self, state: &State) {
        let room = self.collector.room().saturating_sub(state.waiting());
        if room > 0 {
            let spans = encode::spans(&self.collector.take(room));
            let split = encode::split_spans(spans, &self.envelope, self.bytes_max);
            state.enqueue(split, true);
        }
        self.count_losses(state);
    }

    fn count_losses(&mut self, state: &State) {
        let missing = self.collector.losses();
        let before = std::mem::replace(&mut self.missing, missing);
        for ((why, now), (_, before)) in missing.spans().zip(before.spans()) {
            state.lose(now.saturating_sub(before), why);
        }
    }
}
