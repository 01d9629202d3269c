//! Gates: limits that hold whatever the base did, and what passes them.

use serde::Deserialize;

use crate::config::value::{ByteRate, Share};
use crate::config::{Effective, Limited, Rule};
use crate::detect::{Comparison, Finding, Measure};
use crate::model::{CallsiteKey, CallsiteRun, Run};
use crate::recommend::Leak;
use crate::report::words;
use crate::stats::quantile::quantile;

/// Limits of whole runs.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Limits {
    /// Bytes that come to stay, an hour, of any place in the program.
    pub(super) max_leak_rate: Option<ByteRate>,
    /// By how much more memory the candidate may have at its end than the base.
    pub(super) max_memory_growth: Option<Share>,
}

/// What a run says beyond its callsites.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Observed {
    /// Seconds from its start to its end, where it has ended.
    pub seconds: Option<f64>,
    /// Places that leak or may leak.
    pub leaks: Vec<Leak>,
    /// Memory in use at its end, where the source says.
    pub memory_bytes: Option<f64>,
}

/// All that gates look at.
#[derive(Clone, Copy, Debug)]
pub struct Evidence<'a> {
    /// The comparison.
    pub comparison: &'a Comparison,
    /// The runs of the base, with what they say beyond their callsites.
    pub base: &'a [(Run, Observed)],
    /// Those of the candidate.
    pub candidate: &'a [(Run, Observed)],
}

/// Share of the candidate's runs in which something must leak that leaks in none of the base, to be the candidate's.
const LEAKS_IN: f64 = 0.75;

impl Limits {
    pub(super) fn or(self, other: Self) -> Self {
        Self {
            max_leak_rate: self.max_leak_rate.or(other.max_leak_rate),
            max_memory_growth: self.max_memory_growth.or(other.max_memory_growth),
        }
    }

    pub(super) fn in_words(self) -> Vec<(String, String)> {
        let rate = self
            .max_leak_rate
            .map(|ByteRate(rate)| ("max_leak_rate".to_owned(), format!("{rate} bytes an hour")));
        let growth = self.max_memory_growth.map(|Share(share)| {
            (
                "max_memory_growth".to_owned(),
                format!("{} %", share * 100.0),
            )
        });
        rate.into_iter().chain(growth).collect()
    }
}

impl Effective {
    /// Limits that the candidate passes, in words, each with its callsite.
    pub fn passed_limits(&self, evidence: &Evidence<'_>) -> Vec<String> {
        let findings = evidence.comparison.findings.iter();
        let pairs = findings.flat_map(|finding| self.gates.iter().map(move |rule| (finding, rule)));
        let fitting = pairs.filter(|(finding, rule)| rule.of.have(&finding.key));
        let mut passed: Vec<String> = fitting
            .flat_map(|(finding, rule)| rule.passed(finding, evidence.candidate))
            .collect();
        passed.extend(self.too_leaky(evidence));
        passed.extend(self.grown(evidence));
        passed
    }

    fn too_leaky(&self, evidence: &Evidence<'_>) -> Vec<String> {
        let Some(ByteRate(limit)) = self.limits.max_leak_rate else {
            return Vec::new();
        };
        let leaks = evidence.candidate.iter().flat_map(|(_, of)| &of.leaks);
        let mut told: Vec<String> = leaks
            .filter(|leak| leak.bytes_per_hour > limit)
            .map(|leak| {
                let name = words::clean(&leak.name);
                let rate = leak.bytes_per_hour;
                format!("{name}: {rate:.0} bytes an hour come to stay, and {limit:.0} may")
            })
            .collect();
        told.sort();
        told.dedup();
        told
    }

    fn grown(&self, evidence: &Evidence<'_>) -> Option<String> {
        let Share(limit) = self.limits.max_memory_growth?;
        let memory = |runs: &[(Run, Observed)]| {
            median(runs.iter().filter_map(|(_, of)| of.memory_bytes).collect())
        };
        let (before, after) = (memory(evidence.base)?, memory(evidence.candidate)?);
        let growth = after / before - 1.0;
        (growth > limit).then(|| {
            format!(
                "(the process): memory at the end is {after:.0} bytes, was {before:.0}: {:+.1} %, and {:.1} % may be more",
                growth * 100.0,
                limit * 100.0
            )
        })
    }
}

/// What leaks, or may leak, in nearly all runs of the candidate and in none of the base; the most bytes an hour first.
///
/// A cache that is still filling may look like a leak, but does so on both sides.
#[must_use]
pub fn new_leaks(base: &[(Run, Observed)], candidate: &[(Run, Observed)]) -> Vec<Leak> {
    let is_same = |a: &Leak, b: &Leak| a.service == b.service && a.name == b.name;
    let in_base = |leak: &Leak| {
        base.iter()
            .any(|(_, of)| of.leaks.iter().any(|b| is_same(leak, b)))
    };
    let mut new: Vec<Leak> = Vec::new();
    for leak in candidate.iter().flat_map(|(_, of)| &of.leaks) {
        let has = |of: &Observed| of.leaks.iter().any(|other| is_same(leak, other));
        let runs = candidate.iter().filter(|(_, of)| has(of)).count();
        let is_common = runs as f64 >= LEAKS_IN * candidate.len() as f64;
        // One run that looks so proves nothing, unless the detector itself is sure.
        let is_sure = leak.verdict == "leaking" || runs >= 2;
        if !is_common || !is_sure || in_base(leak) {
            continue;
        }
        match new.iter_mut().find(|known| is_same(known, leak)) {
            Some(known) if known.bytes_per_hour >= leak.bytes_per_hour => {}
            Some(known) => known.clone_from(leak),
            None => new.push(leak.clone()),
        }
    }
    new.sort_by(|a, b| {
        let by_rate = b.bytes_per_hour.total_cmp(&a.bytes_per_hour);
        let by_size = by_rate.then_with(|| b.retained_bytes.total_cmp(&a.retained_bytes));
        by_size.then_with(|| a.name.cmp(&b.name))
    });
    new
}

