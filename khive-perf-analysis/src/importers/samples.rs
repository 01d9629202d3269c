//! Samples: how long iterations took, by benchmark; and the run that they are.

use std::collections::BTreeMap;

use serde_json::json;

use crate::importers::{Imported, Naming, Tool, Wrong};
use crate::model::ExpHistogram;
use crate::points::{
    Attributes, ExpPoint, Kind, MetricPoints, Point, ResourcePoints, Temporality, Value,
};
use crate::store::{RunPoints, Status};

/// Resolution of the histograms: buckets 0.07 % wide, as the samples of a benchmark are few and close.
const SCALE: i32 = 10;

/// What a file says of its benchmarks.
#[derive(Debug, Default)]
pub(super) struct Samples {
    /// By group and name.
    benchmarks: BTreeMap<(String, String), Benchmark>,
    /// Who measured: `service.name` and so on.
    pub(super) resource: Attributes,
}

#[derive(Debug, Default)]
struct Benchmark {
    seconds: ExpHistogram,
    failed: u64,
    is_summary: bool,
}

impl Samples {
    /// Adds times of single iterations, in seconds.
    pub(super) fn add(&mut self, group: &str, name: &str, seconds: &[f64]) {
        let benchmark = self.benchmark(group, name);
        for seconds in seconds {
            record(&mut benchmark.seconds, *seconds);
        }
    }

    /// Adds what iterations came to, in seconds, of which there are no samples.
    pub(super) fn add_mean(&mut self, group: &str, name: &str, seconds: f64) {
        let benchmark = self.benchmark(group, name);
        benchmark.is_summary = true;
        record(&mut benchmark.seconds, seconds);
    }

    /// Counts iterations that failed.
    pub(super) fn fail(&mut self, group: &str, name: &str, iterations: u64) {
        self.benchmark(group, name).failed += iterations;
    }

    fn benchmark(&mut self, group: &str, name: &str) -> &mut Benchmark {
        let key = (group.to_owned(), name.to_owned());
        self.benchmarks.entry(key).or_default()
    }

    /// The run, if there is anything in it.
    pub(super) fn into_run(self, tool: Tool, naming: &Naming) -> Result<Imported, Wrong> {
        if self.benchmarks.is_empty() {
            return Err(Wrong::at("", "has no benchmark; nothing is imported"));
        }
        let time = naming.started_unix_ns;
        let mut resource = self.resource;
        let service = || json!(tool.as_str());
        resource
            .entry("service.name".to_owned())
            .or_insert_with(service);
        resource.insert("khive.perf.imported.from".to_owned(), json!(tool.as_str()));
        let summaries = self.benchmarks.values().filter(|of| of.is_summary).count();
        let benchmarks = self.benchmarks.len();
        Ok(Imported {
            tool,
            benchmarks,
            summaries,
            runs: vec![RunPoints {
                name: naming.name.clone(),
                status: Status::Complete,
                started_unix_ns: time,
                ended_unix_ns: Some(time),
                command: Vec::new(),
                exit_code: None,
                baseline: false,
                resources: vec![ResourcePoints {
                    resource,
                    metrics: metrics(&self.benchmarks, time),
                }],
                spans: Vec::new(),
                logs: Vec::new(),
            }],
        })
    }
}

/// Adds one time.
fn record(histogram: &mut ExpHistogram, seconds: f64) {
    histogram.scale = SCALE;
    histogram.count += 1;
    histogram.sum += seconds;
    let (min, max) = (histogram.min, histogram.max);
    histogram.min = Some(min.map_or(seconds, |min| min.min(seconds)));
    histogram.max = Some(max.map_or(seconds, |max| max.max(seconds)));
    if seconds > 0.0 {
        // A bucket has its upper bound and not its lower one.
        let exact = seconds.log2() * f64::from(SCALE).exp2();
        #[expect(
            clippy::cast_possible_truncation,
            reason = "a time of 64 bits is far from the ends"
        )]
        let index = exact.ceil() as i32 - 1;
        *histogram.buckets.entry(index).or_default() += 1;
    } else {
        histogram.zero_count += 1;
    }
}

/// As docs/metrics.md has them for functions.
fn metrics(benchmarks: &BTreeMap<(String, String), Benchmark>, time: u64) -> Vec<MetricPoints> {
    let point = |key: &(String, String), outcome: &str, value| {
        let (group, name) = key;
        let mut attributes = Attributes::from([
            ("khive.perf.name".to_owned(), json!(name)),
            ("khive.perf.outcome".to_owned(), json!(outcome)),
        ]);
        if !group.is_empty() {
            attributes.insert("khive.perf.group".to_owned(), json!(group));
        }
        Point {
            attributes,
            start_unix_ns: time,
            time_unix_ns: time,
            value,
        }
    };
    let mut calls = Vec::new();
    let mut durations = Vec::new();
    for (key, benchmark) in benchmarks {
        let whole = |count: u64| Value::Int(i64::try_from(count).unwrap_or(i64::MAX));
        if benchmark.seconds.count > 0 {
            calls.push(point(key, "ok", whole(benchmark.seconds.count)));
            let histogram = ExpPoint {
                histogram: benchmark.seconds.clone(),
                has_sum: true,
                zero_threshold: 0.0,
            };
            durations.push(point(key, "ok", Value::ExpHistogram(histogram)));
        }
        if benchmark.failed > 0 {
            calls.push(point(key, "error", whole(benchmark.failed)));
        }
    }
    vec![
        metric("khive.perf.function.calls", "{call}", Kind::Sum, calls),
        metric(
            "khive.perf.function.duration",
            "s",
            Kind::ExpHistogram,
            durations,
        ),
    ]
}

fn metric(name: &str, unit: &str, kind: Kind, points: Vec<Point>) -> MetricPoints {
    MetricPoints {
        scope_name: "khive-perf import".to_owned(),
        scope_version: env!("CARGO_PKG_VERSION").to_owned(),
        scope_attributes: Attributes::new(),
        name: name.to_owned(),
        unit: unit.to_owned(),
        kind,
        temporality: Temporality::Cumulative,
        monotonic: kind == Kind::Sum,
        points,
    }
}
