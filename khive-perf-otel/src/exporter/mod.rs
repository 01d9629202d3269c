//! Exporter: from settings to a running exporter; the process has at most one installed.

mod builder;
mod guard;

use std::sync::atomic::{AtomicBool, Ordering};

pub use self::builder::ExporterBuilder;
pub use self::guard::ExporterGuard;

use crate::config::Settings;
use crate::env;
#[cfg(doc)]
use crate::env::HistogramAggregation;
use crate::error::InstallError;

/// Sends this process's metrics, traces and findings as the `OTEL_*` variables say; by default to a collector on this host,
/// metrics and findings each minute and traces every five seconds.
///
/// The guard that it returns is the exporter: keep it for as long as the process is to be seen, and shut
/// it down at the end. Can be called anywhere, inside a runtime or not.
///
/// | variable | default | |
/// | --- | --- | --- |
/// | `OTEL_SDK_DISABLED` | `false` | `true`: the guard does nothing |
/// | `OTEL_METRICS_EXPORTER`, `OTEL_TRACES_EXPORTER`, `OTEL_LOGS_EXPORTER` | `otlp` | `none`: the signal is not sent |
/// | `OTEL_EXPORTER_OTLP_ENDPOINT` | `http://localhost:4318` (4317 for gRPC) | for HTTP, `/v1/metrics`, `/v1/traces` and `/v1/logs` are added |
/// | `OTEL_EXPORTER_OTLP_METRICS_ENDPOINT` | | used as it is |
/// | `OTEL_EXPORTER_OTLP_PROTOCOL` | `http/protobuf` | or `grpc`, `http/json` (feature `json`) |
/// | `OTEL_EXPORTER_OTLP_HEADERS` | | `key=value,key=value`, percent-encoded |
/// | `OTEL_EXPORTER_OTLP_TIMEOUT` | `10000` ms | for one request with its retries |
/// | `OTEL_EXPORTER_OTLP_COMPRESSION` | `none` | or `gzip`, `zstd` (feature `zstd`) |
/// | `OTEL_EXPORTER_OTLP_INSECURE` | `false` | `true`: a gRPC endpoint without a scheme is plain text, not TLS |
/// | `OTEL_EXPORTER_OTLP_CERTIFICATE` | those of the system | PEM file of the roots to trust (feature `tls`, as the next two) |
/// | `OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE`, `OTEL_EXPORTER_OTLP_CLIENT_KEY` | | PEM files of what to show to the receiver |
/// | `OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE` | `cumulative` | or `delta`, `lowmemory` |
/// | `OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION` | `base2_exponential_bucket_histogram` | or `explicit_bucket_histogram`: [fixed boundaries](HistogramAggregation::explicit_buckets) |
/// | `OTEL_METRIC_EXPORT_INTERVAL` | `60000` ms | |
/// | `OTEL_METRIC_EXPORT_TIMEOUT` | `30000` ms | for all requests of one collection |
/// | `OTEL_TRACES_SAMPLER` | `parentbased_always_on` | or `always_on`, `always_off`, `traceidratio`, and each with `parentbased_` |
/// | `OTEL_TRACES_SAMPLER_ARG` | `1.0` | the share, for `traceidratio` |
/// | `OTEL_BSP_SCHEDULE_DELAY` | `5000` ms | between two exports of spans |
/// | `OTEL_BSP_MAX_QUEUE_SIZE` | `16384` | spans that may wait for the exporter |
/// | `OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT`, `OTEL_SPAN_EVENT_COUNT_LIMIT`, `OTEL_SPAN_LINK_COUNT_LIMIT`, `OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT` | `128` | of each, at most; further ones are counted |
/// | `OTEL_ATTRIBUTE_COUNT_LIMIT` | `128` | attributes of spans and events, where they have no limit of their own |
/// | `OTEL_SERVICE_NAME` | `unknown_service:` and the program | |
/// | `OTEL_RESOURCE_ATTRIBUTES` | | `key=value,key=value`, percent-encoded |
///
/// Each `OTEL_EXPORTER_OTLP_X` also exists as `OTEL_EXPORTER_OTLP_METRICS_X`, `OTEL_EXPORTER_OTLP_TRACES_X` and
/// `OTEL_EXPORTER_OTLP_LOGS_X`, which win.
///
/// # Errors
///
/// If a variable cannot be honoured, which the error names with its value and what to set in its place;
/// if the process has an exporter already, which keeps running; if no thread can be started.
pub fn install() -> Result<ExporterGuard, InstallError> {
    Exporter::from_env()?.install()
}

/// Where builders of exporters come from.
#[derive(Debug)]
#[non_exhaustive]
pub struct Exporter;

impl Exporter {
    /// A builder that starts from the defaults, whatever the environment says.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use std::time::Duration;
    /// use khive_perf_otel::{Compression, Exporter, Protocol};
    ///
    /// # fn main() -> Result<(), khive_perf_otel::InstallError> {
    /// let exporter = Exporter::builder()
    ///     .protocol(Protocol::Grpc)
    ///     .endpoint("http://collector:4317")
    ///     .compression(Compression::Gzip)
    ///     .service_name("checkout")
    ///     .interval(Duration::from_secs(10))
    ///     .install()?;
    /// # drop(exporter);
    /// # Ok(())
    /// # }
    /// ```
    pub fn builder() -> ExporterBuilder {
        ExporterBuilder::new(Settings::new())
    }

    /// A builder that starts from the `OTEL_*` variables, see [`install`].
    ///
    /// # Errors
    ///
    /// If a variable cannot be honoured, which the error names with its value and what to set.
    pub fn from_env() -> Result<ExporterBuilder, InstallError> {
        let variables = env::read(&|name| std::env::var_os(name))?;
        Ok(ExporterBuilder::new(Settings::of(variables)))
    }
}

/// The place of the process's one exporter. Whoever holds it has it, until it is dropped.
#[derive(Debug)]
struct Place;

static IS_TAKEN: AtomicBool = AtomicBool::new(false);

impl Place {
    fn take() -> Result<Self, InstallError> {
        if IS_TAKEN.swap(true, Ordering::AcqRel) {
            return Err(InstallError::already_installed());
        }
        Ok(Self)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        IS_TAKEN.store(false, Ordering::Release);
    }
}
