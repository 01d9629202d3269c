//! ExporterBuilder: the settings of an exporter, one by one.

use std::sync::Arc;
use std::time::Duration;

use khive_perf::leak::LeakReports;
use khive_perf::snapshot::Snapshot;
use khive_perf::trace::TraceConfig;

use crate::config::{Settings, Watched};
use crate::encode::Value;
use crate::env::{Compression, HistogramAggregation, Named, Protocol, Temporality};
use crate::error::{ExportError, InstallError};
use crate::exporter::{ExporterGuard, Place};
use crate::worker;

/// The settings of an exporter. Nothing is checked or started before
/// [`install`](Self::install) or [`start`](Self::start).
#[derive(Clone, Debug)]
#[must_use = "a builder sends nothing until `install` or `start`"]
pub struct ExporterBuilder {
    settings: Settings,
}

impl ExporterBuilder {
    pub(super) const fn new(settings: Settings) -> Self {
        Self { settings }
    }

    /// How requests travel. By default protobuf over HTTP.
    pub fn protocol(mut self, protocol: Protocol) -> Self {
        for way in self.settings.ways() {
            way.protocol = protocol;
        }
        self
    }

    /// The receiver, as in `http://host:4318`; for HTTP, `/v1/metrics`, `/v1/traces` and `/v1/logs` are added to it.
    pub fn endpoint(mut self, url: impl Into<String>) -> Self {
        for way in self.settings.ways() {
            way.endpoint = None;
        }
        self.settings.base_endpoint = Some(Named {
            name: "endpoint",
            value: url.into(),
        });
        self
    }

    /// The receiver's address for metrics, used as it is.
    pub fn metrics_endpoint(mut self, url: impl Into<String>) -> Self {
        self.settings.metrics.endpoint = Some(Named {
            name: "metrics_endpoint",
            value: url.into(),
        });
        self
    }

    /// The receiver's address for traces, used as it is.
    pub fn traces_endpoint(mut self, url: impl Into<String>) -> Self {
        self.settings.traces.endpoint = Some(Named {
            name: "traces_endpoint",
            value: url.into(),
        });
        self
    }

    /// The receiver's address for log records, used as it is.
    pub fn logs_endpoint(mut self, url: impl Into<String>) -> Self {
        self.settings.logs.endpoint = Some(Named {
            name: "logs_endpoint",
            value: url.into(),
        });
        self
    }

    /// Whom to trust where the address is an `https://` one: the certificates of a PEM file, in place of those whom the
    /// system trusts. Feature `tls`.
    pub fn certificate(mut self, path: impl Into<String>) -> Self {
        let roots = Named {
            name: "certificate",
            value: path.into(),
        };
        for way in self.settings.ways() {
            way.certificates.roots = Some(roots.clone());
        }
        self
    }

    /// What to show to a receiver that wants to know who sends: PEM files of a certificate, with those that lead from it to
    /// a root, and of its private key. Feature `tls`.
    pub fn client_certificate(
        mut self,
        certificate: impl Into<String>,
        key: impl Into<String>,
    ) -> Self {
        let named = |name, value| Some(Named { name, value });
        let (certificate, key) = (certificate.into(), key.into());
        for way in self.settings.ways() {
            way.certificates.client = named("client_certificate", certificate.clone());
            way.certificates.client_key = named("client_key", key.clone());
        }
        self
    }

    /// Whether metrics are sent. They are by default.
    pub const fn metrics(mut self, are_sent: bool) -> Self {
        self.settings.metrics.is_off = !are_sent;
        self
    }

    /// Whether the traces of the process are sent. By default those of the [installed](Self::install) exporter are; and
    /// none where something else collects them.
    pub const fn traces(mut self, are_sent: bool) -> Self {
        self.settings.traces.is_off = !are_sent;
        self.settings.collects_traces = Some(are_sent);
        self
    }

