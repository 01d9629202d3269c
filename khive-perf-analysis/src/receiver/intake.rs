//! The way of every request, whichever protocol brought it: read, unpack, weigh, decode, store.

use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::body::{Body, Bytes};
use flate2::read::MultiGzDecoder;
use http::HeaderValue;
use http_body_util::BodyExt;
use prost::Message;
use serde::de::DeserializeOwned;
use tokio::sync::{Semaphore, watch};

use crate::receiver::budget::{Budget, Held};
use crate::receiver::cost::{self, Shape};
use crate::receiver::decode::{self, Rejected};
use crate::receiver::refusal::Refusal;
use crate::receiver::{Limits, Received};
use crate::store::{Appended, SERIES_MAX_PER_RUN, Store, Target};

/// Requests decoded or stored at one time; further ones wait, holding what they may hold.
const WORKERS: usize = 4;

/// Steps in which unpacking takes from the budget.
const UNPACK_STEP: usize = 64 << 10;

/// A frame of zstd may ask for a window of 2 to this power, 8 MiB, and no more: as RFC 9659 has it for the web.
const ZSTD_WINDOW_LOG_MAX: u32 = 23;

/// Of a body that is too large, so many times the limit is read and dropped, so that the client hears
/// why instead of a broken connection.
const DRAIN_FACTOR: usize = 4;

/// How a request is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    Protobuf,
    Json,
}

/// How a request is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Compression {
    None,
    Gzip,
    Zstd,
}

/// What a request carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signal {
    Metrics,
    Traces,
    Logs,
}

/// The answer to a request that was not refused.
#[derive(Debug, Default)]
pub(crate) struct Accepted {
    /// Records that were not kept.
    pub(crate) rejected: u64,
    /// Why; empty where everything was kept.
    pub(crate) message: String,
}

/// Everything that handlers share.
pub(crate) struct Intake {
    store: Store,
    target: Target,
    limits: Limits,
    budget: Budget,
    workers: Arc<Semaphore>,
    counts: Counts,
    /// Number of requests between their head and their answer.
    active: watch::Sender<usize>,
}

/// A request between its head and its answer.
pub(crate) struct Active<'a>(&'a watch::Sender<usize>);

#[derive(Default)]
struct Counts {
    requests: AtomicU64,
    points: AtomicU64,
    spans: AtomicU64,
    logs: AtomicU64,
    repeated: AtomicU64,
    rejected: AtomicU64,
    refused: AtomicU64,
}

// === impl Encoding ===

impl Encoding {
    pub(crate) fn content_type(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Protobuf => "application/x-protobuf",
            Self::Json => "application/json",
        })
    }
}

// === impl Active ===

impl Drop for Active<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|active| *active -= 1);
    }
}

// === impl Intake ===

impl Intake {
    pub(crate) fn new(store: Store, target: Target, limits: Limits) -> Self {
        Self {
            store,
            target,
            limits,
            budget: Budget::new(limits.in_flight_bytes_max),
            workers: Arc::new(Semaphore::new(WORKERS)),
            counts: Counts::default(),
            active: watch::Sender::new(0),
        }
    }

    pub(crate) fn limits(&self) -> Limits {
        self.limits
    }

    pub(crate) fn hold(&self) -> Held {
        self.budget.hold()
    }

