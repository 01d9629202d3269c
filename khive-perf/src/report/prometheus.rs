//! Prometheus: a snapshot as an OpenMetrics text, for those who are scraped.

use std::fmt::Write as _;

use crate::attributes::AttributeValue;
use crate::outcome::Outcome;
use crate::snapshot::{CallsiteStats, Snapshot};
use crate::stats::Histogram;

/// The `Content-Type` of what [`prometheus()`] writes.
pub const PROMETHEUS_CONTENT_TYPE: &str =
    "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Bounds of the histograms are `2^k` seconds, for each second `k` of these: from about a microsecond to a minute. Buckets
/// as recorded end at powers of two, so that no count is estimated.
const BOUNDS_LOG2: (i32, i32) = (-20, 6);
const BOUNDS_STEP: usize = 2;

/// A snapshot as OpenMetrics text, version 1.0, which Prometheus and its kin scrape.
///
/// | metric | type | labels beside the function's |
/// | --- | --- | --- |
/// | `khive_perf_function_duration_seconds` | histogram of wall time | `outcome`, `le` |
/// | `khive_perf_function_calls_total` | counter, exact | `outcome` |
/// | `khive_perf_function_self_time_seconds_total` | counter | |
/// | `khive_perf_function_busy_time_seconds_total` | counter | |
/// | `khive_perf_function_idle_time_seconds_total` | counter, of what is resumed | |
/// | `khive_perf_function_polls_total` | counter, of what is resumed | |
/// | `khive_perf_function_in_flight` | gauge | |
/// | `khive_perf_function_retained_bytes` | gauge, where an allocator is tracked | |
///
/// Labels of a function are `function`, `name`, `group`, and the fields of its series as `field_..`. Serve the process's
/// [`snapshot`](crate::snapshot()), not a difference: counters must not fall.
///
/// # Overhead
///
/// That of the snapshot, and about 3 KiB of text for a callsite: 14 buckets for each outcome that has occurred.
///
/// # Examples
///
/// ```
/// use khive_perf::report::{PROMETHEUS_CONTENT_TYPE, prometheus};
///
/// # #[khive_perf::measure]
/// # fn work() {}
/// # work();
/// // In the handler of `GET /metrics`:
/// let (header, body) = (PROMETHEUS_CONTENT_TYPE, prometheus(&khive_perf::snapshot()));
/// assert!(body.ends_with("# EOF\n"));
/// ```
#[must_use]
pub fn prometheus(snapshot: &Snapshot) -> String {
    let callsites: Vec<(String, &CallsiteStats)> = snapshot
        .callsites()
        .iter()
        .map(|stats| (labels(stats), stats))
        .collect();
    let mut out = String::new();
    durations(&mut out, &callsites);
    calls(&mut out, &callsites);
    counters(&mut out, &callsites);
    gauges(&mut out, &callsites);
    out.push_str("# EOF\n");
    out
}

fn counters(out: &mut String, callsites: &[(String, &CallsiteStats)]) {
    let counters: [Counter; 3] = [
        (
            "self_time_seconds",
            "Time on a thread outside of measured callees.",
            |stats| Some(stats.self_time().as_secs_f64()),
        ),
        (
            "busy_time_seconds",
            "Time on a thread, measured callees included.",
            |stats| Some(stats.busy().as_secs_f64()),
        ),
        ("idle_time_seconds", "Time between polls.", |stats| {
            resumed(stats).then(|| stats.idle().as_secs_f64())
        }),
    ];
    for (name, help, value) in counters {
        let family = head(out, name, "counter", help);
        for (labels, stats) in callsites {
            if let Some(value) = value(stats) {
                sample(
                    out,
                    &format!("{family}_total"),
                    labels,
                    "",
                    &format!("{value:?}"),
                );
            }
        }
    }
    let family = head(
        out,
        "polls",
        "counter",
        "Polls of futures, and times that spans were entered.",
    );
    for (labels, stats) in callsites.iter().filter(|(_, stats)| resumed(stats)) {
        sample(
            out,
            &format!("{family}_total"),
            labels,
            "",
            &stats.polls().to_string(),
        );
    }
}

fn gauges(out: &mut String, callsites: &[(String, &CallsiteStats)]) {
    let family = head(
        out,
        "in_flight",
        "gauge",
        "Calls that have begun and not ended.",
    );
    for (labels, stats) in callsites {
        sample(out, &family, labels, "", &stats.in_flight().to_string());
    }
    let tracked = |stats: &CallsiteStats| stats.alloc().sampled_bytes() > 0;
    let family = head(
        out,
        "retained_bytes",
        "gauge",
        "Bytes allocated by its calls that are alive, estimated.",
    );
    for (labels, stats) in callsites.iter().filter(|(_, stats)| tracked(stats)) {
        sample(
            out,
            &family,
            labels,
            "",
            &stats.alloc().retained().to_string(),
        );
    }
}

