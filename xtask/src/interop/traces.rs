//! Traces as a party received them: the tree that the program made, and exemplars that lead to its spans.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::interop::Verdict;

/// Largest difference of an exemplar's value, in seconds, from how long its span took: of a party that keeps nanoseconds.
const NANOSECOND: f64 = 1e-9;

/// Spans and exemplars that arrived.
#[derive(Debug, Default)]
pub(super) struct Traces {
    spans: Vec<Value>,
    /// With the name of the series.
    exemplars: Vec<(String, Value)>,
}

/// Name, name of the one around it, and whether it failed.
pub(super) type Kin = (String, Option<String>, bool);

impl Traces {
    pub(super) fn add_spans(&mut self, spans: &Value) {
        self.spans
            .extend(spans.as_array().into_iter().flatten().cloned());
    }

    /// Adds the exemplars of a point.
    pub(super) fn add_point(&mut self, point: &Value) {
        let attributes = &point["attributes"];
        let name = ["khive.perf.name", "code.function.name"];
        let name = name.iter().find_map(|key| attributes[*key].as_str());
        let exemplars = point["exemplars"].as_array().into_iter().flatten();
        let named = exemplars.map(|one| (name.unwrap_or_default().to_owned(), one.clone()));
        self.exemplars.extend(named);
    }

    /// Compares with `[[name, parent's name or null, how many, how many failed], ..]`.
    pub(super) fn compare(&self, expected: &Value) -> Result<Verdict> {
        let (mut seen, mut differences) = self.kinships();
        for (kin, count) in &expected_kinships(expected)? {
            let got = seen.remove(kin).unwrap_or_default();
            if got != *count {
                differences.push(format!("{count} of {kin:?}, but {got} came"));
            }
        }
        differences.extend(
            seen.iter()
                .map(|(kin, got)| format!("{got} too many: {kin:?}")),
        );
        differences.extend(self.astray(NANOSECOND));
        if !differences.is_empty() {
            return Ok(Err(differences));
        }
        let (spans, exemplars) = (self.spans.len(), self.exemplars.len());
        Ok(Ok(format!(
            "{spans} spans in their places, {exemplars} exemplars lead to them"
        )))
    }

    /// How many spans there are of each kinship, and what is wrong with single ones.
    pub(super) fn kinships(&self) -> (BTreeMap<Kin, u64>, Vec<String>) {
        let by_id = self.by_id();
        let mut differences = Vec::new();
        if by_id.len() != self.spans.len() {
            let twice = self.spans.len() - by_id.len();
            differences.push(format!("{twice} spans came twice"));
        }
        let mut seen: BTreeMap<Kin, u64> = BTreeMap::new();
        for span in &self.spans {
            let (trace, id) = id_of(span);
            let parent = text(span, "parent_id");
            let around = by_id.get(&(trace, parent));
            if around.is_none() && !parent.is_empty() {
                differences.push(format!(
                    "the span {id} is below {parent}, which is not there"
                ));
            }
            let around = around.map(|span| text(span, "name").to_owned());
            let failed = span["failed"] == true;
            let kin = (text(span, "name").to_owned(), around, failed);
            *seen.entry(kin).or_default() += 1;
        }
        (seen, differences)
    }

    /// Exemplars that do not lead to their call, to a party that rounds durations to so many seconds.
    pub(super) fn astray(&self, rounding: f64) -> Vec<String> {
        let by_id = self.by_id();
        let astray = self.exemplars.iter().filter_map(|(name, exemplar)| {
            let span = by_id.get(&id_of(exemplar));
            let Some(span) = span else {
                return Some(format!("an exemplar of {name} leads nowhere: {exemplar}"));
            };
            let is_right =
                text(span, "name") == name && lasts(span, &exemplar["seconds"], rounding);
            (!is_right).then(|| format!("an exemplar of {name} leads to another call: {span}"))
        });
        astray.collect()
    }

    fn by_id(&self) -> BTreeMap<(&str, &str), &Value> {
        self.spans.iter().map(|span| (id_of(span), span)).collect()
    }

    /// Whether exemplars came.
    pub(super) fn has_exemplars(&self) -> bool {
        !self.exemplars.is_empty()
    }
}

fn id_of(value: &Value) -> (&str, &str) {
    (text(value, "trace_id"), text(value, "span_id"))
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a duration of seconds, in nanoseconds"
)]
fn lasts(span: &Value, seconds: &Value, rounding: f64) -> bool {
    let ns = |key: &str| span[key].as_u64().unwrap_or_default();
    let lasted = (ns("end_unix_ns") - ns("start_unix_ns")) as f64 * 1e-9;
    seconds
        .as_f64()
        .is_some_and(|seconds| (seconds - lasted).abs() <= rounding)
}

fn expected_kinships(expected: &Value) -> Result<BTreeMap<Kin, u64>> {
    let mut kinships = BTreeMap::new();
    for entry in expected.as_array().context("no list of spans")? {
        let name = entry[0].as_str().context("a name")?.to_owned();
        let around = entry[1].as_str().map(str::to_owned);
        let (all, failed) = (entry[2].as_u64(), entry[3].as_u64());
        let (all, failed) = (all.context("a number")?, failed.context("a number")?);
        for (count, is_failed) in [(all - failed, false), (failed, true)] {
            if count > 0 {
                kinships.insert((name.clone(), around.clone(), is_failed), count);
            }
        }
    }
    Ok(kinships)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn span(id: &str, parent: &str, name: &str) -> Value {
        json!({ "trace_id": "aa", "span_id": id, "parent_id": parent, "name": name, "failed": false,
            "start_unix_ns": 1_000_000_000_u64, "end_unix_ns": 3_000_000_000_u64 })
    }

    fn traces() -> Traces {
        let mut traces = Traces::default();
        traces.add_spans(&json!([
            span("01", "", "a"),
            span("02", "01", "b"),
            span("03", "01", "b")
        ]));
        traces.add_point(&json!({ "attributes": { "khive.perf.name": "b" },
            "exemplars": [{ "trace_id": "aa", "span_id": "02", "seconds": 2.0 }] }));
        traces
    }

    #[test]
    fn a_tree_as_it_was_made_is_equal() {
        let expected = json!([["a", null, 1, 0], ["b", "a", 2, 0]]);
        let verdict = traces().compare(&expected).expect("a list");
        assert_eq!(
            verdict.expect("equal"),
            "3 spans in their places, 1 exemplars lead to them"
        );
    }

    #[test]
    fn each_difference_is_named() {
        let differ = |expected: Value, change: fn(&mut Traces)| {
            let mut traces = traces();
            change(&mut traces);
            let verdict = traces.compare(&expected).expect("a list");
            verdict.expect_err("they differ").join("; ")
        };
        let right = || json!([["a", null, 1, 0], ["b", "a", 2, 0]]);
        let same = |_: &mut Traces| ();
        assert!(differ(json!([["a", null, 1, 0], ["b", "a", 3, 0]]), same).contains("but 2 came"));
        assert!(differ(json!([["b", "a", 2, 0]]), same).contains("too many"));
        assert!(
            differ(right(), |traces| traces.spans[1]["parent_id"] = json!("09"))
                .contains("not there")
        );
        assert!(
            differ(right(), |traces| traces.exemplars[0].1["span_id"] =
                json!("09"))
            .contains("nowhere")
        );
        assert!(
            differ(right(), |traces| traces.exemplars[0].1["seconds"] =
                json!(1.0))
            .contains("another call")
        );
        assert!(
            differ(right(), |traces| traces.spans.push(traces.spans[2].clone())).contains("twice")
        );
    }
}
