//! Spans of traces that were kept, as OTLP.

use khive_perf::trace::{Exemplar, Link, Span, SpanKind};
use khive_perf::{AttributeValue, Outcome};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value};
use opentelemetry_proto::tonic::metrics::v1::{self as metrics, exemplar};
use opentelemetry_proto::tonic::trace::v1::{self as otlp, SpanFlags, span, status};

use crate::encode::split::{Envelope, Split, pack};
use crate::encode::{OUTCOME, field, key_value, text};

/// W3C flag: the trace is recorded.
pub(super) const SAMPLED: u32 = 1;

/// Spans as they are sent.
pub(crate) fn spans(spans: &[Span]) -> Vec<otlp::Span> {
    spans.iter().map(encode).collect()
}

fn encode(span: &Span) -> otlp::Span {
    let parent = span.parent_id();
    let is_remote = span.is_root() && parent.is_some();
    let [attributes, events, links] = span.dropped();
    otlp::Span {
        trace_id: span.trace_id().to_bytes().to_vec(),
        span_id: span.span_id().to_bytes().to_vec(),
        trace_state: span.trace_state().to_owned(),
        parent_span_id: parent.map_or_else(Vec::new, |id| id.to_bytes().to_vec()),
        // Spans are sent of traces that are recorded; those that turned out worth it, too.
        flags: SAMPLED | remote(is_remote),
        name: span.name().to_owned(),
        kind: kind(span.kind()) as i32,
        start_time_unix_nano: span.start_unix_ns(),
        end_time_unix_nano: span.end_unix_ns(),
        attributes: attributes_of(span),
        dropped_attributes_count: attributes,
        events: span.events().iter().map(event).collect(),
        dropped_events_count: events,
        links: span.links().iter().map(link).collect(),
        dropped_links_count: links,
        status: span.is_failure().then(|| otlp::Status {
            message: String::new(),
            code: status::StatusCode::Error as i32,
        }),
    }
}

/// Packs spans into requests of at most `bytes_max`, before compression. None is empty.
pub(crate) fn split_spans(spans: Vec<otlp::Span>, envelope: &Envelope, bytes_max: usize) -> Split {
    pack(spans, bytes_max, |spans| ExportTraceServiceRequest {
        resource_spans: vec![otlp::ResourceSpans {
            resource: Some(envelope.resource.clone()),
            scope_spans: vec![otlp::ScopeSpans {
                scope: Some(envelope.scope.clone()),
                spans,
                ..otlp::ScopeSpans::default()
            }],
            ..otlp::ResourceSpans::default()
        }],
    })
}

const fn remote(is_remote: bool) -> u32 {
    let known = SpanFlags::ContextHasIsRemoteMask as u32;
    if is_remote {
        known | SpanFlags::ContextIsRemoteMask as u32
    } else {
        known
    }
}

const fn kind(kind: SpanKind) -> span::SpanKind {
    match kind {
        SpanKind::Server => span::SpanKind::Server,
        SpanKind::Client => span::SpanKind::Client,
        SpanKind::Producer => span::SpanKind::Producer,
        SpanKind::Consumer => span::SpanKind::Consumer,
        _ => span::SpanKind::Internal,
    }
}

fn attributes_of(span: &Span) -> Vec<KeyValue> {
    let mut attributes = vec![text("code.function.name", span.function())];
    if !span.file().is_empty() {
        attributes.push(text("code.file.path", span.file()));
        let line = any_value::Value::IntValue(i64::from(span.line()));
        attributes.push(key_value("code.line.number", line));
    }
    if let Some(group) = span.group() {
        attributes.push(text("khive.perf.group", group));
    }
    attributes.push(text(OUTCOME, span.outcome().as_str()));
    if let Some(kept) = span.kept() {
        attributes.push(text("khive.perf.trace.kept", kept.as_str()));
    }
    if span.outcome() == Outcome::Panic {
        attributes.push(text("error.type", "panic"));
    }
    for (key, value) in span.attributes() {
        add(&mut attributes, key, value);
    }
    attributes
}

/// A key is there once; what the program says of a span cannot take the place of what we say.
fn add(attributes: &mut Vec<KeyValue>, key: &str, value: &AttributeValue) {
    if attributes.iter().all(|known| known.key != key) {
        attributes.push(key_value(key, field(value)));
    }
}

fn event(event: &khive_perf::trace::Event) -> span::Event {
    let attributes = event.attributes.iter();
    span::Event {
        time_unix_nano: event.time_unix_ns,
        name: event.name.to_string(),
        attributes: attributes
            .map(|(key, value)| key_value(key, field(value)))
            .collect(),
        dropped_attributes_count: event.dropped_attributes,
    }
}

