//! Sends what `khive-perf` measures to any OpenTelemetry backend.
//!
//! ```no_run
//! use std::time::Duration;
//!
//! let exporter = khive_perf_otel::install()?; // OTEL_* variables, nothing else needed
//! // ... the program ...
//! let delivery = exporter.shutdown(Duration::from_secs(5));
//! if !delivery.is_complete() {
//!     eprintln!("metrics: {delivery}");
//! }
//! # Ok::<(), khive_perf_otel::InstallError>(())
//! ```
//!
//! # How it works
//!
//! ```text
//! snapshot ─> encode ─> requests that wait ─> transport (gRPC or HTTP) ─> receiver
//!             '────────────── one thread, with a runtime of its own ─────┘
//! ```
//!
//! The thread takes a snapshot every minute (`OTEL_METRIC_EXPORT_INTERVAL`), or when it is asked to
//! [flush](ExporterGuard::flush). Nothing runs on the application's runtime, so it works on a
//! current-thread runtime, inside a task, and where there is no runtime; and no caller is blocked for
//! longer than it allowed.
//!
//! Counts are cumulative by default: a request that is lost costs a point on a chart, and no count. With
//! delta temporality a request is kept until it is acknowledged, within
//! [`queue_len_max`](ExporterBuilder::queue_len_max).
//!
//! Names, units and attributes are listed in `docs/metrics.md`.
//!
//! # Limits
//!
//! TLS and OTLP/JSON are not supported; asking for them is an [`InstallError`].

#![warn(clippy::exhaustive_enums, clippy::exhaustive_structs)]
#![deny(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]
#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::indexing_slicing, reason = "a test may fail"))]

mod builder;
mod clock;
mod delivery;
mod encode;
mod env;
mod error;
mod guard;
mod resource;
mod retry;
mod transport;
mod worker;

pub use crate::builder::{Compression, Exporter, ExporterBuilder, Protocol, Temporality};
pub use crate::delivery::Delivery;
pub use crate::error::InstallError;
pub use crate::guard::ExporterGuard;

/// Starts the process's exporter as the `OTEL_*` environment variables say.
///
/// | variable | default |
/// | --- | --- |
/// | `OTEL_SDK_DISABLED` | `false`; `true` sends nothing |
/// | `OTEL_METRICS_EXPORTER` | `otlp`; `none` sends nothing |
/// | `OTEL_EXPORTER_OTLP_PROTOCOL` | `http/protobuf`; or `grpc` |
/// | `OTEL_EXPORTER_OTLP_ENDPOINT` | `http://localhost:4318`; for gRPC `http://localhost:4317` |
/// | `OTEL_EXPORTER_OTLP_HEADERS` | none |
/// | `OTEL_EXPORTER_OTLP_COMPRESSION` | `none`; or `gzip` |
/// | `OTEL_EXPORTER_OTLP_TIMEOUT` | `10000` ms for one request, its repetitions included |
/// | `OTEL_EXPORTER_OTLP_METRICS_..` | each of the five above, for metrics; the endpoint is used as it is |
/// | `OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE` | `cumulative`; or `delta`, `lowmemory` |
/// | `OTEL_METRIC_EXPORT_INTERVAL` | `60000` ms |
/// | `OTEL_METRIC_EXPORT_TIMEOUT` | `30000` ms for all requests of one export |
/// | `OTEL_SERVICE_NAME`, `OTEL_RESOURCE_ATTRIBUTES` | what is known of the process |
///
/// # Errors
///
/// If a variable has a value that cannot be honoured, naming it and what to set instead; or if an
/// exporter that was installed before is still running, which goes on undisturbed.
pub fn install() -> Result<ExporterGuard, InstallError> {
    let asked = env::read(&|name| std::env::var(name).ok())?;
    let env::Asked::Exporter(builder) = asked else {
        return Ok(ExporterGuard::noop());
    };
    if !guard::claim() {
        return Err(InstallError::already_installed());
    }
    match builder.start() {
        Ok(exporter) => Ok(exporter.installed()),
        Err(error) => {
            guard::release();
            Err(error)
        }
    }
}