impl Rule {
    fn passed(&self, finding: &Finding, candidate: &[(Run, Observed)]) -> Vec<String> {
        let name = words::clean(&finding.key.name);
        let mut passed = Vec::new();
        for (limited, limit) in &self.max {
            let limit = limit.0;
            let (what, is) = match limited.measure() {
                Some(measure) => {
                    let measured = finding.measured(measure);
                    (measure.as_str(), measured.and_then(|it| it.candidate))
                }
                None => {
                    let of = |run: &CallsiteRun| quantile(&run.ok, 0.95);
                    ("p95", median(values(candidate, &finding.key, of)))
                }
            };
            if let Some(is) = is.filter(|is| *is > limit) {
                passed.push(format!(
                    "{name}: {what} is {}, and may be {}",
                    words::seconds(is),
                    words::seconds(limit)
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
        passed.extend(self.too_few(&name, &finding.key, candidate));
        passed.extend(self.too_much(&name, &finding.key, candidate));
        passed
    }

    fn too_much(
        &self,
        name: &str,
        key: &CallsiteKey,
        candidate: &[(Run, Observed)],
    ) -> Option<String> {
        let limit = self.max_retained?.0;
        let of = |run: &CallsiteRun| run.retained_bytes.map(|bytes| bytes as f64);
        let bytes = median(values(candidate, key, of))?;
        (bytes > limit).then(|| {
            format!(
                "{name}: {} of what it allocated are alive, and {} may be",
                words::bytes(bytes),
                words::bytes(limit)
            )
        })
    }

    fn too_few(
        &self,
        name: &str,
        key: &CallsiteKey,
        candidate: &[(Run, Observed)],
    ) -> Option<String> {
        let limit = self.min_throughput?.0;
        let rates = candidate.iter().filter_map(|(run, of)| {
            let calls = run.callsites.get(key)?.calls;
            let calls = calls.iter().fold(0u64, |sum, &of| sum.saturating_add(of));
            let seconds = of.seconds.filter(|seconds| *seconds > 0.0)?;
            Some(calls as f64 / seconds)
        });
        let rate = median(rates.collect())?;
        (rate < limit)
            .then(|| format!("{name}: {rate:.1} calls a second, and {limit:.1} are asked for"))
    }
}

impl Limited {
    /// The measure of a comparison; none for what only the runs say.
    const fn measure(self) -> Option<Measure> {
        Some(match self {
            Self::Typical => Measure::Typical,
            Self::Mean => Measure::Mean,
            Self::P50 => Measure::P50,
            Self::P95 => return None,
            Self::P99 => Measure::P99,
            Self::SelfTime => Measure::SelfTime,
            Self::BusyTime => Measure::BusyTime,
        })
    }

    pub(super) fn as_str(self) -> &'static str {
        match self.measure() {
            Some(measure) => measure.as_str(),
            None => "p95",
        }
    }
}

fn values(
    runs: &[(Run, Observed)],
    key: &CallsiteKey,
    of: impl Fn(&CallsiteRun) -> Option<f64>,
) -> Vec<f64> {
    let callsites = runs.iter().filter_map(|(run, _)| run.callsites.get(key));
    callsites.filter_map(of).collect()
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len().checked_sub(1)? / 2;
    let (low, high) = (values.get(middle)?, values.get(values.len() / 2)?);
    Some((low + high) / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs(leaks: &[&[(&str, &str)]]) -> Vec<(Run, Observed)> {
        let leak = |(name, verdict): &(&str, &str)| Leak {
            name: (*name).to_owned(),
            verdict: (*verdict).to_owned(),
            ..Leak::default()
        };
        let run = Run {
            id: 1,
            name: String::new(),
            started_unix_ns: 0,
            seconds: None,
            callsites: std::collections::BTreeMap::new(),
        };
        leaks
            .iter()
            .map(|leaks| Observed {
                leaks: leaks.iter().map(leak).collect(),
                ..Observed::default()
            })
            .map(|of| (run.clone(), of))
            .collect()
    }

    #[test]
    fn a_leak_is_new_where_the_base_has_none_and_most_runs_of_the_candidate_do() {
        let names = |base: &[&[(&str, &str)]], candidate: &[&[(&str, &str)]]| {
            let new = new_leaks(&runs(base), &runs(candidate));
            new.into_iter().map(|leak| leak.name).collect::<Vec<_>>()
        };
        let suspect = [("session", "suspect")];
        let sure = [("session", "leaking")];
        assert_eq!(names(&[&[], &[]], &[&suspect, &suspect]), ["session"]);
        assert_eq!(names(&[&[], &suspect], &[&suspect, &suspect]), [""; 0]);
        assert_eq!(names(&[&[], &[]], &[&suspect, &[]]), [""; 0]);
        assert_eq!(names(&[&[]], &[&suspect]), [""; 0]);
        assert_eq!(names(&[&[]], &[&sure]), ["session"]);
    }

    #[test]
    fn the_median_of_nothing_is_none() {
        assert_eq!(median(Vec::new()), None);
        assert_eq!(median(vec![3.0, 1.0]), Some(2.0));
        assert_eq!(median(vec![3.0, 1.0, 9.0]), Some(3.0));
    }
}
