//! This example measures the spans of a library that knows nothing of khive-perf, beside functions that are measured.
#![expect(clippy::print_stdout, reason = "an example shows what it found")]

use tracing_subscriber::layer::SubscriberExt as _;

/// Stands for a library that knows nothing of khive-perf, and opens spans.
mod library {
    use tracing::{Instrument as _, info_span};

    pub(crate) async fn query(rows: u32) -> u32 {
        async {
            for _ in 0..rows {
                tokio::task::yield_now().await;
            }
            rows
        }
        .instrument(info_span!(target: "library", "query", rows))
        .await
    }
}

#[khive_perf::measure]
async fn handle(request: u32) -> u32 {
    library::query(request % 4).await + library::query(2).await
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let subscriber = tracing_subscriber::registry().with(khive_perf::layer());
    tracing::subscriber::set_global_default(subscriber)?;
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let rows: u32 = runtime.block_on(async {
        let mut rows = 0;
        for request in 0..1_000 {
            rows += handle(request).await;
        }
        rows
    });
    println!("{rows} rows");
    print!("{}", khive_perf::report::text(&khive_perf::snapshot()));
    Ok(())
}
