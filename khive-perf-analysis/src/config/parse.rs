//! Reads a configuration file, and says what is wrong with it and where.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use crate::config::Config;

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
    let (config, lines) = if is_yaml { yaml(text) } else { toml(text) }
        .map_err(|(line, message)| error(line, with_guess(&message)))?;
    match mistake(&config) {
        Some((key, message)) => Err(error(line_of(lines, key), message)),
        None => Ok(config),
    }
}

type Told = (Option<usize>, String);

fn toml(text: &str) -> Result<(Config, &str), Told> {
    toml::from_str(text)
        .map(|config| (config, text))
        .map_err(|why| {
            let line = why
                .span()
                .map(|span| 1 + text.get(..span.start).unwrap_or(text).matches('\n').count());
            (line, why.message().replace('\n', "; "))
        })
}

fn yaml(text: &str) -> Result<(Config, &str), Told> {
    // A file without anything in it is no mapping, and asks for nothing.
    if text
        .lines()
        .all(|line| line.trim().is_empty() || line.trim_start().starts_with('#'))
    {
        return Ok((Config::default(), text));
    }
    serde_norway::from_str(text)
        .map(|config| (config, text))
        .map_err(|why| {
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

/// What no type can say.
fn mistake(config: &Config) -> Option<(&'static str, String)> {
    let confidences = config.environment.values().map(|own| own.confidence);
    for confidence in confidences.chain([config.confidence]).flatten() {
        if !(0.5..1.0).contains(&confidence) {
            let message = format!("`confidence` must be from 0.5 to below 1, and is {confidence}");
            return Some(("confidence", message));
        }
    }
    for rule in &config.callsite {
        if rule.service.is_none() && rule.group.is_none() && rule.name.is_none() {
            let message = "a `callsite` needs a `service`, a `group` or a `name`, to say which";
            return Some(("callsite", message.to_owned()));
        }
        if rule.min_effect.is_none() && rule.max.is_empty() && rule.max_error_rate.is_none() {
            let message = "a `callsite` needs a `min_effect`, a `max` or a `max_error_rate`";
            return Some(("callsite", message.to_owned()));
        }
    }
    None
}

fn line_of(text: &str, key: &str) -> Option<usize> {
    let at = text.lines().position(|line| line.contains(key))?;
    Some(at + 1)
}