fn link(link: &Link) -> span::Link {
    let of = &link.span;
    span::Link {
        trace_id: of.trace_id().to_bytes().to_vec(),
        span_id: of.span_id().to_bytes().to_vec(),
        trace_state: of.state().to_owned(),
        flags: u32::from(of.is_sampled()),
        ..span::Link::default()
    }
}

/// Calls that stand for those around them in a point that began at `start_unix_ns`.
pub(super) fn exemplars(exemplars: &[Exemplar], outcome: Outcome) -> Vec<metrics::Exemplar> {
    let of = exemplars
        .iter()
        .filter(|exemplar| exemplar.outcome == outcome);
    of.map(|exemplar| metrics::Exemplar {
        time_unix_nano: exemplar.time_unix_ns,
        span_id: exemplar.span_id.to_bytes().to_vec(),
        trace_id: exemplar.trace_id.to_bytes().to_vec(),
        value: Some(exemplar::Value::AsDouble(exemplar.value.as_secs_f64())),
        ..metrics::Exemplar::default()
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use khive_perf::trace::{Collector, Kept, Sampler, SpanContext, TraceConfig};
    use prost::Message as _;

    use super::*;

    #[test]
    fn requests_are_as_large_as_they_may_be_and_hold_each_span_once() {
        let collector = Collector::new(TraceConfig::default());
        collector.root("request").scope(|| {
            for _ in 0..100 {
                let _region = khive_perf::span!("region");
            }
        });
        let encoded = spans(&collector.take(usize::MAX));
        let envelope = Envelope {
            resource: crate::encode::resource(&[]),
            scope: crate::encode::scope(),
        };
        let split = split_spans(encoded.clone(), &envelope, 4_096);
        let mut seen = Vec::new();
        for (body, count) in &split.requests {
            assert!((2_048..=4_096).contains(&body.len()) || seen.len() + 20 > 101);
            let request = ExportTraceServiceRequest::decode(body.clone()).unwrap();
            let [resource] = request.resource_spans.as_slice() else {
                panic!("{request:?}")
            };
            let spans = resource.scope_spans.iter().flat_map(|scope| &scope.spans);
            let before = seen.len() as u64;
            seen.extend(spans.cloned());
            assert_eq!(seen.len() as u64 - before, *count);
        }
        assert_eq!((seen, split.oversize), (encoded.clone(), 0));
        let tiny = split_spans(encoded, &envelope, 64);
        assert_eq!((tiny.requests.len(), tiny.oversize), (0, 101));
    }

    #[test]
    fn a_span_says_who_called_what_became_of_it_and_why_it_is_there() {
        let caller = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";
        let caller = SpanContext::from_traceparent(caller).unwrap();
        let config = TraceConfig::default().sampler(Sampler::AlwaysOff);
        let collector = Collector::new(config);
        let root = collector
            .root("request")
            .parent(caller.clone().with_state("a=1"));
        let panics = || {
            root.kind(SpanKind::Server).scope(|| {
                khive_perf::trace::set_attribute("code.function.name", "not ours");
                khive_perf::trace::set_attribute("http.route", "/");
                let _region = khive_perf::span!("region");
                panic!("on purpose")
            })
        };
        assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(panics)).is_err());
        let encoded = spans(&collector.take(9));
        let [root, region] = encoded.as_slice() else {
            panic!("{encoded:?}")
        };
        assert_eq!(root.trace_id, caller.trace_id().to_bytes());
        assert_eq!(root.parent_span_id, caller.span_id().to_bytes());
        assert_eq!((root.flags, region.flags), (0x301, 0x101));
        assert_eq!(root.trace_state, "a=1");
        assert_eq!(root.kind, span::SpanKind::Server as i32);
        assert_eq!(region.parent_span_id, root.span_id);
        let value = |key: &str| {
            let mut with = root.attributes.iter().filter(|known| known.key == key);
            let value = with.next()?.value.clone()?.value?;
            assert!(with.next().is_none(), "{key} is there twice");
            match value {
                any_value::Value::StringValue(text) => Some(text),
                _ => None,
            }
        };
        assert_eq!(value("code.function.name").as_deref(), Some("request"));
        assert_eq!(value("http.route").as_deref(), Some("/"));
        assert_eq!(value(OUTCOME).as_deref(), Some("panic"));
        assert_eq!(value("error.type").as_deref(), Some("panic"));
        let kept = value("khive.perf.trace.kept");
        assert_eq!(kept.as_deref(), Some(Kept::Panicked.as_str()));
        let status = root.status.as_ref().unwrap();
        assert_eq!(status.code, status::StatusCode::Error as i32);
    }
}
