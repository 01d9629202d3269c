//! The repository's text files in memory: what the rules read.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result};

/// Text files by their path from the root, with `/` between the parts.
#[derive(Debug, Default)]
pub(super) struct Tree {
    files: BTreeMap<String, String>,
}

impl Tree {
    /// Reads what git tracks or would track; in a copy without git, everything but build output.
    pub(super) fn read(root: &Path) -> Result<Self> {
        let names = match tracked(root) {
            Some(names) => names,
            None => walk(root)?,
        };
        let mut files = BTreeMap::new();
        for name in names {
            // A file that git tracks and the user just deleted is not there; one that is not
            // UTF-8 is not ours to judge.
            if let Ok(bytes) = fs::read(root.join(&name))
                && let Ok(text) = String::from_utf8(bytes)
            {
                files.insert(name, text);
            }
        }
        Ok(Self { files })
    }

    #[cfg(test)]
    pub(super) fn of(files: &[(&str, &str)]) -> Self {
        let files = files
            .iter()
            .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
        Self {
            files: files.collect(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.files.len()
    }

    pub(super) fn text(&self, path: &str) -> Option<&str> {
        self.files.get(path).map(String::as_str)
    }

    /// True for a file, and for a directory that holds one.
    pub(super) fn has(&self, path: &str) -> bool {
        let directory = format!("{path}/");
        path.is_empty()
            || self.files.contains_key(path)
            || self
                .files
                .range(directory.clone()..)
                .next()
                .is_some_and(|(name, _)| name.starts_with(&directory))
    }

    pub(super) fn all(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files
            .iter()
            .map(|(name, text)| (name.as_str(), text.as_str()))
    }

    pub(super) fn with_extension(&self, extension: &str) -> impl Iterator<Item = (&str, &str)> {
        let suffix = format!(".{extension}");
        self.all().filter(move |(name, _)| name.ends_with(&suffix))
    }
}

fn tracked(root: &Path) -> Option<Vec<String>> {
    let output = Command::new("git")
        .args([
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
        ])
        .current_dir(root)
        .stderr(Stdio::null())
        .output()
        .ok()?;
    if !output.status.success() || output.stdout.is_empty() {
        return None;
    }
    let names = String::from_utf8(output.stdout).ok()?;
    Some(
        names
            .split('\0')
            .filter(|name| !name.is_empty())
            .map(str::to_owned)
            .collect(),
    )
}

fn walk(root: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    let mut pending = vec![String::new()];
    while let Some(directory) = pending.pop() {
        let path = root.join(&directory);
        let entries =
            fs::read_dir(&path).with_context(|| format!("cannot list `{}`", path.display()))?;
        for entry in entries {
            let entry = entry?;
            let Ok(name) = entry.file_name().into_string() else {
                continue;
            };
            if matches!(name.as_str(), ".git" | "target") {
                continue;
            }
            let name = if directory.is_empty() {
                name
            } else {
                format!("{directory}/{name}")
            };
            let kind = entry.file_type()?;
            if kind.is_dir() {
                pending.push(name);
            } else if kind.is_file() {
                names.push(name);
            }
        }
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_there_when_it_holds_a_file() {
        let tree = Tree::of(&[("docs/a/b.md", "")]);
        assert!(tree.has("docs") && tree.has("docs/a") && tree.has("docs/a/b.md"));
        assert!(!tree.has("doc") && !tree.has("docs/a/b"));
    }

    #[test]
    fn walking_finds_what_git_would_list() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let found = walk(root).expect("this package can be listed");
        assert!(
            found.contains(&String::from("src/tidy/tree.rs")),
            "{found:?}"
        );
    }
}
