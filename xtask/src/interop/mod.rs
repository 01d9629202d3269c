//! `cargo xtask interop`: what the program recorded is what independent parties received.
//!
//! ```text
//! interop_source ──OTLP──> decoder.py (official protobuf; gRPC, HTTP, JSON) every number, span and log record equal
//!       |        ──OTLP──> rotel ──OTLP──> decoder.py                    every number, span and exemplar equal
//!       |        ──OTLP──> Phoenix, and its API                          every span in its place
//! demo_traces    ──OTLP──> Phoenix, and its API                          every call below its caller, p99s lead to one
//! interop_source ──OTLP──> khive-perf serve -> SQLite -> export            every number equal
//!       |        ──OTLP──> VictoriaMetrics -> histogram_quantile           within one bucket
//!       |        ──OTLP──> decoder.py -> ClickHouse (chdb) -> SQL           within one bucket
//!       |        ──OTLP──> decoder.py -> Prometheus, native histograms      within one bucket
//!       |        <─scrape─ Prometheus, native histograms                  within one bucket
//!       '─ its own snapshot, as JSON: what all are compared with
//! ```
//!
//! Parties are installed below `target/interop/` the first time and listen on 127.0.0.1 only.

mod analysis;
mod child;
mod clickhouse;
mod debian;
mod decoder;
mod demo;
mod findings;
mod http;
mod phoenix;
mod prometheus;
mod quantiles;
mod recording;
mod rotel;
mod source;
mod traces;
mod victoria;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::interop::analysis::Analysis;
use crate::interop::decoder::{Decoder, Promises, Seen};
use crate::interop::prometheus::Prometheus;
use crate::interop::recording::{Key, Recording};
use crate::interop::rotel::Rotel;
use crate::interop::source::{Endpoint, Recorded};
use crate::interop::traces::Traces;
use crate::interop::victoria::Victoria;
use crate::run;

/// Differences printed per check; there may be thousands of one cause.
const DIFFERENCES_SHOWN: usize = 10;
/// Something could not be installed, so not everything was shown.
const EXIT_NOT_SHOWN: u8 = 3;

/// The programs of this workspace that take part, and where things are put.
struct Stage {
    root: PathBuf,
    cache: PathBuf,
    source: PathBuf,
    demo: PathBuf,
    analysis: PathBuf,
    promises: Promises,
}

/// How the points travel. All compress.
#[derive(Clone, Copy, Debug)]
enum Transport {
    Grpc,
    Http,
    Json,
}

/// What the checks came to.
#[derive(Debug, Default, PartialEq, Eq)]
struct Score {
    ok: usize,
    failed: usize,
    skipped: usize,
}

type Verdict = Result<String, Vec<String>>;

/// Runs every check against every party.
pub(crate) fn command(root: &Path, arguments: &[String]) -> Result<ExitCode> {
    crate::no_arguments("interop", arguments)?;
    let cache = root.join("target/interop");
    fs::create_dir_all(&cache).with_context(|| format!("cannot create `{}`", cache.display()))?;
    let metrics = fs::read_to_string(root.join("docs/metrics.md")).context("docs/metrics.md")?;
    let stage = Stage {
        source: source::build(
            root,
            &["--package=khive-perf-examples", "--example=interop_source"],
        )?,
        demo: source::build(
            root,
            &["--package=khive-perf-examples", "--example=demo_traces"],
        )?,
        analysis: source::build(root, &["--package=khive-perf-analysis", "--bin=khive-perf"])?,
        promises: Promises::read(&metrics)?,
        root: root.to_owned(),
        cache,
    };
    let mut score = Score::default();
    match decoder::install(&stage.cache) {
        Ok(python) => {
            run::say(&score.note("decoder/grpc", stage.decoder(&python, Transport::Grpc)));
            run::say(&score.note("decoder/http", stage.decoder(&python, Transport::Http)));
            run::say(&score.note("decoder/json", stage.decoder(&python, Transport::Json)));
            match rotel::install(&stage.cache) {
                Ok(rotel) => run::say(&score.note("rotel/grpc", stage.rotel(&rotel, &python))),
                Err(error) => run::say(&score.skip("rotel", &error)),
            }
            match clickhouse::install(&stage.cache) {
                Ok(chdb) => run::say(&score.note("clickhouse", stage.clickhouse(&python, &chdb))),
                Err(error) => run::say(&score.skip("clickhouse", &error)),
            }
            match prometheus::install(&stage.cache) {
                Ok(program) => {
                    let written = stage.prometheus(&python, &program);
                    run::say(&score.note("prometheus/otlp", written));
                    run::say(&score.note("prometheus/scrape", stage.scrape(&python, &program)));
                }
                Err(error) => run::say(&score.skip("prometheus", &error)),
            }
        }
        Err(error) => run::say(&score.skip("decoder", &error)),
    }
    run::say(&score.note("store/grpc", stage.store(Transport::Grpc)));
    run::say(&score.note("store/http", stage.store(Transport::Http)));
    match victoria::install(&stage.cache) {
        Ok(program) => run::say(&score.note("victoriametrics", stage.victoria(&program))),
        Err(error) => run::say(&score.skip("victoriametrics", &error)),
    }
    match phoenix::install(&stage.cache) {
        Ok(python) => {
            run::say(&score.note("phoenix", stage.phoenix(&python)));
            run::say(&score.note("phoenix/demo", stage.phoenix_demo(&python)));
        }
        Err(error) => run::say(&score.skip("phoenix", &error)),
    }
    run::say(&format!(
        "interop: {} ok, {} failed, {} skipped",
        score.ok, score.failed, score.skipped
    ));
    Ok(ExitCode::from(score.code()))
}

