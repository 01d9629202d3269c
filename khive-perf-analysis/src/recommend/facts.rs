//! Facts: what a run says of its callsites, with those metrics that no comparison asks for.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use crate::model::{CallsiteKey, ExpHistogram};
use crate::points::Value;
use crate::points::spans::ResourceSpans;
use crate::recommend::Finding;
use crate::recommend::families::Families;
use crate::store::{self, SeriesTotal};

/// What a run says, for rules to look at.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Facts {
    /// How long it took, in seconds; 0 where that is not known.
    pub seconds: f64,
    /// By service, group and name.
    pub callsites: Vec<CallsiteFacts>,
    /// Places that a leak detector suspects.
    pub leaks: Vec<Leak>,
    /// Involuntary context switches of the process.
    pub involuntary_switches: f64,
    /// Which calls are below which, where there are traces.
    pub traces: Families,
}

/// What a run says of a callsite. Times in seconds, all calls together.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CallsiteFacts {
    /// Its identity.
    pub key: CallsiteKey,
    /// Source file and line; of several functions with one name, the first.
    pub place: Option<(String, i64)>,
    /// Finished calls by outcome: ok, error, panic, cancelled.
    pub calls: [f64; 4],
    /// Wall time of calls that ended well.
    pub ok: ExpHistogram,
    /// Wall time by outcome.
    pub wall_s: [f64; 4],
    /// On a thread, outside measured callees.
    pub self_s: f64,
    /// On a thread, callees included.
    pub busy_s: f64,
    /// Between polls.
    pub idle_s: f64,
    /// Polls of futures.
    pub polls: f64,
    /// The longest one.
    pub longest_poll_s: f64,
    /// Bytes allocated, callees included.
    pub bytes: f64,
    /// Allocations, callees included.
    pub allocations: f64,
    /// What measuring it cost.
    pub overhead_s: f64,
    /// Calls that took as long as `slow` says.
    pub slow_calls: f64,
    /// Calls that had begun and not ended.
    pub in_flight: f64,
}

/// A place that leaks or may leak.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Leak {
    /// `service.name` of the source.
    pub service: String,
    /// The callsite that allocated, or what is leaked.
    pub name: String,
    /// `leaking` or `suspect`.
    pub verdict: String,
    /// Bytes that come to stay, per hour.
    pub bytes_per_hour: f64,
    /// Bytes that are alive.
    pub retained_bytes: f64,
    /// Source file and line.
    pub place: Option<(String, i64)>,
}

impl Facts {
    /// Gathers what the series of a run say that took `seconds`.
    #[must_use]
    pub fn of(series: &[SeriesTotal], seconds: f64) -> Self {
        let mut callsites: BTreeMap<CallsiteKey, CallsiteFacts> = BTreeMap::new();
        let mut of_leaks = Vec::new();
        let mut involuntary_switches = 0.0;
        for series in series {
            let value = number(&series.value);
            if let Some(what) = series.metric.strip_prefix("khive.perf.leak.") {
                of_leaks.push((what, series, value));
            } else if let Some(what) = series.metric.strip_prefix("khive.perf.function.") {
                if let Some(key) = store::function_key(series) {
                    let known = callsites.entry(key.clone()).or_default();
                    known.key = key;
                    known.add(what, series, value);
                }
            } else if series.metric == "process.context_switches" {
                let kind = text(series, "process.context_switch.type");
                involuntary_switches += if kind == Some("involuntary") {
                    value
                } else {
                    0.0
                };
            }
        }
        Self {
            seconds,
            callsites: callsites.into_values().collect(),
            leaks: leaks_of(of_leaks),
            involuntary_switches,
            traces: Families::default(),
        }
    }

    /// With what the spans of the run say of which call is below which.
    #[must_use]
    pub fn with_spans(mut self, spans: &[ResourceSpans]) -> Self {
        self.traces = Families::of(spans);
        self
    }

    /// What a saving is a share of: the time on threads, or of traces where nothing else is known.
    #[must_use]
    pub fn all_s(&self) -> f64 {
        match self.busy_s() {
            busy if busy > 0.0 => busy,
            _ => self.traces.roots_s,
        }
    }

