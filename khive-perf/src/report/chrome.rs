//! Chrome: traces and the call tree as trace events, for Perfetto and the viewers of browsers.
//!
//! A viewer draws what overlaps on one thread as nested. So each trace is a process of its own, and spans that overlap
//! without being nested, those of concurrent tasks, are put on different threads of it.

use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;

use crate::clock::saturating_ns;
use crate::ids::{SpanId, TraceId};
use crate::report::json::{attribute, list, string};
use crate::snapshot::{CallPath, Snapshot};
use crate::tracer::Span;

/// Spans in the JSON of trace events, which `ui.perfetto.dev`, `chrome://tracing` and speedscope open.
///
/// Each trace is a process, named after its root, whose spans lie below those that they belong to; what ran at the same time
/// lies side by side. Times begin with the first span; when that was is in `otherData`. Attributes, outcome and ids are among
/// the arguments of a span or of what happened in it, which is an instant.
///
/// # Examples
///
/// ```
/// use khive_perf::report::chrome_spans;
/// use khive_perf::trace::{Collector, TraceConfig};
///
/// # #[khive_perf::measure]
/// # fn load() {}
/// let collector = Collector::new(TraceConfig::default());
/// collector.root("request").scope(|| load());
/// let json = chrome_spans(&collector.take(usize::MAX));
/// assert!(json.starts_with("{\"displayTimeUnit\":\"ns\",\"traceEvents\":["));
/// ```
#[must_use]
pub fn chrome_spans(spans: &[Span]) -> String {
    let first_ns = spans.iter().map(Span::start_unix_ns).min().unwrap_or(0);
    let mut events = Vec::new();
    for (process, of) in traces(spans).iter().enumerate() {
        let name = of
            .iter()
            .find(|span| span.is_root())
            .map_or("(part of a trace)", |root| root.name());
        let trace = of.first().map(|span| span.trace_id().to_string());
        let name = format!("{name} {}", trace.unwrap_or_default());
        events.push(process_name(process + 1, &name));
        for (span, lane) in lanes(of) {
            let track = Track {
                process: process + 1,
                thread: lane + 1,
            };
            events.push(complete(span, &track, first_ns));
            events.extend(instants(span, &track, first_ns));
        }
    }
    file(&events, &format!("\"start_unix_ns\":\"{first_ns}\""))
}

/// The call tree of a snapshot in the JSON of trace events: each path as wide as its calls took in all, below its caller.
///
/// It is drawn as if all calls of a path had been one, and one path had run after the other, the longest first; it does not
/// say when something ran. See [`chrome_spans`] for that.
///
/// # Examples
///
/// ```
/// # #[khive_perf::measure]
/// # fn work() {}
/// let (_, captured) = khive_perf::testing::capture(|| work());
/// let json = khive_perf::report::chrome_tree(&captured);
/// assert!(json.contains("\"calls\":1"));
/// ```
#[must_use]
pub fn chrome_tree(snapshot: &Snapshot) -> String {
    let mut events = vec![process_name(1, "call tree")];
    let mut open: Vec<(CallPath<'_>, u64)> = Vec::new();
    beside(&mut open, snapshot.call_tree().roots(), 0);
    while let Some((path, start)) = open.pop() {
        let mut out = String::from("{\"ph\":\"X\",\"cat\":\"call\",\"name\":");
        string(&mut out, path.name());
        // Writing to a `String` cannot fail, here and below.
        let _ = write!(
            out,
            ",\"pid\":1,\"tid\":1,\"ts\":{},\"dur\":{},\"args\":{{\"calls\":{},\"self_ns\":{}}}}}",
            Micros(start),
            Micros(width_ns(&path)),
            path.calls(),
            saturating_ns(path.self_time()),
        );
        events.push(out);
        beside(&mut open, path.children(), start);
    }
    file(&events, "")
}

/// Lays paths side by side, from `start` on.
fn beside<'a>(open: &mut Vec<(CallPath<'a>, u64)>, paths: Vec<CallPath<'a>>, mut start: u64) {
    for path in paths {
        open.push((path, start));
        start += width_ns(&path);
    }
}

/// How long calls of a path took; at least as long as all below it, or those would not lie below it.
fn width_ns(path: &CallPath<'_>) -> u64 {
    let below: u64 = path.children().iter().map(width_ns).sum();
    let own = saturating_ns(path.self_time());
    saturating_ns(path.total()).max(below + own)
}

