//! This example shows load at a fixed rate on `demo_service`: `demo_load --addr 127.0.0.1:PORT`.

use std::io::Write;
use std::net::SocketAddr;
use std::process::ExitCode;

use clap::Parser;
use khive_perf_examples::load::{self, Load, Plan};

/// Drives a running demo service and reports throughput, quantiles and errors.
#[derive(Parser)]
struct Line {
    /// Where the service listens, as it printed it.
    #[arg(long)]
    addr: SocketAddr,

    #[command(flatten)]
    plan: Plan,
}

#[tokio::main]
async fn main() -> ExitCode {
    let Line { addr, plan } = Line::parse();
    match run(addr, &plan).await {
        Ok(load) => {
            let _ = write!(std::io::stdout(), "{load}");
            if load.error_count() == 0 {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            }
        }
        Err(error) => {
            let _ = writeln!(
                std::io::stderr(),
                "demo_load: cannot prepare {addr}: {error}; start demo_service first"
            );
            ExitCode::FAILURE
        }
    }
}

async fn run(addr: SocketAddr, plan: &Plan) -> std::io::Result<Load> {
    let mix = load::set_up(addr, plan).await?;
    Ok(load::drive(addr, plan, mix).await)
}
