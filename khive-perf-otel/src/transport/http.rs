//! OTLP over HTTP/1.1: one POST per request, protobuf both ways, or JSON.

use std::io::Write;

use bytes::Bytes;
use flate2::write::GzEncoder;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, LOCATION, RETRY_AFTER, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceResponse;
use prost::Message;

use crate::clock;
use crate::env::Compression;
#[cfg(feature = "json")]
use crate::env::Protocol;
use crate::retry::{Failure, retry_after};
use crate::tls::{Connector, connector};
use crate::transport::status::Status;
use crate::transport::{
    RESPONSE_BYTES_MAX, Target, USER_AGENT as OURS, chain, excerpt, plain_connector,
};

const PROTOBUF: &str = "application/x-protobuf";
#[cfg(feature = "json")]
const JSON: &str = "application/json";

/// A client of one receiver.
#[derive(Debug)]
pub(crate) struct Http {
    client: Client<Connector, Full<Bytes>>,
    target: Target,
}

impl Http {
    pub(super) fn new(target: Target) -> Self {
        let connector = connector(plain_connector(), target.trust.as_ref());
        Self {
            client: Client::builder(TokioExecutor::new()).build(connector),
            target,
        }
    }

    pub(super) async fn send(&self, body: Bytes) -> Result<ExportMetricsServiceResponse, Failure> {
        let connection = |what: &str, error: &dyn std::error::Error| {
            let uri = &self.target.endpoint;
            Failure::Connection(format!("{what} {uri}: {}", chain(error)))
        };
        let request = self.request(body).map_err(|why| Failure::Http {
            status: 0,
            retry_after: None,
            message: why,
        })?;
        let response = self
            .client
            .request(request)
            .await
            .map_err(|error| connection("no response from", &error))?;
        let (parts, body) = response.into_parts();
        let body = match Limited::new(body, RESPONSE_BYTES_MAX).collect().await {
            Ok(body) => body.to_bytes(),
            // The status has been said; what follows it is too long to be a message.
            Err(error) if error.is::<LengthLimitError>() => Bytes::new(),
            Err(error) => return Err(connection("broken response from", &*error)),
        };
        if parts.status.is_success() {
            // A body that is no message says nothing of rejected points.
            return Ok(match self.target.protocol {
                #[cfg(feature = "json")]
                Protocol::HttpJson => super::json::response(&body),
                _ => ExportMetricsServiceResponse::decode(body).unwrap_or_default(),
            });
        }
        Err(refusal(parts.status, &parts.headers, &body))
    }

    fn request(&self, body: Bytes) -> Result<Request<Full<Bytes>>, String> {
        let (kind, body) = match self.target.protocol {
            #[cfg(feature = "json")]
            Protocol::HttpJson => (JSON, super::json::request(self.target.signal, &body)?),
            _ => (PROTOBUF, body),
        };
        let (encoding, body) = match self.target.compression {
            Compression::None => (None, body),
            Compression::Gzip => {
                let gzip = gzip(&body).map_err(|error| format!("gzip failed: {error}"))?;
                (Some("gzip"), gzip)
            }
            Compression::Zstd => {
                let zstd = zstd(&body).map_err(|error| format!("zstd failed: {error}"))?;
                (Some("zstd"), zstd)
            }
        };
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.target.endpoint.clone();
        let headers = request.headers_mut();
        headers.clone_from(&self.target.headers);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        headers.insert(USER_AGENT, HeaderValue::from_static(OURS));
        if let Some(encoding) = encoding {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static(encoding));
        }
        Ok(request)
    }
}

fn refusal(status: StatusCode, headers: &HeaderMap, body: &Bytes) -> Failure {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let decoded = match text(CONTENT_TYPE) {
        Some(kind) if kind.starts_with(PROTOBUF) => Status::decode(body.clone()).ok(),
        #[cfg(feature = "json")]
        Some(kind) if kind.starts_with(JSON) => super::json::status(body),
        _ => None,
    };
    let mut message = match decoded {
        Some(status) => excerpt(&status.message),
        None => std::str::from_utf8(body).map_or_else(|_| String::new(), excerpt),
    };
    if status.is_redirection() {
        let to = text(LOCATION).unwrap_or("nowhere");
        message = format!("redirected to {}; set that as the endpoint", excerpt(to));
    }
    Failure::Http {
        status: status.as_u16(),
        retry_after: text(RETRY_AFTER).and_then(|value| retry_after(value, clock::now())),
        message,
    }
}

fn gzip(body: &[u8]) -> std::io::Result<Bytes> {
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(body)?;
    encoder.finish().map(Bytes::from)
}

#[cfg(feature = "zstd")]
fn zstd(body: &[u8]) -> std::io::Result<Bytes> {
    zstd::bulk::compress(body, zstd::DEFAULT_COMPRESSION_LEVEL).map(Bytes::from)
}

/// Refused before.
#[cfg(not(feature = "zstd"))]
fn zstd(_: &[u8]) -> std::io::Result<Bytes> {
    Err(std::io::ErrorKind::Unsupported.into())
}
