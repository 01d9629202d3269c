//! Builds the programs of `benches/service` twice: with the released crates as they are, and with the measured copies.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::bench::build;
use crate::exam::copies;
use crate::exam::rewrite::{Count, Placement, rewrite_from};
use crate::run;

/// A released crate, of the version in the manifest of `benches/service`.
struct Subject {
    name: &'static str,
    version: &'static str,
    /// Tokens of a body that is measured: a hundred are about ten lines. What is shorter is a getter, a conversion or
    /// a forwarded call, which in the inner loop of a parser nobody would have measured.
    tokens_min: usize,
}

const SUBJECTS: [Subject; 3] = [
    Subject {
        name: "mini-redis",
        version: "=0.4.1",
        tokens_min: 0,
    },
    Subject {
        name: "pulldown-cmark",
        version: "=0.13.6",
        tokens_min: 100,
    },
    Subject {
        name: "tantivy",
        version: "=0.27.0",
        tokens_min: 100,
    },
];

const PROGRAMS: [&str; 4] = ["redis", "load", "markdown", "index"];

/// Bytes of text that one pass has to do.
const TEXT_LEN_MIN: usize = 8 << 20;

/// Where the programs are, and the text for those that read one.
pub(super) struct Variants {
    home: PathBuf,
    pub(super) text: PathBuf,
}

impl Variants {
    pub(super) fn plain(&self, program: &str) -> PathBuf {
        self.home.join("plain").join(program)
    }

    pub(super) fn measured(&self, program: &str) -> PathBuf {
        self.home.join("measured").join(program)
    }
}

/// Builds both variants of each program, and gathers the text.
pub(super) fn build(root: &Path) -> Result<Variants> {
    let home = root.join("target/bench/service");
    let mut patches = [String::new(), String::new()];
    for subject in &SUBJECTS {
        let directory = root.join("target/bench").join(subject.name);
        let copies = copies::make(root, &directory, subject.name, subject.version)?;
        let count = measure(&copies.measured, subject.tokens_min)?;
        run::complain(&format!(
            "bench: {}: {} functions measured, {} of less than {} tokens and {} that cannot be are not",
            subject.name, count.measured, count.trivial, subject.tokens_min, count.unmeasurable
        ));
        for (patch, copy) in patches.iter_mut().zip([&copies.plain, &copies.measured]) {
            patch.push_str(&format!(
                "{} = {{ path = {:?} }}\n",
                subject.name,
                copy.display().to_string()
            ));
        }
    }
    for ((variant, features), patch) in [("plain", None), ("measured", Some("--features=measured"))]
        .into_iter()
        .zip(&patches)
    {
        let package = home.join(variant).join("package");
        copy(root, &package, patch)?;
        let programs = build::outside(
            &package,
            &root.join("target/bench/build"),
            features.as_slice(),
        )?;
        for name in PROGRAMS {
            let made = build::find(&programs, name)?;
            fs::copy(made, home.join(variant).join(name))
                .with_context(|| format!("cannot copy `{}`", made.display()))?;
        }
    }
    let text = home.join("text");
    fs::write(&text, gather(&home.join("plain/package"))?)
        .with_context(|| format!("cannot write `{}`", text.display()))?;
    Ok(Variants { home, text })
}

/// The package as it is in the repository, with absolute paths and the copies in place of the released crates.
fn copy(root: &Path, package: &Path, patch: &str) -> Result<()> {
    let source = root.join("benches/service");
    if package.exists() {
        fs::remove_dir_all(package)
            .with_context(|| format!("cannot empty `{}`", package.display()))?;
    }
    copies::copy_directory(&source.join("src"), &package.join("src"))?;
    fs::copy(source.join("Cargo.lock"), package.join("Cargo.lock"))
        .context("the package has no Cargo.lock")?;
    let manifest = fs::read_to_string(source.join("Cargo.toml"))?;
    let benches = format!("path = {:?}", root.join("benches").display().to_string());
    ensure!(
        manifest.contains("path = \"..\""),
        "the manifest of benches/service names no `path = \"..\"`"
    );
    let manifest = manifest.replace("path = \"..\"", &benches);
    fs::write(
        package.join("Cargo.toml"),
        format!("{manifest}\n[patch.crates-io]\n{patch}"),
    )?;
    Ok(())
}

/// Measures the functions in every source file of a copy.
fn measure(copy: &Path, tokens_min: usize) -> Result<Count> {
    let mut count = Count::default();
    for file in files(&copy.join("src"), "rs")? {
        let text = fs::read_to_string(&file)
            .with_context(|| format!("cannot read `{}`", file.display()))?;
        let rewritten = rewrite_from(&text, Placement::First, tokens_min)
            .with_context(|| format!("`{}`", file.display()))?;
        fs::write(&file, rewritten.text)
            .with_context(|| format!("cannot write `{}`", file.display()))?;
        count.add(rewritten.count);
    }
    ensure!(
        count.measured > 0,
        "no function of `{}` was measured",
        copy.display()
    );
    Ok(count)
}

/// The Markdown files of the crates that the package is built from: written by many people for readers, and the same on
/// every machine, as their versions are locked. Once, and again until there is enough of it.
fn gather(package: &Path) -> Result<String> {
    let mut cargo = run::cargo();
    cargo
        .args(["metadata", "--format-version=1"])
        .current_dir(package);
    let metadata: Value = serde_json::from_str(&build::output(&mut cargo)?)?;
    let packages = metadata["packages"]
        .as_array()
        .context("`cargo metadata` names no packages")?;
    let released = packages
        .iter()
        .filter(|package| package["source"].is_string());
    let mut manifests: Vec<&str> = released
        .filter_map(|package| package["manifest_path"].as_str())
        .collect();
    manifests.sort_unstable();
    let mut documents = Vec::new();
    for directory in manifests
        .into_iter()
        .filter_map(|manifest| Path::new(manifest).parent())
    {
        for file in files(directory, "md")? {
            // What is no text is no document.
            documents.extend(fs::read_to_string(file).ok());
        }
    }
    let once = documents.join("\0");
    ensure!(
        once.len() > 1 << 16,
        "the crates have {} bytes of Markdown, which is too little",
        once.len()
    );
    let times = TEXT_LEN_MIN.div_ceil(once.len());
    Ok(vec![once; times].join("\0"))
}

/// The files below a directory with this extension, in order.
fn files(directory: &Path, extension: &str) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let entries = fs::read_dir(directory)
        .with_context(|| format!("cannot read `{}`", directory.display()))?;
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(files(&path, extension)?);
        } else if path.extension().is_some_and(|it| it == extension) {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_versions_are_those_of_the_package() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let manifest =
            fs::read_to_string(root.join("benches/service/Cargo.toml")).expect("it is there");
        for subject in &SUBJECTS {
            let line = manifest.lines().find(|line| line.starts_with(subject.name));
            assert!(
                line.is_some_and(|line| line.contains(subject.version)),
                "{line:?}"
            );
        }
    }

    #[test]
    fn source_files_are_found_at_any_depth_in_order() {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/bench");
        let found = files(&directory, "rs").expect("this file is there");
        let own = found
            .iter()
            .position(|file| file.ends_with("service/programs.rs"));
        let other = found.iter().position(|file| file.ends_with("mod.rs"));
        assert!(other < own, "{found:?}");
    }
}
