//! The histogram of OpenTelemetry: with attributes at every call, and bound to them.

use std::any::Any;
use std::rc::Rc;
use std::sync::{LazyLock, OnceLock};
use std::time::Duration;

use khive_perf_benches::clock::now;
use khive_perf_benches::{Case, Role, async_case};
use opentelemetry::KeyValue;
use opentelemetry::metrics::{BoundHistogram, Histogram, MeterProvider as _};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::metrics::data::ResourceMetrics;
use opentelemetry_sdk::metrics::exporter::PushMetricExporter;
use opentelemetry_sdk::metrics::{SdkMeterProvider, Temporality};
use tokio::runtime::Runtime;

use crate::{CASE, Peer, one_by_one, work_within};

pub(crate) const HISTOGRAM: Peer = Peer {
    name: "OpenTelemetry Histogram",
    set_up,
    empty,
    kernel,
    call: one_by_one,
    future: Some(future),
};

pub(crate) const BOUND: Peer = Peer {
    name: "OpenTelemetry Histogram, bound",
    set_up,
    empty: empty_bound,
    kernel: kernel_bound,
    call: one_by_one,
    future: Some(future_bound),
};

work_within!(with_attributes => empty, kernel);
work_within!(bound => empty_bound, kernel_bound);

static PROVIDER: OnceLock<SdkMeterProvider> = OnceLock::new();
static SECONDS: LazyLock<Histogram<f64>> = LazyLock::new(|| {
    let meter = PROVIDER.get_or_init(provider).meter("peers");
    meter.f64_histogram("seconds").with_unit("s").build()
});
static SECONDS_BOUND: LazyLock<BoundHistogram<f64>> =
    LazyLock::new(|| SECONDS.bind(&[KeyValue::new("function", "empty")]));

/// Collects once a second, for nobody.
fn provider() -> SdkMeterProvider {
    let reader = opentelemetry_sdk::metrics::PeriodicReader::builder(Discard)
        .with_interval(Duration::from_secs(1))
        .build();
    SdkMeterProvider::builder().with_reader(reader).build()
}

fn set_up() -> Box<dyn Any> {
    Box::new(PROVIDER.get_or_init(provider).clone())
}

#[inline(always)]
fn with_attributes<R>(work: impl FnOnce() -> R) -> R {
    let start = now();
    let result = work();
    SECONDS.record(
        start.elapsed().as_secs_f64(),
        &[KeyValue::new("function", "empty")],
    );
    result
}

#[inline(always)]
fn bound<R>(work: impl FnOnce() -> R) -> R {
    let start = now();
    let result = work();
    SECONDS_BOUND.record(start.elapsed().as_secs_f64());
    result
}

async fn yield_now() {
    let start = now();
    tokio::task::yield_now().await;
    SECONDS.record(
        start.elapsed().as_secs_f64(),
        &[KeyValue::new("function", "yield")],
    );
}

async fn yield_bound() {
    let start = now();
    tokio::task::yield_now().await;
    SECONDS_BOUND.record(start.elapsed().as_secs_f64());
}

fn future(runtime: &Rc<Runtime>) -> Case {
    async_case(runtime, 1, CASE, Role::Subject, yield_now)
}

fn future_bound(runtime: &Rc<Runtime>) -> Case {
    async_case(runtime, 1, CASE, Role::Subject, yield_bound)
}

#[derive(Debug)]
struct Discard;

impl PushMetricExporter for Discard {
    async fn export(&self, _: &ResourceMetrics) -> OTelSdkResult {
        Ok(())
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }

    fn temporality(&self) -> Temporality {
        Temporality::Cumulative
    }
}
