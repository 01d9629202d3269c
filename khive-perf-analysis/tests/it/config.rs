//! The configuration file: what it changes, and what is said of one that is wrong.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use khive_perf_analysis::store::Store;

use crate::verdicts::record;

fn db_in(directory: &Path) -> PathBuf {
    directory.join("runs.sqlite")
}

fn khive_perf(directory: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_khive-perf"))
        .args(arguments)
        .current_dir(directory)
        .env_remove("KHIVE_PERF_ENVIRONMENT")
        .env_remove("KHIVE_PERF_DB")
        .output()
        .expect("it starts")
}

fn said(output: &Output) -> (i32, String) {
    let text = [&output.stdout[..], &output.stderr].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    (output.status.code().expect("it ends by itself"), text)
}

/// A database in which `app::work` is 30 % slower.
fn slower(directory: &Path) {
    let store = Store::open(db_in(directory)).expect("a store");
    record(&store, "before", 5, 0.001);
    record(&store, "after", 5, 0.0013);
}

fn check(directory: &Path, config: &str, more: &[&str]) -> (i32, String) {
    std::fs::write(directory.join("khive-perf.toml"), config).expect("written");
    let db = db_in(directory);
    let db = db.to_str().expect("a path");
    let arguments = [&["check", "before", "after", "--db", db], more].concat();
    said(&khive_perf(directory, &arguments))
}

#[test]
fn thresholds_severities_and_limits_decide_what_fails() {
    let directory = tempfile::tempdir().expect("a directory");
    let directory = directory.path();
    slower(directory);
    let cases: [(&str, &[&str], i32); 11] = [
        ("", &[], 1),
        ("min_effect = \"40 %\"", &[], 0),
        ("min_effect = \"40 %\"", &["--min-effect", "5"], 1),
        ("fail_on = \"moderate\"", &[], 0),
        ("fail_on = \"moderate\"", &["--fail-on", "minor"], 1),
        ("[[callsite]]\nname = \"app::w*\"\nmin_effect = 50", &[], 0),
        (
            "[[callsite]]\nname = \"app::other\"\nmin_effect = 50",
            &[],
            1,
        ),
        (
            "fail_on = \"critical\"\n[[callsite]]\nname = \"app::work\"\nmax = { p99 = \"1.2 ms\" }",
            &[],
            1,
        ),
        (
            "[environment.ci]\nfail_on = \"critical\"",
            &["--environment", "ci"],
            0,
        ),
        (
            "[[callsite]]\nname = \"app::work\"\nmin_effect = 50\nmax = { p95 = \"1.2 ms\" }",
            &[],
            1,
        ),
        (
            "[[environment.ci.callsite]]\nname = \"app::work\"\nmin_effect = 50",
            &["--environment", "ci"],
            0,
        ),
    ];
    for (config, more, code) in cases {
        let (got, text) = check(directory, config, more);
        assert_eq!(got, code, "{config} {more:?}: {text}");
    }
    let limit = "[[callsite]]\nname = \"app::work\"\nmax = { mean = \"1.2 ms\" }";
    let (_, text) = check(directory, limit, &[]);
    assert!(
        text.contains("passes its limit: app::work: mean is"),
        "{text}"
    );
}

#[test]
fn what_is_wrong_is_told_with_file_line_and_key() {
    let directory = tempfile::tempdir().expect("a directory");
    let directory = directory.path();
    slower(directory);
    let cases = [
        (
            "confidence = 0.95\nfial_on = \"minor\"",
            "khive-perf.toml:2: ",
            "did you mean `fail_on`?",
        ),
        ("fail_on = \"moderat\"", ":1: ", "did you mean `moderate`?"),
        ("\n\nmin_effect = \"lots\"", ":3: ", "a share in percent"),
        ("confidence = 1.5", ":1: ", "from 0.5 to below 1"),
        ("[[callsite]]\nmin_effect = 5", ":1: ", "needs a `service`"),
        (
            "[[callsite]]\nname = \"x\"\nmax = { p99 = \"250\" }",
            ":3: ",
            "a time with its unit",
        ),
        ("[thresholds\n", ":1: ", ""),
        (
            "confidence = 0.9\n[environment.ci]\nconfidence = 2.0",
            ":3: ",
            "from 0.5 to below 1",
        ),
        (
            "[[callsite]]\nname = \"x\"\nmin_effect = 5\n[[callsite]]\nmin_effect = 5",
            ":4: ",
            "needs a `service`",
        ),
        (
            "[limits]\nmax_leak_rate = \"1 MB/h\"",
            ":2: ",
            "no rate like",
        ),
        (
            "[limits]\nmax_leak = \"1 MiB/h\"",
            ":2: ",
            "unknown field `max_leak`",
        ),
    ];
    for (config, place, hint) in cases {
        let (code, text) = check(directory, config, &[]);
        assert_eq!(code, 2, "{config}: {text}");
        assert!(
            text.contains(place) && text.contains(hint),
            "{config}: {text}"
        );
    }
    let (code, text) = check(directory, "", &["--environment", "ci"]);
    assert!(code == 2 && text.contains("no environment `ci`"), "{text}");
    let (code, text) = check(directory, "", &["--config", "missing.toml"]);
    assert!(code == 2 && text.contains("missing.toml: "), "{text}");
}

#[test]
fn a_configuration_is_begun_looked_at_and_never_overwritten() {
    let directory = tempfile::tempdir().expect("a directory");
    let directory = directory.path();
    let run = |arguments: &[&str]| said(&khive_perf(directory, arguments));
    assert_eq!(run(&["config", "check"]).0, 0);
    assert_eq!(run(&["config", "init"]).0, 0);
    let (code, text) = run(&["config", "init"]);
    assert!(code == 2 && text.contains("khive-perf.toml"), "{text}");
    assert_eq!(
        run(&["config", "check"]),
        (0, "khive-perf.toml is fine\n".to_owned())
    );
    let (_, text) = run(&["config", "show", "--environment", "production"]);
    for line in [
        "fail_on                            critical",
        "min_effect of group cache",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
    std::fs::write(directory.join("khive-perf.yaml"), "fail_on: critical\n").expect("written");
    let (code, text) = run(&["config", "show"]);
    assert!(code == 2 && text.contains("both there"), "{text}");
    std::fs::remove_file(directory.join("khive-perf.toml")).expect("removed");
    let (code, text) = run(&["config", "show"]);
    assert!(code == 0 && text.contains("critical"), "{text}");
    std::fs::write(directory.join("khive-perf.yaml"), "a: 1\nfail_no: minor\n").expect("written");
    let (code, text) = run(&["config", "check"]);
    assert!(code == 2 && text.contains("khive-perf.yaml:"), "{text}");
}
