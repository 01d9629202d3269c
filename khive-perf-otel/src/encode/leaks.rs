//! What a leak report says, as metrics.

use khive_perf::leak::{Finding, LeakReport, Verdict};
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value};
use opentelemetry_proto::tonic::metrics::v1::{Metric, NumberDataPoint, number_data_point};

use crate::encode::{Description, NumberKind, Shape, count, key_value, number, text};

/// Findings that are sent, the worst first.
const FINDINGS_MAX: usize = 100;

/// The metrics of a report: how many origins have which verdict, and what is known of those that leak or may leak.
/// None before the first census.
pub(crate) fn leaks(report: &LeakReport, shape: &Shape) -> Vec<Metric> {
    if report.censuses() == 0 {
        return Vec::new();
    }
    let told = report.findings().iter();
    let told = told.take_while(|finding| finding.verdict() >= Verdict::Suspect);
    let told: Vec<&Finding> = told.take(FINDINGS_MAX).collect();
    let of = |description: &Description, value: fn(&Finding) -> number_data_point::Value| {
        let points = told
            .iter()
            .map(|finding| point(attributes(finding), shape, value(finding)));
        description.number(points.collect(), shape)
    };
    let metrics = [
        origins(report, shape),
        of(&RETAINED, |finding| count(finding.retained_bytes())),
        of(&LIVE, |finding| count(finding.live())),
        of(&SURVIVORS, |finding| count(finding.survivors())),
        of(&RATE, |finding| {
            number_data_point::Value::AsDouble(finding.bytes_per_hour())
        }),
    ];
    metrics.into_iter().flatten().collect()
}

fn origins(report: &LeakReport, shape: &Shape) -> Option<Metric> {
    let verdicts = [
        Verdict::InsufficientData,
        Verdict::Plateau,
        Verdict::Suspect,
        Verdict::Leaking,
    ];
    let points = verdicts.iter().map(|verdict| {
        let findings = report.findings().iter();
        let having = findings.filter(|finding| finding.verdict() == *verdict);
        let attributes = vec![text(VERDICT, verdict.as_str())];
        point(attributes, shape, count(having.count() as u64))
    });
    ORIGINS.number(points.collect(), shape)
}

fn point(
    attributes: Vec<KeyValue>,
    shape: &Shape,
    value: number_data_point::Value,
) -> NumberDataPoint {
    number(attributes, shape.process_start_unix_ns, shape, value)
}

fn attributes(finding: &Finding) -> Vec<KeyValue> {
    let mut attributes = vec![text(VERDICT, finding.verdict().as_str())];
    attributes.extend(origin(finding));
    attributes
}

/// What says where a thing comes from.
pub(super) fn origin(finding: &Finding) -> Vec<KeyValue> {
    let origin = finding.origin();
    let mut attributes = vec![
        text("khive.perf.leak.kind", finding.kind().as_str()),
        text("khive.perf.name", &origin.callsite),
        // Two origins may have one name: they differ by path, stack or place.
        text(
            "khive.perf.leak.origin",
            &finding.origin_id().number().to_string(),
        ),
    ];
    if !origin.file.is_empty() {
        let line = any_value::Value::IntValue(i64::from(origin.line));
        attributes.push(text("code.file.path", &origin.file));
        attributes.push(key_value("code.line.number", line));
    }
    if origin.path.len() > 1 {
        attributes.push(text("khive.perf.leak.path", &origin.path.join(" > ")));
    }
    attributes
}

pub(super) const VERDICT: &str = "khive.perf.leak.verdict";

