//! Collector: queues snapshots as requests.

use std::rc::Rc;

use khive_perf::leak::LeakReports;
use khive_perf::process::Resources;
use khive_perf::snapshot::Snapshot;
use opentelemetry_proto::tonic::metrics::v1::Metric;

use crate::config::{Config, Watched};
use crate::encode::{self, Buckets, Envelope, Shape};
use crate::env::{Protocol, Temporality};
use crate::signal::Signal;
use crate::worker::state::State;

pub(super) struct Collector {
    leaks: Option<LeakReports>,
    sends_process: bool,
    runtimes: Vec<Watched>,
    envelope: Envelope,
    is_delta: bool,
    buckets: Buckets,
    bytes_max: usize,
    /// The last snapshot that was queued.
    previous: Option<Rc<Snapshot>>,
}

/// What to do with a snapshot that says what the last one said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unchanged {
    /// Send it: a receiver takes silence for the end of a series.
    Send,
    /// A flush has nothing to add.
    Skip,
}

/// What receivers take at most, before compression.
const GRPC_BYTES_MAX: usize = 4 << 20;
const HTTP_BYTES_MAX: usize = 20 << 20;
/// How much longer a request may be in JSON than in protobuf: what names its fields is a byte there.
const JSON_GROWTH: usize = 10;

/// How long a request of a signal may be.
pub(super) fn bytes_max(config: &Config, signal: Signal) -> usize {
    let mut lanes = config.lanes.iter();
    match lanes
        .find(|lane| lane.signal == signal)
        .map(|lane| lane.protocol)
    {
        Some(Protocol::HttpProtobuf) => HTTP_BYTES_MAX,
        Some(Protocol::HttpJson) => HTTP_BYTES_MAX / JSON_GROWTH,
        Some(Protocol::Grpc) | None => GRPC_BYTES_MAX,
    }
}

impl Collector {
    pub(super) fn new(config: &Config) -> Self {
        Self {
            leaks: config.leaks.clone(),
            sends_process: config.sends_process,
            runtimes: config.runtimes.clone(),
            envelope: Envelope {
                resource: encode::resource(&config.resource),
                scope: encode::scope(),
            },
            is_delta: config.temporality == Temporality::Delta,
            buckets: config.buckets.clone(),
            bytes_max: bytes_max(config, Signal::Metrics),
            previous: None,
        }
    }

    pub(super) fn collect(&mut self, unchanged: Unchanged, snapshot: &Rc<Snapshot>, state: &State) {
        if unchanged == Unchanged::Skip
            && let Some(previous) = &self.previous
            && self.content(previous) == self.content(snapshot)
        {
            return;
        }
        let delta = match &self.previous {
            Some(previous) if self.is_delta => Some(snapshot.since(previous)),
            _ => None,
        };
        let news = delta.as_ref().unwrap_or(snapshot);
        let shape = self.shape(news.start_unix_ns(), snapshot);
        let metrics = self.metrics(news, &shape);
        self.previous = Some(Rc::clone(snapshot));
        let split = encode::split(metrics, &self.envelope, self.bytes_max);
        state.enqueue(split, self.is_delta);
    }

    const fn shape(&self, start_unix_ns: u64, snapshot: &Snapshot) -> Shape {
        Shape {
            is_delta: self.is_delta,
            start_unix_ns,
            process_start_unix_ns: snapshot.start_unix_ns(),
            time_unix_ns: snapshot.time_unix_ns(),
        }
    }

    /// What a snapshot says, the latest leak report, the operating system, and runtimes.
    fn metrics(&self, snapshot: &Snapshot, shape: &Shape) -> Vec<Metric> {
        let mut metrics = encode::metrics(snapshot, shape, &self.buckets);
        if let Some(leaks) = &self.leaks {
            metrics.extend(encode::leaks(&leaks.latest(), shape));
        }
        if self.sends_process {
            metrics.extend(encode::process(&Resources::now(), shape));
        }
        let runtimes: Vec<_> = self.runtimes.iter().map(Watched::look).collect();
        metrics.extend(encode::runtimes(&runtimes, shape));
        metrics
    }

    /// All that a snapshot says but for the time of saying it.
    fn content(&self, snapshot: &Snapshot) -> Vec<impl PartialEq + use<>> {
        let shape = Shape {
            is_delta: false,
            start_unix_ns: 0,
            process_start_unix_ns: 0,
            time_unix_ns: 0,
        };
        encode::metrics(snapshot, &shape, &self.buckets)
    }
}