/// Name of a metric, what it says, and how it is read.
type Counter = (
    &'static str,
    &'static str,
    fn(&CallsiteStats) -> Option<f64>,
);

fn resumed(stats: &CallsiteStats) -> bool {
    stats.kind().is_resumed()
}

fn durations(out: &mut String, callsites: &[(String, &CallsiteStats)]) {
    let help = "Wall time of outermost calls.";
    let family = head(out, "duration_seconds", "histogram", help);
    for (labels, stats) in callsites {
        for outcome in occurred(stats) {
            let histogram = stats.wall_by(outcome);
            for (bound, count) in cumulative(histogram) {
                let more = format!(",outcome=\"{outcome}\",le=\"{bound}\"");
                sample(
                    out,
                    &format!("{family}_bucket"),
                    labels,
                    &more,
                    &count.to_string(),
                );
            }
            let more = format!(",outcome=\"{outcome}\"");
            let count = histogram.count().to_string();
            sample(out, &format!("{family}_count"), labels, &more, &count);
            let sum = format!("{:?}", histogram.sum().as_secs_f64());
            sample(out, &format!("{family}_sum"), labels, &more, &sum);
        }
    }
}

fn calls(out: &mut String, callsites: &[(String, &CallsiteStats)]) {
    let help = "Finished calls, recursive ones included.";
    let family = head(out, "calls", "counter", help);
    for (labels, stats) in callsites {
        for outcome in occurred(stats) {
            let more = format!(",outcome=\"{outcome}\"");
            let calls = stats.calls_by(outcome).to_string();
            sample(out, &format!("{family}_total"), labels, &more, &calls);
        }
    }
}

fn occurred(stats: &CallsiteStats) -> impl Iterator<Item = Outcome> + '_ {
    let all = Outcome::ALL.into_iter();
    all.filter(|outcome| stats.calls_by(*outcome) > 0)
}

/// Upper bounds as they are written, each with the number of values up to it.
fn cumulative(histogram: &Histogram) -> Vec<(String, u64)> {
    let per_octave = 1 << Histogram::SCALE;
    let (first, last) = BOUNDS_LOG2;
    let mut buckets = histogram.buckets().peekable();
    let mut count = histogram.zero_count();
    let mut bounds = Vec::new();
    for power in (first..=last).step_by(BOUNDS_STEP) {
        // The bucket of index `i` ends at `2^((i + 1) / per_octave)`.
        while let Some((_, more)) = buckets.next_if(|(index, _)| *index < power * per_octave) {
            count += more;
        }
        bounds.push((format!("{:?}", 2_f64.powi(power)), count));
    }
    bounds.push(("+Inf".to_owned(), histogram.count()));
    bounds
}

/// Begins a family; its name.
fn head(out: &mut String, name: &str, kind: &str, help: &str) -> String {
    let family = format!("khive_perf_function_{name}");
    // Writing to a `String` cannot fail, here and below.
    let _ = writeln!(out, "# TYPE {family} {kind}");
    for unit in ["seconds", "bytes"] {
        if name.ends_with(unit) {
            let _ = writeln!(out, "# UNIT {family} {unit}");
        }
    }
    let _ = writeln!(out, "# HELP {family} {help}");
    family
}

fn sample(out: &mut String, name: &str, labels: &str, more: &str, value: &str) {
    let _ = writeln!(out, "{name}{{{labels}{more}}} {value}");
}

/// What tells a series, without the braces.
fn labels(stats: &CallsiteStats) -> String {
    let mut out = format!(
        "function=\"{}\",name=\"{}\"",
        escaped(stats.function()),
        escaped(stats.name())
    );
    if let Some(group) = stats.group() {
        let _ = write!(out, ",group=\"{}\"", escaped(group));
    }
    if stats.is_overflow() {
        out.push_str(",overflow=\"true\"");
    }
    for (key, value) in stats.attributes() {
        let key: String = key
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' })
            .collect();
        let value = match value {
            AttributeValue::Bool(value) => value.to_string(),
            AttributeValue::I64(value) => value.to_string(),
            AttributeValue::F64(value) => value.to_string(),
            AttributeValue::Str(value) => value.to_string(),
        };
        let _ = write!(out, ",field_{key}=\"{}\"", escaped(&value));
    }
    out
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}
