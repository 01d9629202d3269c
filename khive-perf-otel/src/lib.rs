//! Sends what khive-perf records to any OTLP backend.
//!
//! ```no_run
//! # fn main() -> Result<(), khive_perf_otel::InstallError> {
//! let exporter = khive_perf_otel::install()?; // OTEL_* variables, nothing else needed
//! // .. the program ..
//! let delivery = exporter.shutdown(std::time::Duration::from_secs(5));
//! eprintln!("{delivery}");
//! # Ok(())
//! # }
//! ```
//!
//! # How it works
//!
//! ```text
//!  every interval, flush, shutdown
//!        |
//!        v
//!  khive_perf::snapshot() ─> encode ─> split by size ─> queue (bounded) ─> gRPC or HTTP
//!  └──────────────── one thread of its own, with its own runtime ────────────────┘
//! ```
//!
//! Nothing runs on the application's runtime or threads, so that an exporter works outside any runtime,
//! on a current-thread runtime, inside a task and while the process ends. No call waits longer than the
//! deadline it was given.
//!
//! # What is lost, and how you know
//!
//! Every data point that was collected is sent, rejected, dropped, superseded or still pending, and
//! [`ExporterGuard::stats`] has the count of each. [`Delivery`] is the same for one flush or for the
//! exporter's life.
//!
//! Cumulative values, the default, carry all that came before: of several snapshots waiting for a
//! receiver only the newest is kept. Deltas are kept, each with its own time, until the queue is full;
//! then the oldest is dropped.
//!
//! # Features
//!
//! None is on by default. A setting that asks for one that is off is an [`InstallError`], never something else in silence.
//!
//! | feature | adds | brings along |
//! | --- | --- | --- |
//! | `tls` | `https://` addresses, roots and client certificates of one's own | rustls with ring |
//! | `zstd` | [`Compression::Zstd`] | libzstd, compiled |
//! | `json` | [`Protocol::HttpJson`] | serde_json |
//!
//! Metrics, spans and log records are described in `docs/metrics.md`.

#![forbid(unsafe_code)]
#![warn(clippy::exhaustive_enums, clippy::exhaustive_structs)]
#![deny(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod clock;
mod config;
mod delivery;
mod encode;
mod env;
mod error;
mod exporter;
mod retry;
mod signal;
mod tls;
mod transport;
mod worker;

pub use crate::delivery::{Delivery, Items, Stats};
pub use crate::env::{Compression, HistogramAggregation, Protocol, Temporality};
pub use crate::error::{ExportError, InstallError};
pub use crate::exporter::{Exporter, ExporterBuilder, ExporterGuard, install};