    /// Whether findings are sent as log records: a leak verdict that is another one, a callsite that goes over to timing some
    /// calls only or back, data that was lost. By default the [installed](Self::install) exporter sends them.
    pub const fn logs(mut self, are_sent: bool) -> Self {
        self.settings.logs.is_off = !are_sent;
        self.settings.sends_logs = Some(are_sent);
        self
    }

    /// Whether what the operating system counts of this process is sent, too: processor time, memory, files, threads, and so
    /// on, by OpenTelemetry's conventions. By default the [installed](Self::install) exporter sends it.
    pub const fn process_metrics(mut self, are_sent: bool) -> Self {
        self.settings.sends_process = Some(are_sent);
        self
    }

    /// Sends what tokio counts of a runtime, too: workers, tasks, the queue, and how busy each worker is. `name` tells it from
    /// others that are given.
    ///
    /// ```no_run
    /// # async fn start() -> Result<(), khive_perf_otel::InstallError> {
    /// let handle = tokio::runtime::Handle::current();
    /// let exporter = khive_perf_otel::Exporter::from_env()?.tokio_runtime("main", &handle).install()?;
    /// # drop(exporter);
    /// # Ok(())
    /// # }
    /// ```
    pub fn tokio_runtime(
        mut self,
        name: impl Into<String>,
        handle: &tokio::runtime::Handle,
    ) -> Self {
        self.settings.runtimes.push(Watched {
            name: name.into(),
            metrics: handle.metrics(),
        });
        self
    }

    /// Which traces are kept, and how many spans may wait. By default as the caller of a trace decided, else all of them.
    pub fn trace_config(mut self, config: TraceConfig) -> Self {
        self.settings.trace_config = config;
        self
    }

    /// Time between two exports of spans. By default five seconds; they go out earlier where half of those that may wait do.
    pub const fn span_interval(mut self, interval: Duration) -> Self {
        self.settings.schedule_delay = interval;
        self
    }

    /// How requests are compressed. By default not at all.
    pub fn compression(mut self, compression: Compression) -> Self {
        for way in self.settings.ways() {
            way.compression = compression;
        }
        self
    }

