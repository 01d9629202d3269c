//! Receivers of OTLP that do what a test tells them, on threads of their own.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_server::{
    MetricsService, MetricsServiceServer,
};
use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsServiceRequest, ExportMetricsServiceResponse,
};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::Value;
use tonic::codec::CompressionEncoding;
use tonic::transport::ServerTlsConfig;

/// Longer than anything here may take.
pub(crate) const BOUND: Duration = Duration::from_secs(60);

/// Runs `f` on a thread and returns what it does; fails if that takes for ever.
pub(crate) fn watched<R: Send + 'static>(f: impl FnOnce() -> R + Send + 'static) -> R {
    let (done, is_done) = channel();
    let thread = std::thread::spawn(move || drop(done.send(f())));
    match is_done.recv_timeout(BOUND) {
        Ok(result) => result,
        Err(RecvTimeoutError::Timeout) => panic!("not back after {BOUND:?}"),
        Err(RecvTimeoutError::Disconnected) => match thread.join() {
            Err(panic) => std::panic::resume_unwind(panic),
            Ok(()) => unreachable!("it sends before it ends"),
        },
    }
}

/// A request as it came over HTTP.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    pub(crate) line: String,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) message: ExportMetricsServiceRequest,
    /// What came to the path of traces.
    pub(crate) traces: ExportTraceServiceRequest,
    /// What came to the path of logs.
    pub(crate) logs: ExportLogsServiceRequest,
    /// What came in JSON, in place of these.
    pub(crate) json: Value,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    }
}

/// What a receiver has seen, and where it is.
#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Server {
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Of one with TLS.
    pub(crate) fn https_url(&self) -> String {
        format!("https://{}", self.address)
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    fn note(&self, seen: Seen) -> usize {
        let mut all = self.seen.lock().unwrap();
        all.push(seen);
        all.len() - 1
    }
}

/// What a HTTP receiver does with a request.
pub(crate) enum Reaction {
    /// Writes these bytes, as they are; then waits for more requests.
    Write(Vec<u8>),
    /// Writes these bytes and closes the connection.
    Close(Vec<u8>),
    /// Never answers.
    Hang,
}

/// A whole response.
pub(crate) fn response(status: &str, headers: &str, body: &[u8]) -> Reaction {
    let len = body.len();
    let head = format!("HTTP/1.1 {status}\r\ncontent-length: {len}\r\n{headers}\r\n");
    Reaction::Write([head.as_bytes(), body].concat())
}

pub(crate) fn success() -> Reaction {
    response("200 OK", "content-type: application/x-protobuf\r\n", b"")
}

/// A receiver that reacts to its n-th request as told. Its threads end with the process.
pub(crate) fn http(react: impl Fn(usize) -> Reaction + Send + Sync + 'static) -> Server {
    http_over(Ok, react)
}

/// The same with TLS.
pub(crate) fn https(
    config: Arc<ServerConfig>,
    react: impl Fn(usize) -> Reaction + Send + Sync + 'static,
) -> Server {
    let secure = move |stream| {
        let tls = ServerConnection::new(Arc::clone(&config)).map_err(io::Error::other)?;
        Ok(StreamOwned::new(tls, stream))
    };
    http_over(secure, react)
}

fn http_over<S: Read + Write>(
    accept: impl Fn(TcpStream) -> io::Result<S> + Send + Sync + 'static,
    react: impl Fn(usize) -> Reaction + Send + Sync + 'static,
) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let server = Server {
        address: listener.local_addr().unwrap(),
        seen: Arc::default(),
    };
    let (for_thread, accept, react) = (server.clone(), Arc::new(accept), Arc::new(react));
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let server = for_thread.clone();
            let (accept, react) = (Arc::clone(&accept), Arc::clone(&react));
            std::thread::spawn(move || {
                let stream = accept(stream.unwrap()).unwrap();
                serve(stream, &server, &*react);
            });
        }
    });
    server
}

