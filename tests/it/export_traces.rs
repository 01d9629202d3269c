//! Traces on their way to a receiver that is there, or comes and goes: each span arrives once, or is counted.

use std::collections::BTreeSet;
use std::time::Duration;

use khive_perf::trace::{self, Sampler, TraceConfig};
use khive_perf_otel::{Exporter, ExporterBuilder, ExporterGuard, Stats};
use opentelemetry_proto::tonic::common::v1::any_value;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::trace::v1::Span;

use crate::export_server::{Reaction, Server, http, response, success, watched};
use crate::traces::lock;

const LONG: Duration = Duration::from_secs(20);

#[khive_perf::measure]
fn step() {}

fn request(calls: usize) {
    trace::root("export_traces request").scope(|| (0..calls).for_each(|_| step()));
}

fn builder(server: &Server) -> ExporterBuilder {
    let quiet = Duration::from_secs(3_600);
    let builder = Exporter::builder().endpoint(server.url()).traces(true);
    builder.interval(quiet).span_interval(quiet)
}

/// The spans that came, in their order.
fn spans(server: &Server) -> Vec<Span> {
    let seen = server.seen();
    let resources = seen.iter().flat_map(|seen| &seen.traces.resource_spans);
    let scopes = resources.flat_map(|resource| &resource.scope_spans);
    scopes.flat_map(|scope| &scope.spans).cloned().collect()
}

fn balanced(guard: &ExporterGuard) -> Stats {
    let stats = guard.stats();
    let spans = stats.spans;
    let accounted = spans.sent + spans.rejected + spans.dropped + spans.pending;
    assert_eq!(stats.spans_collected, accounted, "{stats:?}");
    stats
}

#[test]
fn spans_go_to_the_path_of_traces_and_exemplars_lead_to_them() {
    let _alone = lock();
    watched(|| {
        let server = http(|_| success());
        let guard = builder(&server).service_name("traced").start().unwrap();
        request(3);
        let delivery = guard.flush(LONG);
        assert_eq!(
            (delivery.spans.sent, delivery.is_complete()),
            (4, true),
            "{delivery}"
        );
        let spans = spans(&server);
        let [root, steps @ ..] = spans.as_slice() else {
            panic!("{spans:?}")
        };
        assert_eq!(root.name, "export_traces request");
        assert!(steps.iter().all(|step| step.parent_span_id == root.span_id));
        let seen = server.seen();
        let exemplars: Vec<_> = seen
            .iter()
            .flat_map(|seen| &seen.message.resource_metrics)
            .flat_map(|resource| &resource.scope_metrics)
            .flat_map(|scope| &scope.metrics)
            .filter_map(|metric| match metric.data.as_ref()? {
                Data::ExponentialHistogram(histogram) => Some(&histogram.data_points),
                _ => None,
            })
            .flatten()
            .flat_map(|point| &point.exemplars)
            .map(|exemplar| exemplar.span_id.clone())
            .collect();
        assert!(exemplars.contains(&root.span_id), "{exemplars:?}");
        let resource = seen
            .iter()
            .find_map(|seen| seen.traces.resource_spans.first()?.resource.clone())
            .unwrap();
        assert!(
            resource
                .attributes
                .iter()
                .any(|attribute| attribute.key == "service.name")
        );
        balanced(&guard);
        guard.shutdown(LONG);
        // Without an exporter nobody collects.
        request(1);
        assert_eq!(self::spans(&server).len(), 4);
    });
}

#[test]
fn events_arrive_with_their_attributes() {
    use tracing_subscriber::layer::SubscriberExt as _;

    let _alone = lock();
    watched(|| {
        let server = http(|_| success());
        let config = TraceConfig::default().event_attributes_max(3);
        let guard = builder(&server).trace_config(config).start().unwrap();
        let layer = khive_perf::layer().tell_details();
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            trace::root("export_traces events").scope(|| {
                tracing::error!(code = 7, disk = "sda", "disk is {}", "full");
            });
        });
        assert!(guard.shutdown(LONG).is_complete());
        let spans = spans(&server);
        let event = &spans[0].events[0];
        assert_eq!(event.name, "disk is full");
        let attributes = event.attributes.iter();
        let attributes: Vec<_> = attributes
            .map(|pair| {
                (
                    pair.key.as_str(),
                    pair.value.clone().unwrap().value.unwrap(),
                )
            })
            .collect();
        let text = |text: &str| any_value::Value::StringValue(text.to_owned());
        assert_eq!(
            attributes,
            [
                ("level", text("ERROR")),
                ("target", text("it::export_traces")),
                ("code", any_value::Value::IntValue(7)),
            ]
        );
        assert_eq!(event.dropped_attributes_count, 1);
    });
}

#[test]
fn a_receiver_that_comes_and_goes_gets_each_span_once_or_it_is_counted() {
    let _alone = lock();
    watched(|| {
        // Of five requests, one breaks off, one is refused for good, and one is to be made again.
        let server = http(|nth| match nth % 5 {
            1 => Reaction::Close(Vec::new()),
            2 => response("503 Service Unavailable", "retry-after: 0\r\n", b""),
            4 => response("400 Bad Request", "", b""),
            _ => success(),
        });
        let config = TraceConfig::default().spans_max(64).spans_per_trace_max(8);
        let guard = builder(&server)
            .metrics(false)
            .trace_config(config)
            .start()
            .unwrap();
        let mut made = 0;
        for round in 0..40 {
            for at in 0..5 {
                let calls = (round + at) % 12;
                request(calls);
                made += calls as u64 + 1;
            }
            if round % 3 == 0 {
                guard.flush(LONG);
            }
        }
        let delivery = guard.shutdown(LONG);
        let stats = balanced(&guard);
        assert_eq!(stats.spans_collected, made, "{stats:?}");
        assert_eq!(delivery.spans.pending, 0);
        assert!(
            delivery.spans.rejected > 0 && delivery.spans.dropped > 0,
            "{delivery}"
        );
        let spans = spans(&server);
        let ids: BTreeSet<_> = spans
            .iter()
            .map(|span| (&span.trace_id, &span.span_id))
            .collect();
        assert!(ids.len() as u64 >= delivery.spans.sent, "{delivery}");
    });
}

#[test]
fn traces_that_are_not_sampled_are_not_sent_unless_they_are_worth_it() {
    let _alone = lock();
    watched(|| {
        let server = http(|_| success());
        let config = TraceConfig::default().sampler(Sampler::AlwaysOff);
        let guard = builder(&server).trace_config(config).start().unwrap();
        request(2);
        trace::root("fails").scope(|| {
            let failing = async { Err::<(), ()>(()) };
            let _ = fails(failing);
        });
        guard.shutdown(LONG);
        let names: Vec<String> = spans(&server).into_iter().map(|span| span.name).collect();
        assert_eq!(names.first().map(String::as_str), Some("fails"));
        assert_eq!(names.len(), 2, "{names:?}");
    });
}

#[khive_perf::measure(err)]
fn fails<T>(_: T) -> Result<(), ()> {
    Err(())
}
