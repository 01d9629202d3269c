//! Without the `tls` feature: plain connections, and an error for all that asks for others.

use http::Uri;
use hyper_util::client::legacy::connect::HttpConnector;
use tonic::transport::{Channel, Endpoint};

use crate::env::Certificates;
use crate::error::InstallError;

/// There is none.
#[derive(Clone, Debug)]
pub(crate) enum Trust {}

impl Trust {
    pub(crate) fn load(endpoint: &Uri, _: &Certificates) -> Result<Self, InstallError> {
        Err(InstallError::setting(
            "endpoint",
            &endpoint.to_string(),
            "TLS needs the feature `tls` of khive-perf-otel, which is off; use it, or `http://` to a \
             collector on this host, which can do TLS",
        ))
    }
}

/// What HTTP connects with.
pub(crate) type Connector = HttpConnector;

pub(crate) const fn connector(plain: HttpConnector, _: Option<&Trust>) -> Connector {
    plain
}

/// The address that tonic is told.
#[expect(clippy::unnecessary_wraps, reason = "its twin can fail")]
pub(crate) fn grpc_address(uri: &Uri) -> Result<Uri, InstallError> {
    Ok(uri.clone())
}

/// A channel that connects when it is first used.
pub(crate) fn grpc_channel(
    endpoint: Endpoint,
    _: &Uri,
    _: HttpConnector,
    _: Option<&Trust>,
) -> Channel {
    endpoint.connect_lazy()
}
