//! The configuration file of `compare` and `check`: thresholds, gates, and what fails a build, by environment.
//!
//! `docs/configuration.md` has the keys. A file is read as TOML or YAML, by its extension; whatever is wrong with it is
//! told with its line and key.

mod gates;
mod parse;
mod value;

use std::collections::BTreeMap;

use serde::Deserialize;

use self::gates::Limits;
pub use self::gates::{Evidence, Observed, new_leaks};
pub use self::parse::{Error, parse, read};
use self::value::{Bytes, Confidence, PerSecond, Seconds, Share};
use crate::detect::rules::{Callsites, Decider, Floor, Rules};
use crate::detect::{Measure, Severity};
use crate::report::words;

/// What `khive-perf config init` writes.
pub const EXAMPLE: &str = include_str!("example.toml");
/// Where a configuration is looked for, in the working directory.
pub const FILES: [&str; 3] = ["khive-perf.toml", "khive-perf.yaml", "khive-perf.yml"];

/// What `check` takes as a change where nothing is said, by group, and of all others.
pub const GATE_FLOORS: [(&str, f64); 3] =
    [("orchestration", 0.20), ("cache", 0.15), ("session", 0.30)];
/// The same for all other callsites.
pub const GATE_MIN_EFFECT: f64 = 0.20;

/// A configuration as it is written.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    confidence: Option<Confidence>,
    min_effect: Option<Share>,
    fail_on: Option<Level>,
    thresholds: BTreeMap<String, Share>,
    limits: Limits,
    callsite: Vec<Rule>,
    environment: BTreeMap<String, Overrides>,
}

/// What an environment has otherwise.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
struct Overrides {
    confidence: Option<Confidence>,
    min_effect: Option<Share>,
    fail_on: Option<Level>,
    thresholds: BTreeMap<String, Share>,
    limits: Limits,
    /// Before those that hold everywhere.
    callsite: Vec<Rule>,
}

/// What is asked of some callsites.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(try_from = "WrittenRule")]
struct Rule {
    of: Callsites,
    min_effect: Option<Share>,
    decide: Vec<Deciding>,
    max: BTreeMap<Limited, Seconds>,
    max_error_rate: Option<Share>,
    min_throughput: Option<PerSecond>,
    max_retained: Option<Bytes>,
}

/// How every error begins that a rule is incomplete by.
const RULE_NEEDS: &str = "a `callsite` needs";

/// A rule before it is known to say something.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenRule {
    service: Option<String>,
    group: Option<String>,
    name: Option<String>,
    min_effect: Option<Share>,
    #[serde(default)]
    decide: Vec<Deciding>,
    #[serde(default)]
    max: BTreeMap<Limited, Seconds>,
    max_error_rate: Option<Share>,
    min_throughput: Option<PerSecond>,
    max_retained: Option<Bytes>,
}

impl TryFrom<WrittenRule> for Rule {
    type Error = &'static str;

    fn try_from(written: WrittenRule) -> Result<Self, &'static str> {
        if written.service.is_none() && written.group.is_none() && written.name.is_none() {
            return Err("a `callsite` needs a `service`, a `group` or a `name`, to say which");
        }
        let has_limit = !written.max.is_empty()
            || written.max_error_rate.is_some()
            || written.min_throughput.is_some()
            || written.max_retained.is_some();
        if written.min_effect.is_none() && written.decide.is_empty() && !has_limit {
            return Err(
                "a `callsite` needs a `min_effect`, a `decide`, a `max`, a `max_error_rate`, a `min_throughput` or a \
                 `max_retained`",
            );
        }
        Ok(Self {
            of: Callsites {
                service: written.service,
                group: written.group,
                name: written.name,
            },
            min_effect: written.min_effect,
            decide: written.decide,
            max: written.max,
            max_error_rate: written.max_error_rate,
            min_throughput: written.min_throughput,
            max_retained: written.max_retained,
        })
    }
}

/// What an absolute limit can be set for.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "snake_case")]
enum Limited {
    Typical,
    Mean,
    P50,
    P95,
    P99,
    SelfTime,
    BusyTime,
}

/// What can decide beside the typical call.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
enum Deciding {
    Throughput,
    Retained,
}

/// A severity.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
enum Level {
    Minor,
    Moderate,
    Critical,
}

