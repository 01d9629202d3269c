//! Takes OTLP metrics, traces and logs in over gRPC and HTTP, within stated limits, and shuts down without losing a request.

mod budget;
mod cost;
mod decode;
#[doc(hidden)]
pub mod fuzzing;
mod grpc;
mod http;
mod intake;
mod refusal;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tonic::transport::server::TcpIncoming;

use crate::error::Error;
use crate::receiver::intake::Intake;
use crate::store::{Store, Target};

/// Port of OTLP/gRPC.
pub const DEFAULT_GRPC_PORT: u16 = 4317;

/// Port of OTLP/HTTP.
pub const DEFAULT_HTTP_PORT: u16 = 4318;

/// How long a shutdown waits for requests in flight.
const DRAIN: Duration = Duration::from_secs(10);

/// How long a shutdown leaves the last answers to reach the network.
const FLUSH: Duration = Duration::from_millis(200);

/// Calls that one gRPC connection may have open.
const STREAMS_MAX: u32 = 128;

/// Where to listen, and how much to take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// Address of OTLP/gRPC; port 0 takes a free one.
    pub grpc: SocketAddr,
    /// Address of OTLP/HTTP; port 0 takes a free one.
    pub http: SocketAddr,
    /// What requests may cost.
    pub limits: Limits,
}

/// What requests may cost; what is beyond is refused with an answer that names the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one request, on the wire as well as unpacked.
    pub request_bytes_max: usize,
    /// Bytes that one request may take once decoded.
    pub decoded_bytes_max: usize,
    /// Bytes that all requests in flight may hold together.
    pub in_flight_bytes_max: usize,
    /// Time in which the body of a request has to arrive.
    pub body_timeout: Duration,
}

/// What a receiver took in so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Received {
    /// Requests that were stored.
    pub requests: u64,
    /// Points that are new.
    pub points: u64,
    /// Spans that are new.
    pub spans: u64,
    /// Log records that are new.
    pub logs: u64,
    /// Points, spans and log records that were there already.
    pub repeated: u64,
    /// Points, spans and log records that were rejected by partial success.
    pub rejected: u64,
    /// Requests that were refused.
    pub refused: u64,
}

/// A receiver that listens; dropping it without [`Receiver::shutdown`] stops it without waiting.
#[derive(Debug)]
pub struct Receiver {
    grpc: SocketAddr,
    http: SocketAddr,
    stop: watch::Sender<bool>,
    servers: Vec<JoinHandle<Result<(), Error>>>,
    intake: IntakeHandle,
}

struct IntakeHandle(Arc<Intake>);

// === impl Config ===

impl Default for Config {
    /// The standard ports, on this machine only.
    fn default() -> Self {
        Self {
            grpc: (Ipv4Addr::LOCALHOST, DEFAULT_GRPC_PORT).into(),
            http: (Ipv4Addr::LOCALHOST, DEFAULT_HTTP_PORT).into(),
            limits: Limits::default(),
        }
    }
}

impl Config {
    /// Free ports on this machine.
    pub fn on_free_ports() -> Self {
        let free = (Ipv4Addr::LOCALHOST, 0).into();
        Self {
            grpc: free,
            http: free,
            limits: Limits::default(),
        }
    }
}

// === impl Limits ===

impl Default for Limits {
    fn default() -> Self {
        Self {
            request_bytes_max: 20 << 20,
            decoded_bytes_max: 256 << 20,
            in_flight_bytes_max: 512 << 20,
            body_timeout: Duration::from_secs(30),
        }
    }
}

// === impl Receiver ===

impl Receiver {
    /// Listens on both addresses; returns once connections are accepted.
    ///
    /// # Errors
    ///
    /// Where an address cannot be listened on.
    pub async fn start(config: Config, store: Store, target: Target) -> Result<Self, Error> {
        Self::start_with(config, store, target, axum::Router::new()).await
    }

    /// The same, with pages for browsers on the port of OTLP/HTTP.
    ///
    /// # Errors
    ///
    /// Where an address cannot be listened on.
    pub async fn start_with(
        config: Config,
        store: Store,
        target: Target,
        pages: axum::Router,
    ) -> Result<Self, Error> {
        let (grpc_listener, grpc) = listen("gRPC", config.grpc).await?;
        let (http_listener, http) = listen("HTTP", config.http).await?;
        let intake = Arc::new(Intake::new(store, target, config.limits));
        let (stop, stopped) = watch::channel(false);

        let routes = tonic::service::Routes::from(grpc::router(Arc::clone(&intake)));
        let grpc_server = tonic::transport::Server::builder()
            .max_concurrent_streams(STREAMS_MAX)
            .add_routes(routes)
            .serve_with_incoming_shutdown(TcpIncoming::from(grpc_listener), wait(stopped.clone()));
        let http_server = axum::serve(
            http_listener,
            pages.merge(http::router(Arc::clone(&intake))),
        )
        .with_graceful_shutdown(wait(stopped));
        let servers = vec![
            tokio::spawn(async {
                grpc_server
                    .await
                    .map_err(|error| Error::serve("gRPC", error))
            }),
            tokio::spawn(async {
                http_server
                    .await
                    .map_err(|error| Error::serve("HTTP", error))
            }),
        ];
        Ok(Self {
            grpc,
            http,
            stop,
            servers,
            intake: IntakeHandle(intake),
        })
    }

    /// Where OTLP/gRPC is taken in.
    pub fn grpc_addr(&self) -> SocketAddr {
        self.grpc
    }

    /// Where OTLP/HTTP is taken in.
    pub fn http_addr(&self) -> SocketAddr {
        self.http
    }

    /// What was taken in so far.
    pub fn received(&self) -> Received {
        self.intake.0.received()
    }

    /// Accepts no more connections, finishes the requests in flight within ten seconds, and says what came in.
    ///
    /// # Errors
    ///
    /// Where a listener had failed.
    pub async fn shutdown(mut self) -> Result<Received, Error> {
        self.stop.send_replace(true);
        let mut servers = std::mem::take(&mut self.servers);
        // A server ends with its last connection, and a client may keep one open for ever; so what is
        // waited for is the end of the requests.
        let requests_end = async {
            loop {
                self.intake.0.idle().await;
                tokio::time::sleep(FLUSH).await;
                // What stood in a socket when we began may have come through meanwhile.
                if self.intake.0.is_idle() {
                    break;
                }
            }
        };
        let mut failure = None;
        let servers_end = async {
            for server in &mut servers {
                if let Ok(Err(error)) = server.await {
                    failure = Some(error);
                }
            }
        };
        tokio::select! {
            () = servers_end => {}
            // Elapsed or not, nothing more is waited for.
            _ = tokio::time::timeout(DRAIN, requests_end) => {}
        }
        for server in &servers {
            server.abort();
        }
        failure.map_or_else(|| Ok(self.intake.0.received()), Err)
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        for server in &self.servers {
            server.abort();
        }
    }
}

impl std::fmt::Debug for IntakeHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.received().fmt(f)
    }
}

async fn listen(what: &'static str, addr: SocketAddr) -> Result<(TcpListener, SocketAddr), Error> {
    let listening = |error| Error::bind(what, addr, error);
    let listener = TcpListener::bind(addr).await.map_err(listening)?;
    let bound = listener.local_addr().map_err(listening)?;
    Ok((listener, bound))
}

async fn wait(mut stopped: watch::Receiver<bool>) {
    // An error says that the receiver was dropped, which stops it as well.
    let _ = stopped.wait_for(|stopped| *stopped).await;
}
