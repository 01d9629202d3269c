//! `cargo xtask fuzz`: feeds the parsers what libFuzzer thinks of, on the stable toolchain.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};

use crate::run;

const TARGETS: [&str; 4] = [
    "receiver_protobuf",
    "receiver_json",
    "configuration",
    "importers",
];
const EXECUTIONS: u64 = 1_000_000;
const MEMORY_MIB: u32 = 2_048;
const BLOCK_MIB: u32 = 512;
const INPUT_SECONDS: u32 = 10;

/// Longest input. What a configuration can say fits in a tenth of what a request may be, and twice as many bytes are half as many
/// tries.
fn input_bytes(target: &str) -> u32 {
    match target {
        "configuration" => 4_096,
        _ => 65_536,
    }
}

/// What cargo-fuzz passes on a nightly compiler, less the sanitizer: a coverage counter on each edge, and what is compared.
const COVERAGE: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1 --cfg fuzzing";

/// Runs the named targets, or all.
pub(crate) fn command(root: &Path, arguments: &[String]) -> Result<ExitCode> {
    let (wanted, executions) = read(arguments)?;
    let fuzz = root.join("fuzz");
    let host = run::host(root)?;
    let mut build = run::cargo();
    build
        .args(["build", "--release", "--manifest-path"])
        .arg(fuzz.join("Cargo.toml"))
        // A target of its own, so that build scripts and macros are compiled without counters.
        .args(["--target", &host])
        .arg("--target-dir")
        .arg(root.join("target/fuzz"))
        .env("RUSTFLAGS", COVERAGE);
    if !run::succeeds(&mut build, root)? {
        bail!("the fuzz targets cannot be built; a C++ compiler is needed");
    }
    let programs = root.join("target/fuzz").join(&host).join("release");
    let mut failed = Vec::new();
    for target in wanted {
        run::say(&format!("fuzz: {target}, {executions} executions"));
        let (corpus, artifacts) = (fuzz.join("corpus").join(target), fuzz.join("artifacts"));
        fs::create_dir_all(&corpus).with_context(|| corpus.display().to_string())?;
        fs::create_dir_all(&artifacts)?;
        let mut fuzzing = std::process::Command::new(programs.join(target));
        fuzzing
            .arg(&corpus)
            .arg(seeds(root, target))
            .arg(format!("-runs={executions}"))
            .arg(format!("-rss_limit_mb={MEMORY_MIB}"))
            .arg(format!("-malloc_limit_mb={BLOCK_MIB}"))
            .arg(format!("-timeout={INPUT_SECONDS}"))
            .arg(format!("-max_len={}", input_bytes(target)))
            .arg(format!(
                "-artifact_prefix={}/{target}-",
                artifacts.display()
            ))
            .arg("-print_final_stats=1")
            .arg("-verbosity=0");
        if !run::succeeds(&mut fuzzing, root)? {
            failed.push(target);
        }
    }
    if failed.is_empty() {
        run::say("fuzz: no target failed");
        return Ok(ExitCode::SUCCESS);
    }
    let failed = failed.join(", ");
    run::say(&format!(
        "fuzz: {failed} failed; the inputs are in fuzz/artifacts"
    ));
    Ok(ExitCode::FAILURE)
}

/// Files that show the fuzzer what is usual.
fn seeds(root: &Path, target: &str) -> PathBuf {
    let seeds = match target {
        "importers" => "khive-perf-analysis/tests/data/importers",
        "configuration" => "khive-perf-analysis/src/config",
        "receiver_json" => "khive-perf-analysis/tests/data/requests/json",
        _ => "khive-perf-analysis/tests/data/requests/protobuf",
    };
    root.join(seeds)
}

/// `[TARGET..] [--executions N]`
fn read(arguments: &[String]) -> Result<(Vec<&'static str>, u64)> {
    let mut wanted = Vec::new();
    let mut executions = EXECUTIONS;
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        if argument == "--executions" {
            let number = arguments.next().context("`--executions` needs a number")?;
            executions = number
                .parse()
                .with_context(|| format!("`--executions {number}` is no number"))?;
        } else if let Some(target) = TARGETS.iter().find(|target| *target == argument) {
            wanted.push(*target);
        } else {
            let known = TARGETS.join(", ");
            bail!("there is no fuzz target `{argument}`; there are {known}");
        }
    }
    if wanted.is_empty() {
        wanted = TARGETS.to_vec();
    }
    Ok((wanted, executions))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_and_number_are_read_and_mistakes_named() {
        let told = |arguments: &[&str]| {
            let arguments: Vec<String> = arguments.iter().map(|&one| one.to_owned()).collect();
            read(&arguments).map_err(|error| error.to_string())
        };
        assert_eq!(told(&[]), Ok((TARGETS.to_vec(), EXECUTIONS)));
        assert_eq!(
            told(&["importers", "--executions", "5"]),
            Ok((vec!["importers"], 5))
        );
        assert!(told(&["novel"]).is_err_and(|error| error.contains("receiver_json")));
        assert!(told(&["--executions", "x"]).is_err());
    }

    #[test]
    fn every_target_is_in_the_manifest() {
        let manifest = include_str!("../../fuzz/Cargo.toml");
        for target in TARGETS {
            assert!(
                manifest.contains(&format!("name = \"{target}\"")),
                "{target}"
            );
        }
    }
}
