//! What the command line of a bench says.

use std::fmt;
use std::time::Duration;

use crate::configuration::Configuration;

/// How much is done, and how it is told.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Settings {
    /// Rounds in which every case has its turn.
    pub rounds: usize,
    /// Calls of a turn are divided by this.
    pub shortened: u32,
    /// How long the cases of a row take turns before they are measured.
    pub warm_up: Duration,
    /// One JSON object per case instead of tables.
    pub json: bool,
    /// How the SDK is configured.
    pub configuration: Configuration,
    /// Which other library is measured, where a bench knows several.
    pub peer: Option<String>,
    /// Rows whose title contains one of these; all where there is none.
    pub filters: Vec<String>,
}

/// An argument that is not known.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SettingsError {
    says: String,
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.says)
    }
}

impl std::error::Error for SettingsError {}

/// Rounds of a run whose figures are quoted.
const ROUNDS: usize = 201;
/// Rounds of a quick look.
const ROUNDS_QUICK: usize = 31;

/// Long enough for a budget to find out what a callsite takes.
const WARM_UP: Duration = Duration::from_millis(300);

impl Settings {
    /// Reads `[--quick] [--json] [--config NAME] [--peer NAME] [PART OF A TITLE..]`.
    ///
    /// Without `--bench`, which `cargo bench` adds, the cases are only tried.
    ///
    /// # Errors
    ///
    /// If an argument is not known, or lacks its value.
    pub fn read(arguments: impl IntoIterator<Item = String>) -> Result<Self, SettingsError> {
        let mut settings = Self {
            rounds: 3,
            shortened: 100,
            warm_up: Duration::ZERO,
            json: false,
            configuration: Configuration::default(),
            peer: None,
            filters: Vec::new(),
        };
        let (mut is_bench, mut is_quick) = (false, false);
        let mut arguments = arguments.into_iter();
        while let Some(argument) = arguments.next() {
            let mut value = || {
                arguments.next().ok_or_else(|| SettingsError {
                    says: format!("`{argument}` needs a name behind it"),
                })
            };
            match argument.as_str() {
                "--bench" => is_bench = true,
                "--quick" => is_quick = true,
                "--json" => settings.json = true,
                "--config" => {
                    let name = value()?;
                    settings.configuration =
                        Configuration::named(&name).ok_or_else(|| SettingsError {
                            says: format!(
                                "`{name}` is no configuration; there are {}",
                                Configuration::NAMES.join(", ")
                            ),
                        })?;
                }
                "--peer" => settings.peer = Some(value()?),
                unknown if unknown.starts_with('-') => {
                    let says = format!(
                        "`{unknown}` is not known; there are --quick, --json, --config, --peer, and parts of titles"
                    );
                    return Err(SettingsError { says });
                }
                filter => settings.filters.push(filter.to_owned()),
            }
        }
        if is_bench {
            settings.warm_up = WARM_UP;
        }
        match (is_bench, is_quick) {
            (true, false) => (settings.rounds, settings.shortened) = (ROUNDS, 1),
            (true, true) => (settings.rounds, settings.shortened) = (ROUNDS_QUICK, 10),
            (false, _) => {}
        }
        Ok(settings)
    }

    /// Whether a row of this title is asked for.
    #[must_use]
    pub fn wants(&self, title: &str) -> bool {
        self.filters.is_empty() || self.filters.iter().any(|filter| title.contains(filter))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Settings, SettingsError> {
        Settings::read(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn a_bench_is_tried_quick_or_full() {
        let rounds = |line| read(line).map(|settings| (settings.rounds, settings.shortened));
        assert_eq!(rounds(""), Ok((3, 100)));
        assert_eq!(rounds("--quick --bench"), Ok((ROUNDS_QUICK, 10)));
        assert_eq!(rounds("--bench"), Ok((ROUNDS, 1)));
    }

    #[test]
    fn what_is_not_known_is_named_with_what_is() {
        let says = |line| read(line).expect_err("it is not known").to_string();
        assert!(says("--fast").contains("--quick"));
        assert!(says("--config none").contains("every-call"));
        assert!(says("--config").contains("needs a name"));
    }

    #[test]
    fn rows_are_chosen_by_parts_of_their_titles() {
        let settings = read("empty reader").expect("valid");
        assert!(settings.wants("empty function") && settings.wants("a reader"));
        assert!(!settings.wants("threads") && read("").expect("valid").wants("threads"));
    }
}
