//! An exporter, and a receiver on this machine that takes everything.

#[cfg(feature = "exporter")]
pub use self::attached::Attached;

/// An exporter with its receiver; here there is none.
#[cfg(not(feature = "exporter"))]
#[derive(Debug)]
#[non_exhaustive]
pub struct Attached {}

#[cfg(not(feature = "exporter"))]
impl Attached {
    pub(crate) fn new() -> Result<Self, String> {
        Err(String::from(
            "`exporter` needs a bench that is compiled with the feature `exporter`",
        ))
    }
}

#[cfg(feature = "exporter")]
mod attached {
    use std::io::{self, BufRead, BufReader, Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::thread;
    use std::time::Duration;

    use khive_perf_otel::{Exporter, ExporterGuard, Protocol};

    /// Time between two collections: sixty times as often as by default.
    const INTERVAL: Duration = Duration::from_secs(1);
    /// How long the last collection may take.
    const FAREWELL: Duration = Duration::from_secs(5);

    /// An exporter with its receiver. Dropping it sends what is left, and complains if nothing arrived.
    #[derive(Debug)]
    pub struct Attached {
        guard: Option<ExporterGuard>,
        received: Arc<AtomicU64>,
    }

    impl Attached {
        pub(crate) fn new() -> Result<Self, String> {
            let listener = TcpListener::bind("127.0.0.1:0")
                .map_err(|error| format!("no receiver can listen: {error}"))?;
            let address = listener.local_addr().map_err(|error| error.to_string())?;
            let received = Arc::new(AtomicU64::new(0));
            let count = Arc::clone(&received);
            thread::spawn(move || {
                for connection in listener.incoming().flatten() {
                    let count = Arc::clone(&count);
                    // One connection that breaks is the exporter's to complain about.
                    thread::spawn(move || drop(answer(connection, &count)));
                }
            });
            let guard = Exporter::builder()
                .endpoint(format!("http://{address}"))
                .protocol(Protocol::HttpProtobuf)
                .interval(INTERVAL)
                .service_name("benches")
                .install()
                .map_err(|error| format!("no exporter can be started: {error}"))?;
            Ok(Self {
                guard: Some(guard),
                received,
            })
        }
    }

    impl Drop for Attached {
        #[expect(clippy::print_stderr, reason = "a bench says what it ran with")]
        fn drop(&mut self) {
            let Some(guard) = self.guard.take() else {
                return;
            };
            let delivery = guard.shutdown(FAREWELL);
            let received = self.received.load(Ordering::Relaxed);
            eprintln!("exporter: {received} requests received; {delivery}");
        }
    }

    /// Takes requests off a connection and says yes to each.
    fn answer(mut connection: TcpStream, count: &AtomicU64) -> io::Result<()> {
        let mut reader = BufReader::new(connection.try_clone()?);
        loop {
            let mut length = 0;
            loop {
                let mut line = String::new();
                if reader.read_line(&mut line)? == 0 {
                    return Ok(());
                }
                let Some((name, value)) = line.split_once(':') else {
                    if line.trim().is_empty() {
                        break;
                    }
                    continue;
                };
                if name.eq_ignore_ascii_case("content-length") {
                    length = value.trim().parse().unwrap_or(0);
                }
            }
            io::copy(&mut reader.by_ref().take(length), &mut io::sink())?;
            count.fetch_add(1, Ordering::Relaxed);
            connection.write_all(
                b"HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\n\r\n",
            )?;
        }
    }
}