/// A configuration in one environment, without anything unsaid.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Effective {
    /// Confidence of the intervals, if it is said.
    pub confidence: Option<f64>,
    /// The smallest change worth a verdict where no floor of `rules` fits, if it is said; 0.05 is 5 %.
    pub min_effect: Option<f64>,
    /// The least severity that fails a check, if it is said.
    pub fail_on: Option<Severity>,
    /// The smallest change worth a verdict, and what decides, by callsite.
    pub rules: Rules,
    gates: Vec<Rule>,
    limits: Limits,
}

impl Config {
    /// What holds in an environment.
    ///
    /// # Errors
    ///
    /// If the file has environments, and not this one; with those that it has.
    pub fn in_environment(&self, name: Option<&str>) -> Result<Effective, String> {
        let none = Overrides::default();
        let own = match name {
            None => &none,
            Some(name) => self.environment.get(name).ok_or_else(|| {
                let known: Vec<&str> = self.environment.keys().map(String::as_str).collect();
                let known = if known.is_empty() {
                    "none".to_owned()
                } else {
                    known.join(", ")
                };
                format!("no environment `{name}` in the configuration; it has {known}")
            })?,
        };
        let all: Vec<&Rule> = own.callsite.iter().chain(&self.callsite).collect();
        let floors = all.iter().filter_map(|rule| {
            Some(Floor {
                of: rule.of.clone(),
                min_effect: rule.min_effect?.0,
            })
        });
        let deciders = all.iter().filter(|rule| !rule.decide.is_empty());
        let deciders = deciders.map(|rule| Decider {
            of: rule.of.clone(),
            measures: rule.decide.iter().map(|it| it.measure()).collect(),
        });
        let own_groups = own.thresholds.iter();
        let others = self.thresholds.iter();
        let others = others.filter(|(group, _)| !own.thresholds.contains_key(*group));
        let groups = own_groups
            .chain(others)
            .map(|(group, share)| of_group(group, share.0));
        Ok(Effective {
            confidence: own.confidence.or(self.confidence).map(|it| it.0),
            min_effect: own.min_effect.or(self.min_effect).map(|share| share.0),
            fail_on: own.fail_on.or(self.fail_on).map(Level::severity),
            rules: Rules {
                floors: floors.chain(groups).collect(),
                deciders: deciders.collect(),
            },
            limits: own.limits.or(self.limits),
            gates: all.into_iter().cloned().collect(),
        })
    }
}

fn of_group(group: &str, min_effect: f64) -> Floor {
    Floor {
        of: Callsites {
            group: Some(group.to_owned()),
            ..Callsites::default()
        },
        min_effect,
    }
}

impl Effective {
    /// The same for a gate: where nothing is said of what is worth a verdict, [`GATE_FLOORS`] and [`GATE_MIN_EFFECT`] hold.
    #[must_use]
    pub fn for_gate(mut self) -> Self {
        if self.min_effect.is_none() && self.rules.floors.is_empty() {
            self.min_effect = Some(GATE_MIN_EFFECT);
            let floors = GATE_FLOORS.iter();
            let floors = floors.map(|(group, share)| of_group(group, *share));
            self.rules.floors = floors.collect();
        }
        self
    }

    /// The limits in words: what they are for, and what may be.
    pub fn limits(&self) -> Vec<(String, String)> {
        let mut limits = Vec::new();
        for rule in &self.gates {
            let of = [&rule.of.service, &rule.of.group, &rule.of.name];
            let of: Vec<&str> = of.into_iter().flatten().map(String::as_str).collect();
            let of = of.join(", ");
            for (limited, Seconds(limit)) in &rule.max {
                let what = format!("max {} of {of}", limited.as_str());
                limits.push((what, words::seconds(*limit)));
            }
            if let Some(Share(limit)) = rule.max_error_rate {
                limits.push((
                    format!("max_error_rate of {of}"),
                    format!("{} %", limit * 100.0),
                ));
            }
            if let Some(PerSecond(limit)) = rule.min_throughput {
                limits.push((format!("min_throughput of {of}"), format!("{limit}/s")));
            }
            if let Some(Bytes(limit)) = rule.max_retained {
                limits.push((format!("max_retained of {of}"), words::bytes(limit)));
            }
        }
        limits.extend(self.limits.in_words());
        limits
    }
}

impl Deciding {
    const fn measure(self) -> Measure {
        match self {
            Self::Throughput => Measure::Throughput,
            Self::Retained => Measure::Retained,
        }
    }
}

impl Level {
    const fn severity(self) -> Severity {
        match self {
            Self::Minor => Severity::Minor,
            Self::Moderate => Severity::Moderate,
            Self::Critical => Severity::Critical,
        }
    }
}
