//! Quantiles as a backend reads them from its buckets, and as the program reads them from its own.

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::interop::recording::{Key, show};
use crate::interop::source::{QUANTILES, Quantiles};

/// A series and its value.
pub(super) type Sample = (Key, f64);

/// VictoriaMetrics keeps bucket bounds with four digits.
const ROUNDING: f64 = 1.000_6;

/// The samples in an answer to a query of Prometheus' kind.
pub(super) fn samples(answer: &str) -> Result<Vec<Sample>> {
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
pub(super) fn find(key: &Key, samples: &[Sample]) -> Result<f64, String> {
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

pub(super) fn compare(ours: &[Quantiles], answers: &[Vec<Sample>]) -> Result<usize, Vec<String>> {
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
pub(super) fn is_within_a_bucket(ours: f64, theirs: f64, scale: i64) -> bool {
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
}
