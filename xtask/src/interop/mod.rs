//! `cargo xtask interop`: what the program recorded is what independent parties received.
//!
//! ```text
//! interop_source ──OTLP──> decoder.py (official protobuf, gRPC and HTTP)   every number equal
//!       |        ──OTLP──> rotel ──OTLP──> decoder.py                    every number, span and exemplar equal
//!       |        ──OTLP──> Phoenix, and its API                          every span in its place
//!       |        ──OTLP──> khive-perf serve -> SQLite -> export            every number equal
//!       |        ──OTLP──> VictoriaMetrics -> histogram_quantile           within one bucket
//!       '─ its own snapshot, as JSON: what all are compared with
//! ```
//!
//! Parties are installed below `target/interop/` the first time and listen on 127.0.0.1 only.

mod analysis;
mod child;
mod decoder;
mod http;
mod phoenix;
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
    analysis: PathBuf,
    promises: Promises,
}

/// How the points travel. Both compress.
#[derive(Clone, Copy, Debug)]
enum Transport {
    Grpc,
    Http,
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
            match rotel::install(&stage.cache) {
                Ok(rotel) => run::say(&score.note("rotel/grpc", stage.rotel(&rotel, &python))),
                Err(error) => run::say(&score.skip("rotel", &error)),
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
        Ok(python) => run::say(&score.note("phoenix", stage.phoenix(&python))),
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
        let Recorded {
            recording, spans, ..
        } = source::record(&self.source, &directory, &endpoint)?;
        // gRPC does not tell a Python server how a message was compressed.
        let encoding = match transport {
            Transport::Grpc => Value::Null,
            Transport::Http => Value::from("gzip"),
        };
        let seen = decoder.finish(transport.name(), &encoding, &self.promises)?;
        compare(seen, &recording, &spans)
    }

    fn rotel(&self, program: &Path, python: &Path) -> Result<Verdict> {
        let directory = self.directory("rotel")?;
        let decoder = Decoder::start(python, &self.root, &directory)?;
        let rotel = Rotel::start(program, &directory, decoder.http)?;
        let endpoint = Transport::Grpc.to(rotel.grpc, 0);
        let Recorded {
            recording, spans, ..
        } = source::record(&self.source, &directory, &endpoint)?;
        rotel.finish()?;
        let seen = decoder.finish("http", &Value::from("gzip"), &self.promises)?;
        compare(seen, &recording, &spans)
    }

    fn phoenix(&self, python: &Path) -> Result<Verdict> {
        let directory = self.directory("phoenix")?;
        let (stored, expected) = phoenix::record(python, &self.root, &self.source, &directory)?;
        let mut traces = Traces::default();
        traces.add_spans(&stored);
        traces.compare(&expected)
    }

    fn store(&self, transport: Transport) -> Result<Verdict> {
        let directory = self.directory(&format!("store-{}", transport.name()))?;
        let analysis = Analysis::start(&self.analysis, &directory)?;
        let endpoint = Endpoint {
            traces: None,
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
fn compare(seen: Seen, recording: &Recording, spans: &Value) -> Result<Verdict> {
    if !seen.breaches.is_empty() {
        return Ok(Err(seen.breaches));
    }
    let traced = match seen.traces.compare(spans)? {
        Ok(_) if !seen.traces.has_exemplars() => {
            return Ok(Err(vec!["no exemplar came".to_owned()]));
        }
        Ok(traced) => traced,
        Err(differences) => return Ok(Err(differences)),
    };
    let compared = recording.compare(&seen.recording);
    Ok(compared.map(|tally| format!("{tally}; {} points as documented; {traced}", seen.points)))
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
        }
    }

    fn to(self, grpc: u16, http: u16) -> Endpoint {
        match self {
            Self::Grpc => Endpoint {
                protocol: "grpc",
                port: grpc,
                path: "",
                traces: Some(""),
            },
            Self::Http => Endpoint {
                protocol: "http/protobuf",
                port: http,
                path: "/v1/metrics",
                traces: Some("/v1/traces"),
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
