//! ExporterBuilder: the settings of an exporter, one by one.

use std::sync::Arc;
use std::time::Duration;

use khive_perf::leak::LeakReports;
use khive_perf::snapshot::Snapshot;

use crate::config::Settings;
use crate::encode::Value;
use crate::env::{Compression, Named, Protocol, Temporality};
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
    pub const fn protocol(mut self, protocol: Protocol) -> Self {
        self.settings.protocol = protocol;
        self
    }

    /// The receiver, as in `http://host:4318`; for HTTP, `/v1/metrics` is added to it.
    pub fn endpoint(mut self, url: impl Into<String>) -> Self {
        self.settings.metrics_endpoint = None;
        self.settings.base_endpoint = Some(Named {
            name: "endpoint",
            value: url.into(),
        });
        self
    }

    /// The receiver's address for metrics, used as it is.
    pub fn metrics_endpoint(mut self, url: impl Into<String>) -> Self {
        self.settings.metrics_endpoint = Some(Named {
            name: "metrics_endpoint",
            value: url.into(),
        });
        self
    }

    /// How requests are compressed. By default not at all.
    pub const fn compression(mut self, compression: Compression) -> Self {
        self.settings.compression = compression;
        self
    }

    /// Adds a header to every request. Its value is not shown in errors or logs.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.settings.headers_name = "header";
        self.settings.headers.push((name.into(), value.into()));
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
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.settings.timeout = timeout;
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

    /// Buckets that a histogram may have. By default 320; at least 2.
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
        self.run(Some(place))
    }

    /// Starts an exporter beside the installed one, if any.
    ///
    /// It is another writer with another `service.instance.id`: two exporters of the same snapshots are
    /// two services to a backend that adds them up.
    ///
    /// # Errors
    ///
    /// If a setting cannot be honoured, or no thread can be started.
    pub fn start(self) -> Result<ExporterGuard, InstallError> {
        self.run(None)
    }

    fn run(self, place: Option<Place>) -> Result<ExporterGuard, InstallError> {
        if self.settings.is_disabled {
            return Ok(ExporterGuard::new(None, place));
        }
        let worker = worker::start(self.settings.check()?)?;
        Ok(ExporterGuard::new(Some(worker), place))
    }
}
