//! Black-box tests of the comparison and its reports: rates by simulation, properties, golden texts.

mod cases;
mod golden;
mod properties;
mod rates;
mod simulate;
mod thresholds;
