//! tracing: without a subscriber, with a registry that nobody reads, with our layer, and with OpenTelemetry.

use std::any::Any;
use std::rc::Rc;

use khive_perf_benches::{Case, Role, async_case};
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SdkTracerProvider, SpanData, SpanExporter};
use tokio::runtime::Runtime;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::{Layer, Registry};

use crate::{CASE, Peer, no_set_up, one_by_one, work};

pub(crate) const NONE: Peer = peer("tracing, no subscriber", no_set_up);
pub(crate) const REGISTRY: Peer = peer("tracing, Registry", with_registry);
pub(crate) const OUR_LAYER: Peer =
    peer("tracing, Registry and khive_perf::layer()", with_our_layer);
pub(crate) const OPENTELEMETRY: Peer = peer("tracing, OpenTelemetry", with_opentelemetry);

const fn peer(name: &'static str, set_up: fn() -> Box<dyn Any>) -> Peer {
    Peer {
        name,
        set_up,
        empty,
        kernel,
        call: one_by_one,
        future: Some(future),
    }
}

work!(#[tracing::instrument(skip_all)] => empty, kernel);

#[tracing::instrument(skip_all)]
async fn yield_now() {
    tokio::task::yield_now().await;
}

fn future(runtime: &Rc<Runtime>) -> Case {
    async_case(runtime, 1, CASE, Role::Subject, yield_now)
}

/// A layer that does nothing: what the registry itself takes.
struct Nothing;

impl Layer<Registry> for Nothing {}

fn with_registry() -> Box<dyn Any> {
    install(tracing_subscriber::registry().with(Nothing));
    Box::new(())
}

fn with_our_layer() -> Box<dyn Any> {
    install(tracing_subscriber::registry().with(khive_perf::layer()));
    Box::new(())
}

/// Spans go to a batch processor, as in production, and from there nowhere.
fn with_opentelemetry() -> Box<dyn Any> {
    let provider = SdkTracerProvider::builder()
        .with_batch_exporter(Discard)
        .build();
    let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("peers"));
    install(tracing_subscriber::registry().with(layer));
    Box::new(provider)
}

fn install(subscriber: impl tracing::Subscriber + Send + Sync) {
    // There is one subscriber in a process, and one peer in this one.
    tracing::subscriber::set_global_default(subscriber).unwrap_or_default();
}

#[derive(Debug)]
struct Discard;

impl SpanExporter for Discard {
    async fn export(&self, _: Vec<SpanData>) -> OTelSdkResult {
        Ok(())
    }
}
