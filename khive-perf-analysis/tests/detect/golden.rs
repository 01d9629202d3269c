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
fn the_json_report_has_the_documented_shape() {
    let text = report::json::comparison(&example());
    check("comparison.json", &(text.clone() + "\n"));
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(json["format"], 1);
    assert_eq!(json["verdict"], "regressed");
    assert_eq!(json["origin"], json["callsites"][0]["name"]);
    assert_eq!(json["callsites"][0]["severity"], "moderate");
}
