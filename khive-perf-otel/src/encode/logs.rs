//! Findings as log records: what is told once, when it changes.
//!
//! They are those of `docs/metrics.md`.

use khive_perf::leak::{Finding, Verdict};
use khive_perf::snapshot::CallsiteStats;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs, SeverityNumber};

use crate::encode::leaks::{VERDICT, origin};
use crate::encode::split::{Envelope, Split, pack};
use crate::encode::traces::SAMPLED;
use crate::encode::{Series, key_value, text};
use crate::signal::Signal;

/// The verdict on an origin is another one than was told.
pub(crate) fn leak(finding: &Finding, before: Verdict) -> LogRecord {
    let verdict = finding.verdict();
    let severity = match verdict {
        Verdict::Leaking => SeverityNumber::Error,
        Verdict::Suspect => SeverityNumber::Warn,
        _ => SeverityNumber::Info,
    };
    let (live, retained) = (finding.live(), finding.retained_bytes());
    let rate = finding.bytes_per_hour();
    let body = format!(
        "{} is {verdict}, and was {before}: {}; {live} alive of {retained} bytes, {rate:.0} bytes an hour",
        finding.callsite(),
        finding.reason(),
    );
    let mut attributes = verdict_attributes(verdict, before);
    attributes.extend(origin(finding));
    attributes.extend([
        whole("khive.perf.leak.live", live),
        whole("khive.perf.leak.retained", retained),
        whole("khive.perf.leak.survivors", finding.survivors()),
        key_value("khive.perf.leak.rate", any_value::Value::DoubleValue(rate)),
    ]);
    record("khive.perf.leak.verdict", severity, body, attributes)
}

/// An origin of which something bad was told is there no more: nothing of it is alive.
pub(crate) fn leak_gone(origin: Vec<KeyValue>, before: Verdict) -> LogRecord {
    let mut attributes = verdict_attributes(Verdict::InsufficientData, before);
    attributes.extend(origin);
    let body = format!("nothing is left of what was {before}");
    let severity = SeverityNumber::Info;
    record("khive.perf.leak.verdict", severity, body, attributes)
}

/// What a leak report says of where a thing comes from, to tell it again when it is gone.
pub(crate) fn leak_origin(finding: &Finding) -> Vec<KeyValue> {
    origin(finding)
}

fn verdict_attributes(verdict: Verdict, before: Verdict) -> Vec<KeyValue> {
    vec![
        text(VERDICT, verdict.as_str()),
        text("khive.perf.leak.verdict.previous", before.as_str()),
    ]
}

/// A callsite has gone over to timing some calls only, or times all of them again; `calls` are those since the last look.
pub(crate) fn budget(stats: &CallsiteStats) -> LogRecord {
    let name = stats.name();
    let (calls, timed) = (stats.calls(), stats.timed());
    let body = if stats.sampled() {
        format!("{name} times {timed} of {calls} calls; its times are estimates from now on")
    } else {
        format!("{name} times every call again")
    };
    let mut attributes = Series::of(stats).attributes;
    attributes.extend([
        key_value(
            "khive.perf.function.sampled",
            any_value::Value::BoolValue(stats.sampled()),
        ),
        whole("khive.perf.function.calls", calls),
        whole("khive.perf.function.untimed_calls", calls - timed),
    ]);
    let mut record = record(
        "khive.perf.budget.change",
        SeverityNumber::Info,
        body,
        attributes,
    );
    let latest = stats.exemplars().iter().max_by_key(|one| one.time_unix_ns);
    if let Some(latest) = latest {
        record.trace_id = latest.trace_id.to_bytes().to_vec();
        record.span_id = latest.span_id.to_bytes().to_vec();
        record.flags = SAMPLED;
    }
    record
}

/// What the exporter lost of a signal since the last look.
pub(crate) fn lost(signal: Signal, what: &str, items: u64, why: Option<&str>) -> LogRecord {
    let name = signal.items();
    let because = why.map_or_else(String::new, |why| format!("; the latest problem: {why}"));
    let body = format!("{items} {name} {what}{because}");
    let attributes = vec![
        text("khive.perf.signal", name),
        text("khive.perf.reason", what),
        whole("khive.perf.lost", items),
    ];
    let severity = SeverityNumber::Warn;
    record("khive.perf.data.lost", severity, body, attributes)
}

