//! Builder: every setting of an exporter, its default, and what is allowed.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use khive_perf::Snapshot;

use crate::delivery::OnError;
use crate::error::InstallError;
use crate::guard::ExporterGuard;
use crate::resource::{self, Value};
use crate::worker;

/// How requests travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Protocol {
    /// OTLP/gRPC; the usual port is 4317.
    Grpc,
    /// OTLP/HTTP with binary protobuf; the usual port is 4318.
    HttpProtobuf,
}

/// How requests are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Compression {
    /// Not at all.
    None,
    /// By gzip.
    Gzip,
}

/// Whether points count from the start of the process or from the point before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Temporality {
    /// From the start of the process. A point that is lost costs resolution, never a count.
    Cumulative,
    /// From the point before. In-flight counts stay cumulative, as OpenTelemetry asks.
    Delta,
}

pub(crate) type Source = Arc<dyn Fn() -> Snapshot + Send + Sync>;

/// An exporter, configured by the program. [`install`](crate::install) configures one by the environment.
#[derive(Debug)]
#[non_exhaustive]
pub struct Exporter;

impl Exporter {
    /// An exporter with the defaults, which does not look at the environment.
    pub fn builder() -> ExporterBuilder {
        ExporterBuilder::new()
    }
}

/// Settings of an exporter.
#[derive(Clone)]
#[must_use = "an exporter exports once it is started"]
pub struct ExporterBuilder {
    pub(crate) protocol: Protocol,
    pub(crate) endpoint: Option<String>,
    pub(crate) compression: Compression,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) temporality: Temporality,
    pub(crate) interval: Duration,
    pub(crate) timeout: Duration,
    pub(crate) export_timeout: Duration,
    pub(crate) queue_len_max: usize,
    pub(crate) buckets_max: usize,
    pub(crate) resource: BTreeMap<String, Value>,
    pub(crate) source: Source,
    pub(crate) on_error: Option<OnError>,
    /// Where the endpoint came from, for messages.
    pub(crate) endpoint_setting: String,
}

impl fmt::Debug for ExporterBuilder {
    /// Leaves out header values: they may be credentials.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExporterBuilder")
            .field("protocol", &self.protocol)
            .field("endpoint", &self.endpoint)
            .field("compression", &self.compression)
            .field("temporality", &self.temporality)
            .field("interval", &self.interval)
            .finish_non_exhaustive()
    }
}

impl ExporterBuilder {
    pub(crate) fn new() -> Self {
        Self {
            protocol: Protocol::HttpProtobuf,
            endpoint: None,
            compression: Compression::None,
            headers: Vec::new(),
            temporality: Temporality::Cumulative,
            interval: Duration::from_secs(60),
            timeout: Duration::from_secs(10),
            export_timeout: Duration::from_secs(30),
            queue_len_max: 64,
            buckets_max: 320,
            resource: resource::detect(),
            source: Arc::new(khive_perf::snapshot),
            on_error: None,
            endpoint_setting: "ExporterBuilder::endpoint".to_owned(),
        }
    }

    /// How requests travel. Default HTTP.
    pub fn protocol(mut self, protocol: Protocol) -> Self {
        self.protocol = protocol;
        self
    }

    /// Where they go: for gRPC the address, for HTTP the whole URL, path included.
    ///
    /// Default `http://localhost:4317` and `http://localhost:4318/v1/metrics`.
    pub fn endpoint(mut self, url: impl Into<String>) -> Self {
        self.endpoint = Some(url.into());
        self
    }

    /// How requests are compressed. Default not at all.
    pub fn compression(mut self, compression: Compression) -> Self {
        self.compression = compression;
        self
    }

    /// Adds a header to every request, or a metadata entry to every call.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// What points count from. Default cumulative.
    pub fn temporality(mut self, temporality: Temporality) -> Self {
        self.temporality = temporality;
        self
    }

    /// Time between exports. Default 60 s; at least 1 ms.
    pub fn interval(mut self, interval: Duration) -> Self {
        self.interval = interval;
        self
    }

    /// Longest time for one request, its repetitions included. Default 10 s; at least 1 ms.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Number of requests that wait for a receiver that does not answer. Default 64; at least 1.
    ///
    /// Only delta points queue up; when there are more, the oldest are dropped and counted. Of
    /// cumulative points only the newest wait.
    pub fn queue_len_max(mut self, requests: usize) -> Self {
        self.queue_len_max = requests;
        self
    }

    /// Number of buckets of one histogram point. Default 320; at least 2.
    ///
    /// A histogram that spans more is sent at a coarser scale: neighbours are merged pairwise.
    pub fn buckets_max(mut self, buckets: usize) -> Self {
        self.buckets_max = buckets;
        self
    }

    /// Sets an attribute of the resource; `service.name` is the one that backends group by.
    pub fn resource_attribute(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.resource.insert(name.into(), Value::Text(value.into()));
        self
    }

    /// Takes snapshots from `source` instead of from the process. It is called on the exporter's thread.
    pub fn source(mut self, source: impl Fn() -> Snapshot + Send + Sync + 'static) -> Self {
        self.source = Arc::new(source);
        self
    }

    /// Is told of every error, on the exporter's thread. Without it errors are only kept in
    /// [`Delivery::last_error`](crate::Delivery::last_error): the host's output is the host's.
    pub fn on_error(mut self, callback: impl Fn(&str) + Send + Sync + 'static) -> Self {
        self.on_error = Some(Arc::new(callback));
        self
    }

    /// Starts the exporter on a thread of its own. It connects when it first sends.
    ///
    /// # Errors
    ///
    /// If a setting cannot be honoured, or the thread cannot be started. Whether the receiver is there
    /// is not asked.
    pub fn start(self) -> Result<ExporterGuard, InstallError> {
        let at_least = |name: &str, ok: bool, value: String, least: &str| {
            if ok {
                Ok(())
            } else {
                Err(InstallError::setting(
                    name,
                    &value,
                    format!("must be at least {least}"),
                ))
            }
        };
        let ms = Duration::from_millis(1);
        at_least(
            "interval",
            self.interval >= ms,
            format!("{:?}", self.interval),
            "1 ms",
        )?;
        at_least(
            "timeout",
            self.timeout >= ms,
            format!("{:?}", self.timeout),
            "1 ms",
        )?;
        at_least(
            "queue_len_max",
            self.queue_len_max >= 1,
            self.queue_len_max.to_string(),
            "1",
        )?;
        at_least(
            "buckets_max",
            self.buckets_max >= 2,
            self.buckets_max.to_string(),
            "2",
        )?;
        worker::start(self)
    }
}