const ORIGINS: Description = Description {
    name: "khive.perf.leak.origins",
    unit: "{origin}",
    text: "Places in the program by what is said of what is made there.",
    kind: NumberKind::UpDown,
};
const RETAINED: Description = Description {
    name: "khive.perf.leak.retained",
    unit: "By",
    text: "Bytes that are alive of an origin that leaks or may leak.",
    kind: NumberKind::UpDown,
};
const LIVE: Description = Description {
    name: "khive.perf.leak.live",
    unit: "{thing}",
    text: "Things that are alive of an origin that leaks or may leak.",
    kind: NumberKind::UpDown,
};
const SURVIVORS: Description = Description {
    name: "khive.perf.leak.survivors",
    unit: "{thing}",
    text: "Things that are older than those that die, and are not expected to die.",
    kind: NumberKind::UpDown,
};
const RATE: Description = Description {
    name: "khive.perf.leak.rate",
    unit: "By/h",
    text: "Bytes that come to stay, per hour.",
    kind: NumberKind::Gauge,
};

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use khive_perf::leak::{Census, Kind, LeakConfig, LeakDetector, Live, Origin, OriginId};
    use opentelemetry_proto::tonic::metrics::v1::metric;

    use super::*;

    const SHAPE: Shape = Shape {
        is_delta: true,
        start_unix_ns: 7,
        process_start_unix_ns: 5,
        time_unix_ns: 9,
    };

    /// Two origins of one name: of one a handle in each minute is never closed, of the other each lives for a minute.
    fn report(minutes: u64) -> LeakReport {
        let mut detector = LeakDetector::new(LeakConfig::default().every_cache_declared());
        for minute in 1..=minutes {
            let at = |minute: u64| Duration::from_secs(60 * minute);
            let leaking = OriginId::new(Kind::Declared, 1);
            let healthy = OriginId::new(Kind::Declared, 2);
            let mut census = Census::at(at(minute));
            let kept = (0..minute).map(|made| Live::new(made, leaking, at(made), 64));
            census.live = kept.collect();
            census
                .live
                .push(Live::new(minute, healthy, at(minute - 1), 64));
            for id in [leaking, healthy] {
                let origin = Origin::named("lease").at("src/lease.rs", 3);
                let path = vec![String::from("serve"), String::from("lease")];
                census.origins.push((id, origin.path(path)));
            }
            detector.observe_census(&census);
        }
        detector.report()
    }

    fn points(metric: &Metric) -> &[NumberDataPoint] {
        match metric.data.as_ref().unwrap() {
            metric::Data::Sum(sum) => &sum.data_points,
            metric::Data::Gauge(gauge) => &gauge.data_points,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn those_that_leak_are_sent_and_the_others_are_counted() {
        let metrics = leaks(&report(120), &SHAPE);
        let by_name: BTreeMap<&str, &Metric> = metrics
            .iter()
            .map(|metric| (metric.name.as_str(), metric))
            .collect();
        let value = |name: &str, at: usize| points(by_name[name])[at].value.unwrap();
        assert_eq!(value("khive.perf.leak.origins", 1), count(1), "a plateau");
        assert_eq!(value("khive.perf.leak.origins", 3), count(1), "leaking");
        assert_eq!(points(by_name["khive.perf.leak.retained"]).len(), 1);
        assert_eq!(value("khive.perf.leak.retained", 0), count(120 * 64));
        let point = &points(by_name["khive.perf.leak.rate"])[0];
        let attributes: Vec<&str> = point
            .attributes
            .iter()
            .map(|pair| pair.key.as_str())
            .collect();
        assert!(attributes.contains(&"khive.perf.name") && attributes.contains(&VERDICT));
        assert!(attributes.contains(&"khive.perf.leak.path"));
    }

    #[test]
    fn states_are_cumulative_also_where_counters_are_deltas() {
        for metric in leaks(&report(120), &SHAPE) {
            if let Some(metric::Data::Sum(sum)) = &metric.data {
                assert!(!sum.is_monotonic);
                assert_eq!(sum.aggregation_temporality, 2, "cumulative");
                assert!(
                    sum.data_points
                        .iter()
                        .all(|point| point.start_time_unix_nano == 5)
                );
            }
        }
    }

    #[test]
    fn nothing_is_sent_before_the_first_census() {
        assert_eq!(leaks(&LeakReport::default(), &SHAPE), []);
        assert_eq!(leaks(&report(1), &SHAPE).len(), 1, "the count of verdicts");
    }
}
