//! Transport: an encoded request to the receiver, and its answer back.

mod grpc;
mod http;
#[cfg(feature = "json")]
mod json;
mod status;

use std::future::Future;

use ::http::{HeaderMap, Uri};
use bytes::Bytes;
use hyper_util::client::legacy::connect::HttpConnector;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceResponse;

use crate::env::{Compression, Protocol};
use crate::error::InstallError;
use crate::retry::{Answer, judge};
use crate::signal::Signal;
use crate::tls::Trust;

/// Where requests go, and how.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) signal: Signal,
    pub(crate) protocol: Protocol,
    pub(crate) endpoint: Uri,
    pub(crate) headers: HeaderMap,
    pub(crate) compression: Compression,
    /// Where the endpoint is one with TLS.
    pub(crate) trust: Option<Trust>,
}

/// Sends one request and waits for what comes of it; the caller sets the deadline.
pub(crate) trait Transport {
    fn send(&self, body: Bytes) -> impl Future<Output = Answer>;
}

/// A transport of either protocol. Nothing connects before the first request.
#[derive(Debug)]
pub(crate) enum Client {
    Grpc(grpc::Grpc),
    Http(http::Http),
}

impl Client {
    /// Must be called on the runtime that will send.
    pub(crate) fn new(target: Target) -> Result<Self, InstallError> {
        match target.protocol {
            Protocol::Grpc => grpc::Grpc::new(target).map(Self::Grpc),
            Protocol::HttpProtobuf | Protocol::HttpJson => Ok(Self::Http(http::Http::new(target))),
        }
    }
}

impl Transport for Client {
    async fn send(&self, body: Bytes) -> Answer {
        let result = match self {
            Self::Grpc(grpc) => grpc.send(body).await,
            Self::Http(http) => http.send(body).await,
        };
        result.map_or_else(judge, |response| accepted(&response))
    }
}

/// What both protocols connect with, before TLS.
fn plain_connector() -> HttpConnector {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    connector
}

/// Largest response that is read.
const RESPONSE_BYTES_MAX: usize = 64 * 1024;

const USER_AGENT: &str = concat!(
    "OTel-OTLP-Exporter-Rust/khive-perf-",
    env!("CARGO_PKG_VERSION")
);

/// An empty partial success is a success.
///
/// The responses of all signals are the same but for the name of the number of what was rejected.
fn accepted(response: &ExportMetricsServiceResponse) -> Answer {
    let partial = response.partial_success.as_ref();
    Answer::Accepted {
        rejected: partial.map_or(0, |partial| {
            u64::try_from(partial.rejected_data_points).unwrap_or(0)
        }),
        message: partial
            .map(|partial| excerpt(&partial.error_message))
            .filter(|message| !message.is_empty()),
    }
}

/// The beginning of a text from outside, on one line.
fn excerpt(text: &str) -> String {
    const CHARS_MAX: usize = 300;
    let printable = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    printable
        .take(CHARS_MAX)
        .collect::<String>()
        .trim()
        .to_owned()
}

/// An error with its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let message = error.to_string();
        if !text.contains(&message) {
            text = format!("{text}: {message}");
        }
        cause = error.source();
    }
    excerpt(&text)
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsPartialSuccess;

    use super::*;

    fn answer(rejected_data_points: i64, error_message: &str) -> Answer {
        accepted(&ExportMetricsServiceResponse {
            partial_success: Some(ExportMetricsPartialSuccess {
                rejected_data_points,
                error_message: error_message.to_owned(),
            }),
        })
    }

    #[test]
    fn an_empty_partial_success_is_a_success() {
        let success = Answer::Accepted {
            rejected: 0,
            message: None,
        };
        assert_eq!(accepted(&ExportMetricsServiceResponse::default()), success);
        assert_eq!(answer(0, ""), success);
        assert_eq!(answer(-3, ""), success, "nonsense rejects nothing");
    }

    #[test]
    fn what_receivers_say_is_kept_short_and_on_one_line() {
        let Answer::Accepted { rejected, message } = answer(3, &"no\n".repeat(1000)) else {
            panic!("not accepted");
        };
        let message = message.unwrap();
        assert_eq!(rejected, 3);
        assert!(message.len() <= 300 && !message.contains('\n'));
    }
}
