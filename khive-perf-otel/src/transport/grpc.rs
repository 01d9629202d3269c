//! OTLP over gRPC: one unary call per request, on a channel that connects when first used.

use bytes::{Buf, BufMut, Bytes};
use http::uri::PathAndQuery;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceResponse;
use prost::Message;
use tonic::Request;
use tonic::codec::{Codec, CompressionEncoding, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::metadata::MetadataMap;
use tonic::transport::{Channel, Endpoint};

use crate::env::Compression;
use crate::error::InstallError;
use crate::retry::Failure;
use crate::tls::{grpc_address, grpc_channel};
use crate::transport::status::Status;
use crate::transport::{RESPONSE_BYTES_MAX, Target, USER_AGENT, chain, excerpt, plain_connector};

/// A client of one receiver.
#[derive(Debug)]
pub(crate) struct Grpc {
    client: tonic::client::Grpc<Channel>,
    target: Target,
}

impl Grpc {
    pub(super) fn new(target: Target) -> Result<Self, InstallError> {
        let endpoint = Endpoint::from(grpc_address(&target.endpoint)?)
            .user_agent(USER_AGENT)
            .map_err(|error| {
                InstallError::setting("endpoint", &target.endpoint.to_string(), chain(&error))
            })?;
        let plain = plain_connector();
        let channel = grpc_channel(endpoint, &target.endpoint, plain, target.trust.as_ref());
        let mut client = tonic::client::Grpc::new(channel)
            .accept_compressed(CompressionEncoding::Gzip)
            .max_decoding_message_size(RESPONSE_BYTES_MAX);
        let encoding = match target.compression {
            Compression::None => None,
            Compression::Gzip => Some(CompressionEncoding::Gzip),
            #[cfg(feature = "zstd")]
            Compression::Zstd => Some(CompressionEncoding::Zstd),
            // Refused before.
            #[cfg(not(feature = "zstd"))]
            Compression::Zstd => None,
        };
        if let Some(encoding) = encoding {
            client = client.send_compressed(encoding);
        }
        Ok(Self { client, target })
    }

    pub(super) async fn send(&self, body: Bytes) -> Result<ExportMetricsServiceResponse, Failure> {
        let mut client = self.client.clone();
        client.ready().await.map_err(|error| {
            let uri = &self.target.endpoint;
            Failure::Connection(format!("no connection to {uri}: {}", chain(&error)))
        })?;
        let mut request = Request::new(body);
        *request.metadata_mut() = MetadataMap::from_headers(self.target.headers.clone());
        let path = PathAndQuery::from_static(self.target.signal.grpc_path());
        match client.unary(request, path, ExportCodec).await {
            Ok(response) => Ok(response.into_inner()),
            Err(status) => Err(self.failure(&status)),
        }
    }

    fn failure(&self, status: &tonic::Status) -> Failure {
        // A status with a cause was made on this side, because no whole response came.
        if std::error::Error::source(status).is_some() {
            let uri = &self.target.endpoint;
            return Failure::Connection(format!("no response from {uri}: {}", chain(status)));
        }
        Failure::Grpc {
            code: status.code().into(),
            retry_info: Status::decode(status.details())
                .ok()
                .and_then(|details| details.retry_delay()),
            message: excerpt(status.message()),
        }
    }
}

/// Requests are encoded already, so that a retry does not do it again.
#[derive(Clone, Copy, Debug)]
struct ExportCodec;

impl Codec for ExportCodec {
    type Encode = Bytes;
    type Decode = ExportMetricsServiceResponse;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        *self
    }

    fn decoder(&mut self) -> Self {
        *self
    }
}

impl Encoder for ExportCodec {
    type Item = Bytes;
    type Error = tonic::Status;

    fn encode(&mut self, item: Bytes, buffer: &mut EncodeBuf<'_>) -> Result<(), tonic::Status> {
        buffer.put(item);
        Ok(())
    }
}

impl Decoder for ExportCodec {
    type Item = ExportMetricsServiceResponse;
    type Error = tonic::Status;

    /// As with HTTP, a body that is no message says nothing of rejected points.
    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Self::Item>, tonic::Status> {
        let body = buffer.copy_to_bytes(buffer.remaining());
        Ok(Some(Self::Item::decode(body).unwrap_or_default()))
    }
}
