//! Traces: the calls of one request, as spans of OpenTelemetry, from the caller in another service on.
//!
//! A number says that something is slow; a trace says what happened in one slow request. A trace begins with a
//! [`root`], which is a measured call with a name. All measured calls inside, and all spans of `tracing` where a
//! [`layer`](crate::SpanLayer) measures them, are spans below it: they are recorded as they always are, and besides
//! each has a place in the trace.
//!
//! ```
//! use khive_perf::trace::{self, SpanKind};
//!
//! # #[khive_perf::measure]
//! # fn handle() {}
//! # let header = |name: &str| -> Option<&str> { None };
//! trace::root("GET /users")
//!     .kind(SpanKind::Server)
//!     .caller(header)
//!     .scope(|| handle());
//! ```
//!
//! # Which traces are kept
//!
//! Those that the [`Sampler`] picks when they begin, and those that turn out slow or failed: until its root ends, the spans
//! of a trace wait in a buffer of fixed size, and then it is decided. What is kept waits in a [`Collector`], which the
//! exporter of `khive-perf-otel` has. Without one, nothing is recorded, and what names the trace is passed on all the same.
//! Of kept traces, two calls of each callsite stand as [exemplars](crate::snapshot::CallsiteStats::exemplars) for the others:
//! the slowest, and another one.
//!
//! # Where it goes on
//!
//! A future that is measured goes on as part of the trace, wherever it is polled as part of the root's future. To a task or a
//! thread, hand a [`Context`](crate::Context); to another service, what [`inject`] says.
//!
//! # Beside OpenTelemetry's own library
//!
//! An application that exports spans with `opentelemetry_sdk`, by itself or through `tracing-opentelemetry`, keeps them. With the
//! feature `opentelemetry`, [`Root::with_opentelemetry`] has a trace go on with the span that the library says is current, and
//! what the library begins inside go on with ours: all have one trace id, whoever exports them. No call need be two spans:
//!
//! ```ignore
//! let ours = khive_perf::layer().leave_out_of_traces(); // Spans of `tracing` are theirs, and measured all the same.
//! let theirs = tracing_opentelemetry::layer().with_tracer(tracer);
//! // What `#[measure(span)]` opens is a span of ours already.
//! let theirs = theirs.with_filter(filter_fn(|metadata| !khive_perf::is_measured(metadata)));
//! ```
//!
//! # Overhead
//!
//! Outside of traces: none. In one: about 200 ns for each call, and 48 bytes until its trace is dropped or taken out. A
//! trace itself: two allocations, and a lock of the collector when its root ends. Beginning and leaving a trace, once for
//! each poll of a root: tens of nanoseconds.
//!
//! # Limits
//!
//! In the call tree, calls inside a trace begin at the root of the tree. A measured future that is polled by others than
//! those who began it is a span only while it is polled in its trace. All limits are in [`TraceConfig`], and what passes
//! them is in [`Losses`].

#[cfg(feature = "tower")]
mod client;
mod current;
mod propagation;
mod root;
#[cfg(feature = "tower")]
mod tower;

#[cfg(feature = "tower")]
pub use self::client::{ClientLayer, ClientResponse, ClientService};
pub use self::current::{event, inject, link, set_attribute, set_kind, span};
pub use self::propagation::{Extract, Inject};
pub use self::root::{Root, root};
#[cfg(feature = "tower")]
pub use self::tower::{TraceLayer, TraceService, TracedResponse};
pub use crate::exemplars::Exemplar;
pub use crate::ids::{SpanId, TraceId};
#[cfg(feature = "opentelemetry")]
pub use crate::tracer::NoSpan;
pub use crate::tracer::{
    AlreadyCollected, Baggage, Collector, Event, Kept, Link, Losses, Sampler, Span, SpanContext,
    SpanKind, TraceConfig,
};
