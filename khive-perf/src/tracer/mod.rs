//! Tracer: which calls of a trace become spans, and where those wait for an exporter.
//!
//! ```text
//! root ──> Trace, current on a thread for a scope or a poll ──> the thread's traced shard
//! call ──> frame of that shard ──> a slot in the trace's buffer        its end ──> the slot is filled
//! root's end ──> sampled, slow or failed?  ── yes: the queue of the Collector ──> Span, by an exporter
//!                                           '─ no: nothing is left of it
//! ```
//!
//! Outside a trace no call knows of this: inside one, a thread records into another shard, whose calls all go the long way.

mod active;
mod buffer;
mod collector;
mod context;
mod finished;
#[cfg(feature = "opentelemetry")]
mod opentelemetry;
mod policy;
mod sampler;

#[cfg(feature = "enabled")]
pub(crate) use self::active::Opened;
#[cfg(all(feature = "enabled", feature = "tracing"))]
pub(crate) use self::active::Place;
pub(crate) use self::active::{Active, active, is_recording, with_extra};
pub(crate) use self::buffer::{Beginning, Moment, Said, Trace};
pub use self::collector::{AlreadyCollected, Collector, Losses, TraceConfig};
pub(crate) use self::collector::{Shared, of_process};
pub(crate) use self::context::Remote;
pub use self::context::{Baggage, SpanContext};
pub use self::finished::{Event, Kept, Link, Span, SpanKind};
#[cfg(feature = "opentelemetry")]
pub use self::opentelemetry::NoSpan;
#[cfg(feature = "opentelemetry")]
pub(crate) use self::opentelemetry::{Attached, current as current_of_opentelemetry};
pub use self::sampler::Sampler;
