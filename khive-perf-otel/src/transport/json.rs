//! OTLP/JSON: requests from protobuf, and answers to it.
//!
//! Ids are hexadecimal, integers of 64 bits texts, enumerations numbers: so the specification, and so `opentelemetry-proto`.

use bytes::Bytes;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsPartialSuccess, ExportMetricsServiceRequest, ExportMetricsServiceResponse,
};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message;
use serde_json::Value;

use crate::signal::Signal;
use crate::transport::status::Status;

/// A request of a signal, from its encoding in protobuf.
pub(super) fn request(signal: Signal, body: &Bytes) -> Result<Bytes, String> {
    match signal {
        Signal::Metrics => translate::<ExportMetricsServiceRequest>(body),
        Signal::Traces => translate::<ExportTraceServiceRequest>(body),
        Signal::Logs => translate::<ExportLogsServiceRequest>(body),
    }
}

fn translate<M: Message + Default + serde::Serialize>(body: &Bytes) -> Result<Bytes, String> {
    let message = M::decode(body.clone()).map_err(|error| format!("no protobuf: {error}"))?;
    let json = serde_json::to_vec(&message).map_err(|error| format!("no JSON: {error}"))?;
    Ok(json.into())
}

/// What was rejected, of whichever signal; what cannot be read rejects nothing.
pub(super) fn response(body: &[u8]) -> ExportMetricsServiceResponse {
    let answer: Value = serde_json::from_slice(body).unwrap_or_default();
    let partial = answer.get("partialSuccess").and_then(Value::as_object);
    let rejected = ["rejectedDataPoints", "rejectedSpans", "rejectedLogRecords"];
    let success = partial.map(|partial| {
        let rejected = rejected.iter().find_map(|key| integer(partial.get(*key)?));
        let message = partial.get("errorMessage").and_then(Value::as_str);
        ExportMetricsPartialSuccess {
            rejected_data_points: rejected.unwrap_or(0),
            error_message: message.unwrap_or_default().to_owned(),
        }
    });
    ExportMetricsServiceResponse {
        partial_success: success,
    }
}

/// A number of 64 bits may be a text.
fn integer(value: &Value) -> Option<i64> {
    let text = value.as_str().and_then(|text| text.parse().ok());
    value.as_i64().or(text)
}

/// `google.rpc.Status`, as far as HTTP needs it.
pub(super) fn status(body: &[u8]) -> Option<Status> {
    let status: Value = serde_json::from_slice(body).ok()?;
    Some(Status {
        message: status.get("message")?.as_str()?.to_owned(),
        ..Status::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_rejected_is_read_of_each_signal_as_a_text_or_a_number() {
        for (body, rejected, message) in [
            (
                r#"{"partialSuccess":{"rejectedDataPoints":"2","errorMessage":"old"}}"#,
                2,
                "old",
            ),
            (r#"{"partialSuccess":{"rejectedSpans":3}}"#, 3, ""),
            (r#"{"partialSuccess":{"rejectedLogRecords":"1"}}"#, 1, ""),
            (r#"{"partialSuccess":{}}"#, 0, ""),
        ] {
            let partial = response(body.as_bytes()).partial_success.unwrap();
            let seen = (partial.rejected_data_points, partial.error_message.as_str());
            assert_eq!(seen, (rejected, message), "{body}");
        }
        for body in ["{}", "", "null", "[1]", "<html>"] {
            assert_eq!(
                response(body.as_bytes()),
                ExportMetricsServiceResponse::default()
            );
        }
    }
}
