//! The `khive-perf` binary: parses arguments, calls the library, maps outcomes to exit codes.
#![forbid(unsafe_code)]

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
