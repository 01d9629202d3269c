//! Black-box tests of the comparison and its reports: rates by simulation, properties, golden texts.

mod rates;
mod simulate;
