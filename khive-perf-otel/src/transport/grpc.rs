//! OTLP/gRPC by tonic.

use std::time::Duration;

use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_client::MetricsServiceClient;
use prost::Message as _;
use tonic::Request;
use tonic::codec::CompressionEncoding;
use tonic::metadata::{Ascii, MetadataKey, MetadataValue};
use tonic::transport::{Channel, Endpoint};

use crate::builder::{Compression, ExporterBuilder};
use crate::encode::Batch;
use crate::error::InstallError;
use crate::retry::{Answer, is_retryable_code};
use crate::transport::status::Status;
use crate::transport::{USER_AGENT, address, bad_header};

pub(crate) struct Grpc {
    endpoint: Endpoint,
    client: std::sync::OnceLock<MetricsServiceClient<Channel>>,
    gzip: bool,
    metadata: Vec<(MetadataKey<Ascii>, MetadataValue<Ascii>)>,
}

impl Grpc {
    pub(crate) fn new(builder: &ExporterBuilder) -> Result<Self, InstallError> {
        let uri = address(builder, "http://localhost:4317")?;
        let endpoint = Endpoint::from(uri)
            .user_agent(USER_AGENT)
            .map_err(|_| bad_header("user-agent"))?
            .connect_timeout(builder.timeout);
        let metadata = builder
            .headers
            .iter()
            .map(|(name, value)| {
                let key = name
                    .to_ascii_lowercase()
                    .parse()
                    .map_err(|_| bad_header(name))?;
                Ok((key, value.parse().map_err(|_| bad_header(name))?))
            })
            .collect::<Result<_, InstallError>>()?;
        let gzip = builder.compression == Compression::Gzip;
        Ok(Self {
            endpoint,
            client: std::sync::OnceLock::new(),
            gzip,
            metadata,
        })
    }

    pub(crate) async fn send(&self, batch: &Batch) -> Answer {
        // A lazy channel wants the runtime that it will live on.
        let client = self.client.get_or_init(|| {
            let client = MetricsServiceClient::new(self.endpoint.connect_lazy());
            if self.gzip {
                client.send_compressed(CompressionEncoding::Gzip)
            } else {
                client
            }
        });
        let mut request = Request::new(batch.request.clone());
        for (key, value) in &self.metadata {
            request.metadata_mut().insert(key.clone(), value.clone());
        }
        match client.clone().export(request).await {
            Ok(response) => {
                let partial = response.into_inner().partial_success.unwrap_or_default();
                let rejected = u64::try_from(partial.rejected_data_points).unwrap_or(0);
                Answer::Taken {
                    rejected,
                    message: partial.error_message,
                }
            }
            Err(status) => failure(&status),
        }
    }
}

fn failure(status: &tonic::Status) -> Answer {
    let after: Option<Duration> = Status::decode(status.details())
        .ok()
        .and_then(|status| status.retry_delay());
    let code = status.code();
    let error = format!("the receiver answered {code:?}: {}", status.message());
    if is_retryable_code(code, after.is_some()) {
        Answer::Again { after, error }
    } else {
        Answer::Refused { error }
    }
}
