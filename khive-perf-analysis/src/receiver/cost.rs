//! What a request will cost in memory, counted on the wire before anything is decoded.
//!
//! Two bytes on the wire can become a struct of hundreds: four megabytes of empty metrics decode to 280.
//! So the wire is walked once, without allocating, and every message is charged with the size that its
//! decoded form and the plain values made of it will have. The result is an estimate from above.

use std::mem::size_of;

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1 as common;
use opentelemetry_proto::tonic::logs::v1 as logs;
use opentelemetry_proto::tonic::metrics::v1 as metrics;
use opentelemetry_proto::tonic::resource::v1 as resource;
use opentelemetry_proto::tonic::trace::v1 as trace;

use crate::points;

/// The bytes are not protobuf as OTLP uses it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

/// Messages of the three services that hold others or can repeat.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Shape {
    Request,
    ResourceMetrics,
    Resource,
    EntityRef,
    ScopeMetrics,
    Scope,
    Metric,
    Numbers,
    Histograms,
    ExpHistograms,
    Summaries,
    NumberPoint,
    HistogramPoint,
    ExpPoint,
    Buckets,
    SummaryPoint,
    Quantile,
    Exemplar,
    KeyValue,
    AnyValue,
    Array,
    KvList,
    TraceRequest,
    ResourceSpans,
    ScopeSpans,
    Span,
    SpanEvent,
    SpanLink,
    SpanStatus,
    LogsRequest,
    ResourceLogs,
    ScopeLogs,
    LogRecord,
}

/// What a field is, as far as memory goes.
enum Field {
    Message(Shape),
    /// Packed varints: the counts of buckets.
    Varints,
    /// Anything else takes at most eight bytes more than on the wire, or a `String` in a list.
    Other,
}

/// prost goes no deeper.
const DEPTH_MAX: u32 = 100;

/// A `Vec` that grew by doubling may be twice as long as what it holds.
const GROWTH: usize = 2;

/// A bucket count as it is decoded, and its entry in a map of buckets.
const BUCKET: usize = 8 * GROWTH + 24;

/// What an object of JSON becomes at the most: a log record or span that is then rejected, in a `Vec` that has just grown.
const JSON_OBJECT: usize = 2 * size_of::<trace::Span>() + 160;

/// One node of the map that keeps the attributes of a point.
const MAP_NODE: usize = 11 * (size_of::<String>() + size_of::<serde_json::Value>()) + 16;

/// Bytes that a request of this shape will take once decoded.
pub(crate) fn protobuf(bytes: &[u8], request: Shape) -> Result<usize, Malformed> {
    walk(bytes, request, DEPTH_MAX)
}

/// Bytes that a JSON request will take once decoded.
///
/// Every object is charged like a large message with its intermediate form, every element like a value.
pub(crate) fn json(bytes: &[u8]) -> usize {
    let count = |wanted: u8| bytes.iter().filter(|&&byte| byte == wanted).count();
    let objects = count(b'{').saturating_mul(JSON_OBJECT);
    let elements = count(b',').saturating_mul(64);
    bytes.len().saturating_add(objects).saturating_add(elements)
}

fn walk(mut bytes: &[u8], shape: Shape, depth: u32) -> Result<usize, Malformed> {
    let Some(depth) = depth.checked_sub(1) else {
        return Err(Malformed);
    };
    let mut cost = shape.size().saturating_mul(GROWTH);
    while !bytes.is_empty() {
        let (number, payload) = take_field(&mut bytes)?;
        let more = match (payload, shape.field(number)) {
            (Payload::Bytes(inner), Field::Message(child)) => walk(inner, child, depth)?,
            (Payload::Bytes(inner), Field::Varints) => {
                inner.iter().filter(|&&byte| byte < 0x80).count() * BUCKET
            }
            (Payload::Bytes(inner), Field::Other) => inner.len() + size_of::<String>(),
            (Payload::Number, _) => 8 * GROWTH,
        };
        cost = cost.saturating_add(more);
    }
    Ok(cost)
}

