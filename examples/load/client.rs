//! Client: one keep-alive HTTP/1.1 connection to the demo service.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Method, Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use khive_perf::trace::{self, SpanKind};
use tokio::net::TcpStream;

/// A connection that is opened when first needed and again after it was lost.
#[derive(Debug)]
pub struct Client {
    addr: SocketAddr,
    connection: Option<SendRequest<Full<Bytes>>>,
    connects: u64,
}

const REQUEST_DEADLINE: Duration = Duration::from_secs(10);

// === impl Client ===

impl Client {
    /// A client of the service at `addr`; nothing is opened yet.
    #[must_use]
    pub fn new(addr: SocketAddr) -> Self {
        Self {
            addr,
            connection: None,
            connects: 0,
        }
    }

    /// Sends a request and reads the whole answer.
    ///
    /// # Errors
    ///
    /// The connection cannot be opened or breaks, or the answer takes longer than ten seconds. The next
    /// request opens a new connection.
    pub async fn send(
        &mut self,
        method: Method,
        path: &str,
        body: Option<String>,
    ) -> io::Result<(StatusCode, Bytes)> {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, self.addr.to_string());
        if body.is_some() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        let mut request = request
            .body(Full::from(body.unwrap_or_default()))
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        let exchange = trace::root("request").kind(SpanKind::Client).attach(async {
            trace::inject(request.headers_mut());
            self.exchange(request).await
        });
        let answer = tokio::time::timeout(REQUEST_DEADLINE, exchange).await;
        let answer = answer.unwrap_or_else(|_elapsed| {
            let seconds = REQUEST_DEADLINE.as_secs();
            let message = format!("no answer within {seconds} s");
            Err(io::Error::new(io::ErrorKind::TimedOut, message))
        });
        if answer.is_err() {
            self.connection = None; // what is still to come would answer the next request
        }
        answer
    }

    /// Number of connections opened so far.
    #[must_use]
    pub fn connects(&self) -> u64 {
        self.connects
    }

    async fn exchange(&mut self, request: Request<Full<Bytes>>) -> io::Result<(StatusCode, Bytes)> {
        let connection = self.connected().await?;
        let answer = connection
            .send_request(request)
            .await
            .map_err(io::Error::other)?;
        let status = answer.status();
        let body = answer
            .into_body()
            .collect()
            .await
            .map_err(io::Error::other)?;
        Ok((status, body.to_bytes()))
    }

    /// The open connection, or a new one where there is none that can be used.
    async fn connected(&mut self) -> io::Result<&mut SendRequest<Full<Bytes>>> {
        let usable = match self.connection.take() {
            Some(mut open) => open.ready().await.is_ok().then_some(open),
            None => None,
        };
        let usable = match usable {
            Some(open) => open,
            None => self.connect().await?,
        };
        Ok(self.connection.insert(usable))
    }

    async fn connect(&mut self) -> io::Result<SendRequest<Full<Bytes>>> {
        let stream = TcpStream::connect(self.addr).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(stream))
            .await
            .map_err(io::Error::other)?;
        tokio::spawn(connection); // ends with the connection; a failure shows in the next request
        self.connects += 1;
        Ok(sender)
    }
}
