//! Two copies of a released crate, each a workspace of its own: one as it is, one to be measured.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;

use crate::run;

/// Some tests make a thousand million calls; the SDK is optimized, what is examined is not.
const OPTIMIZED: &str = "\n[profile.dev.package.khive-perf]\nopt-level = 3\n";

/// The two copies, side by side.
#[derive(Debug)]
pub(crate) struct Copies {
    /// The version that the registry gave.
    pub(crate) version: String,
    pub(crate) plain: PathBuf,
    pub(crate) measured: PathBuf,
}

/// Fetches a crate through cargo and copies its source twice below `directory`.
pub(crate) fn make(root: &Path, directory: &Path, name: &str, version: &str) -> Result<Copies> {
    let package = fetch(directory, name, version)?;
    let manifest = package["manifest_path"].as_str().context("no manifest")?;
    let source = Path::new(manifest)
        .parent()
        .context("the manifest has no directory")?;
    let is_macro = package["targets"].as_array().is_some_and(|targets| {
        let kinds = targets.iter().map(|target| &target["kind"][0]);
        kinds.into_iter().any(|kind| kind == "proc-macro")
    });
    ensure!(
        !is_macro,
        "a procedural macro runs in the compiler, where nothing is measured"
    );
    let copies = Copies {
        version: package["version"].as_str().unwrap_or(version).to_owned(),
        plain: directory.join("plain"),
        measured: directory.join("measured"),
    };
    for copy in [&copies.plain, &copies.measured] {
        if copy.exists() {
            fs::remove_dir_all(copy)
                .with_context(|| format!("cannot empty `{}`", copy.display()))?;
        }
        copy_directory(source, copy)?;
        // All are built with the toolchain at hand.
        for pin in ["rust-toolchain", "rust-toolchain.toml"] {
            let _ = fs::remove_file(copy.join(pin));
        }
    }
    extend(&copies.plain, "")?;
    let sdk = root.join("khive-perf");
    let dependency = format!(
        "\n[dependencies.khive-perf]\npath = {:?}\n{OPTIMIZED}",
        sdk.display().to_string()
    );
    extend(&copies.measured, &dependency)?;
    lock(&copies.plain)?;
    // Both are built with the same versions; cargo adds what the SDK needs.
    fs::copy(
        copies.plain.join("Cargo.lock"),
        copies.measured.join("Cargo.lock"),
    )?;
    Ok(copies)
}

/// Has cargo fetch the source, and gives what `cargo metadata` knows of the package.
fn fetch(directory: &Path, name: &str, version: &str) -> Result<Value> {
    let scratch = directory.join("fetch");
    fs::create_dir_all(scratch.join("src"))
        .with_context(|| format!("cannot create `{}`", scratch.display()))?;
    fs::write(scratch.join("src/lib.rs"), "")?;
    let manifest = format!(
        "[package]\nname = \"fetch\"\nedition = \"2024\"\n\n[dependencies]\n{name} = \"{version}\"\n\n[workspace]\n"
    );
    fs::write(scratch.join("Cargo.toml"), manifest)?;
    let answer = output(
        run::cargo()
            .args(["metadata", "--format-version=1"])
            .current_dir(&scratch),
    )?;
    let metadata: Value =
        serde_json::from_str(&answer).context("`cargo metadata` answers no JSON")?;
    let packages = metadata["packages"].as_array().context("no packages")?;
    let wanted = version.trim_start_matches('=');
    let found = packages
        .iter()
        .find(|package| package["name"] == name && (wanted == "*" || package["version"] == wanted));
    found
        .or_else(|| packages.iter().find(|package| package["name"] == name))
        .cloned()
        .with_context(|| format!("cargo did not fetch `{name}`"))
}

/// Has cargo choose the newest versions, as it does for a user; published lock files are often of minimal ones.
fn lock(copy: &Path) -> Result<()> {
    let lock = copy.join("Cargo.lock");
    if lock.exists() {
        fs::remove_file(&lock).with_context(|| format!("cannot remove `{}`", lock.display()))?;
    }
    output(run::cargo().arg("generate-lockfile").current_dir(copy)).map(drop)
}

/// Appends to the manifest. As published it has no workspace and inherits nothing.
fn extend(copy: &Path, dependency: &str) -> Result<()> {
    let path = copy.join("Cargo.toml");
    let mut manifest =
        fs::read_to_string(&path).with_context(|| format!("`{}`", path.display()))?;
    manifest.push_str(dependency);
    manifest.push_str("\n[workspace]\n");
    fs::write(&path, manifest)?;
    Ok(())
}

pub(crate) fn copy_directory(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to).with_context(|| format!("cannot create `{}`", to.display()))?;
    for entry in fs::read_dir(from).with_context(|| format!("cannot read `{}`", from.display()))? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_directory(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), &target)
                .with_context(|| format!("cannot write `{}`", target.display()))?;
        }
    }
    Ok(())
}

/// The answer of a command that should not fail; where it does, what it said.
fn output(command: &mut Command) -> Result<String> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .context("cannot start cargo")?;
    if !output.status.success() {
        bail!("{}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
