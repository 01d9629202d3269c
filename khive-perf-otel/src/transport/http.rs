//! OTLP/HTTP with binary protobuf by hyper.

use std::error::Error;
use std::io::Write as _;

use ::http::header::{
    CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER, USER_AGENT,
};
use ::http::{Method, Request, Response, Uri};
use flate2::Compression as Level;
use flate2::write::GzEncoder;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceResponse;
use prost::Message as _;

use crate::builder::{Compression, ExporterBuilder};
use crate::clock;
use crate::encode::Batch;
use crate::error::InstallError;
use crate::retry::{Answer, is_retryable_status, retry_after};
use crate::transport::status::Status;
use crate::transport::{address, bad_header};

/// What is read of an answer.
const ANSWER_BYTES_MAX: usize = 64 << 10;

pub(crate) struct Http {
    client: Client<HttpConnector, Full<Bytes>>,
    uri: Uri,
    gzip: bool,
    headers: HeaderMap,
}

impl Http {
    pub(crate) fn new(builder: &ExporterBuilder) -> Result<Self, InstallError> {
        let uri = address(builder, "http://localhost:4318/v1/metrics")?;
        let mut headers = HeaderMap::new();
        headers.insert(
            USER_AGENT,
            HeaderValue::from_static(crate::transport::USER_AGENT),
        );
        for (name, value) in &builder.headers {
            let key: HeaderName = name.parse().map_err(|_| bad_header(name))?;
            headers.insert(key, value.parse().map_err(|_| bad_header(name))?);
        }
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("application/x-protobuf"),
        );
        let gzip = builder.compression == Compression::Gzip;
        if gzip {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(builder.timeout));
        let client = Client::builder(TokioExecutor::new()).build(connector);
        Ok(Self {
            client,
            uri,
            gzip,
            headers,
        })
    }

    pub(crate) async fn send(&self, batch: &Batch) -> Answer {
        let mut body = batch.request.encode_to_vec();
        if self.gzip {
            body = match gzipped(&body) {
                Ok(body) => body,
                Err(error) => {
                    return Answer::Refused {
                        error: format!("compressing: {error}"),
                    };
                }
            };
        }
        let mut request = Request::new(Full::new(Bytes::from(body)));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.uri.clone();
        *request.headers_mut() = self.headers.clone();
        match self.client.request(request).await {
            Ok(response) => answer(response).await,
            Err(error) => {
                let error = format!("no answer from {}: {}", self.uri, chain(&error));
                Answer::Again { after: None, error }
            }
        }
    }
}

async fn answer(response: Response<Incoming>) -> Answer {
    let (head, body) = response.into_parts();
    let body = match Limited::new(body, ANSWER_BYTES_MAX).collect().await {
        Ok(body) => body.to_bytes(),
        // A success counts, whatever became of its explanation.
        Err(_) if head.status.is_success() => Bytes::new(),
        Err(error) => {
            let error = format!("the answer {} broke off: {error}", head.status);
            return refusal(head.status.as_u16(), &head.headers, error);
        }
    };
    if head.status.is_success() {
        let partial = ExportMetricsServiceResponse::decode(body)
            .ok()
            .and_then(|response| response.partial_success)
            .unwrap_or_default();
        let rejected = u64::try_from(partial.rejected_data_points).unwrap_or(0);
        return Answer::Taken {
            rejected,
            message: partial.error_message,
        };
    }
    let explained = Status::decode(body.clone())
        .ok()
        .map(|status| status.message);
    let explained = explained.filter(|message| !message.is_empty());
    let explained = explained.unwrap_or_else(|| {
        String::from_utf8_lossy(&body)
            .chars()
            .filter(|c| !c.is_control())
            .take(200)
            .collect()
    });
    refusal(
        head.status.as_u16(),
        &head.headers,
        format!("the receiver answered {}: {explained}", head.status),
    )
}

fn refusal(status: u16, headers: &HeaderMap, error: String) -> Answer {
    if !is_retryable_status(status) {
        return Answer::Refused { error };
    }
    let after = headers
        .get(RETRY_AFTER)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| retry_after(value, clock::unix_s()));
    Answer::Again { after, error }
}

fn gzipped(body: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Level::fast());
    encoder.write_all(body)?;
    encoder.finish()
}

/// An error and what caused it, which for a client error is where the reason stands.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
