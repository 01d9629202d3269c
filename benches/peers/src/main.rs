//! Other libraries on the same work, each beside the plain function, the bare clock and ours.
//!
//! `peers --list` prints their names, one a line. `peers --peer NAME [--config every-call|default] [--quick]
//! [--json] --bench` measures one: what a library does to the whole process, such as a subscriber, the others must not
//! meet. Every peer is set up as its documentation says for production, with what it exports discarded.

#![forbid(unsafe_code)]

mod autometrics;
mod fastrace;
mod hotpath;
mod metrics;
mod opentelemetry;
mod rows;
mod tracing;

use std::any::Any;
use std::io::Write as _;
use std::process::ExitCode;
use std::rc::Rc;

use khive_perf_benches::{Bench, Case};
use tokio::runtime::Runtime;

/// A function of the work, plain or measured by somebody.
type Function = fn(u64) -> u64;

/// Another library.
struct Peer {
    name: &'static str,
    /// Sets it up. What is returned is kept until all is measured.
    set_up: fn() -> Box<dyn Any>,
    empty: Function,
    kernel: Function,
    /// How a function is called over and over.
    call: fn(name: &str, Function) -> Case,
    /// Awaits the future that yields once, on a runtime.
    future: Option<fn(&Rc<Runtime>) -> Case>,
}

const PEERS: &[Peer] = &[
    tracing::NONE,
    tracing::REGISTRY,
    tracing::OUR_LAYER,
    tracing::OPENTELEMETRY,
    fastrace::NO_PARENT,
    fastrace::ROOT,
    hotpath::HOTPATH,
    autometrics::AUTOMETRICS,
    metrics::BY_NAME,
    metrics::BY_HANDLE,
    opentelemetry::HISTOGRAM,
    opentelemetry::BOUND,
];

/// The name under which a peer's case stands.
const CASE: &str = "peer";

fn main() -> ExitCode {
    if std::env::args().any(|argument| argument == "--list") {
        let names: Vec<_> = PEERS.iter().map(|peer| peer.name).collect();
        say(&names.join("\n"));
        return ExitCode::SUCCESS;
    }
    let bench = Bench::new("peers");
    let name = bench.settings().peer.as_deref();
    let Some(peer) = PEERS.iter().find(|peer| Some(peer.name) == name) else {
        say("error: `--peer` needs one of the names that `--list` prints");
        return ExitCode::from(2);
    };
    let guard = (peer.set_up)();
    rows::run(&bench, peer);
    drop(guard);
    ExitCode::SUCCESS
}

fn say(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// For a peer that needs none.
fn no_set_up() -> Box<dyn Any> {
    Box::new(())
}

/// Calls it once per iteration.
fn one_by_one(name: &str, f: Function) -> Case {
    khive_perf_benches::case(name, move || f(std::hint::black_box(1)))
}