/// What was not recorded in full since the last look, for a reason of `khive.perf.overflow`.
pub(crate) fn not_recorded(reason: &str, measurements: u64) -> LogRecord {
    let body = format!("{measurements} measurements were not recorded in full: {reason}");
    let attributes = vec![
        text("khive.perf.signal", "measurements"),
        text("khive.perf.reason", reason),
        whole("khive.perf.lost", measurements),
    ];
    let severity = SeverityNumber::Warn;
    record("khive.perf.data.lost", severity, body, attributes)
}

/// Packs records into requests of at most `bytes_max`, before compression, all of them observed at one time. None is empty.
pub(crate) fn split_logs(
    mut records: Vec<LogRecord>,
    time_unix_ns: u64,
    envelope: &Envelope,
    bytes_max: usize,
) -> Split {
    for record in &mut records {
        record.time_unix_nano = time_unix_ns;
        record.observed_time_unix_nano = time_unix_ns;
    }
    pack(records, bytes_max, |log_records| ExportLogsServiceRequest {
        resource_logs: vec![ResourceLogs {
            resource: Some(envelope.resource.clone()),
            scope_logs: vec![ScopeLogs {
                scope: Some(envelope.scope.clone()),
                log_records,
                ..ScopeLogs::default()
            }],
            ..ResourceLogs::default()
        }],
    })
}

fn record(
    event: &str,
    severity: SeverityNumber,
    body: String,
    attributes: Vec<KeyValue>,
) -> LogRecord {
    LogRecord {
        event_name: event.to_owned(),
        severity_number: severity as i32,
        severity_text: match severity {
            SeverityNumber::Error => "ERROR",
            SeverityNumber::Warn => "WARN",
            _ => "INFO",
        }
        .to_owned(),
        body: Some(AnyValue {
            value: Some(any_value::Value::StringValue(body)),
        }),
        attributes,
        ..LogRecord::default()
    }
}

fn whole(key: &str, value: u64) -> KeyValue {
    let value = i64::try_from(value).unwrap_or(i64::MAX);
    key_value(key, any_value::Value::IntValue(value))
}

#[cfg(test)]
mod tests {
    use khive_perf::testing::capture;

    use super::*;

    #[khive_perf::measure(name = "counted", sample = 1000, group = "g")]
    fn counted() {}

    fn value<'a>(record: &'a LogRecord, key: &str) -> Option<&'a any_value::Value> {
        let mut with = record.attributes.iter().filter(|pair| pair.key == key);
        let found = with.next()?.value.as_ref()?.value.as_ref();
        assert!(with.next().is_none(), "{key} is there twice");
        found
    }

    #[test]
    fn a_loss_says_what_of_which_signal_and_why() {
        let record = lost(Signal::Traces, "dropped", 7, Some("connection refused"));
        assert_eq!(
            (record.severity_text.as_str(), record.severity_number),
            ("WARN", 13)
        );
        assert_eq!(record.event_name, "khive.perf.data.lost");
        assert_eq!(
            value(&record, "khive.perf.lost"),
            Some(&any_value::Value::IntValue(7))
        );
        let Some(any_value::Value::StringValue(body)) = record.body.unwrap().value else {
            panic!("no text")
        };
        assert_eq!(
            body,
            "7 spans dropped; the latest problem: connection refused"
        );
    }

    #[test]
    fn a_budget_change_names_the_callsite_as_its_metrics_do() {
        let snapshot = capture(counted).1.into_snapshot();
        let stats = snapshot.callsite("counted").unwrap();
        let record = budget(stats);
        assert_eq!(record.severity_text, "INFO");
        for key in [
            "code.function.name",
            "code.file.path",
            "khive.perf.name",
            "khive.perf.group",
        ] {
            assert!(value(&record, key).is_some(), "{key}");
        }
        let sampled = any_value::Value::BoolValue(stats.sampled());
        assert_eq!(
            value(&record, "khive.perf.function.sampled"),
            Some(&sampled)
        );
        assert!(record.trace_id.is_empty(), "it was part of no trace");
    }
}
