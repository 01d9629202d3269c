//! Spans of `tracing`, measured by our layer and exported by OpenTelemetry's, and calls of ours inside traces: one process,
//! in turns.
//!
//! `spans [--config every-call|default] [--quick] [--json] --bench`. There is one subscriber in a process, so one layer
//! hands on to whichever is measured: the cost of the registry, of the dispatcher and of that one branch is in every case
//! that opens spans, and stands there by itself as `Registry`.

#![forbid(unsafe_code)]

use std::hint::black_box;
use std::rc::Rc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use khive_perf::SpanLayer;
use khive_perf::trace::{Collector, Sampler as OurSampler, TraceConfig};
use khive_perf_benches::operations as op;
use khive_perf_benches::{Bench, Case, Role, clock, timed};
use opentelemetry::trace::{Span as _, Tracer as _, TracerProvider as _};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, Sampler, SdkTracer, SdkTracerProvider, SpanData,
    SpanExporter,
};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Subscriber};
use tracing_opentelemetry::OpenTelemetryLayer;
use tracing_subscriber::layer::{Context, SubscriberExt as _};
use tracing_subscriber::{Layer, Registry};

/// Calls of a turn, in traces of [`SPANS`].
const CALLS: u32 = 20_000;
/// Spans of one trace, its root included.
const SPANS: u32 = 100;
const ROUNDS: usize = 101;

/// Who gets to see the spans.
static SEEN_BY: AtomicU8 = AtomicU8::new(NOBODY);
const NOBODY: u8 = 0;
const OURS: u8 = 1;
const SAMPLED: u8 = 2;
const NOT_SAMPLED: u8 = 3;

type OpenTelemetry = OpenTelemetryLayer<Registry, SdkTracer>;

/// Hands on what happens to spans to one of these.
struct Switch {
    ours: SpanLayer,
    sampled: OpenTelemetry,
    not_sampled: OpenTelemetry,
}

impl Switch {
    fn layer(&self) -> Option<&dyn Layer<Registry>> {
        match SEEN_BY.load(Ordering::Relaxed) {
            OURS => Some(&self.ours),
            SAMPLED => Some(&self.sampled),
            NOT_SAMPLED => Some(&self.not_sampled),
            _ => None,
        }
    }
}

impl Layer<Registry> for Switch {
    fn on_layer(&mut self, registry: &mut Registry) {
        self.ours.on_layer(registry);
        self.sampled.on_layer(registry);
        self.not_sampled.on_layer(registry);
    }

    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, Registry>) {
        if let Some(layer) = self.layer() {
            layer.on_new_span(attributes, id, context);
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, Registry>) {
        if let Some(layer) = self.layer() {
            layer.on_record(id, values, context);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, Registry>) {
        if let Some(layer) = self.layer() {
            layer.on_event(event, context);
        }
    }

    fn on_enter(&self, id: &Id, context: Context<'_, Registry>) {
        if let Some(layer) = self.layer() {
            layer.on_enter(id, context);
        }
    }

    fn on_exit(&self, id: &Id, context: Context<'_, Registry>) {
        if let Some(layer) = self.layer() {
            layer.on_exit(id, context);
        }
    }

    fn on_close(&self, id: Id, context: Context<'_, Registry>) {
        if let Some(layer) = self.layer() {
            layer.on_close(id, context);
        }
    }
}

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
    let (sampled, not_sampled) = (provider(Sampler::AlwaysOn), provider(Sampler::AlwaysOff));
    let layer = |provider: &SdkTracerProvider| {
        tracing_opentelemetry::layer().with_tracer(provider.tracer("spans"))
    };
    let switch = Switch {
        ours: khive_perf::layer(),
        sampled: layer(&sampled),
        not_sampled: layer(&not_sampled),
    };
    // The only one in this process.
    tracing::subscriber::set_global_default(tracing_subscriber::registry().with(switch))
        .unwrap_or_default();
    bench.compare_for("a span of tracing", ROUNDS, CALLS, spans(&sampled));
    bench.compare_for("a span of a trace", ROUNDS, CALLS, traces(&sampled));
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

/// Spans that somebody sees, or nobody. What waits is sent on between the turns.
fn seen_by(name: &str, who: u8, provider: Option<SdkTracerProvider>) -> Case {
    timed(name, Role::Subject, move |calls| {
        SEEN_BY.store(who, Ordering::Relaxed);
        let elapsed = clock::passed(|| repeat(calls, spanned));
        SEEN_BY.store(NOBODY, Ordering::Relaxed);
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
        seen_by("Registry", NOBODY, None),
        seen_by("Registry, khive_perf::layer()", OURS, None),
        seen_by(
            "Registry, tracing-opentelemetry, exported",
            SAMPLED,
            Some(sampled.clone()),
        ),
        seen_by(
            "Registry, tracing-opentelemetry, not sampled",
            NOT_SAMPLED,
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
        ours("measure, exported", exported.clone(), false),
        ours("measure, not sampled and not recorded", left_out, false),
        ours("measure, dropped at the end of its trace", undecided, false),
        ours("Registry, khive_perf::layer(), exported", exported, true),
        theirs(sampled),
        opentelemetry(sampled),
    ]
}

/// Calls, or spans, in traces of ours. What is kept is taken out between the turns, as an exporter's thread does.
fn ours(name: &str, config: TraceConfig, are_spans: bool) -> Case {
    let collector = Rc::new(Collector::new(config));
    let call: fn(u64) -> u64 = if are_spans { spanned } else { op::measured };
    timed(name, Role::Subject, move |calls| {
        SEEN_BY.store(if are_spans { OURS } else { NOBODY }, Ordering::Relaxed);
        let elapsed = clock::passed(|| {
            for _ in 0..calls / SPANS {
                collector.root("trace").scope(|| repeat(SPANS - 1, call));
            }
        });
        SEEN_BY.store(NOBODY, Ordering::Relaxed);
        drop(collector.take(usize::MAX));
        elapsed
    })
}

/// The same traces, by `tracing-opentelemetry`.
fn theirs(provider: &SdkTracerProvider) -> Case {
    let provider = provider.clone();
    let name = "Registry, tracing-opentelemetry, exported";
    timed(name, Role::Subject, move |calls| {
        SEEN_BY.store(SAMPLED, Ordering::Relaxed);
        let elapsed = clock::passed(|| {
            for _ in 0..calls / SPANS {
                tracing::info_span!("trace").in_scope(|| repeat(SPANS - 1, spanned));
            }
        });
        SEEN_BY.store(NOBODY, Ordering::Relaxed);
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
