//! OTLP traces to plain spans, refusing what cannot be true.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1 as otlp;

use crate::points::Attributes;
use crate::points::spans::{
    Operation, OperationSpans, ResourceSpans, Span, SpanId, SpanKind, SpanStatus, TraceId,
};
use crate::receiver::decode::{Rejected, attributes, brief, kept, shortened};

/// The spans of a request that can be kept, and what was rejected.
pub(crate) fn spans(request: ExportTraceServiceRequest) -> (Vec<ResourceSpans>, Rejected) {
    let mut rejected = Rejected::default();
    let mut all = Vec::new();
    for from in request.resource_spans {
        let mut to = ResourceSpans {
            resource: attributes(from.resource.unwrap_or_default().attributes),
            operations: Vec::new(),
        };
        for scope_spans in from.scope_spans {
            let scope = scope_spans.scope.unwrap_or_default().name;
            for span in scope_spans.spans {
                match one(span, &scope) {
                    Ok((operation, span)) => add(&mut to.operations, operation, span),
                    Err(reason) => rejected.add(1, reason),
                }
            }
        }
        all.push(to);
    }
    (all, rejected)
}

/// Adds a span to those of its operation; spans of one operation often come one after the other.
fn add(operations: &mut Vec<OperationSpans>, operation: Operation, span: Span) {
    match operations
        .last_mut()
        .filter(|last| last.operation == operation)
    {
        Some(last) => last.spans.push(span),
        None => operations.push(OperationSpans {
            operation,
            spans: vec![span],
        }),
    }
}

fn one(span: otlp::Span, scope: &str) -> Result<(Operation, Span), String> {
    let shown = brief(&span.name);
    let (Some(trace_id), Some(span_id)) = (TraceId::of(&span.trace_id), SpanId::of(&span.span_id))
    else {
        return Err(format!(
            "span `{shown}` has a trace id of {} bytes and a span id of {}; they are 16 and 8, not all zero",
            span.trace_id.len(),
            span.span_id.len()
        ));
    };
    // A parent of zeros is how some say that there is none.
    let has_parent = span.parent_span_id.iter().any(|&byte| byte != 0);
    let parent_span_id = SpanId::of(&span.parent_span_id);
    if has_parent && parent_span_id.is_none() {
        let bytes = span.parent_span_id.len();
        return Err(format!(
            "span `{shown}` has a parent id of {bytes} bytes; it is 8"
        ));
    }
    let (start, end) = (span.start_time_unix_nano, span.end_time_unix_nano);
    if start == 0 || end < start || i64::try_from(end).is_err() {
        return Err(format!(
            "span `{shown}` begins at {start} and ends at {end}, which no span does"
        ));
    }
    if span.name.is_empty() {
        return Err("a span has no name".to_owned());
    }
    let (of_operation, attributes): (Attributes, Attributes) = kept(span.attributes)
        .into_iter()
        .partition(|(key, _)| is_of_operation(key));
    let kind = match otlp::span::SpanKind::try_from(span.kind) {
        Ok(otlp::span::SpanKind::Internal) => SpanKind::Internal,
        Ok(otlp::span::SpanKind::Server) => SpanKind::Server,
        Ok(otlp::span::SpanKind::Client) => SpanKind::Client,
        Ok(otlp::span::SpanKind::Producer) => SpanKind::Producer,
        Ok(otlp::span::SpanKind::Consumer) => SpanKind::Consumer,
        Ok(otlp::span::SpanKind::Unspecified) | Err(_) => SpanKind::Unspecified,
    };
    let status = match span.status.unwrap_or_default().code() {
        otlp::status::StatusCode::Unset => SpanStatus::Unset,
        otlp::status::StatusCode::Ok => SpanStatus::Ok,
        otlp::status::StatusCode::Error => SpanStatus::Error,
    };
    let operation = Operation {
        scope_name: shortened(scope),
        name: shortened(&span.name),
        kind,
        attributes: of_operation,
    };
    let span = Span {
        trace_id,
        span_id,
        parent_span_id,
        start_unix_ns: start,
        duration_ns: end - start,
        status,
        attributes,
    };
    Ok((operation, span))
}

/// Whether an attribute says where in the source a span is, and so is the same for all of one operation.
fn is_of_operation(key: &str) -> bool {
    key.starts_with("code.") || matches!(key, "khive.perf.name" | "khive.perf.group")
}
