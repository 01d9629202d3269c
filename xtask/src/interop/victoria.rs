//! VictoriaMetrics, from Debian's package unpacked beside the build: a backend that users run.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::install;
use crate::interop::child::Child;
use crate::interop::http;
use crate::interop::recording::{DURATION, Key, show};
use crate::interop::source::{QUANTILES, Quantiles};

const PACKAGE: &str = "victoria-metrics";
const SUITE: &str = "trixie";
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";
/// Where it takes in OTLP.
pub(super) const PATH: &str = "/opentelemetry/v1/metrics";
/// It keeps bucket bounds with four digits.
const ROUNDING: f64 = 1.000_6;

/// The server's program; fetches and unpacks the package the first time.
///
/// Nothing is installed into the system: apt gets a configuration, a list of sources and a state of its own.
pub(super) fn install(cache: &Path) -> Result<PathBuf> {
    let directory = cache.join(PACKAGE);
    let program = directory.join("usr/bin/victoria-metrics");
    if program.exists() {
        return Ok(program);
    }
    if !Path::new(KEYRING).exists() {
        bail!("{KEYRING} is missing (package debian-archive-keyring)");
    }
    let state = cache.join("apt");
    for needed in ["lists/partial", "cache/archives/partial", "download"] {
        fs::create_dir_all(state.join(needed))?;
    }
    fs::write(state.join("status"), "")?;
    let source = format!("deb [signed-by={KEYRING}] http://deb.debian.org/debian {SUITE} main\n");
    fs::write(state.join("sources.list"), source)?;
    let configuration = state.join("apt.conf");
    fs::write(&configuration, apt_configuration(&state))?;
    let apt = |arguments: &[&str]| {
        let mut command = Command::new("apt-get");
        command
            .arg("--quiet")
            .args(arguments)
            .env("APT_CONFIG", &configuration);
        install::output(command.current_dir(state.join("download")))
    };
    apt(&["update"])?;
    apt(&["download", PACKAGE])?;
    let archives =
        fs::read_dir(state.join("download"))?.filter_map(|entry| Some(entry.ok()?.path()));
    let mut archives: Vec<PathBuf> = archives
        .filter(|path| path.extension().is_some_and(|e| e == "deb"))
        .collect();
    archives.sort();
    let archive = archives
        .last()
        .with_context(|| format!("apt-get downloaded no {PACKAGE}"))?;
    // Unpacked elsewhere and moved, so that an interrupted unpacking is not taken for a whole one.
    let unpacked = cache.join(format!("{PACKAGE}.part"));
    install::output(
        Command::new("dpkg-deb")
            .arg("--extract")
            .arg(archive)
            .arg(&unpacked),
    )?;
    fs::rename(&unpacked, &directory)
        .with_context(|| format!("cannot move to `{}`", directory.display()))?;
    Ok(program)
}

fn apt_configuration(state: &Path) -> String {
    let state = state.display();
    format!(
        "Dir::Etc::SourceList \"{state}/sources.list\";\n\
         Dir::Etc::SourceParts \"-\";\n\
         Dir::State \"{state}\";\n\
         Dir::State::Lists \"{state}/lists\";\n\
         Dir::State::status \"{state}/status\";\n\
         Dir::Cache \"{state}/cache\";\n\
         APT::Sandbox::User \"root\";\n\
         Acquire::Languages \"none\";\n\
         Acquire::IndexTargets::deb::DEP-11::DefaultEnabled \"false\";\n\
         Acquire::Retries \"3\";\n"
    )
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

type Sample = (Key, f64);

fn ask(port: u16, query: &str) -> Result<Vec<Sample>> {
    http::get(port, "/internal/force_flush", &[])?;
    let arguments = [
        ("query", query),
        ("latency_offset", "1ms"),
        ("nocache", "1"),
    ];
    samples(&http::get(port, "/api/v1/query", &arguments)?)
}

fn samples(answer: &str) -> Result<Vec<Sample>> {
    let answer: Value = serde_json::from_str(answer).context("an answer to a query")?;
    let found = answer["data"]["result"]
        .as_array()
        .with_context(|| format!("no result in {answer}"))?;
    let sample = |sample: &Value| {
        let labels = sample["metric"].as_object()?.iter();
        let labels = labels
            .filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())))
            .collect();
        Some((labels, sample["value"][1].as_str()?.parse().ok()?))
    };
    found
        .iter()
        .map(|found| sample(found).with_context(|| format!("a sample reads {found}")))
        .collect()
}

