//! This example shows a whole service under measurement: `demo_service --inject slow-session --table`.
//!
//! It prints its address, serves until SIGTERM or ctrl-c, and sends what it measured to where the
//! `OTEL_*` variables say. `demo_load` drives it, `tour` compares two of it.

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use khive_perf::alloc::TrackingAllocator;
use khive_perf_examples::demo;

#[global_allocator]
static ALLOCATOR: TrackingAllocator = TrackingAllocator::system();

/// An agent-orchestration service to be measured.
#[derive(Parser)]
struct Line {
    #[command(flatten)]
    args: demo::Args,
}

fn main() -> ExitCode {
    match demo::run(Line::parse().args, &mut std::io::stdout()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "demo_service: {error}");
            ExitCode::FAILURE
        }
    }
}
