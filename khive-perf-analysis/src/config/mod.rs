//! The configuration file of `compare` and `check`: thresholds, gates, and what fails a build, by environment.
//!
//! `docs/configuration.md` has the keys. A file is read as TOML or YAML, by its extension; whatever is wrong with it is
//! told with its line and key.

mod parse;
mod value;

use std::collections::BTreeMap;

use serde::Deserialize;

pub use self::parse::{Error, parse, read};
use self::value::{Seconds, Share};
use crate::detect::floors::{Floor, Floors, matches};
use crate::detect::{Comparison, Finding, Measure, Severity};
use crate::report::words;

/// What `khive-perf config init` writes.
pub const EXAMPLE: &str = include_str!("example.toml");
/// Where a configuration is looked for, in the working directory.
pub const FILES: [&str; 3] = ["khive-perf.toml", "khive-perf.yaml", "khive-perf.yml"];

/// A configuration as it is written.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    confidence: Option<f64>,
    min_effect: Option<Share>,
    fail_on: Option<Level>,
    thresholds: BTreeMap<String, Share>,
    callsite: Vec<Rule>,
    environment: BTreeMap<String, Overrides>,
}

/// What an environment has otherwise.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
struct Overrides {
    confidence: Option<f64>,
    min_effect: Option<Share>,
    fail_on: Option<Level>,
}

/// What is asked of some callsites.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
struct Rule {
    service: Option<String>,
    group: Option<String>,
    name: Option<String>,
    min_effect: Option<Share>,
    max: BTreeMap<Limited, Seconds>,
    max_error_rate: Option<Share>,
}

/// What an absolute limit can be set for.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "snake_case")]
enum Limited {
    Typical,
    Mean,
    P50,
    P99,
    SelfTime,
    BusyTime,
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
    /// The smallest change worth a verdict where none of `floors` fits, if it is said; 0.05 is 5 %.
    pub min_effect: Option<f64>,
    /// The least severity that fails a check, if it is said.
    pub fail_on: Option<Severity>,
    /// The smallest change worth a verdict, by callsite.
    pub floors: Floors,
    gates: Vec<Rule>,
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
        let rules = self.callsite.iter().filter_map(|rule| {
            Some(Floor {
                service: rule.service.clone(),
                group: rule.group.clone(),
                name: rule.name.clone(),
                min_effect: rule.min_effect?.0,
            })
        });
        let groups = self.thresholds.iter().map(|(group, share)| Floor {
            service: None,
            group: Some(group.clone()),
            name: None,
            min_effect: share.0,
        });
        Ok(Effective {
            confidence: own.confidence.or(self.confidence),
            min_effect: own.min_effect.or(self.min_effect).map(|share| share.0),
            fail_on: own.fail_on.or(self.fail_on).map(Level::severity),
            floors: Floors(rules.chain(groups).collect()),
            gates: self.callsite.clone(),
        })
    }
}

impl Effective {
    /// The limits in words: what they are for, and what may be.
    pub fn limits(&self) -> Vec<(String, String)> {
        let mut limits = Vec::new();
        for rule in &self.gates {
            let of = [&rule.service, &rule.group, &rule.name];
            let of: Vec<&str> = of.into_iter().flatten().map(String::as_str).collect();
            let of = of.join(", ");
            for (limited, Seconds(limit)) in &rule.max {
                let what = format!("max {} of {of}", limited.measure().as_str());
                limits.push((what, words::seconds(*limit)));
            }
            if let Some(Share(limit)) = rule.max_error_rate {
                limits.push((
                    format!("max_error_rate of {of}"),
                    format!("{} %", limit * 100.0),
                ));
            }
        }
        limits
    }

    /// Limits that the candidate passes, in words, each with its callsite.
    pub fn passed_limits(&self, comparison: &Comparison) -> Vec<String> {
        let pairs = comparison
            .findings
            .iter()
            .flat_map(|finding| self.gates.iter().map(move |rule| (finding, rule)));
        let fitting = pairs.filter(|(finding, rule)| rule.fits(finding));
        fitting
            .flat_map(|(finding, rule)| rule.passed(finding))
            .collect()
    }
}

impl Rule {
    fn fits(&self, finding: &Finding) -> bool {
        let key = &finding.key;
        let is = |wanted: &Option<String>, name: &str| {
            wanted.as_ref().is_none_or(|wanted| matches(wanted, name))
        };
        is(&self.service, &key.service) && is(&self.group, &key.group) && is(&self.name, &key.name)
    }

    fn passed(&self, finding: &Finding) -> Vec<String> {
        let name = words::clean(&finding.key.name);
        let mut passed = Vec::new();
        for (limited, Seconds(limit)) in &self.max {
            let measure = limited.measure();
            let is = finding.measured(measure).and_then(|it| it.candidate_s);
            if let Some(is) = is.filter(|is| is > limit) {
                passed.push(format!(
                    "{name}: {} is {}, and may be {}",
                    measure.as_str(),
                    words::seconds(is),
                    words::seconds(*limit)
                ));
            }
        }
        let calls = finding.candidate_calls;
        if let Some(Share(limit)) = self.max_error_rate
            && calls.runs > 0
            && calls.error_rate > limit
        {
            passed.push(format!(
                "{name}: {:.1} % of its calls fail, and {:.1} % may",
                calls.error_rate * 100.0,
                limit * 100.0
            ));
        }
        passed
    }
}

impl Limited {
    const fn measure(self) -> Measure {
        match self {
            Self::Typical => Measure::Typical,
            Self::Mean => Measure::Mean,
            Self::P50 => Measure::P50,
            Self::P99 => Measure::P99,
            Self::SelfTime => Measure::SelfTime,
            Self::BusyTime => Measure::BusyTime,
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