/// The one sample that has all attributes of `key`; the resource's come on top.
fn find(key: &Key, samples: &[Sample]) -> Result<f64, String> {
    let mut found = samples.iter().filter(|(labels, _)| {
        key.iter()
            .all(|(name, value)| labels.get(name) == Some(value))
    });
    match (found.next(), found.next()) {
        (Some((_, value)), None) => Ok(*value),
        (None, _) => Err(format!("{} is not there", show(key))),
        (Some(_), Some(_)) => Err(format!("{} is there twice", show(key))),
    }
}

fn compare(ours: &[Quantiles], answers: &[Vec<Sample>]) -> Result<usize, Vec<String>> {
    let mut differences = Vec::new();
    for Quantiles { key, ns, scale } in ours {
        for ((quantile, ns), answer) in QUANTILES.into_iter().zip(ns).zip(answers) {
            #[expect(clippy::cast_precision_loss, reason = "compared to within two percent")]
            let ours_s = *ns as f64 / 1e9;
            match find(key, answer) {
                Ok(theirs) if is_within_a_bucket(ours_s, theirs, *scale) => {}
                Ok(theirs) => {
                    let percent = (theirs / ours_s - 1.0) * 100.0;
                    let name = show(key);
                    differences.push(format!(
                        "{name} q{quantile} is {theirs} s, ours {ours_s} s ({percent:+.2} %)"
                    ));
                }
                Err(why) => differences.push(why),
            }
        }
    }
    if ours.is_empty() {
        differences.push(String::from("nothing was recorded, so nothing is shown"));
    }
    if differences.is_empty() {
        Ok(ours.len() * QUANTILES.len())
    } else {
        Err(differences)
    }
}

/// A bucket is `2^(2^-scale)` wide: 2.2 % at scale 5.
fn is_within_a_bucket(ours: f64, theirs: f64, scale: i64) -> bool {
    #[expect(clippy::cast_precision_loss, reason = "a scale is between -10 and 20")]
    let most = (-scale as f64).exp2().exp2() * ROUNDING;
    (ours / most..=ours * most).contains(&theirs)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(outcome: &str) -> Key {
        let pairs = [("code.function.name", "f"), ("khive.perf.outcome", outcome)];
        pairs
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into()
    }

    fn answer(outcome: &str, seconds: f64) -> Vec<Sample> {
        let mut labels = key(outcome);
        labels.insert(String::from("service.name"), String::from("s"));
        vec![(labels, seconds)]
    }

    #[test]
    fn a_quantile_within_one_bucket_is_equal_and_one_further_off_is_not() {
        let ours = [Quantiles {
            key: key("ok"),
            ns: [1_000_000; 3],
            scale: 5,
        }];
        let of = |p50| {
            compare(
                &ours,
                &[
                    answer("ok", p50),
                    answer("ok", 0.001),
                    answer("ok", 0.00102),
                ],
            )
        };
        assert_eq!(of(0.00098), Ok(3));
        assert_eq!(of(0.00103).map_err(|found| found.len()), Err(1));
        assert!(is_within_a_bucket(1.0, 1.04, 4) && !is_within_a_bucket(1.0, 1.05, 4));
        assert_eq!(of(0.0).map_err(|found| found.len()), Err(1));
    }

    #[test]
    fn a_series_that_is_not_there_or_there_twice_is_found() {
        assert!(find(&key("error"), &answer("ok", 1.0)).is_err());
        let twice = [answer("ok", 1.0), answer("ok", 1.0)].concat();
        assert!(find(&key("ok"), &twice).is_err());
    }

    #[test]
    fn nothing_recorded_shows_nothing() {
        assert!(compare(&[], &[]).is_err());
    }

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
