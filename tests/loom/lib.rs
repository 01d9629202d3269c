//! What the threads of `khive-perf` agree by without a lock, gone through by a model checker: `cargo xtask loom`.
//!
//! The modules named by path are those of `khive-perf`, as they are; under `cfg(loom)` their atomics are those of loom,
//! which runs a model again and again, with its threads interleaved, and its loads satisfied, in every way that the
//! memory model allows, up to a number of preemptions. Each model claims one property, in its first line.

#![cfg(all(loom, test))]
#![expect(dead_code, reason = "no model uses all of what it is about")]

#[path = "../../khive-perf/src/sync.rs"]
mod sync;

#[path = "../../khive-perf/src/callsite/number.rs"]
mod number;

#[path = "../../khive-perf/src/recorder/handoff.rs"]
mod handoff;
#[path = "../../khive-perf/src/recorder/part.rs"]
mod part;
#[path = "../../khive-perf/src/recorder/turn.rs"]
mod turn;
#[path = "../../khive-perf/src/recorder/waiting.rs"]
mod waiting;

#[path = "../../khive-perf/src/heap/bucket.rs"]
mod bucket;
#[path = "../../khive-perf/src/heap/free_list.rs"]
mod free_list;
#[path = "../../khive-perf/src/heap/sequence.rs"]
mod sequence;

mod models;

/// Runs a model in all ways with up to so many preemptions.
fn check(preemptions: usize, model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.check(model);
}
