//! Families: the spans of traces by the span that they are directly below, for rules to look at.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use crate::points;
use crate::points::spans::{Operation, ResourceSpans, Span, SpanId, SpanKind, TraceId};

/// All families of a run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Families {
    /// What spans are of.
    pub operations: Vec<Traced>,
    /// In the order of traces and parents.
    pub families: Vec<Family>,
    /// Time of the spans that are below none, added up, in seconds.
    pub roots_s: f64,
}

/// What spans of one name have in common.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Traced {
    /// `service.name` of the source.
    pub service: String,
    /// Name of the spans.
    pub name: String,
    /// Whether they ask for something elsewhere.
    pub is_client: bool,
    /// Source file and line.
    pub place: Option<(String, i64)>,
    /// How many there are.
    pub spans: u64,
}

/// A span's children.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Family {
    /// Name of the parent; none where it is of another program, or was not kept.
    pub parent: Option<String>,
    /// By their start.
    pub children: Vec<Child>,
}

/// One span below another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Child {
    /// Its operation, an index.
    pub operation: usize,
    /// When it began and ended, nanoseconds since the Unix epoch.
    pub start_ns: u64,
    /// When it ended.
    pub end_ns: u64,
    /// Tells what it was asked for, by its attributes; none where they do not say.
    pub asked: Option<u64>,
}

impl Families {
    /// Gathers them.
    #[must_use]
    pub fn of(resources: &[ResourceSpans]) -> Self {
        let mut names: BTreeMap<(TraceId, SpanId), &str> = BTreeMap::new();
        let mut all: Vec<(&Span, usize)> = Vec::new();
        let mut operations = Vec::new();
        let mut roots_s = 0.0;
        for resource in resources {
            let service = resource.resource.get("service.name").map(points::text);
            for of in &resource.operations {
                let index = operations.len();
                operations.push(traced(service.as_deref(), &of.operation, of.spans.len()));
                for span in &of.spans {
                    let name = shown(&of.operation);
                    names.insert((span.trace_id, span.span_id), name);
                    all.push((span, index));
                    if span.parent_span_id.is_none() {
                        roots_s += span.duration_ns as f64 / 1e9;
                    }
                }
            }
        }
        let mut families: BTreeMap<(TraceId, SpanId), Family> = BTreeMap::new();
        for (span, operation) in all {
            let Some(parent) = span.parent_span_id else {
                continue;
            };
            let place = (span.trace_id, parent);
            let family = families.entry(place).or_insert_with(|| Family {
                parent: names.get(&place).map(|name| (*name).to_owned()),
                children: Vec::new(),
            });
            family.children.push(Child {
                operation,
                start_ns: span.start_unix_ns,
                end_ns: span.start_unix_ns.saturating_add(span.duration_ns),
                asked: asked(span),
            });
        }
        let mut families: Vec<Family> = families.into_values().collect();
        for family in &mut families {
            let order = |child: &Child| (child.start_ns, child.end_ns, child.operation);
            family.children.sort_unstable_by_key(order);
        }
        Self {
            operations,
            families,
            roots_s,
        }
    }
}

/// The name that reports show.
fn shown(operation: &Operation) -> &str {
    let named = operation.attributes.get("khive.perf.name");
    named.and_then(Json::as_str).unwrap_or(&operation.name)
}

fn traced(service: Option<&str>, operation: &Operation, spans: usize) -> Traced {
    let at = |key: &str| operation.attributes.get(key);
    let file = at("code.file.path").and_then(Json::as_str);
    let line = at("code.line.number").and_then(Json::as_i64);
    Traced {
        service: service.unwrap_or_default().to_owned(),
        name: shown(operation).to_owned(),
        is_client: matches!(operation.kind, SpanKind::Client | SpanKind::Producer),
        place: file.map(|file| (file.to_owned(), line.unwrap_or_default())),
        spans: spans as u64,
    }
}

/// A hash of the attributes that say what was asked for; those of the thread, and times, say nothing of it.
fn asked(span: &Span) -> Option<u64> {
    let says = |key: &str| {
        !(key.starts_with("thread.")
            || key.starts_with("khive.perf.")
            || key.starts_with("otel.")
            || matches!(key, "busy_ns" | "idle_ns" | "target" | "level"))
    };
    let mut hash = None;
    for (key, value) in span.attributes.iter().filter(|(key, _)| says(key)) {
        let text = points::text(value);
        let bytes = key.bytes().chain([0]).chain(text.bytes()).chain([0]);
        hash = Some(
            bytes.fold(hash.unwrap_or(0xcbf2_9ce4_8422_2325_u64), |hash, byte| {
                (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
            }),
        );
    }
    hash
}