    /// Adds a header to every request. Its value is not shown in errors or logs.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        let header = (name.into(), value.into());
        for way in self.settings.ways() {
            way.headers_name = "header";
            way.headers.push(header.clone());
        }
        self
    }

    /// Since when values count. By default since the process started.
    pub const fn temporality(mut self, temporality: Temporality) -> Self {
        self.settings.temporality = temporality;
        self
    }

    /// Time between two collections. By default a minute.
    pub const fn interval(mut self, interval: Duration) -> Self {
        self.settings.interval = interval;
        self
    }

    /// Time for one request with its retries. By default ten seconds.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        for way in self.settings.ways() {
            way.timeout = timeout;
        }
        self
    }

    /// Time for all requests of one collection. By default thirty seconds.
    pub const fn export_timeout(mut self, timeout: Duration) -> Self {
        self.settings.export_timeout = timeout;
        self
    }

    /// The `service.name` of the resource.
    pub fn service_name(self, name: impl Into<String>) -> Self {
        self.resource_attribute("service.name", name)
    }

    /// Sets an attribute of the resource, in place of what was found or given before.
    pub fn resource_attribute(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        let value = Value::Text(value.into());
        self.settings.resource.insert(key.into(), value);
        self
    }

    /// Requests that may wait for the receiver. By default 64.
    ///
    /// # Limits
    ///
    /// When the queue is full the oldest request is dropped, and its data points are counted.
    pub const fn queue_len_max(mut self, len: usize) -> Self {
        self.settings.queue_len_max = len;
        self
    }

    /// How durations are put into buckets. By default as they are recorded, in exponential ones.
    ///
    /// ```
    /// # fn main() -> Result<(), khive_perf_otel::InstallError> {
    /// use std::time::Duration;
    /// use khive_perf_otel::{Exporter, HistogramAggregation};
    ///
    /// let boundaries = [10, 100, 1_000].map(Duration::from_micros);
    /// let aggregation = HistogramAggregation::ExplicitBuckets(boundaries.to_vec());
    /// let exporter = Exporter::builder().histogram_aggregation(aggregation).start()?;
    /// # drop(exporter);
    /// # Ok(())
    /// # }
    /// ```
    pub fn histogram_aggregation(mut self, aggregation: HistogramAggregation) -> Self {
        self.settings.aggregation = aggregation;
        self
    }

    /// Buckets that an exponential histogram may have. By default 320; at least 2.
    ///
    /// # Limits
    ///
    /// Where the range of a histogram needs more, neighbours are merged in pairs until it does not.
    /// Counts stay exact.
    pub const fn max_buckets(mut self, buckets: usize) -> Self {
        self.settings.buckets_max = buckets;
        self
    }

    /// Takes snapshots from elsewhere than this process's recorder: a test, say.
    ///
    /// All must be cumulative and of one recorder. The closure runs on the exporter's thread and must
    /// return; if it panics nothing is collected, and the next collection tries again.
    pub fn snapshot_source(
        mut self,
        source: impl Fn() -> Snapshot + Send + Sync + 'static,
    ) -> Self {
        self.settings.source = Arc::new(source);
        self
    }

    /// Sends what a [`LeakWatch`](khive_perf::leak::LeakWatch) says, too: how many places have which verdict, and of the
    /// hundred worst that leak or may leak what they retain and how fast.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::time::Duration;
    /// use khive_perf::leak::{LeakConfig, LeakWatch};
    ///
    /// let watch = LeakWatch::start(LeakConfig::default(), Duration::from_secs(60))?;
    /// let exporter = khive_perf_otel::Exporter::builder().leak_reports(watch.reports()).start()?;
    /// # drop(exporter);
    /// # Ok(())
    /// # }
    /// ```
    pub fn leak_reports(mut self, reports: LeakReports) -> Self {
        self.settings.leaks = Some(reports);
        self
    }

    /// Is told of every problem, on the exporter's thread. By default problems are counted, and nobody
    /// is told.
    ///
    /// The closure must return; a panic in it is ignored.
    pub fn on_error(mut self, f: impl Fn(&ExportError) + Send + Sync + 'static) -> Self {
        self.settings.on_error = Some(Arc::new(f));
        self
    }

    /// Starts the process's exporter.
    ///
    /// # Errors
    ///
    /// If a setting cannot be honoured; if the process has an exporter already, which keeps running; if
    /// no thread can be started.
    pub fn install(self) -> Result<ExporterGuard, InstallError> {
        let place = Place::take()?;
        self.run(Some(place), true)
    }

    /// Starts an exporter beside the installed one, if any.
    ///
    /// It is another writer with another `service.instance.id`: two exporters of the same snapshots are
    /// two services to a backend that adds them up. Traces it sends where [`traces`](Self::traces) asks for them, and
    /// nothing else collects them.
    ///
    /// # Errors
    ///
    /// If a setting cannot be honoured, or no thread can be started.
    pub fn start(self) -> Result<ExporterGuard, InstallError> {
        self.run(None, false)
    }

    fn run(
        mut self,
        place: Option<Place>,
        is_of_process: bool,
    ) -> Result<ExporterGuard, InstallError> {
        if !self.settings.collects_traces.unwrap_or(is_of_process) {
            self.settings.traces.is_off = true;
        }
        if !self.settings.sends_logs.unwrap_or(is_of_process) {
            self.settings.logs.is_off = true;
        }
        self.settings.sends_process.get_or_insert(is_of_process);
        if self.settings.is_disabled {
            return Ok(ExporterGuard::new(None, place));
        }
        let worker = worker::start(self.settings.check()?)?;
        Ok(ExporterGuard::new(Some(worker), place))
    }
}
