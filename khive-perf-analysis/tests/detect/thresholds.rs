//! The thresholds in `docs/detection.md` are those of the code.

use std::collections::BTreeMap;
use std::path::Path;

use khive_perf_analysis::detect::settings::*;
use khive_perf_analysis::stats::changepoint::{OUTLIER_SD, P_MAX, PENALTY, SEGMENT_MIN};
use khive_perf_analysis::stats::moderated::{BORROWED_MAX, CALLSITES_MIN};

#[test]
fn the_documentation_lists_every_threshold_with_its_value() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/detection.md");
    let text = std::fs::read_to_string(path).unwrap();
    let table = text.split("## All thresholds").nth(1).unwrap();
    let table = table.split("##").next().unwrap();
    let listed: BTreeMap<&str, f64> = table
        .lines()
        .filter_map(|line| {
            let (name, value) = line.strip_prefix("| `")?.split_once("` | ")?;
            Some((name, value.strip_suffix(" |")?.parse().unwrap()))
        })
        .collect();
    let used = [
        ("CONFIDENCE", CONFIDENCE),
        ("FALSE_DISCOVERY_RATE", FALSE_DISCOVERY_RATE),
        ("GATE_FALSE_DISCOVERY_RATE", GATE_FALSE_DISCOVERY_RATE),
        ("REGRESSION_SHARE", REGRESSION_SHARE),
        ("COUNT_SPREAD", COUNT_SPREAD),
        ("TREND_MIN_EFFECT", TREND_MIN_EFFECT),
        ("TREND_RESOLUTION", TREND_RESOLUTION),
        ("OUTLIER_SD", OUTLIER_SD),
        ("PENALTY", PENALTY),
        ("SEGMENT_MIN", SEGMENT_MIN as f64),
        ("P_MAX", P_MAX),
        ("MIN_EFFECT", MIN_EFFECT),
        ("MIN_EFFECT_S", MIN_EFFECT_S),
        ("MIN_EFFECT_BYTES", MIN_EFFECT_BYTES),
        ("BLIND_ABOVE", BLIND_ABOVE),
        ("COLD_CALL_S", COLD_CALL_S),
        ("COMPANY_SHARE", COMPANY_SHARE),
        ("SUSPECT_ABOVE", SUSPECT_ABOVE),
        ("CRITICAL_ABOVE", CRITICAL_ABOVE),
        ("NOISE_FLOOR", NOISE_FLOOR),
        ("TIME_FLOOR_S", TIME_FLOOR_S),
        ("FAILURES_RISE", FAILURES_RISE),
        ("FAILURES_FACTOR", FAILURES_FACTOR),
        ("FAILURES_SHARE", FAILURES_SHARE),
        ("OWN_SHARE", OWN_SHARE),
        ("DRIFT_CALLSITES_MIN", DRIFT_CALLSITES_MIN as f64),
        ("DRIFT_SIGNIFICANCE", DRIFT_SIGNIFICANCE),
        ("DRIFT_AGREEMENT", DRIFT_AGREEMENT),
        ("DRIFT_MAX", DRIFT_MAX),
        ("CALLSITES_MIN", CALLSITES_MIN as f64),
        ("BORROWED_MAX", BORROWED_MAX),
    ];
    assert_eq!(listed.len(), used.len());
    for (name, value) in used {
        let documented = listed.get(name).copied();
        assert!(
            documented.is_some_and(|documented| (documented / value - 1.0).abs() < 1e-3),
            "{name} is {value}, documented as {documented:?}"
        );
        // A constant that is listed is also explained.
        assert!(
            text.matches(&format!("`{name}`")).count() >= 2,
            "{name} is not explained"
        );
    }
}
