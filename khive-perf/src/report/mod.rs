//! Reports: a snapshot as text for people, and as JSON, OpenMetrics and folded stacks for programs.

mod folded;
pub(crate) mod json;
mod memory;
mod prometheus;
mod table;
mod text;

pub use self::folded::folded;
pub use self::json::json;
pub(crate) use self::memory::bytes;
pub use self::prometheus::{PROMETHEUS_CONTENT_TYPE, prometheus};
pub use self::text::text;
