//! The receiver's decoders by themselves, for fuzz targets: what is taken in, as the receiver would before it stores it.

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use prost::Message as _;

use crate::points::{Batch, Value};
use crate::receiver::{Limits, cost, decode};

/// Takes in a body of protobuf: metrics, and what traces and logs are counted by.
pub fn protobuf(body: &[u8]) {
    let _ = cost::records(body);
    let Ok(cost) = cost::protobuf(body) else {
        return;
    };
    if cost > Limits::default().decoded_bytes_max {
        return;
    }
    if let Ok(request) = ExportMetricsServiceRequest::decode(body) {
        check(&decode::batch(request).0);
    }
}

/// Takes in a body of JSON.
pub fn json(body: &[u8]) {
    if cost::json(body) > Limits::default().decoded_bytes_max {
        return;
    }
    if let Ok(request) = serde_json::from_slice::<ExportMetricsServiceRequest>(body) {
        check(&decode::batch(request).0);
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
