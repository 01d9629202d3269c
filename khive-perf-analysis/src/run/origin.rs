//! Origin: on which machine and from which commit a run is, told to the program as resource attributes.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::percent;

/// The variable of OpenTelemetry for it.
pub(super) const VARIABLE: &str = "OTEL_RESOURCE_ATTRIBUTES";

/// What is in the environment already, then what was asked for, then what is found out; the first that names a key wins.
pub(super) fn attributes(inherited: &str, asked: &[(String, String)]) -> String {
    let known: Vec<&str> = inherited
        .split(',')
        .map(str::trim)
        .filter(|pair| !pair.is_empty())
        .collect();
    let keys: Vec<&str> = known
        .iter()
        .filter_map(|pair| Some(pair.split_once('=')?.0.trim()))
        .collect();
    let mut ours = found();
    ours.extend(asked.iter().cloned());
    let ours = ours
        .iter()
        .filter(|(key, _)| !keys.contains(&key.as_str()))
        .map(|(key, value)| format!("{key}={}", percent::encoded(value, is_baggage)));
    let all: Vec<String> = known.iter().map(ToString::to_string).chain(ours).collect();
    all.join(",")
}

/// What can be found out; what cannot is left out.
fn found() -> BTreeMap<String, String> {
    let head = git(&["rev-parse", "HEAD"]);
    let dirty = head
        .is_some()
        .then(|| git(&["status", "--porcelain", "--untracked-files=no"]).is_some());
    let all = [
        ("host.name", host_name()),
        ("host.cpu.model.name", cpu_model()),
        ("vcs.ref.head.revision", head),
        ("vcs.ref.head.name", branch()),
        ("khive.perf.vcs.dirty", dirty.map(|dirty| dirty.to_string())),
    ];
    all.into_iter()
        .filter_map(|(key, value)| Some((key.to_owned(), value.filter(|value| !value.is_empty())?)))
        .collect()
}

fn host_name() -> Option<String> {
    let files = ["/proc/sys/kernel/hostname", "/etc/hostname"];
    let in_file = files.iter().find_map(|file| line_of(Path::new(file)));
    let variables = ["HOSTNAME", "COMPUTERNAME"];
    in_file.or_else(|| variables.iter().find_map(|name| variable(name)))
}

fn cpu_model() -> Option<String> {
    let text = std::fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

/// The branch; a build service often checks out none, and says which it is.
fn branch() -> Option<String> {
    let checked_out = git(&["rev-parse", "--abbrev-ref", "HEAD"]).filter(|name| name != "HEAD");
    let told = ["GITHUB_HEAD_REF", "GITHUB_REF_NAME", "CI_COMMIT_REF_NAME"];
    checked_out.or_else(|| told.iter().find_map(|name| variable(name)))
}

fn line_of(path: &Path) -> Option<String> {
    let text = std::fs::read_to_string(path).ok()?;
    let line = text.lines().next()?.trim().to_owned();
    (!line.is_empty()).then_some(line)
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// What git says in one line, of the directory that the command is started in; none where it says nothing.
fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git")
        .args(arguments)
        .env("GIT_OPTIONAL_LOCKS", "0")
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text.lines().next().unwrap_or_default().trim().to_owned();
    (output.status.success() && !line.is_empty()).then_some(line)
}

/// What W3C baggage has in a value: a comma or a percent sign must not end it.
fn is_baggage(byte: u8) -> bool {
    byte.is_ascii_graphic() && !b",;=%\\\"".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_wins_and_values_cannot_end_early() {
        let asked = [
            ("host.name".to_owned(), "asked".to_owned()),
            ("build".to_owned(), "a, b=100 %".to_owned()),
        ];
        let text = attributes("host.name=theirs,team=a", &asked);
        assert!(text.starts_with("host.name=theirs,team=a,"), "{text}");
        assert_eq!(text.matches("host.name=").count(), 1, "{text}");
        assert!(text.contains("build=a%2C%20b%3D100%20%25"), "{text}");
        let text = attributes("", &asked);
        assert!(text.contains("host.name=asked"), "{text}");
    }
}
