//! Why a request is refused, and how HTTP and gRPC say so: as an encoded `google.rpc.Status`.

use std::time::Duration;

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use prost::Message;
use tonic::Code;

use crate::error::Error;
use crate::receiver::intake::Encoding;

/// A refused request: nothing of it was stored.
#[derive(Debug)]
pub(crate) struct Refusal {
    kind: Kind,
    message: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    BadData,
    TooLarge,
    TooSlow,
    Busy,
    WrongType,
    WrongEncoding,
    WrongMethod,
    NoSuchPath,
    Internal,
}

/// When a client may come back.
const RETRY_AFTER: Duration = Duration::from_secs(1);

const RETRY_INFO_TYPE: &str = "type.googleapis.com/google.rpc.RetryInfo";

// The three messages of google.rpc that OTLP uses.

#[derive(Clone, PartialEq, Message)]
struct RpcStatus {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
    #[prost(message, repeated, tag = "3")]
    details: Vec<Any>,
}

#[derive(Clone, PartialEq, Message)]
struct Any {
    #[prost(string, tag = "1")]
    type_url: String,
    #[prost(bytes = "vec", tag = "2")]
    value: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
struct RetryInfo {
    #[prost(message, optional, tag = "1")]
    retry_delay: Option<RetryDelay>,
}

#[derive(Clone, PartialEq, Message)]
struct RetryDelay {
    #[prost(int64, tag = "1")]
    seconds: i64,
    #[prost(int32, tag = "2")]
    nanos: i32,
}

// === impl Refusal ===

impl Refusal {
    pub(crate) fn bad_data(message: impl Into<String>) -> Self {
        Self::new(Kind::BadData, message)
    }

    pub(crate) fn too_large(message: impl Into<String>) -> Self {
        Self::new(Kind::TooLarge, message)
    }

    pub(crate) fn too_slow(limit: Duration) -> Self {
        Self::new(
            Kind::TooSlow,
            format!("the request did not arrive within {limit:?}"),
        )
    }

    pub(crate) fn busy(message: impl Into<String>) -> Self {
        Self::new(Kind::Busy, message)
    }

    pub(crate) fn wrong_type(message: impl Into<String>) -> Self {
        Self::new(Kind::WrongType, message)
    }

    pub(crate) fn wrong_encoding(encoding: &str) -> Self {
        Self::new(
            Kind::WrongEncoding,
            format!("the compression `{encoding:.50}` is not supported; use gzip, zstd or none"),
        )
    }

    pub(crate) fn wrong_method(method: &http::Method) -> Self {
        Self::new(
            Kind::WrongMethod,
            format!("{method} is not supported here; use POST"),
        )
    }

    pub(crate) fn no_such_path(path: &str) -> Self {
        Self::new(
            Kind::NoSuchPath,
            format!(
                "there is nothing at {path:.200}; OTLP/HTTP goes to /v1/metrics, /v1/traces and /v1/logs"
            ),
        )
    }

    pub(crate) fn no_such_rpc(path: &str) -> Self {
        Self::new(
            Kind::NoSuchPath,
            format!("{path:.200} is not implemented; this receiver has the OTLP Export services"),
        )
    }

    pub(crate) fn internal(message: impl Into<String>) -> Self {
        Self::new(Kind::Internal, message)
    }

    /// What the database says: its own trouble may pass, a damaged file will not.
    pub(crate) fn storage(error: &Error) -> Self {
        let kind = if error.is_corrupt() || error.is_newer_schema() {
            Kind::Internal
        } else {
            Kind::Busy
        };
        let mut message = error.to_string();
        let mut cause = std::error::Error::source(error);
        while let Some(error) = cause {
            message.push_str(": ");
            message.push_str(&error.to_string());
            cause = error.source();
        }
        Self::new(kind, message)
    }

    fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
        }
    }

    fn http_status(&self) -> StatusCode {
        match self.kind {
            Kind::BadData => StatusCode::BAD_REQUEST,
            Kind::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Kind::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Kind::Busy => StatusCode::SERVICE_UNAVAILABLE,
            Kind::WrongType | Kind::WrongEncoding => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Kind::WrongMethod => StatusCode::METHOD_NOT_ALLOWED,
            Kind::NoSuchPath => StatusCode::NOT_FOUND,
            Kind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// OTLP clients send again on UNAVAILABLE and DEADLINE_EXCEEDED, and not on the others named here.
    fn code(&self) -> Code {
        match self.kind {
            Kind::BadData | Kind::WrongType => Code::InvalidArgument,
            Kind::TooLarge => Code::ResourceExhausted,
            Kind::TooSlow => Code::DeadlineExceeded,
            Kind::Busy => Code::Unavailable,
            Kind::WrongEncoding | Kind::WrongMethod | Kind::NoSuchPath => Code::Unimplemented,
            Kind::Internal => Code::Internal,
        }
    }

    fn status(&self) -> RpcStatus {
        let mut details = Vec::new();
        if self.kind == Kind::Busy {
            let seconds = i64::try_from(RETRY_AFTER.as_secs()).unwrap_or(1);
            let info = RetryInfo {
                retry_delay: Some(RetryDelay { seconds, nanos: 0 }),
            };
            details.push(Any {
                type_url: RETRY_INFO_TYPE.to_owned(),
                value: info.encode_to_vec(),
            });
        }
        RpcStatus {
            code: self.code() as i32,
            message: self.message.clone(),
            details,
        }
    }

    /// The answer over HTTP, in the encoding of the request.
    pub(crate) fn into_http(self, encoding: Encoding) -> Response {
        let status = self.status();
        let body = match encoding {
            Encoding::Protobuf => status.encode_to_vec(),
            Encoding::Json => self.json(&status).to_string().into_bytes(),
        };
        let mut response = (self.http_status(), body).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, encoding.content_type());
        if self.kind == Kind::Busy {
            headers.insert(
                header::RETRY_AFTER,
                HeaderValue::from(RETRY_AFTER.as_secs()),
            );
        }
        if self.kind == Kind::WrongMethod {
            headers.insert(header::ALLOW, HeaderValue::from_static("POST"));
        }
        if self.kind == Kind::WrongEncoding {
            headers.insert(
                header::ACCEPT_ENCODING,
                HeaderValue::from_static("gzip, zstd"),
            );
        }
        response
    }

    fn json(&self, status: &RpcStatus) -> serde_json::Value {
        let mut json = serde_json::json!({ "code": status.code, "message": status.message });
        if self.kind == Kind::Busy {
            let delay = format!("{}s", RETRY_AFTER.as_secs());
            json["details"] =
                serde_json::json!([{ "@type": RETRY_INFO_TYPE, "retryDelay": delay }]);
        }
        json
    }

    /// The answer over gRPC.
    pub(crate) fn into_grpc(self) -> Response {
        let details = match self.kind {
            Kind::Busy => self.status().encode_to_vec(),
            _ => Vec::new(),
        };
        let mut response = tonic::Status::with_details(self.code(), &*self.message, details.into())
            .into_http::<axum::body::Body>();
        if self.kind == Kind::WrongEncoding {
            response.headers_mut().insert(
                "grpc-accept-encoding",
                HeaderValue::from_static("gzip,zstd,identity"),
            );
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn trouble_of_the_database_that_may_pass_is_overload_and_damage_is_not() {
        let path = Path::new("runs.sqlite");
        let disk_full = Error::storage(path, "storing points in", "database or disk is full");
        for passing in [Error::busy(path, "locked"), disk_full] {
            let refusal = Refusal::storage(&passing);
            assert_eq!(refusal.http_status(), StatusCode::SERVICE_UNAVAILABLE);
            assert_eq!(refusal.code(), Code::Unavailable);
        }
        let refusal = Refusal::storage(&Error::corrupt(path, "a torn page"));
        assert_eq!(refusal.http_status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(refusal.code(), Code::Internal);
        assert!(
            refusal.message.contains("a torn page"),
            "{}",
            refusal.message
        );
    }

    #[test]
    fn json_names_the_retry_delay_as_protobuf_does() {
        let refusal = Refusal::busy("full");
        let json = refusal.json(&refusal.status());
        let expected = serde_json::json!({
            "code": 14,
            "message": "full",
            "details": [{ "@type": RETRY_INFO_TYPE, "retryDelay": "1s" }],
        });
        assert_eq!(json, expected);
    }
}
