//! The exam of the store: how fast it takes points in, with how much memory, and how fast it answers when it is large.
//!
//! `cargo xtask store-exam [POINTS]` runs it; the thresholds are 10,000 histogram points a second, one second for a
//! comparison of five runs with five, and two for the trend of a callsite over all runs.
#![forbid(unsafe_code)]

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use khive_perf_analysis::detect::trend::{TrendSettings, trend};
use khive_perf_analysis::detect::{Settings, compare, summary};
use khive_perf_analysis::model::{ExpHistogram, Metric};
use khive_perf_analysis::points::{
    Attributes, Batch, ExpPoint, Kind, MetricPoints, Point, ResourcePoints, Temporality, Value,
};
use khive_perf_analysis::receiver::{Config, Receiver};
use khive_perf_analysis::store::history::Scope;
use khive_perf_analysis::store::{Ending, NewRun, Status, Store, Target};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_client::MetricsServiceClient;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use opentelemetry_proto::tonic::metrics::v1::exponential_histogram_data_point::Buckets;
use opentelemetry_proto::tonic::metrics::v1::{
    ExponentialHistogram, ExponentialHistogramDataPoint, Metric as OtlpMetric, ResourceMetrics,
    ScopeMetrics, metric,
};
use opentelemetry_proto::tonic::resource::v1::Resource;

type Failure = Box<dyn std::error::Error + Send + Sync>;

const START: u64 = 1_795_413_600_000_000_000;
const SECOND: u64 = 1_000_000_000;
const CALLSITES: u64 = 60;
/// Points of one request, as a service with some hundred callsites sends.
const REQUEST: u64 = 600;
/// How long points are sent, and how many a second are asked for.
const SENDING: Duration = Duration::from_secs(15);
const PER_SECOND_MIN: f64 = 10_000.0;
/// Points of one series in one run.
const DELTAS: u64 = 80;

fn main() -> ExitCode {
    let points = std::env::args()
        .nth(1)
        .map_or(Ok(10_000_000), |word| word.parse());
    let result = match points {
        Ok(points) => examine(points),
        Err(error) => Err(format!("the number of points: {error}").into()),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            say(&format!("error: {error}"));
            ExitCode::from(2)
        }
    }
}

fn examine(points: u64) -> Result<bool, Failure> {
    let dir = tempfile::tempdir()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let taken_in = runtime.block_on(ingest(&dir.path().join("ingest.sqlite")))?;
    let answered = ask(&dir.path().join("large.sqlite"), points)?;
    Ok(taken_in && answered)
}

/// Sends from two connections as fast as the receiver answers.
async fn ingest(db: &Path) -> Result<bool, Failure> {
    let store = Store::open(db)?;
    let receiver = Receiver::start(Config::on_free_ports(), store, Target::PerInstance).await?;
    let endpoint = format!("http://{}", receiver.grpc_addr());
    let began = now();
    let sender = |service: &'static str| {
        let endpoint = endpoint.clone();
        tokio::spawn(async move {
            let mut client = MetricsServiceClient::connect(endpoint).await?;
            let mut sequence = 0;
            while began.elapsed() < SENDING {
                client.export(request(service, sequence)).await?;
                sequence += 1;
            }
            Ok::<u64, Failure>(sequence * REQUEST)
        })
    };
    let (one, other) = (sender("one"), sender("other"));
    tokio::time::sleep(SENDING / 5).await;
    let early = resident_mib();
    let sent = one.await?? + other.await??;
    let rate = sent as f64 / began.elapsed().as_secs_f64();
    let late = resident_mib();
    receiver.shutdown().await?;
    let grown = late.zip(early).map(|(late, early)| late - early);
    say(&format!(
        "     memory {} MiB after a fifth of the time, {} at the end",
        early.map_or(-1.0, f64::round),
        late.map_or(-1.0, f64::round)
    ));
    let fast = check(
        "histogram points taken in a second",
        rate,
        PER_SECOND_MIN,
        rate >= PER_SECOND_MIN,
    );
    let bounded = grown
        .is_none_or(|grown| check("memory grown meanwhile, in MiB", grown, 64.0, grown <= 64.0));
    Ok(fast && bounded)
}

fn request(service: &str, sequence: u64) -> ExportMetricsServiceRequest {
    let text = |text: &str| AnyValue {
        value: Some(any_value::Value::StringValue(text.to_owned())),
    };
    let attribute = |key: &str, value: &str| KeyValue {
        key: key.to_owned(),
        value: Some(text(value)),
        ..KeyValue::default()
    };
    let start = START + sequence * SECOND;
    let data_points = (0..REQUEST).map(|number| ExponentialHistogramDataPoint {
        attributes: vec![attribute(
            "code.function.name",
            &format!("app::work{number}"),
        )],
        start_time_unix_nano: start,
        time_unix_nano: start + SECOND,
        count: 40,
        sum: Some(0.4),
        scale: 5,
        positive: Some(Buckets {
            offset: -230,
            bucket_counts: vec![1, 2, 3, 4, 5, 6, 7, 6, 3, 2, 1],
        }),
        ..ExponentialHistogramDataPoint::default()
    });
    let data = ExponentialHistogram {
        data_points: data_points.collect(),
        aggregation_temporality: 1,
    };
    let metric = OtlpMetric {
        name: "khive.perf.function.duration".to_owned(),
        unit: "s".to_owned(),
        data: Some(metric::Data::ExponentialHistogram(data)),
        ..OtlpMetric::default()
    };
    ExportMetricsServiceRequest {
        resource_metrics: vec![ResourceMetrics {
            resource: Some(Resource {
                attributes: vec![attribute("service.name", service)],
                ..Resource::default()
            }),
            scope_metrics: vec![ScopeMetrics {
                metrics: vec![metric],
                ..ScopeMetrics::default()
            }],
            ..ResourceMetrics::default()
        }],
    }
}

