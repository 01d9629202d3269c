//! Black-box tests that can share a process: one module per feature, data in, expectation out.

mod accounting;
mod budget;
mod capturing;
mod export;
mod export_server;
mod export_traces;
mod fields;
mod futures;
mod layer;
mod measure;
mod measure_arguments;
mod measure_blocks;
mod measure_calls;
mod measure_equivalence;
mod measure_futures;
mod measure_identity;
mod measure_lints;
mod measure_sizes;
mod measure_spans;
mod reports;
mod sampling;
mod snapshots;
mod threads;
mod traces;
