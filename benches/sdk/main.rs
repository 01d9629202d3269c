//! Every operation of the SDK beside the bare clock, in the configuration that `--config` names.

mod allocator;
mod calls;
mod callsites;
mod futures;
mod reader;
mod threads;
mod traces;

use khive_perf_benches::Bench;

fn main() {
    let bench = Bench::new("sdk");
    calls::run(&bench);
    futures::run(&bench);
    threads::run(&bench);
    traces::run(&bench);
    allocator::run(&bench);
    reader::run(&bench);
    // Last: it leaves 16,384 callsites behind.
    callsites::run(&bench);
}