// === impl Shape ===

impl Shape {
    /// Size of the decoded message, and of what it becomes where that is kept beside it.
    fn size(self) -> usize {
        let point = size_of::<points::Point>() + MAP_NODE;
        match self {
            Self::Request => size_of::<ExportMetricsServiceRequest>(),
            Self::ResourceMetrics => {
                size_of::<metrics::ResourceMetrics>() + size_of::<points::ResourcePoints>()
            }
            Self::Resource => size_of::<resource::Resource>() + MAP_NODE,
            Self::EntityRef => size_of::<common::EntityRef>(),
            Self::ScopeMetrics => size_of::<metrics::ScopeMetrics>(),
            Self::Scope => size_of::<common::InstrumentationScope>(),
            Self::Metric => size_of::<metrics::Metric>() + size_of::<points::MetricPoints>(),
            Self::Numbers => size_of::<metrics::Sum>(),
            Self::Histograms => size_of::<metrics::Histogram>(),
            Self::ExpHistograms => size_of::<metrics::ExponentialHistogram>(),
            Self::Summaries => size_of::<metrics::Summary>(),
            Self::NumberPoint => size_of::<metrics::NumberDataPoint>() + point,
            Self::HistogramPoint => size_of::<metrics::HistogramDataPoint>() + point,
            Self::ExpPoint => size_of::<metrics::ExponentialHistogramDataPoint>() + point,
            Self::Buckets => size_of::<metrics::exponential_histogram_data_point::Buckets>(),
            Self::SummaryPoint => size_of::<metrics::SummaryDataPoint>(),
            Self::Quantile => size_of::<metrics::summary_data_point::ValueAtQuantile>(),
            Self::Exemplar => size_of::<metrics::Exemplar>(),
            Self::KeyValue => size_of::<common::KeyValue>() + MAP_NODE / 6,
            Self::AnyValue => size_of::<common::AnyValue>(),
            Self::Array => size_of::<common::ArrayValue>(),
            Self::KvList => size_of::<common::KeyValueList>() + MAP_NODE,
            Self::TraceRequest => size_of::<ExportTraceServiceRequest>(),
            Self::ResourceSpans => {
                size_of::<trace::ResourceSpans>() + size_of::<points::spans::ResourceSpans>()
            }
            Self::ScopeSpans => size_of::<trace::ScopeSpans>(),
            Self::Span => {
                size_of::<trace::Span>()
                    + size_of::<points::spans::Span>()
                    + size_of::<points::spans::OperationSpans>()
                    + 2 * MAP_NODE
            }
            Self::SpanEvent => size_of::<trace::span::Event>(),
            Self::SpanLink => size_of::<trace::span::Link>(),
            Self::SpanStatus => size_of::<trace::Status>(),
            Self::LogsRequest => size_of::<ExportLogsServiceRequest>(),
            Self::ResourceLogs => {
                size_of::<logs::ResourceLogs>() + size_of::<points::logs::ResourceLogs>()
            }
            Self::ScopeLogs => size_of::<logs::ScopeLogs>(),
            Self::LogRecord => {
                size_of::<logs::LogRecord>() + size_of::<points::logs::LogRecord>() + MAP_NODE
            }
        }
    }