// === impl Stage ===

impl Stage {
    /// An empty directory for what one check leaves behind.
    fn directory(&self, name: &str) -> Result<PathBuf> {
        let directory = self.cache.join("run").join(name);
        if directory.exists() {
            fs::remove_dir_all(&directory)
                .with_context(|| format!("cannot empty `{}`", directory.display()))?;
        }
        fs::create_dir_all(&directory)?;
        Ok(directory)
    }

    fn decoder(&self, python: &Path, transport: Transport) -> Result<Verdict> {
        let directory = self.directory(&format!("decoder-{}", transport.name()))?;
        let decoder = Decoder::start(python, &self.root, &directory)?;
        let endpoint = transport.to(decoder.grpc, decoder.http);
        let recorded = source::record(&self.source, &directory, &endpoint)?;
        // gRPC does not tell a Python server how a message was compressed.
        let encoding = match transport {
            Transport::Grpc => Value::Null,
            Transport::Http | Transport::Json => Value::from("gzip"),
        };
        let seen = decoder.finish(transport.name(), &encoding, &self.promises)?;
        compare(seen, &recorded)
    }

    fn clickhouse(&self, decoding: &Path, python: &Path) -> Result<Verdict> {
        let directory = self.directory("clickhouse")?;
        let decoder = Decoder::start(decoding, &self.root, &directory)?;
        let endpoint = Transport::Http.to(0, decoder.http);
        let recorded = source::record(&self.source, &directory, &endpoint)?;
        decoder.finish("http", &Value::from("gzip"), &self.promises)?;
        let answers = clickhouse::quantiles(python, &self.root, &directory)?;
        let compared = quantiles::compare(&recorded.quantiles, &answers);
        Ok(compared.map(|count| format!("{count} quantiles by SQL within one bucket")))
    }

    fn prometheus(&self, python: &Path, program: &Path) -> Result<Verdict> {
        let directory = self.directory("prometheus")?;
        let decoder = Decoder::start(python, &self.root, &directory)?;
        let endpoint = Transport::Http.to(0, decoder.http);
        let recorded = source::record(&self.source, &directory, &endpoint)?;
        decoder.finish("http", &Value::from("gzip"), &self.promises)?;
        let mut prometheus = Prometheus::start(program, &directory, None)?;
        prometheus.write(python, &self.root, &directory)?;
        prometheus.judge(&recorded.quantiles, prometheus::written)
    }

    /// Of what the program would answer to Prometheus. It sends its traces all the same: without anybody who has them there
    /// are no exemplars.
    fn scrape(&self, python: &Path, program: &Path) -> Result<Verdict> {
        let directory = self.directory("prometheus-scrape")?;
        let decoder = Decoder::start(python, &self.root, &directory)?;
        let endpoint = Transport::Http.to(0, decoder.http);
        let recorded = source::record(&self.source, &directory, &endpoint)?;
        decoder.finish("http", &Value::from("gzip"), &self.promises)?;
        let exposition = directory.join("snapshot.json.exposition");
        let target = prometheus::serve(fs::read(&exposition).context("FILE.exposition")?)?;
        let mut prometheus = Prometheus::start(program, &directory, Some(target))?;
        prometheus.judge(&recorded.quantiles, prometheus::scraped)
    }

    fn rotel(&self, program: &Path, python: &Path) -> Result<Verdict> {
        let directory = self.directory("rotel")?;
        let decoder = Decoder::start(python, &self.root, &directory)?;
        let rotel = Rotel::start(program, &directory, decoder.http)?;
        let endpoint = Transport::Grpc.to(rotel.grpc, 0);
        let recorded = source::record(&self.source, &directory, &endpoint)?;
        rotel.finish()?;
        let seen = decoder.finish("http", &Value::from("gzip"), &self.promises)?;
        compare(seen, &recorded)
    }

    fn phoenix(&self, python: &Path) -> Result<Verdict> {
        let directory = self.directory("phoenix")?;
        let (stored, answer) = phoenix::record(python, &self.root, &self.source, &directory)?;
        let mut traces = Traces::default();
        traces.add_spans(&stored);
        traces.compare(&answer["spans"])
    }

    fn phoenix_demo(&self, python: &Path) -> Result<Verdict> {
        let directory = self.directory("phoenix-demo")?;
        let (stored, answer) = phoenix::record(python, &self.root, &self.demo, &directory)?;
        demo::compare(&stored, &answer)
    }

