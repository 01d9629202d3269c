//! Beside OpenTelemetry's own library: one trace id, no call that is two spans, whoever exports it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use khive_perf::testing::capture;
use khive_perf::trace::{Collector, Sampler, SpanContext, TraceConfig};
use khive_perf::{is_measured, measure};
use opentelemetry::trace::{
    SpanContext as Theirs, SpanId, TraceContextExt as _, TraceFlags, TraceId, TraceState,
    Tracer as _, TracerProvider as _,
};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SdkTracerProvider, SpanData, SpanExporter};
use tracing::{info_span, subscriber};
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::{Layer as _, registry};

use crate::layer::figures;

/// Keeps what the library exports.
#[derive(Clone, Debug, Default)]
struct Exported(Arc<Mutex<Vec<SpanData>>>);

impl SpanExporter for Exported {
    async fn export(&self, spans: Vec<SpanData>) -> OTelSdkResult {
        self.0.lock().unwrap().extend(spans);
        Ok(())
    }
}

/// Name, trace id, span id and parent's id of a span.
type Shown = (String, [u8; 16], [u8; 8], [u8; 8]);

impl Exported {
    fn provider(&self) -> SdkTracerProvider {
        SdkTracerProvider::builder()
            .with_simple_exporter(self.clone())
            .build()
    }

    /// All spans.
    fn spans(&self) -> Vec<Shown> {
        let spans = self.0.lock().unwrap();
        let shown = spans.iter().map(|span| {
            let context = &span.span_context;
            (
                span.name.to_string(),
                context.trace_id().to_bytes(),
                context.span_id().to_bytes(),
                span.parent_span_id.to_bytes(),
            )
        });
        shown.collect()
    }
}

/// The same of spans of ours.
fn ours(collector: &Collector) -> Vec<Shown> {
    let spans = collector.take(usize::MAX);
    let shown = spans.iter().map(|span| {
        let name = span.name().rsplit("::").next().unwrap_or_default();
        (
            name.to_owned(),
            span.trace_id().to_bytes(),
            span.span_id().to_bytes(),
            span.parent_id().map_or([0; 8], |id| id.to_bytes()),
        )
    });
    shown.collect()
}

#[measure(span)]
fn load() {
    info_span!("library").in_scope(|| {});
}

/// `child < parent` of all spans, and the number of traces that they are of.
fn family(spans: &[Shown]) -> (Vec<String>, usize) {
    let names: BTreeMap<_, _> = spans
        .iter()
        .map(|(name, _, id, _)| (*id, name.as_str()))
        .collect();
    assert_eq!(
        names.len(),
        spans.len(),
        "a span was exported twice: {spans:?}"
    );
    let mut family: Vec<_> = spans
        .iter()
        .map(|(name, _, _, parent)| format!("{name} < {}", names.get(parent).unwrap_or(&"-")))
        .collect();
    family.sort();
    let mut traces: Vec<_> = spans.iter().map(|(_, trace, ..)| *trace).collect();
    traces.sort_unstable();
    traces.dedup();
    (family, traces.len())
}

#[test]
fn a_trace_goes_on_with_the_librarys_span_and_the_librarys_spans_with_it() {
    let exported = Exported::default();
    let provider = exported.provider();
    let tracer = provider.tracer("app");
    let collector = Collector::new(TraceConfig::default());
    let ((), _) = capture(|| {
        tracer.in_span("handler", |_| {
            collector.root("request").with_opentelemetry().scope(|| {
                tracer.in_span("query", |_| {});
            });
            tracer.in_span("after", |_| {});
        });
    });
    let mut spans = exported.spans();
    spans.extend(ours(&collector));
    let expected = [
        "after < handler",
        "handler < -",
        "query < request",
        "request < handler",
    ];
    let (family, traces) = family(&spans);
    assert_eq!(family, expected);
    assert_eq!(traces, 1);
}

