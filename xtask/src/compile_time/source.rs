//! The crates that are compiled: one module of a service, over and over, under each of the attributes.

use anyhow::{Context as _, Result, bail};
use std::fs;
use std::path::Path;

/// How many functions carry the attribute.
pub(super) const FUNCTIONS: usize = 1_000;
/// How many of them are in one module.
const FUNCTIONS_PER_MODULE: usize = 20;
pub(super) const MODULES: usize = FUNCTIONS / FUNCTIONS_PER_MODULE;

const RUNTIME: &str = include_str!("fixtures/runtime.rs");
const SERVICE: &str = include_str!("fixtures/service.rs.txt");
/// Where the attribute goes.
const MARK: &str = "#[measured]";
/// Where the number of the module goes, so that no two functions are the same.
const NUMBER: &str = "NUMBER";

/// A crate whose functions carry one attribute.
#[derive(Debug)]
pub(super) struct Variant {
    /// Also the name of the package, behind `compile-time-`.
    pub(super) directory: &'static str,
    pub(super) name: &'static str,
    /// In the form that goes on any function, whatever its arguments.
    pub(super) attribute: &'static str,
    dependency: &'static str,
}

/// The plain one, ours, and the others.
pub(super) const VARIANTS: [Variant; 4] = [
    Variant {
        directory: "plain",
        name: "no attribute",
        attribute: "",
        dependency: "",
    },
    Variant {
        directory: "measured",
        name: "khive_perf::measure",
        attribute: "#[khive_perf::measure]",
        dependency: "khive-perf = { path = \"ROOT/khive-perf\" }",
    },
    Variant {
        directory: "tracing",
        name: "tracing::instrument",
        // Without `skip_all` every argument would have to be `Debug`, and be recorded; the others record none.
        attribute: "#[tracing::instrument(skip_all)]",
        dependency: "tracing = \"0.1.44\"",
    },
    Variant {
        directory: "hotpath",
        name: "hotpath::measure",
        attribute: "#[hotpath::measure]",
        dependency: "hotpath = { version = \"=0.30.3\", features = [\"hotpath\"] }",
    },
];

impl Variant {
    pub(super) fn package(&self) -> String {
        format!("compile-time-{}", self.directory)
    }
}

/// One module of a service.
pub(super) fn service(number: usize, attribute: &str) -> String {
    // From 3, so that a number is one of all types, and no arithmetic with it goes without saying.
    SERVICE
        .replace(MARK, attribute)
        .replace(NUMBER, &(number + 3).to_string())
}

/// The root of a crate. Each revision is another, so that there is something to compile.
pub(super) fn root(revision: u32) -> String {
    let mut text = String::from("//! A service, as far as the compiler can tell.\n\n");
    for number in 0..MODULES {
        text.push_str(&format!("pub mod service_{number};\n"));
    }
    text.push_str("pub mod runtime;\n\n");
    text.push_str("/// What was edited last.\n");
    text.push_str(&format!(
        "pub fn revision() -> u32 {{\n    {revision}\n}}\n"
    ));
    text
}

/// Writes the workspace with all its crates, each with its first revision.
pub(super) fn write(root: &Path, workspace: &Path) -> Result<()> {
    let members: Vec<_> = VARIANTS
        .iter()
        .map(|variant| format!("{:?}", variant.directory))
        .collect();
    let manifest = format!(
        "[workspace]\nresolver = \"3\"\nmembers = [{}]\n",
        members.join(", ")
    );
    write_file(&workspace.join("Cargo.toml"), &manifest)?;
    // The versions that this repository is built with, as far as they are the same crates.
    let lock = workspace.join("Cargo.lock");
    if !lock.exists() {
        fs::copy(root.join("Cargo.lock"), &lock)
            .with_context(|| format!("cannot write `{}`", lock.display()))?;
    }
    for variant in &VARIANTS {
        let home = workspace.join(variant.directory);
        let path = root
            .to_str()
            .context("the path of the repository is no UTF-8")?;
        let manifest = format!(
            "[package]\nname = {:?}\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[dependencies]\n{}\n",
            variant.package(),
            variant.dependency.replace("ROOT", path)
        );
        write_file(&home.join("Cargo.toml"), &manifest)?;
        write_file(&home.join("src/runtime.rs"), RUNTIME)?;
        for number in 0..MODULES {
            let file = home.join(format!("src/service_{number}.rs"));
            write_file(&file, &service(number, variant.attribute))?;
        }
        write_file(&home.join("src/lib.rs"), &self::root(0))?;
    }
    Ok(())
}

pub(super) fn write_file(path: &Path, text: &str) -> Result<()> {
    let Some(directory) = path.parent() else {
        bail!("`{}` is in no directory", path.display());
    };
    fs::create_dir_all(directory)
        .and_then(|()| fs::write(path, text))
        .with_context(|| format!("cannot write `{}`", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thousand_functions_carry_the_attribute() {
        let carried: usize = (0..MODULES)
            .map(|number| service(number, "#[here]").matches("#[here]").count())
            .sum();
        assert_eq!(carried, FUNCTIONS);
        assert!(!service(0, "").contains(MARK));
    }

    #[test]
    fn variants_differ_in_their_attribute_only() {
        let plain: Vec<_> = code(&service(7, ""));
        for variant in &VARIANTS {
            let mut lines = code(&service(7, variant.attribute));
            lines.retain(|line| line != variant.attribute);
            assert_eq!(lines, plain, "{}", variant.name);
        }
    }

    fn code(text: &str) -> Vec<String> {
        text.lines()
            .map(|line| line.trim().to_owned())
            .filter(|line| !line.is_empty())
            .collect()
    }

    #[test]
    fn no_two_modules_are_the_same() {
        assert_ne!(service(1, ""), service(2, ""));
        assert!(!service(1, "").contains(NUMBER));
        assert_ne!(root(1), root(2));
    }

    /// Bodies that are all one line would flatter nobody, long ones would flatter every attribute.
    #[test]
    fn the_functions_are_as_long_as_those_of_a_service() {
        let mut lengths = Vec::new();
        let mut lines = SERVICE.lines();
        while let Some(mark) = lines.find(|line| line.trim() == MARK) {
            let indent = mark.len() - mark.trim_start().len();
            let end = format!("{}}}", " ".repeat(indent));
            lengths.push(lines.by_ref().take_while(|line| *line != end).count() - 1);
        }
        lengths.sort_unstable();
        assert_eq!(lengths.len(), FUNCTIONS_PER_MODULE);
        let median = lengths[lengths.len() / 2];
        assert!((5..=10).contains(&median), "{lengths:?}");
        assert!(*lengths.last().expect("some") <= 20, "{lengths:?}");
    }
}