    /// Says that a request is being handled, until it is dropped.
    pub(crate) fn active(&self) -> Active<'_> {
        self.active.send_modify(|active| *active += 1);
        Active(&self.active)
    }

    /// Waits until no request is being handled.
    pub(crate) async fn idle(&self) {
        // It fails where the sender is gone, which we hold.
        let _ = self
            .active
            .subscribe()
            .wait_for(|active| *active == 0)
            .await;
    }

    /// Whether no request is being handled.
    pub(crate) fn is_idle(&self) -> bool {
        *self.active.borrow() == 0
    }

    pub(crate) fn received(&self) -> Received {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Received {
            requests: read(&self.counts.requests),
            points: read(&self.counts.points),
            spans: read(&self.counts.spans),
            logs: read(&self.counts.logs),
            repeated: read(&self.counts.repeated),
            rejected: read(&self.counts.rejected),
            refused: read(&self.counts.refused),
        }
    }

    /// Counts a refusal on its way out.
    pub(crate) fn refused(&self, refusal: Refusal) -> Refusal {
        self.counts.refused.fetch_add(1, Ordering::Relaxed);
        refusal
    }

    /// Reads a body of at most `bytes_max`, within the time that a body may take.
    pub(crate) async fn read(
        &self,
        body: Body,
        bytes_max: usize,
        held: &mut Held,
    ) -> Result<Vec<u8>, Refusal> {
        let timeout = self.limits.body_timeout;
        match tokio::time::timeout(timeout, self.read_all(body, bytes_max, held)).await {
            Ok(read) => read,
            Err(_) => Err(Refusal::too_slow(timeout)),
        }
    }

    async fn read_all(
        &self,
        mut body: Body,
        bytes_max: usize,
        held: &mut Held,
    ) -> Result<Vec<u8>, Refusal> {
        let mut read = Vec::new();
        let mut refusal = None;
        let mut total = 0usize;
        while let Some(frame) = body.frame().await {
            let frame =
                frame.map_err(|error| Refusal::bad_data(format!("the body broke off: {error}")))?;
            let Ok(data) = frame.into_data() else {
                continue;
            };
            total = total.saturating_add(data.len());
            if refusal.is_none() {
                if total > bytes_max {
                    refusal = Some(self.too_large("the request"));
                } else {
                    match held.grow(data.len()) {
                        Ok(()) => read.extend_from_slice(&data),
                        Err(busy) => refusal = Some(busy),
                    }
                }
            }
            if refusal.is_some() {
                read = Vec::new();
                if total > bytes_max.saturating_mul(DRAIN_FACTOR) {
                    break;
                }
            }
        }
        refusal.map_or(Ok(read), Err)
    }

    pub(crate) fn too_large(&self, what: &str) -> Refusal {
        Refusal::too_large(format!(
            "{what} is larger than the limit of {} bytes; send fewer points at a time",
            self.limits.request_bytes_max
        ))
    }

    /// Takes in a body that was read; when it returns `Ok`, what was accepted is in the database.
    pub(crate) async fn take(
        self: Arc<Self>,
        signal: Signal,
        encoding: Encoding,
        compression: Compression,
        body: Bytes,
        mut held: Held,
    ) -> Result<Accepted, Refusal> {
        let worker = Arc::clone(&self.workers)
            .acquire_owned()
            .await
            .map_err(|_| Refusal::busy("the receiver is shutting down"))?;
        let intake = Arc::clone(&self);
        tokio::task::spawn_blocking(move || {
            // Held here, as the work goes on where the client hangs up.
            let _worker = worker;
            let body = match compression {
                Compression::None => body,
                packed => intake.unpack(packed, &body, &mut held)?.into(),
            };
            intake.store(signal, encoding, &body, &mut held)
        })
        .await
        .map_err(|_| {
            Refusal::internal("the request could not be handled; nothing of it was stored")
        })?
    }

    fn unpack(
        &self,
        compression: Compression,
        packed: &[u8],
        held: &mut Held,
    ) -> Result<Vec<u8>, Refusal> {
        match compression {
            Compression::None => Ok(packed.to_vec()),
            Compression::Gzip => self.read_unpacked("gzip", MultiGzDecoder::new(packed), held),
            Compression::Zstd => {
                let broken = |error| Refusal::bad_data(format!("the body is not zstd: {error}"));
                held.grow(1 << ZSTD_WINDOW_LOG_MAX)?;
                let mut decoder = zstd::Decoder::with_buffer(packed).map_err(broken)?;
                let limit = decoder.window_log_max(ZSTD_WINDOW_LOG_MAX);
                limit.map_err(broken)?;
                self.read_unpacked("zstd", decoder, held)
            }
        }
    }

    fn read_unpacked(
        &self,
        name: &str,
        mut decoder: impl Read,
        held: &mut Held,
    ) -> Result<Vec<u8>, Refusal> {
        let mut unpacked = Vec::new();
        let mut step = vec![0; UNPACK_STEP];
        loop {
            let read = decoder
                .read(&mut step)
                .map_err(|error| Refusal::bad_data(format!("the body is not {name}: {error}")))?;
            let Some(read) = step.get(..read).filter(|read| !read.is_empty()) else {
                return Ok(unpacked);
            };
            if unpacked.len() + read.len() > self.limits.request_bytes_max {
                return Err(self.too_large("the request, once unpacked,"));
            }
            held.grow(read.len())?;
            unpacked.extend_from_slice(read);
        }
    }

    fn store(
        &self,
        signal: Signal,
        encoding: Encoding,
        body: &[u8],
        held: &mut Held,
    ) -> Result<Accepted, Refusal> {
        let (appended, mut rejected) = match signal {
            Signal::Metrics => {
                let request = self.decoded(Shape::Request, encoding, body, held)?;
                let (batch, rejected) = decode::batch(request);
                (self.store.append(self.target, &batch), rejected)
            }
            Signal::Traces => {
                let request = self.decoded(Shape::TraceRequest, encoding, body, held)?;
                let (spans, rejected) = decode::spans(request);
                (self.store.append_spans(self.target, &spans), rejected)
            }
            Signal::Logs => {
                let request = self.decoded(Shape::LogsRequest, encoding, body, held)?;
                let (logs, rejected) = decode::logs(request);
                (self.store.append_logs(self.target, &logs), rejected)
            }
        };
        let appended = appended.map_err(|error| Refusal::storage(&error))?;
        if appended.rejected > 0 {
            let limit = format!("the run has {SERIES_MAX_PER_RUN} series, which is the limit");
            rejected.add(appended.rejected, limit);
        }
        self.count(signal, &appended, &rejected);
        Ok(Accepted {
            rejected: rejected.points(),
            message: rejected.message(),
        })
    }

    /// The request of a body, once it is known that it can be afforded.
    fn decoded<M: Message + Default + DeserializeOwned>(
        &self,
        shape: Shape,
        encoding: Encoding,
        body: &[u8],
        held: &mut Held,
    ) -> Result<M, Refusal> {
        let cost = match encoding {
            Encoding::Protobuf => cost::protobuf(body, shape).map_err(|_| not_protobuf(""))?,
            Encoding::Json => cost::json(body),
        };
        self.afford(cost, held)?;
        match encoding {
            Encoding::Protobuf => M::decode(body).map_err(|error| not_protobuf(&error.to_string())),
            Encoding::Json => serde_json::from_slice(body).map_err(not_json),
        }
    }

    /// Takes from the budget what decoding will cost, where a single request may cost so much.
    fn afford(&self, cost: usize, held: &mut Held) -> Result<(), Refusal> {
        if cost > self.limits.decoded_bytes_max {
            return Err(Refusal::too_large(format!(
                "the request would take about {cost} bytes once decoded and the limit is {} bytes; \
                 send fewer points at a time",
                self.limits.decoded_bytes_max
            )));
        }
        held.grow(cost)
    }

    fn count(&self, signal: Signal, appended: &Appended, rejected: &Rejected) {
        let add = |counter: &AtomicU64, more| counter.fetch_add(more, Ordering::Relaxed);
        let stored = match signal {
            Signal::Metrics => &self.counts.points,
            Signal::Traces => &self.counts.spans,
            Signal::Logs => &self.counts.logs,
        };
        add(&self.counts.requests, 1);
        add(stored, appended.stored);
        add(&self.counts.repeated, appended.repeated);
        add(&self.counts.rejected, rejected.points());
    }
}

fn not_protobuf(why: &str) -> Refusal {
    let separator = if why.is_empty() { "" } else { ": " };
    Refusal::bad_data(format!(
        "the body is not an OTLP export request in protobuf{separator}{why}"
    ))
}

#[expect(clippy::needless_pass_by_value, reason = "fits map_err")]
fn not_json(error: serde_json::Error) -> Refusal {
    Refusal::bad_data(format!(
        "the body is not an OTLP export request in JSON: {error}"
    ))
}
