//! OTLP over HTTP/1.1: `POST` to `/v1/metrics`, `/v1/traces` and `/v1/logs`, in protobuf or JSON as `Content-Type` says.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, Method, Request, StatusCode, header};
use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsPartialSuccess, ExportMetricsServiceResponse,
};
use prost::Message;

use crate::receiver::intake::{Accepted, Compression, Encoding, Intake, Signal};
use crate::receiver::refusal::Refusal;

/// The routes of the HTTP port.
pub(crate) fn router(intake: Arc<Intake>) -> Router {
    Router::new().fallback(answer).with_state(intake)
}

async fn answer(State(intake): State<Arc<Intake>>, request: Request<Body>) -> Response {
    let _active = intake.active();
    let asked = encoding_of(request.headers());
    // A request that does not say how it is written is answered in what a person can read.
    let answered = asked.as_ref().copied().unwrap_or(Encoding::Json);
    let signal = match request.uri().path() {
        "/v1/metrics" => Ok(Signal::Metrics),
        "/v1/traces" => Ok(Signal::Traces),
        "/v1/logs" => Ok(Signal::Logs),
        path => Err(Refusal::no_such_path(path)),
    };
    let result = match signal {
        Ok(signal) => export(&intake, signal, asked, request)
            .await
            .map(|accepted| (signal, accepted)),
        Err(refusal) => Err(refusal),
    };
    match result {
        Ok((signal, accepted)) => success(signal, answered, accepted),
        Err(refusal) => intake.refused(refusal).into_http(answered),
    }
}

async fn export(
    intake: &Arc<Intake>,
    signal: Signal,
    asked: Result<Encoding, Refusal>,
    request: Request<Body>,
) -> Result<Accepted, Refusal> {
    if request.method() != Method::POST {
        return Err(Refusal::wrong_method(request.method()));
    }
    let encoding = asked?;
    let compression = compression_of(request.headers())?;
    let mut held = intake.hold();
    let limit = intake.limits().request_bytes_max;
    let body = intake.read(request.into_body(), limit, &mut held).await?;
    Arc::clone(intake)
        .take(signal, encoding, compression, body.into(), held)
        .await
}

fn encoding_of(headers: &HeaderMap) -> Result<Encoding, Refusal> {
    let expected = "use application/x-protobuf or application/json";
    let Some(value) = headers.get(header::CONTENT_TYPE) else {
        return Err(Refusal::wrong_type(format!(
            "there is no Content-Type; {expected}"
        )));
    };
    let text = String::from_utf8_lossy(value.as_bytes());
    let essence = text.split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case("application/x-protobuf") {
        Ok(Encoding::Protobuf)
    } else if essence.eq_ignore_ascii_case("application/json") {
        Ok(Encoding::Json)
    } else {
        Err(Refusal::wrong_type(format!(
            "the Content-Type `{essence:.100}` is not supported; {expected}"
        )))
    }
}

fn compression_of(headers: &HeaderMap) -> Result<Compression, Refusal> {
    let Some(value) = headers.get(header::CONTENT_ENCODING) else {
        return Ok(Compression::None);
    };
    let text = String::from_utf8_lossy(value.as_bytes());
    match text.trim() {
        "" | "identity" => Ok(Compression::None),
        name if name.eq_ignore_ascii_case("gzip") => Ok(Compression::Gzip),
        name if name.eq_ignore_ascii_case("zstd") => Ok(Compression::Zstd),
        name => Err(Refusal::wrong_encoding(name)),
    }
}

fn success(signal: Signal, encoding: Encoding, accepted: Accepted) -> Response {
    let body = match encoding {
        Encoding::Protobuf => response_message(accepted).encode_to_vec(),
        Encoding::Json => json(signal, &accepted).to_string().into_bytes(),
    };
    (
        StatusCode::OK,
        [(header::CONTENT_TYPE, encoding.content_type())],
        body,
    )
        .into_response()
}

/// The response of the metrics service, which on the wire is also that of traces and of logs.
pub(crate) fn response_message(accepted: Accepted) -> ExportMetricsServiceResponse {
    let complete = accepted.rejected == 0 && accepted.message.is_empty();
    ExportMetricsServiceResponse {
        partial_success: (!complete).then(|| ExportMetricsPartialSuccess {
            rejected_data_points: i64::try_from(accepted.rejected).unwrap_or(i64::MAX),
            error_message: accepted.message,
        }),
    }
}

fn json(signal: Signal, accepted: &Accepted) -> serde_json::Value {
    if accepted.rejected == 0 && accepted.message.is_empty() {
        return serde_json::json!({});
    }
    let rejected = match signal {
        Signal::Metrics => "rejectedDataPoints",
        Signal::Traces => "rejectedSpans",
        Signal::Logs => "rejectedLogRecords",
    };
    // Protobuf's JSON writes 64-bit integers as text.
    serde_json::json!({
        "partialSuccess": {
            rejected: accepted.rejected.to_string(),
            "errorMessage": accepted.message,
        }
    })
}
