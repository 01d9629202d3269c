//! This example shows that an exporter under full load, whose receiver comes and goes, keeps its memory and loses count of
//! nothing: `soak --minutes 10`.
//!
//! Two threads make traces as fast as they can. The receiver answers for some seconds, refuses, breaks off, says that it is
//! busy, or is not there at all. At the end each span is sent, rejected or dropped, and the process is no larger than after
//! its first tenth. Fails where that is not so.

use std::error::Error;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use clap::Parser;
use khive_perf::process::Resources;
use khive_perf::{measure, trace};
use khive_perf_otel::Exporter;

/// An exporter at full load against a receiver that comes and goes.
#[derive(Parser)]
struct Line {
    /// How long.
    #[arg(long, default_value_t = 10.0)]
    minutes: f64,
}

const LOADERS: usize = 2;
/// Looks at the process.
const LOOKS: u32 = 100;
/// What the process may grow by between its first tenth and its end.
const GROWTH_MAX: u64 = 8 << 20;
const DEADLINE: Duration = Duration::from_secs(20);

/// What the receiver does for a while.
const MOODS: [Mood; 5] = [
    Mood::Answers,
    Mood::Busy,
    Mood::Answers,
    Mood::BreaksOff,
    Mood::Refuses,
];

#[derive(Clone, Copy, Debug)]
enum Mood {
    Answers,
    Busy,
    BreaksOff,
    Refuses,
}

/// What all threads share.
#[derive(Default)]
struct Shared {
    is_over: AtomicBool,
    mood: AtomicUsize,
    made: AtomicU64,
}

fn main() -> ExitCode {
    match run(&Line::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            let _ = writeln!(io::stderr(), "soak: {error}");
            ExitCode::from(2)
        }
    }
}

fn run(line: &Line) -> Result<bool, Box<dyn Error>> {
    let whole = Duration::try_from_secs_f64(line.minutes * 60.0)?;
    let shared: &'static Shared = Box::leak(Box::default());
    let receiver = receive(shared)?;
    let exporter = Exporter::builder()
        .endpoint(format!("http://{receiver}"))
        .service_name("soak")
        .interval(Duration::from_secs(1))
        .span_interval(Duration::from_millis(500))
        .install()?;
    let loaders: Vec<_> = (0..LOADERS)
        .map(|_| thread::spawn(move || load(shared)))
        .collect();
    let mut resident = Vec::new();
    for look in 1..=LOOKS {
        thread::sleep(whole / LOOKS);
        shared
            .mood
            .store(look as usize % MOODS.len(), Ordering::Relaxed);
        resident.push(
            Resources::now()
                .memory()
                .map_or(0, |memory| memory.resident),
        );
        if look % 10 == 0 {
            let (made, now) = (shared.made.load(Ordering::Relaxed), resident.last());
            let mib = now.map_or(0, |bytes| bytes >> 20);
            say(&format!(
                "{look:3} %  {made} spans made, {mib} MiB resident"
            ))?;
        }
    }
    shared.is_over.store(true, Ordering::Relaxed);
    for loader in loaders {
        loader.join().map_err(|_| "a loader panicked")?;
    }
    let delivery = exporter.shutdown(DEADLINE);
    say(&delivery.to_string())?;
    say(&format!("{:?}", exporter.stats()))?;
    let made = shared.made.load(Ordering::Relaxed);
    let spans = delivery.spans;
    let accounted = spans.sent + spans.rejected + spans.dropped + spans.pending;
    say(&format!("{made} spans made, {accounted} accounted for"))?;
    let largest = |looks: &[u64]| looks.iter().copied().max().unwrap_or(0);
    let (tenth, half) = (LOOKS as usize / 10, LOOKS as usize / 2);
    let early = largest(resident.get(..tenth).unwrap_or_default());
    let late = largest(resident.get(half..).unwrap_or_default());
    let growth = late.saturating_sub(early);
    say(&format!(
        "grew by {growth} bytes after its first tenth, of {GROWTH_MAX} that it may"
    ))?;
    Ok(made == accounted && spans.sent > 0 && growth <= GROWTH_MAX)
}

fn say(line: &str) -> io::Result<()> {
    writeln!(io::stdout(), "{line}")
}

fn load(shared: &Shared) {
    const SPANS: u64 = 8;
    while !shared.is_over.load(Ordering::Relaxed) {
        trace::root("soak").scope(|| (1..SPANS).for_each(step));
        shared.made.fetch_add(SPANS, Ordering::Relaxed);
    }
}

#[measure]
fn step(number: u64) {
    std::hint::black_box((0..number * 100).sum::<u64>());
}

/// A receiver on loopback. Its threads end with the process.
fn receive(shared: &'static Shared) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || drop(serve(stream, shared)));
        }
    });
    Ok(address)
}

fn serve(stream: TcpStream, shared: &Shared) -> io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut writer = stream;
    while let Some(len) = head(&mut reader)? {
        io::copy(&mut reader.by_ref().take(len), &mut io::sink())?;
        let mood = shared.mood.load(Ordering::Relaxed);
        let answer = match MOODS.get(mood) {
            Some(Mood::Answers) => "200 OK",
            Some(Mood::Busy) => "503 Service Unavailable",
            Some(Mood::Refuses) => "400 Bad Request",
            Some(Mood::BreaksOff) | None => return Ok(()),
        };
        write!(writer, "HTTP/1.1 {answer}\r\ncontent-length: 0\r\n\r\n")?;
    }
    Ok(())
}

/// Reads up to the body; gives back its length.
fn head(reader: &mut impl BufRead) -> io::Result<Option<u64>> {
    let mut len = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        let Some((name, value)) = line.split_once(':') else {
            if line.trim().is_empty() {
                return Ok(Some(len));
            }
            continue;
        };
        if name.eq_ignore_ascii_case("content-length") {
            len = value.trim().parse().map_err(io::Error::other)?;
        }
    }
}
