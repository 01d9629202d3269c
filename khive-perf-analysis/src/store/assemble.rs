//! From the series of a run to its callsites: the names of `docs/metrics.md`, and any other duration.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;

use crate::model::{CallsiteKey, CallsiteRun, ExpHistogram, Run};
use crate::points::{self, Attributes, BoundedHistogram, ExpPoint, Value};
use crate::store::{RunInfo, SPAN_DURATION, SeriesTotal, UNKNOWN_SERVICE};

/// Prefix of every metric that describes a measured function.
const FUNCTION: &str = "khive.perf.function.";

/// What a leak detector says is alive of what was allocated in the calls of a function.
const RETAINED: &str = "khive.perf.leak.retained";

/// The instrumentation scope of the SDK.
const SDK: &str = "khive-perf";

/// The group of spans that name none.
const SPANS: &str = "span";

/// Buckets with explicit bounds are spread over exponential ones of this scale, 9 % wide.
const SPREAD_SCALE: i32 = 3;

/// Everything that the run recorded, by callsite.
pub(crate) fn run(info: &RunInfo, series: &[SeriesTotal]) -> Run {
    let mut callsites: BTreeMap<CallsiteKey, CallsiteRun> = BTreeMap::new();
    // Spans of the SDK are calls that its metrics have, too, and exactly, while traces are sampled.
    let measured: BTreeSet<String> = series
        .iter()
        .filter(|series| series.metric.starts_with(FUNCTION))
        .map(|series| service(&series.resource))
        .collect();
    for series in series {
        match series.metric.strip_prefix(FUNCTION) {
            Some(what) => add_function(&mut callsites, what, series),
            None if series.metric == SPAN_DURATION => {
                if !(series.scope_name == SDK && measured.contains(&service(&series.resource))) {
                    add_spans(&mut callsites, series);
                }
            }
            None => add_duration(&mut callsites, series),
        }
    }
    add_retained(&mut callsites, series);
    Run {
        id: info.id,
        name: info.name.clone(),
        started_unix_ns: info.started_unix_ns,
        seconds: info.seconds(),
        callsites,
    }
}

fn add_function(
    callsites: &mut BTreeMap<CallsiteKey, CallsiteRun>,
    what: &str,
    series: &SeriesTotal,
) {
    let Some(key) = function_key(series) else {
        return;
    };
    let outcome = match series
        .attributes
        .get("khive.perf.outcome")
        .and_then(Json::as_str)
    {
        None | Some("ok") => 0,
        Some("error") => 1,
        Some("panic") => 2,
        Some("cancelled") => 3,
        // Not one that this version knows: it ended, and not well.
        Some(_) => 1,
    };
    let callsite = callsites.entry(key).or_default();
    match what {
        "duration" if outcome == 0 => {
            if let Some(seconds) = seconds(series) {
                callsite.ok.merge(&seconds);
            }
        }
        "calls" => {
            if let Some(calls) = callsite.calls.get_mut(outcome) {
                *calls = calls.saturating_add(whole(&series.value));
            }
        }
        "self_time" => callsite.self_time_s += number(&series.value),
        "busy_time" => callsite.busy_time_s += number(&series.value),
        "idle_time" => callsite.idle_time_s += number(&series.value),
        "polls" => callsite.polls = callsite.polls.saturating_add(whole(&series.value)),
        "poll.duration.max" => {
            callsite.longest_poll_s = callsite.longest_poll_s.max(number(&series.value));
        }
        "allocated" => {
            callsite.allocated_bytes =
                (callsite.allocated_bytes).saturating_add(whole(&series.value));
        }
        "allocations" => {
            callsite.allocations = callsite.allocations.saturating_add(whole(&series.value));
        }
        _ => {}
    }
}

/// Adds what is retained to the callsite of that name; of two groups with one name nobody knows whose it is.
fn add_retained(callsites: &mut BTreeMap<CallsiteKey, CallsiteRun>, series: &[SeriesTotal]) {
    // An origin has a series for each verdict that it had: the newest one says what is alive.
    let mut origins: BTreeMap<(String, &str, &str), (u64, u64)> = BTreeMap::new();
    for series in series.iter().filter(|series| series.metric == RETAINED) {
        let text = |key: &str| series.attributes.get(key).and_then(Json::as_str);
        if let Some(name) = text("khive.perf.name") {
            let origin = text("khive.perf.leak.origin").unwrap_or_default();
            let key = (service(&series.resource), name, origin);
            let newest = origins.entry(key).or_default();
            *newest = (*newest).max((series.time_unix_ns, whole(&series.value)));
        }
    }
    for ((service, name, _), (_, bytes)) in &origins {
        let is_of = |key: &CallsiteKey| key.service == *service && key.name == *name;
        let mut named = callsites.iter_mut().filter(|(key, _)| is_of(key));
        if let (Some((_, callsite)), None) = (named.next(), named.next()) {
            let retained = callsite.retained_bytes.get_or_insert_default();
            *retained = retained.saturating_add(*bytes);
        }
    }
}