/// Runs of sixty callsites, ten names in turn.
fn fill(store: &Store, runs: u64) -> Result<(), Failure> {
    for number in 0..runs {
        let id = store.create_run(&NewRun {
            name: format!("run{}", number % 10),
            started_unix_ns: START + number * SECOND,
            ..NewRun::default()
        })?;
        store.append(Target::Run(id), &batch(number))?;
        store.finish_run(
            id,
            Ending {
                ended_unix_ns: START + (number + 1) * SECOND,
                exit_code: Some(0),
                status: Status::Complete,
            },
        )?;
        let run = store.load(id)?;
        let summaries: Vec<_> = (run.callsites.into_iter())
            .map(|(key, callsite)| (key, summary(&callsite, None)))
            .collect();
        store.summarise(id, &summaries)?;
    }
    Ok(())
}

/// Fills a store, and asks it.
fn ask(db: &Path, points: u64) -> Result<bool, Failure> {
    let store = Store::open(db)?;
    let runs = (points / (CALLSITES * DELTAS)).max(10);
    let began = now();
    fill(&store, runs)?;
    say(&format!(
        "     {} points in {runs} runs, {:.0} s",
        runs * CALLSITES * DELTAS,
        began.elapsed().as_secs_f64()
    ));
    let began = now();
    let load = |first: u64| {
        (0..5)
            .map(|n| {
                store
                    .load(i64::try_from(first + n)?.max(1))
                    .map_err(Failure::from)
            })
            .collect::<Result<Vec<_>, Failure>>()
    };
    let found = compare(&load(1)?, &load(6)?, &Settings::default());
    let took = began.elapsed().as_secs_f64();
    let compared = check(
        "seconds to compare five runs with five",
        took,
        1.0,
        took <= 1.0 && found.findings.len() as u64 == CALLSITES,
    );
    let began = now();
    let scope = Scope {
        callsite: Some("app::work7".to_owned()),
        ..Scope::default()
    };
    for history in store.history(Metric::Typical, &scope)? {
        let values: Vec<f64> = history.points.iter().map(|point| point.value).collect();
        trend(&values, &TrendSettings::default());
    }
    let one = began.elapsed().as_secs_f64();
    let began = now();
    for history in store.history(Metric::Typical, &Scope::default())? {
        let values: Vec<f64> = history.points.iter().map(|point| point.value).collect();
        trend(&values, &TrendSettings::default());
    }
    let all = began.elapsed().as_secs_f64();
    let one = check(
        "seconds for the trend of one callsite",
        one,
        2.0,
        one <= 2.0,
    );
    let all = check("seconds for the trends of all sixty", all, 2.0, all <= 2.0);
    Ok(compared && one && all)
}

fn batch(run: u64) -> Batch {
    let point = |callsite: u64, step: u64| {
        let wobble = 1.0 + ((run * 7 + callsite * 3 + step) % 11) as f64 / 200.0;
        Point {
            attributes: Attributes::from([(
                "code.function.name".to_owned(),
                format!("app::work{callsite}").into(),
            )]),
            start_unix_ns: START + step * SECOND,
            time_unix_ns: START + (step + 1) * SECOND,
            value: Value::ExpHistogram(ExpPoint {
                histogram: ExpHistogram {
                    scale: 5,
                    count: 40,
                    sum: 0.4 * wobble,
                    buckets: (-214..-210).map(|index| (index, 10)).collect(),
                    ..ExpHistogram::default()
                },
                has_sum: true,
                zero_threshold: 0.0,
            }),
        }
    };
    let points =
        (0..CALLSITES).flat_map(|callsite| (0..DELTAS).map(move |step| point(callsite, step)));
    Batch {
        resources: vec![ResourcePoints {
            resource: Attributes::new(),
            metrics: vec![MetricPoints {
                scope_name: String::new(),
                scope_version: String::new(),
                scope_attributes: Attributes::new(),
                name: "khive.perf.function.duration".to_owned(),
                unit: "s".to_owned(),
                kind: Kind::ExpHistogram,
                temporality: Temporality::Delta,
                monotonic: false,
                points: points.collect(),
            }],
        }],
    }
}

/// What this process keeps in memory, where the system says so.
fn resident_mib() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    let kib: f64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib / 1024.0)
}

fn check(name: &str, value: f64, limit: f64, passed: bool) -> bool {
    let word = if passed { "ok  " } else { "FAIL" };
    say(&format!("{word} {name:<46} {value:>12.3}  against {limit}"));
    passed
}

#[expect(clippy::disallowed_methods, reason = "the exam is what measures here")]
fn now() -> Instant {
    Instant::now()
}

/// A closed pipe is no reason to stop.
fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}
