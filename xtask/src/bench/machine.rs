//! What the figures were measured on, and when.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

/// The words of a results file's first lines.
#[derive(Clone, Debug, Default)]
pub(crate) struct Machine {
    pub(crate) date: String,
    pub(crate) processor: String,
    pub(crate) kernel: String,
    pub(crate) rustc: String,
    pub(crate) commit: String,
}

impl Machine {
    pub(crate) fn here(root: &Path) -> Self {
        let cores = std::thread::available_parallelism().map_or(0, usize::from);
        Self {
            date: today(),
            processor: format!("{}, {cores} cores", processor()),
            kernel: said("uname", &["-sr"]),
            rustc: rustc(),
            commit: commit(root),
        }
    }
}

/// The compiler that cargo uses, with its target.
pub(crate) fn rustc() -> String {
    let rustc = std::env::var("RUSTC").unwrap_or_else(|_| String::from("rustc"));
    let version = said(&rustc, &["--version"]);
    let version: Vec<_> = version.split_whitespace().take(2).collect();
    format!("{} on {}", version.join(" "), std::env::consts::ARCH)
}

fn commit(root: &Path) -> String {
    let root = root.display().to_string();
    said("git", &["-C", &root, "describe", "--always", "--dirty"])
}

/// The first line of what a command prints; `unknown` where there is none.
fn said(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    let line = text
        .unwrap_or_default()
        .lines()
        .next()
        .map(|line| line.trim().to_owned());
    line.filter(|line| !line.is_empty())
        .unwrap_or_else(|| String::from("unknown"))
}

fn processor() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = text.lines().find(|line| line.starts_with("model name"));
    let model = model
        .and_then(|line| line.split_once(':'))
        .map(|(_, name)| name.trim().to_owned());
    model.unwrap_or_else(|| std::env::consts::ARCH.to_owned())
}

#[expect(
    clippy::disallowed_methods,
    reason = "results have a date, and nothing here is timed by it"
)]
fn today() -> String {
    let seconds = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    date(seconds / 86_400)
}

/// The date that lies so many days after the first of 1970: years begin in March, so that a leap day is their last.
fn date(days: u64) -> String {
    let days = days + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = (month_from_march + 2) % 12 + 1;
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    format!("{year}-{month:02}-{day:02}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_become_dates() {
        for (days, expected) in [
            (0, "1970-01-01"),
            (58, "1970-02-28"),
            (59, "1970-03-01"),
            (11_016, "2000-02-29"),
            (20_453, "2025-12-31"),
        ] {
            assert_eq!(date(days), expected);
        }
    }

    #[test]
    fn a_command_that_is_not_there_is_unknown() {
        assert_eq!(said("no-such-program-anywhere", &[]), "unknown");
        assert!(rustc().contains("rustc"), "{}", rustc());
    }
}