/// Spans of one name are a callsite; those that ended with an error are its errors.
fn add_spans(callsites: &mut BTreeMap<CallsiteKey, CallsiteRun>, series: &SeriesTotal) {
    let text = |key: &str| series.attributes.get(key).and_then(Json::as_str);
    let (Some(seconds), Some(name)) = (seconds(series), text("span.name")) else {
        return;
    };
    let key = CallsiteKey {
        service: service(&series.resource),
        group: text("khive.perf.group").unwrap_or(SPANS).to_owned(),
        name: name.to_owned(),
    };
    let callsite = callsites.entry(key).or_default();
    if text("khive.perf.outcome") == Some("error") {
        callsite.calls[1] = callsite.calls[1].saturating_add(seconds.count);
    } else {
        callsite.calls[0] = callsite.calls[0].saturating_add(seconds.count);
        callsite.ok.merge(&seconds);
    }
}

/// A histogram of durations from any other source is a callsite named after its metric.
fn add_duration(callsites: &mut BTreeMap<CallsiteKey, CallsiteRun>, series: &SeriesTotal) {
    let Some(seconds) = seconds(series) else {
        return;
    };
    let key = CallsiteKey {
        service: service(&series.resource),
        group: String::new(),
        name: with_fields(&series.metric, &series.attributes, |_| true),
    };
    let callsite = callsites.entry(key).or_default();
    callsite.calls[0] = callsite.calls[0].saturating_add(seconds.count);
    callsite.ok.merge(&seconds);
}

/// Identity of a measured function: never its line, which moves with every edit above it.
pub(crate) fn function_key(series: &SeriesTotal) -> Option<CallsiteKey> {
    let text = |key: &str| series.attributes.get(key).and_then(Json::as_str);
    let name = text("khive.perf.name").or_else(|| text("code.function.name"))?;
    let is_field = |key: &str| {
        !key.starts_with("code.")
            && !matches!(
                key,
                "khive.perf.name" | "khive.perf.group" | "khive.perf.outcome"
            )
    };
    Some(CallsiteKey {
        service: service(&series.resource),
        group: text("khive.perf.group").unwrap_or_default().to_owned(),
        name: with_fields(name, &series.attributes, is_field),
    })
}

fn service(resource: &Attributes) -> String {
    resource.get("service.name").map_or_else(
        || UNKNOWN_SERVICE.to_owned(),
        |name| points::text(name).into_owned(),
    )
}

/// `name{a=1,b=x}`, fields sorted; the bare name where there are none.
fn with_fields(name: &str, attributes: &Attributes, is_field: impl Fn(&str) -> bool) -> String {
    let fields: Vec<String> = attributes
        .iter()
        .filter(|(key, _)| is_field(key))
        .map(|(key, value)| format!("{key}={}", points::text(value)))
        .collect();
    if fields.is_empty() {
        name.to_owned()
    } else {
        format!("{name}{{{}}}", fields.join(","))
    }
}

fn whole(value: &Value) -> u64 {
    match value {
        Value::Int(value) => u64::try_from(*value).unwrap_or_default(),
        #[expect(clippy::cast_possible_truncation, reason = "the cast saturates")]
        #[expect(clippy::cast_sign_loss, reason = "the cast saturates")]
        Value::Double(value) => value.round() as u64,
        Value::Histogram(_) | Value::ExpHistogram(_) => 0,
    }
}

fn number(value: &Value) -> f64 {
    match value {
        Value::Int(value) => *value as f64,
        Value::Double(value) => *value,
        Value::Histogram(_) | Value::ExpHistogram(_) => 0.0,
    }
}

/// The series as a histogram of seconds, where it is a histogram of time.
fn seconds(series: &SeriesTotal) -> Option<ExpHistogram> {
    let per_unit = match series.unit.as_str() {
        "s" => 1.0,
        "ms" => 1e-3,
        "us" => 1e-6,
        "ns" => 1e-9,
        _ => return None,
    };
    match &series.value {
        Value::ExpHistogram(point) => Some(scaled(point, per_unit)),
        Value::Histogram(point) => Some(spread(point, per_unit)),
        Value::Int(_) | Value::Double(_) => None,
    }
}

