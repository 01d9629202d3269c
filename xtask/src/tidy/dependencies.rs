//! Which packages must never depend on which, read from their manifests.

use crate::tidy::Finding;
use crate::tidy::tables::STRANGERS;
use crate::tidy::tree::Tree;

/// Checks every dependency table, those for tests and for one target included.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (package, strangers) in STRANGERS {
        let manifest = format!("{package}/Cargo.toml");
        let Some(text) = tree.text(&manifest) else {
            continue;
        };
        for (line, name) in dependencies(text) {
            if strangers.contains(&name.as_str()) {
                findings.push(Finding::new(
                    &manifest,
                    line,
                    format!("{package} must never depend on {name}"),
                ));
            }
        }
    }
    findings
}

/// The packages a manifest depends on, by their own names where they are renamed.
fn dependencies(manifest: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut inside = false;
    for (index, line) in manifest.lines().enumerate() {
        let (line, number) = (line.trim(), index + 1);
        if let Some(header) = line
            .strip_prefix('[')
            .and_then(|line| line.split(']').next())
        {
            inside = header.ends_with("dependencies");
            // `[dependencies.name]`
            if let Some((table, name)) = header
                .rsplit_once('.')
                .filter(|(table, _)| table.ends_with("dependencies"))
            {
                inside = table.is_empty();
                found.push((number, name.trim_matches('"').to_owned()));
            }
        } else if inside
            && let Some((key, value)) = line.split_once('=').filter(|_| !line.starts_with('#'))
        {
            let name = key
                .trim()
                .split('.')
                .next()
                .unwrap_or_default()
                .trim_matches('"');
            let renamed = value
                .split_once("package")
                .and_then(|(_, rest)| rest.split('"').nth(1));
            found.push((number, renamed.unwrap_or(name).to_owned()));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(manifest: &str) -> Vec<usize> {
        let tree = Tree::of(&[("khive-perf-analysis/Cargo.toml", manifest)]);
        check(&tree).iter().map(|finding| finding.line).collect()
    }

    #[test]
    fn other_packages_are_welcome() {
        assert_eq!(
            findings(
                "[package]\nname = \"khive-perf\"\n[dependencies]\nkhive-perf-store = \"1\"\n"
            ),
            [0; 0]
        );
    }

    #[test]
    fn a_stranger_is_found_in_every_form() {
        assert_eq!(findings("[dependencies]\nkhive-perf.workspace = true"), [2]);
        assert_eq!(
            findings("[dev-dependencies]\nkhive-perf-otel = { path = \"..\" }"),
            [2]
        );
        assert_eq!(
            findings("[target.'cfg(unix)'.dependencies]\nx = { package = \"khive-perf\" }"),
            [2]
        );
        assert_eq!(findings("[dependencies.khive-perf]\nworkspace = true"), [1]);
    }
}
