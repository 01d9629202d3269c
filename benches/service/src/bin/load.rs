//! The clients of mini-redis: `load CONNECTIONS ADDRESS..`, then a line `SERVER MILLISECONDS` for each time that the
//! server with this number is to be loaded; answers with `REQUESTS NANOSECONDS P99_NANOSECONDS`.
//!
//! Every connection sets and reads keys one after the other, and waits for each answer.

#![forbid(unsafe_code)]

use std::error::Error;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use khive_perf_service::now;

const KEYS: u64 = 10_000;
const VALUE: [u8; 64] = [b'v'; 64];

type Failure = Box<dyn Error + Send + Sync>;
/// What a connection did in its time: how long each request took, in nanoseconds.
type Latencies = Result<Vec<u64>, Failure>;

fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let connections: u64 = arguments
        .next()
        .ok_or("usage: load CONNECTIONS ADDRESS..")?
        .parse()?;
    let servers = arguments
        .map(|address| {
            (0..connections)
                .map(|number| Client::start(&address, number))
                .collect()
        })
        .collect::<Result<Vec<Vec<Client>>, Failure>>()?;
    for line in io::stdin().lock().lines() {
        let line = line?;
        let (server, milliseconds) = line.split_once(' ').ok_or("not `SERVER MILLISECONDS`")?;
        let clients = servers
            .get(server.parse::<usize>()?)
            .ok_or("no such server")?;
        let answer = load(clients, Duration::from_millis(milliseconds.parse()?))?;
        let mut out = io::stdout();
        writeln!(out, "{answer}")?;
        out.flush()?;
    }
    Ok(())
}

fn load(clients: &[Client], time: Duration) -> Result<String, Failure> {
    let start = now();
    for client in clients {
        client.order.send(time)?;
    }
    let mut all = Vec::new();
    for client in clients {
        all.extend(client.done.recv()??);
    }
    let took = start.elapsed().as_nanos();
    all.sort_unstable();
    let p99 = all.get(all.len() * 99 / 100).copied().unwrap_or_default();
    Ok(format!("{} {took} {p99}", all.len()))
}

/// A connection, and the thread that waits on it.
struct Client {
    order: Sender<Duration>,
    done: Receiver<Latencies>,
}

impl Client {
    fn start(address: &str, number: u64) -> Result<Self, Failure> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        let (order, orders) = channel();
        let (done, is_done) = channel();
        thread::spawn(move || {
            let mut connection = Connection {
                stream: BufReader::new(stream),
                random: number * 0x9E37_79B9 + 1,
            };
            for time in orders {
                if done.send(connection.work(time)).is_err() {
                    return;
                }
            }
        });
        Ok(Self {
            order,
            done: is_done,
        })
    }
}

struct Connection {
    stream: BufReader<TcpStream>,
    random: u64,
}

impl Connection {
    fn work(&mut self, time: Duration) -> Latencies {
        let start = now();
        let mut latencies = Vec::new();
        loop {
            let sent = now();
            if sent.duration_since(start) >= time {
                return Ok(latencies);
            }
            self.request(latencies.len() % 4 == 0)?;
            latencies.push(u64::try_from(sent.elapsed().as_nanos())?);
        }
    }

    /// Sets a key, or reads one.
    fn request(&mut self, set: bool) -> Result<(), Failure> {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        let key = format!("key:{}", self.random % KEYS);
        let mut request = Vec::with_capacity(160);
        if set {
            write!(
                request,
                "*3\r\n$3\r\nset\r\n${}\r\n{key}\r\n${}\r\n",
                key.len(),
                VALUE.len()
            )?;
            request.extend_from_slice(&VALUE);
            request.extend_from_slice(b"\r\n");
        } else {
            write!(request, "*2\r\n$3\r\nget\r\n${}\r\n{key}\r\n", key.len())?;
        }
        self.stream.get_mut().write_all(&request)?;
        self.answer()
    }

    /// `+OK`, `$-1` for a key that is not there, or `$64` and the value.
    fn answer(&mut self) -> Result<(), Failure> {
        let mut line = String::new();
        if self.stream.read_line(&mut line)? == 0 {
            return Err("the server hung up".into());
        }
        match line.trim_end() {
            "+OK" | "$-1" => Ok(()),
            value if value == format!("${}", VALUE.len()) => {
                let mut value = [0; VALUE.len() + 2];
                self.stream.read_exact(&mut value)?;
                Ok(())
            }
            other => Err(format!("the server answered `{other}`").into()),
        }
    }
}
