//! A campaign: the demo service measured as it should be and with a fault, run by run, then compared.
//!
//! ```text
//!  tour ── load ──> child: demo service (baseline, or candidate with a fault)
//!   ^                  |
//!   |                  | OTLP, as the OTEL_* variables say
//!   |                  v
//!   '── verdict ──  store of runs <── receiver, in this process
//! ```
//!
//! Baseline and candidate take turns, and swap who goes first, so that a machine that slowly gets hotter or
//! busier does so for both.

mod child;
mod order;
mod progress;
mod verdict;

pub use child::{Measured, measure};
pub use order::{Side, database_path, order};
pub use progress::Progress;
pub use verdict::{compare, surprises};
