//! Pages: what the database says, gathered for people to read, as text, Markdown, JSON and HTML, and served to browsers.
//!
//! ```text
//! store ──> Overview (one run), Comparison, trend ──> text, markdown, json
//!                                                '──> HTML, which loads nothing and needs no script ──> router
//! ```

mod frame;
mod history;
pub mod html;
mod index;
pub mod json;
mod lists;
pub mod markdown;
mod overview;
mod router;
mod series;
pub mod text;
mod words;

pub use self::history::refresh;
pub use self::overview::{Overview, Row};
pub use self::router::router;
pub use self::words::{time, utc};
pub use crate::report::words::bytes;