/// The spans of each trace, in the order of their beginning; those around others first.
fn traces(spans: &[Span]) -> Vec<Vec<&Span>> {
    let mut at: HashMap<TraceId, usize> = HashMap::new();
    let mut traces: Vec<Vec<&Span>> = Vec::new();
    for span in spans {
        let index = *at.entry(span.trace_id()).or_insert(traces.len());
        match traces.get_mut(index) {
            Some(trace) => trace.push(span),
            None => traces.push(vec![span]),
        }
    }
    for trace in &mut traces {
        // As they came where they are alike: callers begin before their callees.
        trace.sort_by_key(|span| (span.start_unix_ns(), u64::MAX - span.end_unix_ns()));
    }
    traces
}

/// Gives each span of a trace a thread, its parent's if it can lie below it there.
fn lanes<'a>(spans: &[&'a Span]) -> Vec<(&'a Span, usize)> {
    /// A span that lasts.
    type Open = (SpanId, u64);
    let known: HashSet<SpanId> = spans.iter().map(|span| span.span_id()).collect();
    let mut lanes: Vec<Vec<Open>> = Vec::new();
    let mut lane_of: HashMap<SpanId, usize> = HashMap::new();
    let mut placed = Vec::new();
    for &span in spans {
        for lane in &mut lanes {
            while lane
                .last()
                .is_some_and(|(_, end)| *end <= span.start_unix_ns())
            {
                lane.pop();
            }
        }
        let parent = span.parent_id().filter(|parent| known.contains(parent));
        let of_parent = parent.and_then(|parent| lane_of.get(&parent)).copied();
        let below = of_parent.filter(|lane| {
            let innermost = lanes.get(*lane).and_then(|lane| lane.last());
            innermost.is_none_or(|(id, end)| Some(*id) == parent && *end >= span.end_unix_ns())
        });
        let lane = below.or_else(|| lanes.iter().position(Vec::is_empty));
        let lane = lane.unwrap_or_else(|| {
            lanes.push(Vec::new());
            lanes.len() - 1
        });
        if let Some(lane) = lanes.get_mut(lane) {
            lane.push((span.span_id(), span.end_unix_ns()));
        }
        lane_of.insert(span.span_id(), lane);
        placed.push((span, lane));
    }
    placed
}

/// Where an event is drawn.
struct Track {
    process: usize,
    thread: usize,
}

fn complete(span: &Span, track: &Track, first_ns: u64) -> String {
    let mut out = String::from("{\"ph\":\"X\",\"cat\":");
    string(&mut out, span.group().unwrap_or("span"));
    out.push_str(",\"name\":");
    string(&mut out, span.name());
    let _ = write!(
        out,
        ",\"pid\":{},\"tid\":{},\"ts\":{},\"dur\":{},\"args\":{{\"outcome\":\"{}\",\"span_id\":\"{}\"",
        track.process,
        track.thread,
        Micros(span.start_unix_ns() - first_ns),
        Micros(span.end_unix_ns() - span.start_unix_ns()),
        span.outcome(),
        span.span_id(),
    );
    if let Some(parent) = span.parent_id() {
        let _ = write!(out, ",\"parent_id\":\"{parent}\"");
    }
    let mut written = HashSet::from(["outcome", "span_id", "parent_id"]);
    for (key, value) in span.attributes() {
        if written.insert(key) {
            out.push(',');
            string(&mut out, key);
            out.push(':');
            attribute(&mut out, value);
        }
    }
    out.push_str("}}");
    out
}

fn instants(span: &Span, track: &Track, first_ns: u64) -> Vec<String> {
    let events = span.events().iter();
    let events = events.map(|event| {
        let mut out = String::from("{\"ph\":\"i\",\"s\":\"t\",\"cat\":\"event\",\"name\":");
        string(&mut out, &event.name);
        let _ = write!(
            out,
            ",\"pid\":{},\"tid\":{},\"ts\":{},\"args\":{{",
            track.process,
            track.thread,
            Micros(event.time_unix_ns.saturating_sub(first_ns)),
        );
        list(&mut out, &event.attributes, |out, (key, value)| {
            string(out, key);
            out.push(':');
            attribute(out, value);
        });
        out.push_str("}}");
        out
    });
    events.collect()
}

fn process_name(process: usize, name: &str) -> String {
    let mut out =
        format!("{{\"ph\":\"M\",\"name\":\"process_name\",\"pid\":{process},\"args\":{{\"name\":");
    string(&mut out, name);
    out.push_str("}}");
    out
}

fn file(events: &[String], other: &str) -> String {
    let mut out = String::from("{\"displayTimeUnit\":\"ns\",\"traceEvents\":[");
    list(&mut out, events, |out, event| out.push_str(event));
    let _ = write!(out, "],\"otherData\":{{{other}}}}}");
    out
}

/// Nanoseconds, shown in the unit of the format.
struct Micros(u64);

impl std::fmt::Display for Micros {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{:03}", self.0 / 1_000, self.0 % 1_000)
    }
}
