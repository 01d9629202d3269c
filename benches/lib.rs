//! The harness of the benches: cases take turns, and each is told as a difference to the first.
//!
//! A machine's speed drifts from second to second, by more than what is measured here. So all cases of a
//! row run in one process, in short rounds one after the other, and what is quoted is the median of the
//! differences within a round, with the interval that holds it in 95 of 100 repetitions.
//!
//! ```text
//! settings ──> configuration (off, on, with an exporter)
//!    |
//!    v
//! Bench ──> row: plain, floor, ideal, what is asked ── rounds ──> figures ──> table, or JSON lines
//! ```

pub mod clock;
mod configuration;
mod exporter;
mod figures;
pub mod ideal;
pub mod operations;
mod row;
mod settings;
pub mod threads;

pub use crate::configuration::Configuration;
pub use crate::exporter::Attached;
pub use crate::figures::{Figures, Median, median};
pub use crate::row::{Bench, Case, Role, async_case, base, case, floor, ideal, timed};
pub use crate::settings::{Settings, SettingsError};
