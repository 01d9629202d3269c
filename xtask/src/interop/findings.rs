//! Log records as a party received them, and what they must tell.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::interop::Verdict;

/// Log records that arrived.
#[derive(Debug, Default)]
pub(super) struct Findings {
    told: BTreeMap<(String, u64), u64>,
    wrong: Vec<String>,
}

impl Findings {
    pub(super) fn add(&mut self, records: &Value) {
        for record in records.as_array().into_iter().flatten() {
            let attributes = &record["attributes"];
            let function = attributes["code.function.name"].as_str();
            let calls = attributes["khive.perf.function.calls"].as_u64();
            let is_right = record["event"] == "khive.perf.budget.change"
                && record["severity"] == serde_json::json!([9, "INFO"])
                && record["time_unix_ns"].as_u64() > Some(0)
                && record["observed_unix_ns"].as_u64() > Some(0)
                && record["body"].is_string()
                && attributes["khive.perf.function.sampled"] == true;
            match (function, calls) {
                (Some(function), Some(calls)) if is_right => {
                    *self.told.entry((function.to_owned(), calls)).or_default() += 1;
                }
                _ => self.wrong.push(format!("a log record reads {record}")),
            }
        }
    }

    /// Compares with `[[function, calls], ..]`, each of which must be told once.
    pub(super) fn compare(&self, expected: &Value) -> Verdict {
        let mut differences = self.wrong.clone();
        let mut left = self.told.clone();
        let expected = expected.as_array().map(Vec::as_slice).unwrap_or_default();
        for entry in expected {
            let function = entry[0].as_str().unwrap_or_default().to_owned();
            let key = (function, entry[1].as_u64().unwrap_or_default());
            match left.get_mut(&key) {
                Some(count) if *count > 0 => *count -= 1,
                _ => differences.push(format!("no log record tells of {entry}")),
            }
        }
        let too_many = left.into_iter().filter(|(_, count)| *count > 0);
        differences
            .extend(too_many.map(|(key, count)| format!("{count} too many tell of {key:?}")));
        if expected.is_empty() {
            differences.push(String::from("nothing was found, so nothing is shown"));
        }
        if differences.is_empty() {
            return Ok(format!("{} log records", expected.len()));
        }
        Err(differences)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn record(function: &str, calls: u64) -> Value {
        json!({ "event": "khive.perf.budget.change", "severity": [9, "INFO"], "time_unix_ns": 1,
            "observed_unix_ns": 1, "body": "b", "attributes": { "code.function.name": function,
            "khive.perf.function.calls": calls, "khive.perf.function.sampled": true } })
    }

    #[test]
    fn each_is_to_be_told_once_and_nothing_else() {
        let of = |records: Value| {
            let mut findings = Findings::default();
            findings.add(&records);
            findings.compare(&json!([["f", 3], ["f", 4]]))
        };
        assert!(of(json!([record("f", 4), record("f", 3)])).is_ok());
        assert!(of(json!([record("f", 4)])).is_err(), "one is missing");
        let twice = json!([record("f", 4), record("f", 3), record("f", 3)]);
        assert!(of(twice).is_err(), "one is there twice");
        let mut wrong = record("f", 3);
        wrong["event"] = Value::from("");
        assert!(of(json!([record("f", 4), wrong])).is_err(), "no event");
        assert!(Findings::default().compare(&json!([])).is_err(), "nothing");
    }
}
