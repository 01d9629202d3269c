//! Compiles the benches and says where the programs are.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::run;

/// The programs of a package by their names.
pub(crate) type Programs = BTreeMap<String, PathBuf>;

/// Compiles the benches of the workspace, with these further arguments.
pub(crate) fn benches(root: &Path, arguments: &[&str]) -> Result<Programs> {
    let mut cargo = run::cargo();
    cargo
        .args([
            "bench",
            "--package=khive-perf-benches",
            "--no-run",
            "--locked",
        ])
        .args(arguments);
    programs(cargo, root)
}

/// Compiles a package outside the workspace; what it makes goes below `target/`, too.
pub(crate) fn outside(package: &Path, target: &Path, arguments: &[&str]) -> Result<Programs> {
    let mut cargo = run::cargo();
    cargo
        .args(["build", "--release"])
        .args(arguments)
        .arg("--target-dir")
        .arg(target);
    programs(cargo, package)
}

/// Runs cargo with its messages read and its progress passed through.
fn programs(mut cargo: Command, directory: &Path) -> Result<Programs> {
    let output = cargo
        .arg("--message-format=json-render-diagnostics")
        .current_dir(directory)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .context("cannot start cargo")?;
    if !output.status.success() {
        bail!("`{}` does not compile", directory.display());
    }
    Ok(read(&String::from_utf8_lossy(&output.stdout)))
}

fn read(messages: &str) -> Programs {
    let messages = messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let programs = messages.filter_map(|message| {
        let program = message["executable"].as_str()?;
        let name = message["target"]["name"].as_str()?;
        Some((name.to_owned(), PathBuf::from(program)))
    });
    programs.collect()
}

/// The program of this name.
pub(crate) fn find<'a>(programs: &'a Programs, name: &str) -> Result<&'a Path> {
    let found = programs.get(name).map(PathBuf::as_path);
    found.with_context(|| format!("cargo made no program `{name}`"))
}

/// What a program that must not fail prints.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("cannot start `{name}`"))?;
    if !output.status.success() {
        bail!("`{name}` failed: {}", output.status);
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_found_among_the_messages_of_cargo() {
        let messages = r#"{"reason":"compiler-artifact","target":{"name":"a"},"executable":null}
{"reason":"compiler-artifact","target":{"name":"sdk"},"executable":"/t/sdk-1"}
not json
{"reason":"build-finished","success":true}"#;
        let programs = read(messages);
        assert_eq!(
            find(&programs, "sdk").expect("it is there"),
            Path::new("/t/sdk-1")
        );
        let error = find(&programs, "a").expect_err("a library").to_string();
        assert!(error.contains("`a`"), "{error}");
    }
}
