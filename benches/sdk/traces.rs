//! What a span of a trace costs the thread that makes it.

use std::hint::black_box;
use std::rc::Rc;

use khive_perf::trace::{Collector, Sampler, TraceConfig};
use khive_perf_benches::operations as op;
use khive_perf_benches::{Bench, Case, Role, clock, timed};

/// Spans of one trace.
const SPANS: u32 = 100;
/// Calls of a turn, in traces of [`SPANS`].
const CALLS: u32 = 20_000;

pub(crate) fn run(bench: &Bench) {
    let kept = TraceConfig::default().spans_max(usize::MAX);
    let undecided = TraceConfig::default().sampler(Sampler::AlwaysOff);
    let left_out = undecided.clone().keep_failed(false).keep_slow(false);
    bench.compare(
        "empty function, in a trace of 100 calls",
        CALLS,
        vec![
            timed("plain", Role::Base, |calls| {
                clock::passed(|| {
                    for _ in 0..calls {
                        let _ = black_box(op::plain(black_box(1)));
                    }
                })
            }),
            in_traces("kept", kept),
            in_traces("not sampled, dropped at its end", undecided),
            in_traces("not sampled, and not recorded", left_out),
        ],
    );
}

/// Calls a measured function in traces. What is kept is taken out between the turns, as an exporter's thread does.
fn in_traces(name: &str, config: TraceConfig) -> Case {
    let collector = Rc::new(Collector::new(config));
    timed(name, Role::Subject, move |calls| {
        let elapsed = clock::passed(|| {
            for _ in 0..calls / SPANS {
                collector.root("trace").scope(|| {
                    for _ in 1..SPANS {
                        let _ = black_box(op::measured(black_box(1)));
                    }
                });
            }
        });
        drop(collector.take(usize::MAX));
        elapsed
    })
}
