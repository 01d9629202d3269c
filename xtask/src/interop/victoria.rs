//! VictoriaMetrics, from Debian's package unpacked beside the build: a backend that users run.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use crate::interop::child::Child;
use crate::interop::debian;
use crate::interop::http;
use crate::interop::quantiles::{Sample, compare, find, samples};
use crate::interop::recording::{DURATION, Key, show};
use crate::interop::source::{QUANTILES, Quantiles};

const PACKAGE: &str = "victoria-metrics";
/// Where it takes in OTLP.
pub(super) const PATH: &str = "/opentelemetry/v1/metrics";

/// The server's program; fetches and unpacks the package the first time.
pub(super) fn install(cache: &Path) -> Result<PathBuf> {
    debian::unpack(cache, PACKAGE, "usr/bin/victoria-metrics")
}

/// A running server with an empty store.
pub(super) struct Victoria {
    child: Child,
    pub(super) port: u16,
}

impl Victoria {
    pub(super) fn start(program: &Path, directory: &Path) -> Result<Self> {
        let mut command = Command::new(program);
        command
            .arg(format!(
                "-storageDataPath={}",
                directory.join("victoria-data").display()
            ))
            .args([
                "-httpListenAddr=127.0.0.1:0",
                "-retentionPeriod=1",
                "-memory.allowedBytes=256MiB",
            ]);
        let mut child = Child::start(&mut command, "victoria-metrics", directory)?;
        let port = child.wait_for("it says its port", |child| Ok(port_in(&child.log())))?;
        Ok(Self { child, port })
    }

    /// Compares its quantiles with those of the program; gives how many were compared.
    pub(super) fn compare(&mut self, ours: &[Quantiles]) -> Result<Result<usize, Vec<String>>> {
        let port = self.port;
        let mut answers = Vec::new();
        for quantile in QUANTILES {
            let query =
                format!("histogram_quantile({quantile}, {{__name__=\"{DURATION}_bucket\"}})");
            // A point can be asked for some moments after it was taken in.
            let answer =
                self.child
                    .wait_for(&format!("{query} has {} answers", ours.len()), |_| {
                        let answer = ask(port, &query)?;
                        Ok((answer.len() >= ours.len()).then_some(answer))
                    })?;
            answers.push(answer);
        }
        Ok(compare(ours, &answers))
    }

    /// Compares the number of calls, which it must have to the last one.
    pub(super) fn compare_calls(
        &mut self,
        ours: &[(Key, u64)],
    ) -> Result<Result<usize, Vec<String>>> {
        let query = "{__name__=\"khive.perf.function.calls\"}";
        let port = self.port;
        let answer = self.child.wait_for("it has all calls", |_| {
            let answer = ask(port, query)?;
            Ok((answer.len() >= ours.len()).then_some(answer))
        })?;
        let mut differences = Vec::new();
        for (key, calls) in ours {
            match find(key, &answer) {
                #[expect(
                    clippy::float_cmp,
                    clippy::cast_precision_loss,
                    reason = "counts far below 2^53 are exact"
                )]
                Ok(theirs) if theirs == *calls as f64 => {}
                Ok(theirs) => differences.push(format!(
                    "{} has {theirs} calls, recorded {calls}",
                    show(key)
                )),
                Err(why) => differences.push(why),
            }
        }
        Ok(if differences.is_empty() {
            Ok(ours.len())
        } else {
            Err(differences)
        })
    }
}

fn port_in(log: &str) -> Option<u16> {
    let (_, rest) = log.split_once("started server at http://127.0.0.1:")?;
    rest.split('/').next()?.parse().ok()
}

fn ask(port: u16, query: &str) -> Result<Vec<Sample>> {
    http::get(port, "/internal/force_flush", &[])?;
    let arguments = [
        ("query", query),
        ("latency_offset", "1ms"),
        ("nocache", "1"),
    ];
    samples(&http::get(port, "/api/v1/query", &arguments)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_and_the_port_are_read() {
        let answer = r#"{"data":{"result":[{"metric":{"a":"b"},"value":[1,"0.25"]}]}}"#;
        let expected = Key::from([(String::from("a"), String::from("b"))]);
        assert_eq!(samples(answer).expect("a sample"), [(expected, 0.25)]);
        assert!(samples(r#"{"data":{}}"#).is_err());
        assert_eq!(
            port_in("info\tstarted server at http://127.0.0.1:46861/\n"),
            Some(46861)
        );
        assert_eq!(port_in("starting"), None);
    }
}