fn serve(stream: impl Read + Write, server: &Server, react: &dyn Fn(usize) -> Reaction) {
    let mut stream = BufReader::new(stream);
    while let Some(seen) = request(&mut stream) {
        let nth = server.note(seen);
        match react(nth) {
            Reaction::Write(bytes) => {
                let writer = stream.get_mut();
                if writer
                    .write_all(&bytes)
                    .and_then(|()| writer.flush())
                    .is_err()
                {
                    return;
                }
            }
            Reaction::Close(bytes) => {
                let _ = stream.get_mut().write_all(&bytes);
                return;
            }
            Reaction::Hang => {
                // Until the client goes away.
                let _ = stream.read(&mut [0]);
                return;
            }
        }
    }
}

fn request(reader: &mut impl BufRead) -> Option<Seen> {
    let mut line = || {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|len| *len > 0)?;
        Some(line.trim_end().to_owned())
    };
    let mut seen = Seen {
        line: line()?,
        ..Seen::default()
    };
    loop {
        let line = line()?;
        let Some((name, value)) = line.split_once(':') else {
            break;
        };
        let header = (name.to_ascii_lowercase(), value.trim().to_owned());
        seen.headers.push(header);
    }
    let mut body = vec![0; seen.header("content-length")?.parse().ok()?];
    reader.read_exact(&mut body).ok()?;
    match seen.header("content-encoding") {
        Some("gzip") => {
            let mut plain = Vec::new();
            let mut decoder = flate2::read::GzDecoder::new(body.as_slice());
            decoder.read_to_end(&mut plain).ok()?;
            body = plain;
        }
        Some("zstd") => body = zstd::stream::decode_all(body.as_slice()).ok()?,
        _ => {}
    }
    let body = body.as_slice();
    if seen.header("content-type") == Some("application/json") {
        seen.json = serde_json::from_slice(body).ok()?;
    } else if seen.line.contains("/v1/traces") {
        seen.traces = ExportTraceServiceRequest::decode(body).ok()?;
    } else if seen.line.contains("/v1/logs") {
        seen.logs = ExportLogsServiceRequest::decode(body).ok()?;
    } else {
        seen.message = ExportMetricsServiceRequest::decode(body).ok()?;
    }
    Some(seen)
}

type Export = Result<ExportMetricsServiceResponse, tonic::Status>;

struct Service<F> {
    server: Server,
    react: F,
}

#[tonic::async_trait]
impl<F: Fn(usize) -> Option<Export> + Send + Sync + 'static> MetricsService for Service<F> {
    async fn export(
        &self,
        request: tonic::Request<ExportMetricsServiceRequest>,
    ) -> Result<tonic::Response<ExportMetricsServiceResponse>, tonic::Status> {
        let headers = request.metadata().clone().into_headers();
        let headers = headers.iter().map(|(name, value)| {
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            (name.to_string(), value)
        });
        let nth = self.server.note(Seen {
            line: String::new(),
            headers: headers.collect(),
            message: request.into_inner(),
            ..Seen::default()
        });
        match (self.react)(nth) {
            Some(result) => result.map(tonic::Response::new),
            None => std::future::pending().await,
        }
    }
}

/// A gRPC receiver that reacts to its n-th request as told; with `None` it never answers.
pub(crate) fn grpc(react: impl Fn(usize) -> Option<Export> + Send + Sync + 'static) -> Server {
    grpc_over(None, react)
}

/// The same with TLS where it is given.
pub(crate) fn grpc_over(
    tls: Option<ServerTlsConfig>,
    react: impl Fn(usize) -> Option<Export> + Send + Sync + 'static,
) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let server = Server {
        address: listener.local_addr().unwrap(),
        seen: Arc::default(),
    };
    let service = MetricsServiceServer::new(Service {
        server: server.clone(),
        react,
    })
    .accept_compressed(CompressionEncoding::Gzip)
    .accept_compressed(CompressionEncoding::Zstd);
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async move {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            let incoming = tonic::transport::server::TcpIncoming::from(listener);
            let mut server = tonic::transport::Server::builder();
            if let Some(tls) = tls {
                server = server.tls_config(tls).unwrap();
            }
            let served = server.add_service(service);
            served.serve_with_incoming(incoming).await.unwrap();
        });
    });
    server
}