    /// Time on threads that is accounted for: that of all callsites outside their callees.
    #[must_use]
    pub fn busy_s(&self) -> f64 {
        self.callsites.iter().map(|callsite| callsite.self_s).sum()
    }
}

impl CallsiteFacts {
    /// Finished calls.
    #[must_use]
    pub fn all_calls(&self) -> f64 {
        self.calls.iter().sum()
    }

    /// Time on a thread of one call.
    #[must_use]
    pub fn busy_per_call(&self) -> Option<f64> {
        let calls = self.all_calls();
        (calls > 0.0).then(|| self.busy_s / calls)
    }

    /// Whether the finding is about it.
    #[must_use]
    pub fn is_of(&self, finding: &Finding) -> bool {
        self.key.service == finding.service && self.key.name == finding.callsite
    }

    fn add(&mut self, what: &str, series: &SeriesTotal, value: f64) {
        if self.place.is_none() {
            self.place = place(series);
        }
        let outcome = match text(series, "khive.perf.outcome") {
            Some("error") => 1,
            Some("panic") => 2,
            Some("cancelled") => 3,
            _ => 0,
        };
        match what {
            "calls" => {
                if let Some(calls) = self.calls.get_mut(outcome) {
                    *calls += value;
                }
            }
            "duration" => {
                if let Value::ExpHistogram(point) = &series.value {
                    if let Some(wall) = self.wall_s.get_mut(outcome) {
                        *wall += point.histogram.sum;
                    }
                    if outcome == 0 {
                        self.ok.merge(&point.histogram);
                    }
                }
            }
            "self_time" => self.self_s += value,
            "busy_time" => self.busy_s += value,
            "idle_time" => self.idle_s += value,
            "polls" => self.polls += value,
            "poll.duration.max" => self.longest_poll_s = self.longest_poll_s.max(value),
            "allocated" => self.bytes += value,
            "allocations" => self.allocations += value,
            "overhead" => self.overhead_s += value,
            "slow_calls" => self.slow_calls += value,
            "in_flight" => self.in_flight += value,
            _ => {}
        }
    }
}

/// What is said of each place. A verdict is an attribute, so that each is a series of its own, and the newest one holds.
fn leaks_of(mut all: Vec<(&str, &SeriesTotal, f64)>) -> Vec<Leak> {
    all.sort_by_key(|(_, series, _)| series.time_unix_ns);
    let mut leaks = BTreeMap::new();
    for (what, series, value) in all {
        add_leak(&mut leaks, what, series, value);
    }
    leaks.into_values().collect()
}

fn add_leak(leaks: &mut BTreeMap<String, Leak>, what: &str, series: &SeriesTotal, value: f64) {
    let (Some(name), Some(verdict)) = (
        text(series, "khive.perf.name"),
        text(series, "khive.perf.leak.verdict"),
    ) else {
        return;
    };
    let service = service(series);
    let origin = text(series, "khive.perf.leak.origin").unwrap_or_default();
    let leak = leaks
        .entry(format!("{service}\n{name}\n{origin}"))
        .or_default();
    leak.service = service;
    leak.name = name.to_owned();
    leak.verdict = verdict.to_owned();
    leak.place = place(series);
    match what {
        "rate" => leak.bytes_per_hour = value,
        "retained" => leak.retained_bytes = value,
        _ => {}
    }
}

fn service(series: &SeriesTotal) -> String {
    let service = series.resource.get("service.name").and_then(Json::as_str);
    service.unwrap_or_default().to_owned()
}

fn text<'a>(series: &'a SeriesTotal, key: &str) -> Option<&'a str> {
    series.attributes.get(key).and_then(Json::as_str)
}

fn place(series: &SeriesTotal) -> Option<(String, i64)> {
    let file = text(series, "code.file.path").filter(|file| !file.is_empty())?;
    let line = series
        .attributes
        .get("code.line.number")
        .and_then(Json::as_i64);
    Some((file.to_owned(), line.unwrap_or_default()))
}

fn number(value: &Value) -> f64 {
    match value {
        Value::Int(value) => *value as f64,
        Value::Double(value) => *value,
        Value::Histogram(_) | Value::ExpHistogram(_) => 0.0,
    }
}