/// The histogram in seconds.
///
/// A factor that is no power of the base falls between two buckets; every index then moves by the same
/// number, so that shapes and ratios stay exact and quantiles are off by at most half a bucket.
fn scaled(point: &ExpPoint, per_unit: f64) -> ExpHistogram {
    let mut histogram = point.histogram.clone();
    if !point.has_sum {
        histogram.sum = histogram
            .buckets
            .iter()
            .map(|(&index, &count)| middle(histogram.scale, index) * count as f64)
            .sum();
    }
    if per_unit < 1.0 {
        let shift = index_of(histogram.scale, per_unit.log2());
        histogram.buckets = histogram
            .buckets
            .into_iter()
            .map(|(index, count)| (index.saturating_add(shift), count))
            .collect();
        histogram.sum *= per_unit;
        histogram.min = histogram.min.map(|min| min * per_unit);
        histogram.max = histogram.max.map(|max| max * per_unit);
    }
    histogram
}

/// Geometric middle of a bucket.
fn middle(scale: i32, index: i32) -> f64 {
    ((f64::from(index) + 0.5) * f64::from(-scale).exp2()).exp2()
}

/// Nearest boundary to `2^log2`, as a number of buckets from 1.
fn index_of(scale: i32, log2: f64) -> i32 {
    let boundaries = (log2 * f64::from(scale).exp2()).round();
    #[expect(clippy::cast_possible_truncation, reason = "the cast saturates")]
    let index = boundaries as i32;
    index
}

/// A histogram with explicit bounds as an exponential one: the measurements of each bucket are spread
/// evenly over the logarithm, which is how a quantile inside a bucket is commonly interpolated.
fn spread(point: &BoundedHistogram, per_unit: f64) -> ExpHistogram {
    let mut histogram = ExpHistogram {
        scale: SPREAD_SCALE,
        count: point.count,
        sum: point.sum.unwrap_or_default() * per_unit,
        min: point.min.map(|min| min * per_unit),
        max: point.max.map(|max| max * per_unit),
        ..ExpHistogram::default()
    };
    let mut estimated_sum = 0.0;
    for (position, &count) in point.counts.iter().enumerate() {
        if count == 0 {
            continue;
        }
        let (low, high) = limits(point, position);
        let (low, high) = (low * per_unit, high * per_unit);
        if high <= 0.0 {
            histogram.zero_count = histogram.zero_count.saturating_add(count);
            continue;
        }
        let last = index_of(SPREAD_SCALE, high.log2()).saturating_sub(1);
        let first = index_of(SPREAD_SCALE, low.max(high * 1e-9).log2()).min(last);
        estimated_sum += count as f64 * (low.max(0.0) * high).sqrt();
        spread_evenly(&mut histogram.buckets, first, last, count);
    }
    if point.counts.is_empty() && point.count > 0 {
        // Only the mean is known.
        let mean = histogram.sum / point.count as f64;
        if mean > 0.0 {
            histogram
                .buckets
                .insert(index_of(SPREAD_SCALE, mean.log2()), point.count);
        } else {
            histogram.zero_count = point.count;
        }
    } else if point.sum.is_none() {
        histogram.sum = estimated_sum;
    }
    histogram
}

/// What the bucket at `position` spans, narrowed by the extremes where they are known.
fn limits(point: &BoundedHistogram, position: usize) -> (f64, f64) {
    let below = position
        .checked_sub(1)
        .and_then(|below| point.bounds.get(below))
        .copied();
    let above = point.bounds.get(position).copied();
    let high = match (above, point.max) {
        (Some(above), Some(max)) => above.min(max),
        (Some(above), None) => above,
        (None, Some(max)) => max,
        // Nothing says how far the last bucket reaches.
        (None, None) => below.unwrap_or_default(),
    };
    let low = match (below, point.min) {
        (Some(below), Some(min)) => below.max(min),
        (Some(below), None) => below,
        (None, Some(min)) => min,
        // One octave, as nothing says how far the first bucket reaches.
        (None, None) => high / 2.0,
    };
    (low.min(high), high)
}

/// Adds `count` to the buckets `first..=last`, in shares that differ by at most one.
fn spread_evenly(buckets: &mut BTreeMap<i32, u64>, first: i32, last: i32, count: u64) {
    let width = i64::from(last) - i64::from(first) + 1;
    let width = u128::try_from(width).unwrap_or(1).max(1);
    let mut given = 0u128;
    for (position, index) in (1u128..).zip(first..=last) {
        let so_far = (2 * u128::from(count) * position + width) / (2 * width);
        let share = u64::try_from(so_far - given).unwrap_or(u64::MAX);
        given = so_far;
        if share > 0 {
            let slot = buckets.entry(index).or_default();
            *slot = slot.saturating_add(share);
        }
    }
}
