//! TLS: whom to trust and what to show; the `tls` feature picks one of the twins.

#[cfg(not(feature = "tls"))]
mod disabled;
#[cfg(feature = "tls")]
mod enabled;

#[cfg(not(feature = "tls"))]
pub(crate) use self::disabled::{Connector, Trust, connector, grpc_address, grpc_channel};
#[cfg(feature = "tls")]
pub(crate) use self::enabled::{Connector, Trust, connector, grpc_address, grpc_channel};
