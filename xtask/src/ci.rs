//! `cargo xtask ci`: every check that must pass before a change is merged, besides the tests.
//!
//! The tests are `cargo test --workspace`; `.ci/run` runs both.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;

use crate::{licences, lints, off, run, tidy};

/// One cargo invocation of the check.
struct Step {
    name: &'static str,
    arguments: &'static [&'static str],
    environment: &'static [(&'static str, &'static str)],
}

const STEPS: &[Step] = &[
    Step {
        name: "format",
        arguments: &["fmt", "--all", "--check"],
        environment: &[],
    },
    Step {
        name: "clippy",
        arguments: &[
            "clippy",
            "--workspace",
            "--all-targets",
            "--locked",
            "--",
            "-D",
            "warnings",
        ],
        environment: &[],
    },
    Step {
        name: "switched off",
        arguments: &[
            "clippy",
            "--package=khive-perf",
            "--no-default-features",
            "--locked",
            "--",
            "-D",
            "warnings",
        ],
        environment: &[],
    },
    Step {
        name: "with tracing",
        arguments: &[
            "clippy",
            "--package=khive-perf",
            "--features=tracing",
            "--locked",
            "--",
            "-D",
            "warnings",
        ],
        environment: &[],
    },
    Step {
        name: "documentation",
        arguments: &["doc", "--workspace", "--no-deps", "--locked"],
        environment: &[("RUSTDOCFLAGS", "-D warnings")],
    },
];

/// Runs every step, then what needs no cargo of its own, and names the steps that failed.
pub(crate) fn command(root: &Path, arguments: &[String]) -> Result<ExitCode> {
    crate::no_arguments("ci", arguments)?;
    let mut failed = Vec::new();
    for step in STEPS {
        run::say(&format!(
            "== {}: cargo {}",
            step.name,
            step.arguments.join(" ")
        ));
        let mut cargo = run::cargo();
        cargo
            .args(step.arguments)
            .envs(step.environment.iter().copied());
        if !run::succeeds(&mut cargo, root)? {
            failed.push(step.name);
        }
    }
    run::say("== tidy");
    if !tidy::check(root)? {
        failed.push("tidy");
    }
    run::say("== lints");
    if !lints::check(root)? {
        failed.push("lints");
    }
    run::say("== off");
    if !off::check(root)? {
        failed.push("off");
    }
    run::say("== licences");
    if !licences::check(root)? {
        failed.push("licences");
    }
    if failed.is_empty() {
        run::say(&format!("ci: {} steps ok", STEPS.len() + 4));
        Ok(ExitCode::SUCCESS)
    } else {
        run::complain(&format!("ci: failed: {}", failed.join(", ")));
        Ok(ExitCode::FAILURE)
    }
}
