//! Spans of `tracing`, measured by our layer and exported by OpenTelemetry's, and calls of ours inside traces: one process,
//! in turns.
//!
//! `spans [--config every-call|default] [--quick] [--json] --bench`. Each case has a subscriber of its own, which is the
//! default of the thread for as long as it is measured, so that each layer is called as it is where it is the only one. What
//! it costs to ask for a thread's own subscriber is in every case that opens spans, and stands there by itself as `Registry`.

#![forbid(unsafe_code)]

use std::hint::black_box;
use std::rc::Rc;
use std::time::Duration;

use khive_perf::trace::{Collector, Sampler as OurSampler, TraceConfig};
use khive_perf_benches::operations as op;
use khive_perf_benches::{Bench, Case, Role, clock, timed};
use opentelemetry::trace::{Span as _, Tracer as _, TracerProvider as _};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, Sampler, SdkTracerProvider, SpanData, SpanExporter,
};
use tracing::Dispatch;
use tracing::dispatcher::with_default;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry;

/// Calls of a turn, in traces of [`SPANS`].
const CALLS: u32 = 20_000;
/// Spans of one trace, its root included.
const SPANS: u32 = 100;
const ROUNDS: usize = 101;

#[tracing::instrument(skip_all)]
#[inline(never)]
fn spanned(x: u64) -> u64 {
    op::plain(x)
}

/// With what they hold of spans: a batch processor with room for a turn, as what it has to drop costs it less.
fn provider(sampler: Sampler) -> SdkTracerProvider {
    let room = BatchConfigBuilder::default()
        .with_max_queue_size(CALLS as usize * 2)
        .build();
    let processor = BatchSpanProcessor::builder(Discard)
        .with_batch_config(room)
        .build();
    SdkTracerProvider::builder()
        .with_span_processor(processor)
        .with_sampler(sampler)
        .build()
}

#[derive(Debug)]
struct Discard;

impl SpanExporter for Discard {
    async fn export(&self, _: Vec<SpanData>) -> OTelSdkResult {
        Ok(())
    }
}

fn main() {
    let bench = Bench::new("spans");
    let sampled = provider(Sampler::AlwaysOn);
    bench.compare_for("a span of tracing", ROUNDS, CALLS, spans(&sampled));
    bench.compare_for("a span of a trace", ROUNDS, CALLS, traces(&sampled));
}

/// A subscriber with our layer.
fn layered() -> Dispatch {
    Dispatch::new(registry().with(khive_perf::layer()))
}

/// One with OpenTelemetry's.
fn theirs(provider: &SdkTracerProvider) -> Dispatch {
    let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("spans"));
    Dispatch::new(registry().with(layer))
}

#[inline]
fn repeat(calls: u32, call: impl Fn(u64) -> u64) {
    for _ in 0..calls {
        let _ = black_box(call(black_box(1)));
    }
}

fn plain() -> Case {
    timed("plain", Role::Base, |calls| {
        clock::passed(|| repeat(calls, op::plain))
    })
}

/// Spans of a subscriber. What waits is sent on between the turns.
fn subscribed(name: &str, subscriber: Dispatch, provider: Option<SdkTracerProvider>) -> Case {
    timed(name, Role::Subject, move |calls| {
        let elapsed = with_default(&subscriber, || clock::passed(|| repeat(calls, spanned)));
        flush(provider.as_ref());
        elapsed
    })
}

fn flush(provider: Option<&SdkTracerProvider>) {
    if let Some(provider) = provider {
        provider.force_flush().unwrap_or_default();
    }
}

fn spans(sampled: &SdkTracerProvider) -> Vec<Case> {
    vec![
        plain(),
        subscribed("Registry", Dispatch::new(registry()), None),
        subscribed("Registry, khive_perf::layer()", layered(), None),
        subscribed(
            "Registry, tracing-opentelemetry, exported",
            theirs(sampled),
            Some(sampled.clone()),
        ),
        subscribed(
            "Registry, tracing-opentelemetry, not sampled",
            theirs(&provider(Sampler::AlwaysOff)),
            None,
        ),
    ]
}

fn traces(sampled: &SdkTracerProvider) -> Vec<Case> {
    let exported = TraceConfig::default().spans_max(usize::MAX);
    let undecided = TraceConfig::default().sampler(OurSampler::AlwaysOff);
    let left_out = undecided.clone().keep_failed(false).keep_slow(false);
    vec![
        plain(),
        timed("measure, in no trace", Role::Subject, |calls| {
            clock::passed(|| repeat(calls, op::measured))
        }),
        ours("measure, exported", exported.clone(), SPANS, false),
        ours(
            "measure, not sampled and not recorded",
            left_out.clone(),
            SPANS,
            false,
        ),
        ours("the same, all in one trace", left_out, CALLS, false),
        ours(
            "measure, dropped at the end of its trace",
            undecided,
            SPANS,
            false,
        ),
        ours(
            "Registry, khive_perf::layer(), exported",
            exported,
            SPANS,
            true,
        ),
        their_traces(sampled),
        opentelemetry(sampled),
    ]
}

/// Calls, or spans, in traces of ours with so many, each root included. What is kept is taken out between the turns, as an
/// exporter's thread does.
fn ours(name: &str, config: TraceConfig, of_trace: u32, are_spans: bool) -> Case {
    let collector = Rc::new(Collector::new(config));
    let subscriber = if are_spans {
        layered()
    } else {
        Dispatch::none()
    };
    let call: fn(u64) -> u64 = if are_spans { spanned } else { op::measured };
    timed(name, Role::Subject, move |calls| {
        let elapsed = with_default(&subscriber, || {
            clock::passed(|| {
                for _ in 0..(calls / of_trace).max(1) {
                    let calls = of_trace.min(calls);
                    collector.root("trace").scope(|| repeat(calls - 1, call));
                }
            })
        });
        drop(collector.take(usize::MAX));
        elapsed
    })
}

/// The same traces, by `tracing-opentelemetry`.
fn their_traces(provider: &SdkTracerProvider) -> Case {
    let provider = provider.clone();
    let subscriber = theirs(&provider);
    let name = "Registry, tracing-opentelemetry, exported";
    timed(name, Role::Subject, move |calls| {
        let elapsed = with_default(&subscriber, || {
            clock::passed(|| {
                for _ in 0..calls / SPANS {
                    tracing::info_span!("trace").in_scope(|| repeat(SPANS - 1, spanned));
                }
            })
        });
        flush(Some(&provider));
        elapsed
    })
}

/// The same number of spans, by OpenTelemetry's own interface, each a trace of its own.
fn opentelemetry(provider: &SdkTracerProvider) -> Case {
    let provider = provider.clone();
    let tracer = provider.tracer("spans");
    let name = "opentelemetry_sdk alone, exported";
    timed(name, Role::Subject, move |calls| -> Duration {
        let elapsed = clock::passed(|| {
            for _ in 0..calls {
                let mut span = tracer.start("spanned");
                let _ = black_box(op::plain(black_box(1)));
                span.end();
            }
        });
        flush(Some(&provider));
        elapsed
    })
}
