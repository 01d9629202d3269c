//! The reports, word for word; `KHIVE_PERF_BLESS=1` writes them anew, to be read before they are committed.

use std::path::Path;

use khive_perf_analysis::detect::{Comparison, Settings, compare};
use khive_perf_analysis::report;

use crate::simulate::{Behaviour, Rng, runs};

/// A leaf that got slower, its caller, one that got faster, one too noisy, one new, one gone.
fn example() -> Comparison {
    let names = [
        (
            "shop::price::Catalogue::lookup_with_discounts_and_taxes_of_the_country",
            120e-6,
            0.01,
            2.8,
        ),
        ("shop::checkout::checkout", 900e-6, 0.02, 1.24),
        ("shop::cart::add", 40e-6, 0.01, 1.0),
        ("shop::cart::remove", 30e-6, 0.02, 1.01),
        ("shop::stock::reserve", 2e-3, 0.015, 0.7),
        ("shop::mail::send", 15e-3, 0.5, 1.0),
        ("shop::session::load", 700e-9, 0.01, 1.0),
    ];
    let mut rng = Rng::new(20_261_123);
    let world: Vec<Behaviour> = names
        .iter()
        .map(|&(name, median_s, run_sd, _)| Behaviour {
            is_caller: name.ends_with("checkout"),
            ..Behaviour::new(name, median_s, run_sd)
        })
        .collect();
    let slower: Vec<f64> = names.iter().map(|&(_, _, _, slower)| slower).collect();
    let mut base = runs(&mut rng, "main", 5, &world, &[1.0; 7]);
    let mut candidate = runs(&mut rng, "change-17", 5, &world, &slower);
    for run in &mut base {
        run.callsites.remove(&world[3].key());
    }
    for run in &mut candidate {
        run.callsites.remove(&world[6].key());
        let failing = run.callsites.get_mut(&world[2].key()).unwrap();
        failing.calls[1] = failing.calls[0] / 20;
    }
    compare(&base, &candidate, &Settings::default())
}

fn check(file: &str, got: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/detect/golden")
        .join(file);
    if std::env::var_os("KHIVE_PERF_BLESS").is_some() {
        std::fs::write(&path, got).unwrap();
    }
    let want = std::fs::read_to_string(&path)
        .unwrap()
        .replace("\r\n", "\n");
    assert!(got == want, "{} differs; now it is\n{got}", path.display());
}

#[test]
fn the_text_report_is_as_it_was_read_and_approved() {
    let text = report::text::comparison(&example());
    assert!(text.lines().all(|line| line.chars().count() <= 120));
    check("comparison.txt", &text);
}

#[test]
fn the_markdown_report_is_as_it_was_read_and_approved() {
    check("comparison.md", &report::markdown::comparison(&example()));
}

#[test]
fn the_html_report_is_one_page_that_loads_nothing() {
    let text = report::html::comparison(&example());
    check("comparison.html", &text);
    assert!(text.contains("default-src 'none'"));
    for outside in ["http://", "https://", "<script", "<link", "src=", "url("] {
        assert!(!text.contains(outside), "{outside}");
    }
}

#[test]
fn the_junit_report_is_read_back_by_its_library() {
    let text = report::junit::comparison(&example());
    check("comparison.junit.xml", &text);
    let read = quick_junit::Report::deserialize_from_str(&text).unwrap();
    let comparison = example();
    assert_eq!(read.tests, comparison.findings.len());
    assert_eq!(read.failures, comparison.regressed().count());
}

#[test]
fn the_sarif_report_has_a_result_for_each_regression() {
    let text = report::sarif::comparison(&example());
    check("comparison.sarif", &text);
    let sarif: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(sarif["version"], "2.1.0");
    let run = &sarif["runs"][0];
    let results = run["results"].as_array().unwrap();
    assert_eq!(results.len(), example().regressed().count());
    for result in results {
        assert_eq!(result["ruleId"], run["tool"]["driver"]["rules"][0]["id"]);
        assert!(result["message"]["text"].is_string());
        assert!(result["partialFingerprints"].is_object());
    }
}

#[test]
fn the_annotations_are_one_command_a_line() {
    let text = report::github::comparison(&example());
    check("comparison.github.txt", &text);
    assert!(text.lines().all(|line| line.starts_with("::")));
}

#[test]
fn a_comment_can_be_found_again_and_fits() {
    let text = report::markdown::comparison(&example());
    assert!(text.starts_with(report::markdown::MARKER));
    let mut rng = Rng::new(1);
    let name = |number: u32| format!("shop::{}::f{number}", "a_module_*of_[many]".repeat(12));
    let world: Vec<Behaviour> = (0..900)
        .map(|number| Behaviour::new(name(number), 1e-3, 0.01))
        .collect();
    let base = runs(&mut rng, "main", 3, &world, &[1.0; 900]);
    let candidate = runs(&mut rng, "change", 3, &world, &[3.0; 900]);
    let settings = Settings {
        remove_drift: false,
        ..Settings::default()
    };
    let text = report::markdown::comparison(&compare(&base, &candidate, &settings));
    assert!(
        text.chars().count() <= 65_536 && text.len() > 10_000,
        "{}",
        text.len()
    );
    assert!(text.ends_with("</details>\n") || text.contains("are in the full report"));
}

#[test]
fn the_json_report_has_the_documented_shape() {
    let text = report::json::comparison(&example());
    check("comparison.json", &(text.clone() + "\n"));
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(json["format"], 1);
    assert_eq!(json["verdict"], "regressed");
    assert_eq!(json["origin"], json["callsites"][0]["name"]);
    assert_eq!(json["callsites"][0]["severity"], "moderate");
    assert_eq!(json["callsites"][0]["severity_at_least"], "moderate");
}
