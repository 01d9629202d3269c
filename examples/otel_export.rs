//! This example shows measurements leaving for any OpenTelemetry backend: `OTEL_EXPORTER_OTLP_ENDPOINT` says where.
//!
//! Try it with `khive-perf run --name try -- target/release/examples/otel_export`, or with a Collector.
#![expect(clippy::print_stdout, reason = "an example shows what it found")]

use std::error::Error;
use std::time::Duration;

#[khive_perf::measure(group = "work", err)]
fn parse(line: &str) -> Result<u64, std::num::ParseIntError> {
    line.trim().parse()
}

fn main() -> Result<(), Box<dyn Error>> {
    // Reads the OTEL_* variables and exports from a thread of its own until it is shut down. Where they
    // cannot be understood, this fails at once; where the backend cannot be reached, the program goes on.
    let exporter = khive_perf_otel::install()?;

    let mut unreadable = 0;
    for line in ["1", "2", "three", "4"].iter().cycle().take(10_000) {
        unreadable += usize::from(parse(line).is_err());
    }

    // Sends what is left and says what became of everything. Give it the time you can spare.
    let delivery = exporter.shutdown(Duration::from_secs(3));
    println!("{unreadable} lines could not be read; {delivery}");
    Ok(())
}