    fn store(&self, transport: Transport) -> Result<Verdict> {
        let directory = self.directory(&format!("store-{}", transport.name()))?;
        let analysis = Analysis::start(&self.analysis, &directory)?;
        let endpoint = Endpoint {
            traces: None,
            logs: None,
            ..transport.to(analysis.grpc, analysis.http)
        };
        let Recorded { recording, .. } = source::record(&self.source, &directory, &endpoint)?;
        let stored = analysis.finish()?;
        Ok(recording.compare(&stored).map(|tally| tally.to_string()))
    }

    fn victoria(&self, program: &Path) -> Result<Verdict> {
        let directory = self.directory("victoria")?;
        let mut victoria = Victoria::start(program, &directory)?;
        let endpoint = Endpoint {
            protocol: "http/protobuf",
            port: victoria.port,
            path: victoria::PATH,
            traces: None,
            logs: None,
        };
        let Recorded {
            recording,
            quantiles,
            ..
        } = source::record(&self.source, &directory, &endpoint)?;
        let calls = match victoria.compare_calls(&calls_of(&recording))? {
            Ok(calls) => calls,
            Err(differences) => return Ok(Err(differences)),
        };
        let compared = victoria.compare(&quantiles)?;
        Ok(compared.map(|count| {
            format!("{calls} counts of calls equal, {count} quantiles within one bucket")
        }))
    }
}

/// Compares all that a decoder saw with what the program recorded.
fn compare(seen: Seen, recorded: &Recorded) -> Result<Verdict> {
    if !seen.breaches.is_empty() {
        return Ok(Err(seen.breaches));
    }
    let findings = match seen.findings.compare(&recorded.findings) {
        Ok(findings) => findings,
        Err(differences) => return Ok(Err(differences)),
    };
    let traced = match seen.traces.compare(&recorded.spans)? {
        Ok(_) if !seen.traces.has_exemplars() => {
            return Ok(Err(vec!["no exemplar came".to_owned()]));
        }
        Ok(traced) => traced,
        Err(differences) => return Ok(Err(differences)),
    };
    let compared = recorded.recording.compare(&seen.recording);
    let points = seen.points;
    Ok(compared
        .map(|tally| format!("{tally}; {points} points as documented; {traced}; {findings}")))
}

fn calls_of(recording: &Recording) -> Vec<(Key, u64)> {
    let calls = recording
        .numbers
        .iter()
        .filter(|((metric, _), _)| metric == "khive.perf.function.calls");
    calls
        .map(|((_, key), count)| (key.clone(), *count))
        .collect()
}

// === impl Transport ===

impl Transport {
    fn name(self) -> &'static str {
        match self {
            Self::Grpc => "grpc",
            Self::Http => "http",
            Self::Json => "json",
        }
    }

    fn to(self, grpc: u16, http: u16) -> Endpoint {
        match self {
            Self::Grpc => Endpoint {
                protocol: "grpc",
                port: grpc,
                path: "",
                traces: Some(""),
                logs: Some(""),
            },
            Self::Http | Self::Json => Endpoint {
                protocol: match self {
                    Self::Json => "http/json",
                    _ => "http/protobuf",
                },
                port: http,
                path: "/v1/metrics",
                traces: Some("/v1/traces"),
                logs: Some("/v1/logs"),
            },
        }
    }
}

// === impl Score ===

impl Score {
    /// Counts one check; gives its line, and where it failed the first differences.
    fn note(&mut self, name: &str, verdict: Result<Verdict>) -> String {
        match verdict {
            Ok(Ok(shown)) => {
                self.ok += 1;
                format!("ok   {name}  {shown}")
            }
            Ok(Err(differences)) => {
                self.failed += 1;
                let first = differences.iter().take(DIFFERENCES_SHOWN);
                let first: Vec<String> = first
                    .map(|difference| format!("\n       {difference}"))
                    .collect();
                format!(
                    "FAIL {name}  {} differences{}",
                    differences.len(),
                    first.concat()
                )
            }
            Err(error) => {
                self.failed += 1;
                format!("FAIL {name}  {error:#}")
            }
        }
    }

    fn skip(&mut self, name: &str, error: &anyhow::Error) -> String {
        self.skipped += 1;
        format!("skip {name}  cannot be installed: {error:#}")
    }

    fn code(&self) -> u8 {
        match (self.failed, self.skipped) {
            (0, 0) => 0,
            (0, _) => EXIT_NOT_SHOWN,
            _ => 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_outweighs_a_skip_and_a_skip_outweighs_success() {
        let mut score = Score::default();
        score.note("a", Ok(Ok(String::from("equal"))));
        assert_eq!(score.code(), 0);
        score.skip("b", &anyhow::anyhow!("no network"));
        assert_eq!(score.code(), EXIT_NOT_SHOWN);
        score.note("c", Ok(Err(vec![String::from("differs")])));
        assert_eq!(score.code(), 1);
    }

    #[test]
    fn a_check_that_cannot_run_has_failed() {
        let mut score = Score::default();
        score.note("a", Err(anyhow::anyhow!("it ended early")));
        assert_eq!(
            score,
            Score {
                ok: 0,
                failed: 1,
                skipped: 0
            }
        );
    }
}
