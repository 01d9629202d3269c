//! Prometheus, from Debian's package unpacked beside the build: native histograms, written to it as a collector would, or
//! scraped.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::install;
use crate::interop::child::{Child, free_port};
use crate::interop::quantiles::{Sample, compare, samples};
use crate::interop::source::{QUANTILES, Quantiles};
use crate::interop::{Verdict, debian, http};

/// Where a quantile falls between two values, and so maybe between two buckets far apart, Prometheus takes the upper one from
/// the median on, and the program the lower one: a hair below there is no such choice.
const TIE: f64 = 1e-9;
const SCRIPT: &str = "xtask/interop/prometheus.py";
/// What it calls the durations.
const DURATION: &str = "khive_perf_function_duration_seconds";

/// The server's program; fetches and unpacks the package the first time.
pub(super) fn install(cache: &Path) -> Result<PathBuf> {
    debian::unpack(cache, "prometheus", "usr/bin/prometheus")
}

/// A running server with an empty store.
pub(super) struct Prometheus {
    child: Child,
    port: u16,
}

impl Prometheus {
    /// Scrapes the port `target` each second, if it is given.
    pub(super) fn start(program: &Path, directory: &Path, target: Option<u16>) -> Result<Self> {
        let configuration = directory.join("prometheus.yml");
        let jobs = target.map_or_else(String::new, |port| {
            format!(
                "scrape_configs:\n- job_name: khive-perf\n  static_configs: [{{targets: ['127.0.0.1:{port}']}}]\n"
            )
        });
        let global = "global: {scrape_interval: 1s, scrape_timeout: 1s}\n";
        fs::write(&configuration, format!("{global}{jobs}"))?;
        let port = free_port()?;
        let mut command = Command::new(program);
        command
            .arg(format!("--config.file={}", configuration.display()))
            .arg(format!(
                "--storage.tsdb.path={}",
                directory.join("prometheus-data").display()
            ))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .arg("--web.enable-remote-write-receiver")
            .arg("--enable-feature=native-histograms,exemplar-storage");
        let mut child = Child::start(&mut command, "prometheus", directory)?;
        child.wait_for("it is ready", |_| Ok(http::get(port, "/-/ready", &[]).ok()))?;
        Ok(Self { child, port })
    }

    /// Writes what a decoder noted.
    pub(super) fn write(&self, python: &Path, root: &Path, directory: &Path) -> Result<()> {
        let mut command = Command::new(python);
        command
            .arg(root.join(SCRIPT))
            .arg(directory.join("requests.jsonl"))
            .arg(self.port.to_string());
        install::output(&mut command).map(drop)
    }

    /// Compares quantiles, and looks for exemplars.
    pub(super) fn judge(&mut self, ours: &[Quantiles], label: Label) -> Result<Verdict> {
        let ours: Vec<Quantiles> = ours.iter().map(|of| renamed(of, label)).collect();
        let compared = match self.compare(&ours)? {
            Ok(compared) => compared,
            Err(differences) => return Ok(Err(differences)),
        };
        Ok(match self.exemplars()? {
            0 => Err(vec![String::from("no exemplar with the id of a trace")]),
            exemplars => Ok(format!(
                "{compared} quantiles of native histograms within one bucket, {exemplars} exemplars"
            )),
        })
    }

    /// Compares its quantiles with those of the program; gives how many were compared.
    fn compare(&mut self, ours: &[Quantiles]) -> Result<Result<usize, Vec<String>>> {
        let port = self.port;
        let mut answers = Vec::new();
        for quantile in QUANTILES {
            let below = quantile - TIE;
            let query = format!("histogram_quantile({below}, {DURATION})");
            let what = format!("{query} has {} answers", ours.len());
            answers.push(self.child.wait_for(&what, |_| {
                let answer = http::get(port, "/api/v1/query", &[("query", &query)])?;
                let answer: Vec<Sample> = samples(&answer)?;
                Ok((answer.len() >= ours.len()).then_some(answer))
            })?);
        }
        Ok(compare(ours, &answers))
    }

    /// How many exemplars of durations it has, each with the id of a trace.
    fn exemplars(&self) -> Result<usize> {
        // Longer than any run, and in whole seconds: the exemplars are a few seconds old.
        let arguments = [("query", DURATION), ("start", "0"), ("end", "9999999999")];
        let answer = http::get(self.port, "/api/v1/query_exemplars", &arguments)?;
        let answer: Value = serde_json::from_str(&answer)?;
        let series = answer["data"].as_array().context("no exemplars at all")?;
        let all = series
            .iter()
            .filter_map(|series| series["exemplars"].as_array());
        let traced = all.flatten().filter(|one| {
            one["labels"]["trace_id"]
                .as_str()
                .is_some_and(|id| id.len() == 32)
        });
        Ok(traced.count())
    }
}

/// What an attribute is called as a label; `None` where it is none.
pub(super) type Label = fn(&str) -> Option<String>;

/// Where attributes have dots, labels have underscores.
#[expect(clippy::unnecessary_wraps, reason = "it is a `Label`")]
pub(super) fn written(attribute: &str) -> Option<String> {
    Some(attribute.replace(|c: char| !c.is_ascii_alphanumeric(), "_"))
}

/// What the program itself calls them.
pub(super) fn scraped(attribute: &str) -> Option<String> {
    Some(match attribute {
        "code.function.name" => String::from("function"),
        "code.file.path" | "code.line.number" => return None,
        "otel.metric.overflow" => String::from("overflow"),
        other => match other.strip_prefix("khive.perf.") {
            Some(ours) => ours.to_owned(),
            None => format!("field_{}", written(other)?),
        },
    })
}

fn renamed(of: &Quantiles, label: Label) -> Quantiles {
    let labels = of
        .key
        .iter()
        .filter_map(|(name, value)| Some((label(name)?, value.clone())));
    Quantiles {
        key: labels.collect(),
        ns: of.ns,
        scale: of.scale,
    }
}

/// Answers each request with `body`, on a free port; the thread ends with the process.
pub(super) fn serve(body: Vec<u8>) -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let port = listener.local_addr()?.port();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // A scrape that breaks off is made again.
            let _ = answer(stream, &body);
        }
    });
    Ok(port)
}

fn answer(mut stream: TcpStream, body: &[u8]) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut line = String::new();
    while reader.read_line(&mut line)? > 0 && !line.trim().is_empty() {
        line.clear();
    }
    let len = body.len();
    write!(
        stream,
        "HTTP/1.1 200 OK\r\ncontent-type: {KIND}\r\ncontent-length: {len}\r\nconnection: close\r\n\r\n"
    )?;
    stream.write_all(body)
}

const KIND: &str =
    "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_served_is_what_was_given() {
        let port = serve(b"a 1\n".to_vec()).expect("a port");
        let answer = http::get(port, "/metrics", &[]).expect("an answer");
        assert_eq!(answer, "a 1\n");
    }

    #[test]
    fn attributes_become_labels() {
        let key = [("khive.perf.outcome", "ok"), ("code.function.name", "a::b")];
        let key = key.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let of = Quantiles {
            key: key.into(),
            ns: [1; 3],
            scale: 5,
        };
        let names = |label: Label| -> Vec<String> { renamed(&of, label).key.into_keys().collect() };
        assert_eq!(names(written), ["code_function_name", "khive_perf_outcome"]);
        assert_eq!(names(scraped), ["function", "outcome"]);
        assert_eq!(scraped("shard-id"), Some(String::from("field_shard_id")));
    }
}
