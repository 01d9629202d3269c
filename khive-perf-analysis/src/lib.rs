//! The external stage: receives OTLP, keeps runs in SQLite, and judges them.
//!
//! ```text
//! OTLP ──> receiver ──> store ──> detect ──> report ──> exit code
//! ```
//!
//! Nothing here depends on the SDK: OTLP is the contract, so any OTLP source can be analysed.
#![forbid(unsafe_code)]

mod clock;
pub mod config;
pub mod detect;
pub mod error;
pub mod importers;
pub mod model;
pub mod pages;
mod percent;
pub mod points;
pub mod receiver;
pub mod recommend;
pub mod report;
pub mod run;
pub mod stats;
pub mod store;

pub use crate::error::Error;
