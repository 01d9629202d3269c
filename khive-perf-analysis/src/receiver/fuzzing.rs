//! The receiver's decoders by themselves, for fuzz targets: what is taken in, as the receiver would before it stores it.

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message as _;

use crate::points::logs::ResourceLogs;
use crate::points::spans::ResourceSpans;
use crate::points::{Batch, Value};
use crate::receiver::cost::{self, Shape};
use crate::receiver::{Limits, decode};

/// Takes in a body of protobuf, as metrics, as traces and as logs.
pub fn protobuf(body: &[u8]) {
    let is_affordable = |shape| {
        cost::protobuf(body, shape).is_ok_and(|cost| cost <= Limits::default().decoded_bytes_max)
    };
    if is_affordable(Shape::Request)
        && let Ok(request) = ExportMetricsServiceRequest::decode(body)
    {
        check(&decode::batch(request).0);
    }
    if is_affordable(Shape::TraceRequest)
        && let Ok(request) = ExportTraceServiceRequest::decode(body)
    {
        check_spans(&decode::spans(request).0);
    }
    if is_affordable(Shape::LogsRequest)
        && let Ok(request) = ExportLogsServiceRequest::decode(body)
    {
        check_logs(&decode::logs(request).0);
    }
}

/// Takes in a body of JSON, as metrics, as traces and as logs.
pub fn json(body: &[u8]) {
    if cost::json(body) > Limits::default().decoded_bytes_max {
        return;
    }
    if let Ok(request) = serde_json::from_slice::<ExportMetricsServiceRequest>(body) {
        check(&decode::batch(request).0);
    }
    if let Ok(request) = serde_json::from_slice::<ExportTraceServiceRequest>(body) {
        check_spans(&decode::spans(request).0);
    }
    if let Ok(request) = serde_json::from_slice::<ExportLogsServiceRequest>(body) {
        check_logs(&decode::logs(request).0);
    }
}

fn check_spans(all: &[ResourceSpans]) {
    for of in all.iter().flat_map(|resource| &resource.operations) {
        assert!(!of.operation.name.is_empty() && !of.spans.is_empty());
        for span in &of.spans {
            let end = span.start_unix_ns.checked_add(span.duration_ns);
            assert!(
                end.is_some_and(|end| i64::try_from(end).is_ok()),
                "{span:?}"
            );
        }
    }
}

fn check_logs(all: &[ResourceLogs]) {
    for record in all.iter().flat_map(|resource| &resource.records) {
        assert!(record.severity <= 24 && i64::try_from(record.time_unix_ns).is_ok());
    }
}

/// What everything behind the decoder relies on.
fn check(batch: &Batch) {
    let metrics = batch
        .resources
        .iter()
        .flat_map(|resource| &resource.metrics);
    for metric in metrics {
        for point in &metric.points {
            assert!(
                point.value.is_of(metric.kind),
                "{point:?} in a {:?}",
                metric.kind
            );
            match &point.value {
                Value::Double(value) => assert!(value.is_finite(), "{point:?}"),
                Value::Histogram(of) => {
                    let fits = of.counts.len() == of.bounds.len() + 1;
                    assert!(fits || of.counts.is_empty(), "{point:?}");
                }
                Value::ExpHistogram(of) => {
                    assert!((-10..=20).contains(&of.histogram.scale), "{point:?}");
                }
                Value::Int(_) => {}
            }
        }
    }
}
