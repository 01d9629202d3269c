//! The exam of the judge: how often comparison and trend are wrong, against thresholds that were fixed before the run.
//!
//! `cargo xtask judge-exam [SERIES.json]` runs it; `docs/detection.md` has the thresholds and what came out.
#![forbid(unsafe_code)]

mod comparisons;
mod contest;
mod families;
mod peers;
#[expect(dead_code, reason = "the tests use the rest of it")]
#[path = "../tests/detect/simulate.rs"]
mod simulate;
mod steps;

use std::io::Write;
use std::process::ExitCode;

/// One line of the answer.
struct Check {
    says: String,
    passed: bool,
}

impl Check {
    fn at_most(name: &str, value: f64, limit: f64, detail: &str) -> Self {
        Self::new(name, "at most", value, limit, detail, value <= limit)
    }

    fn at_least(name: &str, value: f64, limit: f64, detail: &str) -> Self {
        Self::new(name, "at least", value, limit, detail, value >= limit)
    }

    fn new(name: &str, how: &str, value: f64, limit: f64, detail: &str, passed: bool) -> Self {
        let says = format!("{name:<58} {value:>9.4}  {how} {limit:<6}  {detail}");
        Self { says, passed }
    }
}

fn main() -> ExitCode {
    let series = std::env::args().nth(1);
    let mut checks = Vec::new();
    let mut passed = true;
    let mut tell = |new: Vec<Check>| {
        for check in &new {
            let word = if check.passed { "ok  " } else { "FAIL" };
            say(&format!("{word} {}", check.says));
            passed &= check.passed;
        }
        checks.extend(new);
    };
    match series.as_deref().map(steps::read).transpose() {
        Ok(Some(given)) => tell(steps::examine("given", &given)),
        Ok(None) => {}
        Err(error) => {
            say(&format!("error: {error}"));
            return ExitCode::from(2);
        }
    }
    tell(steps::examine("generated", &steps::generated()));
    tell(contest::held());
    tell(contest::long());
    tell(steps::timed());
    for side in [2, 3, 5] {
        tell(comparisons::same(side));
    }
    tell(comparisons::slower(0.10));
    tell(comparisons::slower(0.20));
    if passed {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// A closed pipe is no reason to stop.
fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}