    fn field(self, number: u32) -> Field {
        let message = match (self, number) {
            (Self::Request, 1) => Self::ResourceMetrics,
            (Self::TraceRequest, 1) => Self::ResourceSpans,
            (Self::LogsRequest, 1) => Self::ResourceLogs,
            (Self::ResourceMetrics | Self::ResourceSpans | Self::ResourceLogs, 1) => Self::Resource,
            (Self::ResourceSpans, 2) => Self::ScopeSpans,
            (Self::ResourceLogs, 2) => Self::ScopeLogs,
            (Self::ScopeSpans, 2) => Self::Span,
            (Self::ScopeLogs, 2) => Self::LogRecord,
            (Self::Span, 11) => Self::SpanEvent,
            (Self::Span, 13) => Self::SpanLink,
            (Self::Span, 15) => Self::SpanStatus,
            (Self::ResourceMetrics, 2) => Self::ScopeMetrics,
            (Self::Resource, 3) => Self::EntityRef,
            (Self::ScopeMetrics | Self::ScopeSpans | Self::ScopeLogs, 1) => Self::Scope,
            (Self::ScopeMetrics, 2) => Self::Metric,
            (Self::Metric, 5 | 7) => Self::Numbers,
            (Self::Metric, 9) => Self::Histograms,
            (Self::Metric, 10) => Self::ExpHistograms,
            (Self::Metric, 11) => Self::Summaries,
            (Self::Numbers, 1) => Self::NumberPoint,
            (Self::Histograms, 1) => Self::HistogramPoint,
            (Self::ExpHistograms, 1) => Self::ExpPoint,
            (Self::Summaries, 1) => Self::SummaryPoint,
            (Self::ExpPoint, 8 | 9) => Self::Buckets,
            (Self::SummaryPoint, 6) => Self::Quantile,
            (Self::NumberPoint, 5) | (Self::HistogramPoint, 8) | (Self::ExpPoint, 11) => {
                Self::Exemplar
            }
            (Self::Resource, 1)
            | (Self::Scope, 3)
            | (Self::Metric, 12)
            | (Self::NumberPoint | Self::SummaryPoint | Self::Exemplar, 7)
            | (Self::HistogramPoint | Self::Span, 9)
            | (Self::SpanEvent, 3)
            | (Self::SpanLink, 4)
            | (Self::LogRecord, 6)
            | (Self::ExpPoint | Self::KvList, 1) => Self::KeyValue,
            (Self::KeyValue, 2) | (Self::Array, 1) | (Self::LogRecord, 5) => Self::AnyValue,
            (Self::AnyValue, 5) => Self::Array,
            (Self::AnyValue, 6) => Self::KvList,
            (Self::Buckets, 2) => return Field::Varints,
            _ => return Field::Other,
        };
        Field::Message(message)
    }
}

/// What follows a field's key.
enum Payload<'a> {
    Number,
    Bytes(&'a [u8]),
}

fn take_field<'a>(bytes: &mut &'a [u8]) -> Result<(u32, Payload<'a>), Malformed> {
    let key = take_varint(bytes)?;
    let number = u32::try_from(key >> 3).map_err(|_| Malformed)?;
    let payload = match key & 7 {
        0 => {
            take_varint(bytes)?;
            Payload::Number
        }
        1 => {
            take_bytes(bytes, 8)?;
            Payload::Number
        }
        2 => {
            let length = take_varint(bytes)?;
            Payload::Bytes(take_bytes(bytes, length)?)
        }
        5 => {
            take_bytes(bytes, 4)?;
            Payload::Number
        }
        // Groups are no part of OTLP, and could hide what stands in them from this count.
        _ => return Err(Malformed),
    };
    Ok((number, payload))
}

fn take_varint(bytes: &mut &[u8]) -> Result<u64, Malformed> {
    let mut value = 0u64;
    for shift in (0..70).step_by(7) {
        let (&byte, rest) = bytes.split_first().ok_or(Malformed)?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift.min(63);
        if byte < 0x80 {
            return Ok(value);
        }
    }
    Err(Malformed)
}

fn take_bytes<'a>(bytes: &mut &'a [u8], length: u64) -> Result<&'a [u8], Malformed> {
    let length = usize::try_from(length).map_err(|_| Malformed)?;
    let (taken, rest) = bytes.split_at_checked(length).ok_or(Malformed)?;
    *bytes = rest;
    Ok(taken)
}

#[cfg(test)]
mod tests {
    use prost::Message;

    use super::*;

    fn nested(tag: u8, inner: &[u8]) -> Vec<u8> {
        let mut outer = vec![tag];
        prost::encoding::encode_varint(inner.len() as u64, &mut outer);
        outer.extend_from_slice(inner);
        outer
    }

