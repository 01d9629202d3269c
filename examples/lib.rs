//! What the example programs share: the demo service, its load driver, campaigns of runs; README.md is the index.
#![forbid(unsafe_code)]

pub mod campaign;
mod clock;
pub mod demo;
pub mod load;
