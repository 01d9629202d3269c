//! The `khive-perf` binary.
fn main() {}
