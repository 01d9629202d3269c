//! This example shows that a backend receives what a process recorded, to the last call.
//!
//! `interop_source FILE` records calls of every kind, sends them where the `OTEL_*` variables say, and writes
//! what it recorded itself to FILE, with the quantiles that it reads from its own histograms, and what it would answer to
//! Prometheus to FILE.exposition.
//! `cargo xtask interop` runs it against several receivers and compares.

use std::error::Error;
use std::hint::black_box;
use std::io::Write as _;
use std::pin::pin;
use std::task::{Context, Waker};
use std::time::Duration;
use std::{env, fs, io, panic, thread};

use khive_perf::report::prometheus_for;
use khive_perf::snapshot::{CallsiteStats, Snapshot};
use khive_perf::testing::{Capture, ManualClock};
use khive_perf::trace::{self, SpanKind};
use khive_perf::{FutureExt as _, Outcome, measure};
use khive_perf_otel::Exporter;
use serde_json::{Value, json};

const DEADLINE: Duration = Duration::from_secs(10);
const THREADS: u64 = 3;
const ROUNDS: u64 = 200;
const QUANTILES: [f64; 3] = [0.5, 0.95, 0.99];
/// As Prometheus asks where native histograms are scraped.
const ACCEPT: &str =
    "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited";

fn main() -> Result<(), Box<dyn Error>> {
    let file = env::args().nth(1).ok_or("usage: interop_source FILE")?;
    let made_up = made_up();
    let snapshot = move || {
        let mut snapshot = khive_perf::snapshot();
        snapshot.merge(&made_up);
        snapshot
    };
    let exporter = Exporter::from_env()?
        .snapshot_source(snapshot.clone())
        // They are others each time that one looks, so there is nothing to compare.
        .process_metrics(false)
        .install()?;

    thread::scope(|scope| {
        for thread in 0..THREADS {
            scope.spawn(move || (0..ROUNDS).for_each(|round| serve(round, thread)));
        }
    });
    (0..ROUNDS).for_each(now_and_then);
    fail_now_and_then();
    fibonacci(14);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()?;
    runtime.block_on(wait_and_give_up());
    let tree = trace_some();
    // One call is still under way when the snapshot is taken.
    let mut unfinished = pin!(std::future::pending::<()>().measured("unfinished"));
    let _ = unfinished
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()));

    let everything = snapshot();
    let mut answer = describe(&everything)?;
    let counts = tree.as_array().into_iter().flatten();
    let count: u64 = counts.filter_map(|entry| entry[2].as_u64()).sum();
    answer["span_count"] = count.into();
    answer["spans"] = tree;
    answer["findings"] = findings(&everything);
    fs::write(&file, answer.to_string())?;
    let delivery = exporter.shutdown(DEADLINE);
    // Exemplars are those of traces that were handed on.
    let exposition = prometheus_for(ACCEPT, &snapshot()).1;
    fs::write(format!("{file}.exposition"), exposition)?;
    writeln!(io::stdout(), "{delivery:?}")?;
    if !delivery.is_complete() {
        return Err("not all points arrived".into());
    }
    Ok(())
}

/// Calls that take from nanoseconds to milliseconds, so that the buckets span many octaves.
#[measure(group = "requests", fields(thread))]
fn serve(round: u64, thread: u64) {
    let _span = khive_perf::span!("work", group = "requests");
    work(1 << (round % 18));
}

#[measure(name = "the work itself")]
fn work(turns: u64) -> u64 {
    (0..turns).fold(0, |sum, turn| black_box(sum ^ turn))
}

/// Only some calls are timed, which is a finding.
#[measure(sample = 8)]
fn now_and_then(round: u64) {
    work(round);
}

/// Recursion: only the outermost call has a duration, every call is counted.
#[measure]
fn fibonacci(n: u32) -> u32 {
    if n < 2 {
        n
    } else {
        fibonacci(n - 1) + fibonacci(n - 2)
    }
}

fn fail_now_and_then() {
    // The panics are part of the show; their messages are not.
    panic::set_hook(Box::new(|_| {}));
    for round in 0..ROUNDS {
        let _ = panic::catch_unwind(|| check(round));
    }
    let _ = panic::take_hook();
}

