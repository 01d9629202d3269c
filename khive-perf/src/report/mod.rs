//! Reports: a snapshot as text for people, and as JSON, for Prometheus, as folded stacks and as trace events for programs.

mod chrome;
mod folded;
pub(crate) mod json;
mod memory;
mod prometheus;
mod table;
mod text;

pub use self::chrome::{chrome_spans, chrome_tree};
pub use self::folded::folded;
pub use self::json::json;
pub(crate) use self::memory::bytes;
pub use self::prometheus::{PROMETHEUS_CONTENT_TYPE, prometheus, prometheus_for};
pub use self::text::text;