    #[test]
    fn empty_messages_cost_what_they_will_take() {
        const METRICS: usize = 1_000;
        let wire = nested(0x0a, &nested(0x12, &[0x12, 0].repeat(METRICS)));
        let decoded = ExportMetricsServiceRequest::decode(&*wire).expect("a request");
        let metrics = &decoded.resource_metrics[0].scope_metrics[0].metrics;
        let taken = metrics.capacity() * size_of::<metrics::Metric>();
        assert!(metrics.len() == METRICS && taken > 100 * wire.len() / 2);
        let cost = protobuf(&wire, Shape::Request).expect("well formed");
        assert!(cost >= taken, "{cost} is less than {taken}");
    }

    #[test]
    fn empty_spans_and_records_cost_what_they_will_take() {
        const SPANS: usize = 1_000;
        let wire = nested(0x0a, &nested(0x12, &[0x12, 0].repeat(SPANS)));
        let decoded = ExportTraceServiceRequest::decode(&*wire).expect("a request");
        let spans = &decoded.resource_spans[0].scope_spans[0].spans;
        let taken = spans.capacity() * size_of::<trace::Span>();
        let cost = protobuf(&wire, Shape::TraceRequest).expect("well formed");
        assert!(spans.len() == SPANS && cost >= taken, "{cost} < {taken}");
        let decoded = ExportLogsServiceRequest::decode(&*wire).expect("a request");
        let records = &decoded.resource_logs[0].scope_logs[0].log_records;
        let taken = records.capacity() * size_of::<logs::LogRecord>();
        let cost = protobuf(&wire, Shape::LogsRequest).expect("well formed");
        assert!(records.len() == SPANS && cost >= taken, "{cost} < {taken}");
    }

    #[test]
    fn packed_counts_cost_what_each_takes() {
        let buckets = nested(0x42, &nested(0x12, &[1; 100]));
        let data = nested(0x52, &nested(0x0a, &buckets));
        let wire = |metric: &[u8]| nested(0x0a, &nested(0x12, &nested(0x12, metric)));
        let cost = protobuf(&wire(&data), Shape::Request).expect("well formed");
        let without = wire(&nested(0x52, &nested(0x0a, &nested(0x42, &[]))));
        let without = protobuf(&without, Shape::Request);
        assert!(cost - without.expect("well formed") >= 100 * BUCKET);
    }

    #[test]
    fn groups_and_cut_fields_are_malformed() {
        // A group, a length beyond the end, a varint without end, a field number of 33 bits.
        for wire in [
            &[0x0b, 0x0c][..],
            &[0x0a, 5, 0],
            &[0x08, 0xff],
            &[0xfa, 0xff, 0xff, 0xff, 0xff, 1, 0],
        ] {
            for shape in [Shape::Request, Shape::TraceRequest, Shape::LogsRequest] {
                assert_eq!(protobuf(wire, shape), Err(Malformed), "{wire:02x?}");
            }
        }
        assert_eq!(
            protobuf(&[], Shape::Request),
            protobuf(&[0x0a, 0], Shape::Request)
                .map(|cost| cost - 2 * Shape::ResourceMetrics.size())
        );
    }

    proptest::proptest! {
        /// What prost accepts is counted, so that nothing can be decoded that was not.
        #[test]
        fn what_decodes_is_never_malformed_and_nothing_panics(
            wire in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..64),
        ) {
            let has_groups = wire.iter().any(|byte| matches!(byte & 7, 3 | 4));
            for (decodes, shape) in [
                (ExportMetricsServiceRequest::decode(&*wire).is_ok(), Shape::Request),
                (ExportTraceServiceRequest::decode(&*wire).is_ok(), Shape::TraceRequest),
                (ExportLogsServiceRequest::decode(&*wire).is_ok(), Shape::LogsRequest),
            ] {
                proptest::prop_assert!(!decodes || has_groups || protobuf(&wire, shape).is_ok());
            }
            let _ = json(&wire);
        }
    }
}
