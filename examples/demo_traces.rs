//! This example shows that each number of a service leads to the request behind it: `demo_traces FILE`.
//!
//! It runs the demo service and requests to it, sends the traces where the `OTEL_*` variables say, and writes to FILE how
//! often it called what, and the exemplars of that. `cargo xtask interop` runs it against a backend and looks them up there.

use std::error::Error;
use std::io::{self, Write as _};
use std::time::Duration;
use std::{env, fs};

use khive_perf::snapshot::{CallsiteStats, Snapshot};
use khive_perf_examples::demo::{Config, Service};
use khive_perf_examples::load::{self, Plan};
use khive_perf_otel::Exporter;
use serde_json::{Value, json};

const DEADLINE: Duration = Duration::from_secs(10);
/// Requests in the second that it takes. Half of them are orchestrations, with hundreds of spans each.
const RATE: u32 = 20;

fn main() -> Result<(), Box<dyn Error>> {
    let file = env::args().nth(1).ok_or("usage: demo_traces FILE")?;
    let exporter = Exporter::from_env()?.install()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(serve_and_ask())?;
    drop(runtime);
    let delivery = exporter.shutdown(DEADLINE);
    // Exemplars are those of traces that were handed on.
    fs::write(file, describe(&khive_perf::snapshot()).to_string())?;
    writeln!(io::stdout(), "{delivery:?}")?;
    if !delivery.is_complete() {
        return Err("not all spans arrived".into());
    }
    Ok(())
}

/// Starts the service, sends it requests over several connections at once, and stops it.
async fn serve_and_ask() -> Result<(), Box<dyn Error>> {
    let service = Service::start(Config::default()).await?;
    let plan = Plan {
        sessions: 2,
        transcript_len: 50,
        rate: RATE,
        warm_up: 0.0,
        seconds: 1.0,
        ..Plan::default()
    };
    let mix = load::set_up(service.addr(), &plan).await?;
    let load = load::drive(service.addr(), &plan, mix).await;
    service.stop(DEADLINE).await?;
    if load.error_count() > 0 {
        return Err(format!("the service did not answer all requests:\n{load}").into());
    }
    Ok(())
}

/// `{"span_count": .., "calls": [[name, how often], ..], "points": [{"attributes": .., "exemplars": [..]}, ..]}`
fn describe(snapshot: &Snapshot) -> Value {
    let called = || {
        snapshot
            .callsites()
            .iter()
            .filter(|stats| stats.calls() > 0)
    };
    let calls = called().map(|stats| json!([stats.name(), stats.calls()]));
    json!({
        "span_count": called().map(CallsiteStats::calls).sum::<u64>(),
        "calls": calls.collect::<Vec<_>>(),
        "points": called().map(point).collect::<Vec<_>>(),
    })
}

fn point(stats: &CallsiteStats) -> Value {
    let exemplars = stats.exemplars().iter().map(|exemplar| {
        json!({
            "trace_id": exemplar.trace_id.to_string(),
            "span_id": exemplar.span_id.to_string(),
            "seconds": exemplar.value.as_secs_f64(),
        })
    });
    json!({
        "attributes": { "khive.perf.name": stats.name() },
        "exemplars": exemplars.collect::<Vec<_>>(),
        "p99_seconds": stats.wall().quantile(0.99).as_secs_f64(),
    })
}