#[test]
fn tracing_opentelemetry_and_our_layer_share_a_trace_and_no_span() {
    let exported = Exported::default();
    let provider = exported.provider();
    let collector = Collector::new(TraceConfig::default());
    let theirs = tracing_opentelemetry::layer().with_tracer(provider.tracer("app"));
    let theirs = theirs.with_filter(filter_fn(|metadata| !is_measured(metadata)));
    let subscriber = registry()
        .with(theirs)
        .with(khive_perf::layer().leave_out_of_traces());
    let ((), captured) = capture(|| {
        subscriber::with_default(subscriber, || {
            info_span!("handler").in_scope(|| {
                collector.root("request").with_opentelemetry().scope(load);
            });
        });
    });
    let mut spans = exported.spans();
    spans.extend(ours(&collector));
    let (family, traces) = family(&spans);
    let expected = [
        "handler < -",
        "library < request",
        "load < request",
        "request < handler",
    ];
    assert_eq!(family, expected);
    assert_eq!(traces, 1);
    for name in ["handler", "library", "load", "request"] {
        assert_eq!(
            figures(&captured, name).map(|of| of.0),
            Some(1),
            "{name} is measured once"
        );
    }
}

#[test]
fn futures_carry_both_contexts_from_poll_to_poll() {
    let exported = Exported::default();
    let provider = exported.provider();
    let tracer = provider.tracer("app");
    let collector = Collector::new(TraceConfig::default());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let ((), _) = capture(|| {
        runtime.block_on(async {
            let request = |name: &'static str| {
                let tracer = &tracer;
                let asks = async move {
                    for _ in 0..3 {
                        tokio::task::yield_now().await;
                        tracer.in_span(name, |_| {});
                    }
                };
                collector.root(name).with_opentelemetry().attach(asks)
            };
            tokio::join!(request("one"), request("two"));
            tracer.in_span("outside", |_| {});
        });
    });
    let theirs = exported.spans();
    let roots = ours(&collector);
    for (name, trace, id, _) in &roots {
        let of_root = theirs.iter().filter(|span| span.0 == *name);
        assert_eq!(of_root.clone().count(), 3);
        assert!(
            of_root
                .into_iter()
                .all(|span| span.1 == *trace && span.3 == *id)
        );
    }
    let outside = theirs.iter().find(|span| span.0 == "outside").unwrap();
    assert_eq!(outside.3, [0; 8]);
}

#[test]
fn a_trace_that_is_not_recorded_leaves_the_librarys_spans_as_they_were() {
    let exported = Exported::default();
    let provider = exported.provider();
    let tracer = provider.tracer("app");
    let never = TraceConfig::default().sampler(Sampler::AlwaysOff);
    let collector = Collector::new(never.keep_slow(false).keep_failed(false));
    tracer.in_span("handler", |_| {
        collector
            .root("request")
            .with_opentelemetry()
            .scope(|| tracer.in_span("query", |_| {}));
    });
    let (family, traces) = family(&exported.spans());
    assert_eq!(
        (family, traces),
        (vec!["handler < -".into(), "query < handler".into()], 1)
    );
}

#[test]
fn contexts_go_from_one_form_to_the_other_and_back() {
    let state = TraceState::from_key_value([("vendor", "value")]).unwrap();
    let theirs = Theirs::new(
        TraceId::from(7),
        SpanId::from(9),
        TraceFlags::SAMPLED,
        true,
        state,
    );
    let ours = SpanContext::try_from(&theirs).unwrap();
    assert_eq!(
        ours.to_traceparent(),
        format!("00-{:032x}-{:016x}-01", 7, 9)
    );
    assert_eq!(ours.state(), "vendor=value");
    assert_eq!(Theirs::from(&ours), theirs);
    assert!(SpanContext::try_from(&Theirs::NONE).is_err());
    let root = Collector::new(TraceConfig::default())
        .root("without one")
        .with_opentelemetry();
    assert!(!opentelemetry::Context::current().has_active_span());
    assert!(format!("{root:?}").contains("caller: None"));
}
