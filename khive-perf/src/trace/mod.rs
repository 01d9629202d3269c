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

mod current;
mod propagation;
mod root;
#[cfg(feature = "tower")]
mod tower;

pub use self::current::{event, inject, link, set_attribute, span};
pub use self::propagation::{Extract, Inject};
pub use self::root::{Root, root};
#[cfg(feature = "tower")]
pub use self::tower::{TraceLayer, TraceService, TracedResponse};
pub use crate::exemplars::Exemplar;
pub use crate::ids::{SpanId, TraceId};
pub use crate::tracer::{
    AlreadyCollected, Baggage, Collector, Event, Kept, Link, Losses, Sampler, Span, SpanContext,
    SpanKind, TraceConfig,
};
