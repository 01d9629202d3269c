//! Documents: links lead somewhere, the changelog knows the version, no path of one machine.

use crate::tidy::Finding;
use crate::tidy::modules::normal;
use crate::tidy::tree::Tree;

/// Beginnings of absolute paths that exist on one machine only. Written in two parts, so that
/// this file passes its own rule.
const ONE_MACHINE: &[(&str, &str)] = &[
    ("/wo", "rk/"),
    ("/ro", "ot/"),
    ("/ho", "me/"),
    ("/Us", "ers/"),
    ("/tm", "p/wt"),
];

/// Relative links in Markdown resolve, anchors included.
pub(super) fn links(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in tree.with_extension("md") {
        for (line, target) in targets(text) {
            let (file, anchor) = target.split_once('#').unwrap_or((&target, ""));
            let directory = path.rsplit_once('/').map_or("", |(directory, _)| directory);
            let file = if file.is_empty() {
                path.to_owned()
            } else {
                normal(&format!("{directory}/{file}"))
            };
            if !tree.has(&file) {
                findings.push(Finding::new(
                    path,
                    line,
                    format!("links to `{target}`, but there is no `{file}`"),
                ));
            } else if !anchor.is_empty()
                && tree.text(&file).is_some_and(|text| {
                    file.ends_with(".md") && !headings(text).contains(&anchor.to_owned())
                })
            {
                findings.push(Finding::new(
                    path,
                    line,
                    format!("links to `{target}`, but `{file}` has no such heading"),
                ));
            }
        }
    }
    findings
}

/// Lines outside fenced code, without what stands in backticks.
fn prose(text: &str) -> impl Iterator<Item = (usize, String)> + '_ {
    let mut fenced = false;
    text.lines().enumerate().filter_map(move |(index, line)| {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
            return None;
        }
        let outside = line
            .split('`')
            .enumerate()
            .filter(|(part, _)| part % 2 == 0);
        (!fenced).then(|| {
            (
                index + 1,
                outside.map(|(_, text)| text).collect::<Vec<_>>().join("`"),
            )
        })
    })
}

/// The targets of links and images that are not addresses on the web.
fn targets(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (number, line) in prose(text) {
        for rest in line.split("](").skip(1) {
            let target = rest.split([')', ' ']).next().unwrap_or_default();
            if !target.is_empty() && !target.contains("://") && !target.starts_with("mailto:") {
                found.push((number, target.to_owned()));
            }
        }
    }
    found
}

/// The anchors that a Markdown file's headings get on the forge.
fn headings(text: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut fenced = false;
    for line in text.lines() {
        fenced ^= line.trim_start().starts_with("```");
        let title = line.trim_start_matches('#');
        if fenced || title.len() == line.len() || !title.starts_with(' ') {
            continue;
        }
        let kept = title
            .trim()
            .chars()
            .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        let anchor: String = kept
            .map(|c| if c == ' ' { '-' } else { c })
            .flat_map(char::to_lowercase)
            .collect();
        let same = found.iter().filter(|other| **other == anchor).count();
        found.push(if same == 0 {
            anchor
        } else {
            format!("{anchor}-{same}")
        });
    }
    found
}

/// CHANGELOG.md has a heading for the workspace's version.
pub(super) fn changelog(tree: &Tree) -> Vec<Finding> {
    let Some(version) = tree.text("Cargo.toml").and_then(workspace_version) else {
        return vec![Finding::new(
            "Cargo.toml",
            0,
            "has no `version` in [workspace.package]",
        )];
    };
    let Some(text) = tree.text("CHANGELOG.md") else {
        return vec![Finding::new("CHANGELOG.md", 0, "is missing")];
    };
    let heading = format!("## [{version}]");
    if text.lines().any(|line| line.starts_with(&heading)) {
        return Vec::new();
    }
    vec![Finding::new(
        "CHANGELOG.md",
        0,
        format!("has no heading `{heading}` for the workspace's version"),
    )]
}

fn workspace_version(manifest: &str) -> Option<&str> {
    let (_, package) = manifest.split_once("[workspace.package]")?;
    let lines = package.lines().take_while(|line| !line.starts_with('['));
    let value = lines
        .filter_map(|line| line.strip_prefix("version"))
        .next()?;
    value.split('"').nth(1)
}

/// No file names a directory that only one machine has.
pub(super) fn foreign_paths(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in tree.all() {
        for (index, line) in text.lines().enumerate() {
            for (head, tail) in ONE_MACHINE {
                let banned = format!("{head}{tail}");
                let begins_a_path = line.match_indices(&banned).any(|(at, _)| {
                    !line
                        .get(..at)
                        .and_then(|before| before.chars().next_back())
                        .is_some_and(|before| {
                            before.is_alphanumeric()
                                || matches!(before, '.' | '-' | '_' | '}' | ')' | '>')
                        })
                });
                if begins_a_path {
                    let says = format!(
                        "names `{banned}`, a directory of one machine; use a relative path"
                    );
                    findings.push(Finding::new(path, index + 1, says));
                }
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_that_lead_somewhere_pass() {
        let guide = "# The guide\n## Use it, now\n[up](../README.md) [dir](../docs) [here](#use-it-now)\n\
                     [web](https://example.org/x) `[code](nowhere.md)`\n```\n[code](nowhere.md)\n```\n";
        let tree = Tree::of(&[
            ("README.md", "[g](docs/guide.md#the-guide \"title\")"),
            ("docs/guide.md", guide),
        ]);
        assert_eq!(links(&tree), []);
    }

    #[test]
    fn links_that_lead_nowhere_are_found_with_their_line() {
        let tree = Tree::of(&[(
            "docs/a.md",
            "# A\n[b](b.md)\n![p](../p.png)\n[c](#c)\n[d](/docs/a.md)",
        )]);
        let lines: Vec<usize> = links(&tree).iter().map(|finding| finding.line).collect();
        assert_eq!(lines, [2, 3, 4, 5]);
    }

    #[test]
    fn the_changelog_must_have_the_version() {
        let manifest = "[workspace.package]\nversion = \"0.2.0\"\n[workspace.dependencies]\n";
        let tree = |log| Tree::of(&[("Cargo.toml", manifest), ("CHANGELOG.md", log)]);
        assert_eq!(
            changelog(&tree("# Changelog\n## [0.2.0] - unreleased\n")),
            []
        );
        assert_eq!(changelog(&tree("## [0.1.0]\n")).len(), 1);
        assert_eq!(changelog(&Tree::of(&[("Cargo.toml", manifest)])).len(), 1);
    }

    #[test]
    fn paths_of_one_machine_are_found_and_relative_ones_are_not() {
        let (head, tail) = ONE_MACHINE.first().copied().unwrap_or_default();
        let bad = format!("cd {head}{tail}x\n");
        let good = format!("a net{tail}x and a frame{head}{tail}x\n");
        let tree = Tree::of(&[("bad.md", &bad), ("good.md", &good)]);
        let paths: Vec<String> = foreign_paths(&tree)
            .into_iter()
            .map(|finding| finding.path)
            .collect();
        assert_eq!(paths, ["bad.md"]);
    }
}
