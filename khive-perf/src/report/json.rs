//! JSON: the whole of a snapshot, with exact figures.

use std::fmt::Write as _;

use crate::attributes::AttributeValue;
use crate::callsite::Kind;
use crate::clock::saturating_ns;
use crate::outcome::Outcome;
use crate::snapshot::{CallPath, CallsiteStats, Snapshot};
use crate::stats::Histogram;

/// The whole of a snapshot as one JSON object, with exact figures.
///
/// ```text
/// { "version": 1, "start_unix_ns": .., "time_unix_ns": .., "is_delta": false,
///   "callsites": [ { "name", "function", "group" or null, "file", "line", "kind", "attributes": {..},
///       "is_overflow", "timed", "total_error_ns", "overhead_ns", "slow" or null: { "threshold_ns", "calls" },
///       "alloc": { "bytes", "allocations", "max_bytes" }, "in_flight", "self_ns", "busy_ns", "idle_ns", "polls", "max_poll_ns",
///       "outcomes": { "ok": { "calls",
///           "wall": { "scale": 5, "count", "sum_ns", "min_ns", "max_ns", "range_is_exact", "zero_count",
///                     "buckets": [[index, count], ..] } }, "error": {..}, "panic": {..}, "cancelled": {..} } } ],
///   "call_tree": [ { "name", "calls", "total_ns", "self_ns", "children": [..] } ],
///   "overflow": { reason: calls } }
/// ```
///
/// Where fewer calls were timed than there were, times and histograms are estimates, `timed` says on how many, and
/// `total_error_ns` by how much `busy_ns` may be off. `overhead_ns` is what measuring cost, about.
/// The same snapshot gives the same text, byte for byte. Outcomes that did not occur are left out.
#[must_use]
pub fn json(snapshot: &Snapshot) -> String {
    let mut out = String::new();
    let (start, time) = (snapshot.start_unix_ns(), snapshot.time_unix_ns());
    let delta = snapshot.is_delta();
    // Writing to a `String` cannot fail, here and below.
    let _ = write!(
        out,
        "{{\"version\":1,\"start_unix_ns\":{start},\"time_unix_ns\":{time},\"is_delta\":{delta},\"callsites\":["
    );
    list(&mut out, snapshot.callsites(), callsite);
    out.push_str("],\"call_tree\":[");
    list(&mut out, &snapshot.call_tree().roots(), path);
    out.push_str("],\"overflow\":{");
    list(
        &mut out,
        &snapshot.overflow().iter().collect::<Vec<_>>(),
        |out, (reason, calls)| {
            string(out, reason);
            let _ = write!(out, ":{calls}");
        },
    );
    out.push_str("}}");
    out
}

fn callsite(out: &mut String, stats: &CallsiteStats) {
    out.push_str("{\"name\":");
    string(out, stats.name());
    out.push_str(",\"function\":");
    string(out, stats.function());
    out.push_str(",\"group\":");
    match stats.group() {
        Some(group) => string(out, group),
        None => out.push_str("null"),
    }
    out.push_str(",\"file\":");
    string(out, stats.file());
    let kind = match stats.kind() {
        Kind::Function => "function",
        Kind::Future => "future",
        Kind::Region => "region",
        Kind::Span => "span",
    };
    let _ = write!(
        out,
        ",\"line\":{},\"kind\":\"{kind}\",\"attributes\":{{",
        stats.line()
    );
    list(out, stats.attributes(), |out, (name, value)| {
        string(out, name);
        out.push(':');
        attribute(out, value);
    });
    let slow = stats.slow_threshold().map_or_else(
        || "null".to_owned(),
        |threshold| {
            let ns = saturating_ns(threshold);
            format!("{{\"threshold_ns\":{ns},\"calls\":{}}}", stats.slow())
        },
    );
    let alloc = stats.alloc();
    let alloc = format!(
        "{{\"bytes\":{},\"allocations\":{},\"max_bytes\":{}}}",
        alloc.bytes(),
        alloc.allocations(),
        alloc.max_bytes()
    );
    let _ = write!(
        out,
        "}},\"is_overflow\":{},\"timed\":{},\"total_error_ns\":{},\"overhead_ns\":{},\"slow\":{slow},\"alloc\":{alloc},\"in_flight\":{},\"self_ns\":{},\"busy_ns\":{},\"idle_ns\":{},\"polls\":{},\"max_poll_ns\":{},\"outcomes\":{{",
        stats.is_overflow(),
        stats.timed(),
        saturating_ns(stats.total_error()),
        saturating_ns(stats.overhead()),
        stats.in_flight(),
        saturating_ns(stats.self_time()),
        saturating_ns(stats.busy()),
        saturating_ns(stats.idle()),
        stats.polls(),
        saturating_ns(stats.max_poll()),
    );
    let occurred: Vec<Outcome> = Outcome::ALL
        .into_iter()
        .filter(|outcome| stats.calls_by(*outcome) > 0)
        .collect();
    list(out, &occurred, |out, outcome| {
        let _ = write!(
            out,
            "\"{outcome}\":{{\"calls\":{},\"wall\":",
            stats.calls_by(*outcome)
        );
        histogram(out, stats.wall_by(*outcome));
        out.push('}');
    });
    out.push_str("}}");
}

fn histogram(out: &mut String, histogram: &Histogram) {
    let _ = write!(
        out,
        "{{\"scale\":{},\"count\":{},\"sum_ns\":{},\"min_ns\":{},\"max_ns\":{},\"range_is_exact\":{},\"zero_count\":{},\"buckets\":[",
        Histogram::SCALE,
        histogram.count(),
        saturating_ns(histogram.sum()),
        saturating_ns(histogram.min()),
        saturating_ns(histogram.max()),
        histogram.range_is_exact(),
        histogram.zero_count(),
    );
    list(
        out,
        &histogram.buckets().collect::<Vec<_>>(),
        |out, (index, count)| {
            let _ = write!(out, "[{index},{count}]");
        },
    );
    out.push_str("]}");
}

fn path(out: &mut String, path_of_calls: &CallPath<'_>) {
    out.push_str("{\"name\":");
    string(out, path_of_calls.name());
    let _ = write!(
        out,
        ",\"calls\":{},\"total_ns\":{},\"self_ns\":{},\"children\":[",
        path_of_calls.calls(),
        saturating_ns(path_of_calls.total()),
        saturating_ns(path_of_calls.self_time()),
    );
    list(out, &path_of_calls.children(), path);
    out.push_str("]}");
}

pub(crate) fn attribute(out: &mut String, value: &AttributeValue) {
    match value {
        AttributeValue::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        AttributeValue::I64(value) => {
            let _ = write!(out, "{value}");
        }
        AttributeValue::F64(value) if value.is_finite() => {
            let _ = write!(out, "{value:?}");
        }
        AttributeValue::F64(value) => string(out, &value.to_string()),
        AttributeValue::Str(value) => string(out, value),
    }
}

pub(crate) fn list<T>(out: &mut String, items: &[T], each: impl Fn(&mut String, &T)) {
    for (i, item) in items.iter().enumerate() {
        if i > 0 {
            out.push(',');
        }
        each(out, item);
    }
}

pub(crate) fn string(out: &mut String, text: &str) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => {
                out.push('\\');
                out.push(character);
            }
            control if u32::from(control) < 0x20 => {
                let _ = write!(out, "\\u{:04x}", u32::from(control));
            }
            other => out.push(other),
        }
    }
    out.push('"');
}