#[measure(err)]
fn check(round: u64) -> Result<u64, String> {
    match round % 20 {
        7 | 13 => Err(format!("round {round} is unlucky")),
        19 => panic!("round {round} has had enough"),
        _ => Ok(work(round)),
    }
}

async fn wait_and_give_up() {
    for round in 0..ROUNDS / 10 {
        let patience = Duration::from_millis(if round % 4 == 0 { 0 } else { 1_000 });
        let _ = tokio::time::timeout(patience, fetch(round % 5)).await;
        async { tokio::task::yield_now().await }
            .measured("yield")
            .await;
    }
}

#[measure(fields(pages))]
async fn fetch(pages: u64) {
    for _ in 0..=pages {
        tokio::time::sleep(Duration::from_millis(1)).await;
        work(1 << pages);
    }
}

/// Traces, and the tree that they are: `[[name, parent's name or null, how many, how many failed], ..]`.
fn trace_some() -> Value {
    const CHECKOUTS: u64 = 20;
    for round in 0..CHECKOUTS {
        let root = trace::root("checkout").kind(SpanKind::Server);
        root.attribute("round", round).scope(|| {
            price(round);
            price(round + 1);
        });
    }
    let prices = (0..CHECKOUTS).chain(1..=CHECKOUTS);
    let failed = 2 * prices.filter(|number| number % 5 == 0).count() as u64;
    json!([
        ["checkout", null, CHECKOUTS, 0],
        ["price", "checkout", 2 * CHECKOUTS, 0],
        ["tax", "price", 4 * CHECKOUTS, failed],
        ["the work itself", "tax", 4 * CHECKOUTS - failed, 0],
    ])
}

#[measure(name = "price")]
fn price(number: u64) {
    let _ = tax(number);
    let _ = tax(number);
}

#[measure(name = "tax", err)]
fn tax(number: u64) -> Result<u64, String> {
    match number % 5 {
        0 => Err("no rate".to_owned()),
        _ => Ok(work(number)),
    }
}

/// Calls by a clock that is set by hand: none too short for a bucket and none too long.
fn made_up() -> Snapshot {
    let clock = ManualClock::new();
    let ((), captured) = Capture::new().clock(&clock).run(|| {
        for turn in 0..301 {
            // From nothing over 1 ns to more than an hour, on the boundaries of buckets too.
            wide(&clock, if turn < 7 { 0 } else { 1 << (turn % 43) });
            wide(&clock, 1_000_000_000 << (turn % 12));
            narrow(&clock, 1_000_000 + turn * turn * 50);
        }
    });
    captured.into_snapshot()
}

#[measure]
fn wide(clock: &ManualClock, ns: u64) {
    clock.advance(Duration::from_nanos(ns));
}

#[measure]
fn narrow(clock: &ManualClock, ns: u64) {
    clock.advance(Duration::from_nanos(ns));
}

/// Callsites of which only some calls are timed, with their calls: the exporter tells each.
fn findings(snapshot: &Snapshot) -> Value {
    let sampled = snapshot.callsites().iter().filter(|stats| stats.sampled());
    let sampled = sampled.map(|stats| json!([stats.function(), stats.calls()]));
    Value::Array(sampled.collect())
}

/// `{"snapshot": .., "has_custom_name": [..], "quantiles": [[callsite, outcome, [ns, ..]], ..]}`
fn describe(snapshot: &Snapshot) -> serde_json::Result<Value> {
    let mut quantiles = Vec::new();
    for (index, callsite) in snapshot.callsites().iter().enumerate() {
        for outcome in Outcome::ALL {
            let wall = callsite.wall_by(outcome);
            if wall.count() > 0 {
                let ns = |quantile| {
                    u64::try_from(wall.quantile(quantile).as_nanos()).unwrap_or(u64::MAX)
                };
                quantiles.push(json!([index, outcome.to_string(), QUANTILES.map(ns)]));
            }
        }
    }
    let named: Vec<bool> = snapshot
        .callsites()
        .iter()
        .map(CallsiteStats::has_custom_name)
        .collect();
    let snapshot: Value = serde_json::from_str(&khive_perf::report::json(snapshot))?;
    Ok(json!({ "snapshot": snapshot, "has_custom_name": named, "quantiles": quantiles }))
}
