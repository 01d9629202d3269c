//! OTLP over gRPC: the unary `Export` calls of the metrics, trace and log services.
//!
//! The messages are taken off the wire here, not by a generated service: what a request costs must be known
//! before it is decoded, and a message that is too large must be RESOURCE_EXHAUSTED, which clients do
//! not send again, where tonic says OUT_OF_RANGE, which they do.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, HeaderValue, Method, Request, header};
use http_body_util::{BodyExt, Full};
use prost::Message;

use crate::receiver::http::response_message;
use crate::receiver::intake::{Accepted, Compression, Encoding, Intake, Signal};
use crate::receiver::refusal::Refusal;

const METRICS: &str = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export";
const TRACES: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
const LOGS: &str = "/opentelemetry.proto.collector.logs.v1.LogsService/Export";

/// One byte for compression, four for the length.
const PREFIX_BYTES: usize = 5;

/// The routes of the gRPC port.
pub(crate) fn router(intake: Arc<Intake>) -> Router {
    Router::new().fallback(answer).with_state(intake)
}

async fn answer(State(intake): State<Arc<Intake>>, request: Request<Body>) -> Response {
    let _active = intake.active();
    match export(&intake, request).await {
        Ok(accepted) => success(accepted),
        Err(refusal) => intake.refused(refusal).into_grpc(),
    }
}

async fn export(intake: &Arc<Intake>, request: Request<Body>) -> Result<Accepted, Refusal> {
    let signal = match request.uri().path() {
        METRICS => Signal::Metrics,
        TRACES => Signal::Traces,
        LOGS => Signal::Logs,
        path => return Err(Refusal::no_such_rpc(path)),
    };
    if request.method() != Method::POST {
        return Err(Refusal::wrong_method(request.method()));
    }
    let (parts, body) = request.into_parts();
    let content_type = parts
        .headers
        .get(header::CONTENT_TYPE)
        .map(HeaderValue::as_bytes);
    if !content_type.is_some_and(is_grpc_protobuf) {
        return Err(Refusal::wrong_type(
            "this port speaks gRPC with protobuf; OTLP over HTTP has a port of its own",
        ));
    }
    let mut held = intake.hold();
    let limit = intake
        .limits()
        .request_bytes_max
        .saturating_add(PREFIX_BYTES);
    let framed = Bytes::from(intake.read(body, limit, &mut held).await?);
    let (packed, message) = message_of(&framed)?;
    let compression = match packed {
        true => compression_of(&parts.headers)?,
        false => Compression::None,
    };
    Arc::clone(intake)
        .take(signal, Encoding::Protobuf, compression, message, held)
        .await
}

/// `application/grpc`, alone or with `+proto`, and not `application/grpc-web`.
fn is_grpc_protobuf(content_type: &[u8]) -> bool {
    let essence = content_type
        .split(|&byte| byte == b';')
        .next()
        .unwrap_or_default();
    let essence = essence.trim_ascii();
    essence.eq_ignore_ascii_case(b"application/grpc")
        || essence.eq_ignore_ascii_case(b"application/grpc+proto")
}

/// The one message of a unary call, and whether it is compressed.
fn message_of(framed: &Bytes) -> Result<(bool, Bytes), Refusal> {
    let Some((prefix, rest)) = framed.split_first_chunk::<PREFIX_BYTES>() else {
        return Err(Refusal::bad_data("the call carries no message"));
    };
    let [packed, length @ ..] = *prefix;
    let length = u32::from_be_bytes(length);
    if usize::try_from(length).is_ok_and(|length| length == rest.len()) && packed <= 1 {
        return Ok((packed == 1, framed.slice(PREFIX_BYTES..)));
    }
    Err(Refusal::bad_data(format!(
        "the message says it has {length} bytes and {} follow; Export takes one whole message",
        rest.len()
    )))
}

fn compression_of(headers: &HeaderMap) -> Result<Compression, Refusal> {
    let encoding = headers
        .get("grpc-encoding")
        .map_or(&b""[..], HeaderValue::as_bytes);
    match encoding {
        b"gzip" => Ok(Compression::Gzip),
        b"zstd" => Ok(Compression::Zstd),
        b"" | b"identity" => Err(Refusal::bad_data(
            "the message is marked as compressed and grpc-encoding is not set",
        )),
        other => Err(Refusal::wrong_encoding(&String::from_utf8_lossy(other))),
    }
}

fn success(accepted: Accepted) -> Response {
    let message = response_message(accepted).encode_to_vec();
    let length = u32::try_from(message.len()).unwrap_or_default();
    let mut framed = Vec::with_capacity(PREFIX_BYTES + message.len());
    framed.push(0);
    framed.extend_from_slice(&length.to_be_bytes());
    framed.extend_from_slice(&message);
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static("0"));
    let body = Full::new(Bytes::from(framed)).with_trailers(async move { Some(Ok(trailers)) });
    let mut response = Response::new(Body::new(body));
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/grpc"),
    );
    response
}
