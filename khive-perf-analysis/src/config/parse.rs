//! Reads a configuration file, and says what is wrong with it and where.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use crate::config::{Config, RULE_NEEDS};

/// Files are as large as this at most: whatever is larger is no configuration.
const BYTES_MAX: u64 = 1 << 20;

/// What is wrong with a configuration file, where, and what may have been meant.
#[derive(Debug)]
pub struct Error {
    path: PathBuf,
    /// From 1; none where the file as a whole is wrong.
    line: Option<usize>,
    message: String,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path.display())?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        write!(f, ": {}", self.message)
    }
}

impl std::error::Error for Error {}

/// Reads a file, as TOML or YAML by its extension.
///
/// # Errors
///
/// If it cannot be read, or is not a configuration.
pub fn read(path: &Path) -> Result<Config, Error> {
    let error = |line, message| Error {
        path: path.to_owned(),
        line,
        message,
    };
    let size = fs::metadata(path).map_err(|why| error(None, why.to_string()))?;
    if size.len() > BYTES_MAX {
        return Err(error(
            None,
            format!("larger than {BYTES_MAX} bytes; is this the right file?"),
        ));
    }
    let text = fs::read_to_string(path).map_err(|why| error(None, why.to_string()))?;
    parse(&text, path)
}

/// Reads the text of a file with this name, as TOML or YAML by its extension.
///
/// # Errors
///
/// If it is not a configuration.
pub fn parse(text: &str, path: &Path) -> Result<Config, Error> {
    let error = |line, message| Error {
        path: path.to_owned(),
        line,
        message,
    };
    let is_yaml = path
        .extension()
        .is_some_and(|extension| extension == "yaml" || extension == "yml");
    if is_yaml { yaml(text) } else { toml(text) }
        .map_err(|(line, message)| error(line, with_guess(&message)))
}

type Told = (Option<usize>, String);

fn toml(text: &str) -> Result<Config, Told> {
    toml::from_str(text).map_err(|why| {
        let line = why
            .span()
            .map(|span| 1 + text.get(..span.start).unwrap_or(text).matches('\n').count());
        // Of several tables of one name, the parser knows only where the first is.
        let line = match why.message().contains(RULE_NEEDS) {
            true => incomplete_rule(text).or(line),
            false => line,
        };
        (line, why.message().replace('\n', "; "))
    })
}

/// The line of the first `[[callsite]]` that does not say which callsites it is for, or what is asked of them.
fn incomplete_rule(text: &str) -> Option<usize> {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let is_header = |line: &&str| line.starts_with("[[") && line.contains("callsite]]");
    let headers = lines.iter().enumerate().filter(|(_, line)| is_header(line));
    let mut incomplete = headers.filter(|(at, _)| {
        let rest = lines.iter().skip(at + 1);
        let own = rest.take_while(|line| !line.starts_with('['));
        let keys: Vec<&str> = own
            .filter_map(|line| line.split(['=', '.', ' ']).next())
            .collect();
        let has = |wanted: &[&str]| wanted.iter().any(|key| keys.contains(key));
        !has(&["service", "group", "name"])
            || !has(&[
                "min_effect",
                "decide",
                "max",
                "max_error_rate",
                "min_throughput",
                "max_retained",
            ])
    });
    incomplete.next().map(|(at, _)| at + 1)
}

fn yaml(text: &str) -> Result<Config, Told> {
    // A file without anything in it is no mapping, and asks for nothing.
    if text
        .lines()
        .all(|line| line.trim().is_empty() || line.trim_start().starts_with('#'))
    {
        return Ok(Config::default());
    }
    serde_norway::from_str(text).map_err(|why| {
        let line = why.location().map(|location| location.line());
        (line, why.to_string())
    })
}

/// Says what a key that is not known may have been meant to be.
fn with_guess(message: &str) -> String {
    let mut words = message.split('`').skip(1).step_by(2);
    let guess = message.contains("unknown field") || message.contains("unknown variant");
    let Some(wrong) = words.next().filter(|_| guess) else {
        return message.to_owned();
    };
    let near = words
        .map(|known| (strsim::damerau_levenshtein(wrong, known), known))
        .min()
        .filter(|(distance, _)| *distance <= 2);
    match near {
        Some((_, known)) => format!("{message}; did you mean `{known}`?"),
        None => message.to_owned(),
    }
}
