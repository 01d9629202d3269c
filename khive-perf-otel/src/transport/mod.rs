//! Transport: one request to the receiver, and what it answered. It reports; `retry` and `worker` decide.

mod grpc;
mod http;
mod status;

use crate::builder::{ExporterBuilder, Protocol};
use crate::encode::Batch;
use crate::error::InstallError;
use crate::retry::Answer;

/// The largest request, before compression, that receivers take by default.
const GRPC_BYTES_MAX: usize = 4 << 20;
const HTTP_BYTES_MAX: usize = 20 << 20;

/// What receivers may know the exporter by.
const USER_AGENT: &str = concat!("OTel-OTLP-Exporter-khive-perf/", env!("CARGO_PKG_VERSION"));

/// The way to one receiver.
pub(crate) enum Transport {
    Grpc(Box<grpc::Grpc>),
    Http(http::Http),
}

impl Transport {
    /// Checks the settings; connects at the first request.
    pub(crate) fn new(builder: &ExporterBuilder) -> Result<Self, InstallError> {
        Ok(match builder.protocol {
            Protocol::Grpc => Self::Grpc(Box::new(grpc::Grpc::new(builder)?)),
            Protocol::HttpProtobuf => Self::Http(http::Http::new(builder)?),
        })
    }

    /// Room for one request, before compression.
    pub(crate) fn bytes_max(&self) -> usize {
        match self {
            // The message is framed, and headers count for some receivers.
            Self::Grpc(_) => GRPC_BYTES_MAX - 1_024,
            Self::Http(_) => HTTP_BYTES_MAX - 1_024,
        }
    }

    /// Sends one request once. To be called on the worker's runtime.
    pub(crate) async fn send(&self, batch: &Batch) -> Answer {
        match self {
            Self::Grpc(grpc) => grpc.send(batch).await,
            Self::Http(http) => http.send(batch).await,
        }
    }
}

/// The address of the receiver, checked.
fn address(builder: &ExporterBuilder, default: &str) -> Result<::http::Uri, InstallError> {
    let url = builder.endpoint.as_deref().unwrap_or(default);
    let wrong = |remedy: &str| InstallError::setting(&builder.endpoint_setting, url, remedy);
    let uri: ::http::Uri = url
        .parse()
        .map_err(|_| wrong("must be a URL such as `http://localhost:4318`"))?;
    match (uri.scheme_str(), uri.host()) {
        (Some("http"), Some(host)) if !host.is_empty() => Ok(uri),
        (Some("https"), _) => Err(wrong(
            "TLS is not supported; send to a collector on this host by `http://`",
        )),
        _ => Err(wrong("must begin with `http://` and name a host")),
    }
}

/// Where a header that cannot be sent came from.
fn bad_header(name: &str) -> InstallError {
    InstallError::setting(
        "header",
        name,
        "is no valid header name or has a value that is not printable ASCII",
    )
}
