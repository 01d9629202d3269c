//! Black-box tests: one module per feature, data in, expectation out.

mod measure;
mod measure_arguments;
mod measure_blocks;
mod measure_calls;
mod measure_equivalence;
mod measure_futures;
mod measure_lints;
mod measure_sizes;
