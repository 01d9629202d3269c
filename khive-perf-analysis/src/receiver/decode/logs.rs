//! OTLP logs to plain records.

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::logs::v1 as otlp;

use crate::points;
use crate::points::logs::{LogRecord, ResourceLogs};
use crate::receiver::decode::{Rejected, attributes, json, kept, shortened};

/// The records of a request that can be kept, and what was rejected.
pub(crate) fn logs(request: ExportLogsServiceRequest) -> (Vec<ResourceLogs>, Rejected) {
    let mut rejected = Rejected::default();
    let mut all = Vec::new();
    for from in request.resource_logs {
        let mut records = Vec::new();
        for scope_logs in from.scope_logs {
            for record in scope_logs.log_records {
                match one(record) {
                    Ok(record) => records.push(record),
                    Err(reason) => rejected.add(1, reason),
                }
            }
        }
        all.push(ResourceLogs {
            resource: attributes(from.resource.unwrap_or_default().attributes),
            records,
        });
    }
    (all, rejected)
}

fn one(record: otlp::LogRecord) -> Result<LogRecord, String> {
    // A record without a time has the one when it was seen.
    let times = [record.time_unix_nano, record.observed_time_unix_nano];
    let time_unix_ns = times.into_iter().find(|&time| time > 0).unwrap_or_default();
    if i64::try_from(time_unix_ns).is_err() {
        return Err(format!(
            "the time {time_unix_ns} of a log record is after the year 2262"
        ));
    }
    let severity = u8::try_from(record.severity_number)
        .ok()
        .filter(|&severity| severity <= 24);
    let Some(severity) = severity else {
        let number = record.severity_number;
        return Err(format!("the severity number {number} is not from 0 to 24"));
    };
    Ok(LogRecord {
        time_unix_ns,
        severity,
        event: shortened(&record.event_name),
        body: record.body.map_or_else(String::new, |body| {
            shortened(&points::text(&json(Some(body))))
        }),
        attributes: kept(record.attributes),
    })
}
