//! Reports: a snapshot as text for people and as JSON for programs.

pub(crate) mod json;
mod memory;
mod table;
mod text;

pub use self::json::json;
pub(crate) use self::memory::bytes;
pub use self::text::text;
