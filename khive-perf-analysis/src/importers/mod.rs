//! Importers: what other benchmark tools wrote, and our own archives, as runs.
//!
//! A benchmark becomes a callsite of the run: each sample a call of it, with the time that the tool states for one iteration.
//! Where a file has no samples, but only what they came to, its mean is one call, and that is said.

mod archive;
mod criterion;
mod google_benchmark;
mod hyperfine;
mod jmh;
mod k6;
mod pytest_benchmark;
mod samples;

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use serde_json::Value as Json;

pub use self::archive::{SCHEMA, write};
use crate::clock;
use crate::store::RunPoints;

/// Longest file that is read.
const BYTES_MAX: u64 = 1 << 30;

/// Who wrote a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tool {
    /// `khive-perf export --points`.
    Archive,
    /// criterion.rs: the directory `target/criterion`.
    Criterion,
    /// `hyperfine --export-json`.
    Hyperfine,
    /// `--benchmark_format=json` of Google Benchmark.
    GoogleBenchmark,
    /// `-rf json` of the Java Microbenchmark Harness.
    Jmh,
    /// `pytest --benchmark-json`.
    PytestBenchmark,
    /// `k6 run --out json=FILE`, or a summary.
    K6,
}

/// What a file had.
#[derive(Clone, Debug, PartialEq)]
pub struct Imported {
    /// Who wrote it.
    pub tool: Tool,
    /// What it says. Of an archive as many as it has, else one.
    pub runs: Vec<RunPoints>,
    /// Number of benchmarks.
    pub benchmarks: usize,
    /// How many of them have a mean and no samples.
    pub summaries: usize,
}

/// What to say of a run that a file does not say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Naming {
    /// Name of the run; archives have theirs.
    pub name: String,
    /// Its start, nanoseconds since the Unix epoch. Of a file, when that was written last: so a second import of it is known
    /// as one.
    pub started_unix_ns: u64,
}

impl Naming {
    /// A run of this name, measured now.
    #[must_use]
    pub fn now(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            started_unix_ns: clock::unix_now_ns(),
        }
    }

    /// The same, measured when the file was written.
    fn when_written(&self, file: &fs::Metadata) -> Self {
        let written = file.modified().ok();
        let written = written.and_then(|at| at.duration_since(UNIX_EPOCH).ok());
        let ns = written.and_then(|since| u64::try_from(since.as_nanos()).ok());
        Self {
            started_unix_ns: ns.unwrap_or(self.started_unix_ns),
            ..self.clone()
        }
    }
}

/// A file that is not what it should be: where, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadFile {
    path: PathBuf,
    place: String,
    problem: String,
}

impl fmt::Display for BadFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path.display())?;
        if !self.place.is_empty() {
            write!(f, ", {}", self.place)?;
        }
        write!(f, ": {}", self.problem)
    }
}

impl std::error::Error for BadFile {}

impl Tool {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Archive,
        Self::Criterion,
        Self::Hyperfine,
        Self::GoogleBenchmark,
        Self::Jmh,
        Self::PytestBenchmark,
        Self::K6,
    ];

    /// The word on the command line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Archive => "khive-perf",
            Self::Criterion => "criterion",
            Self::Hyperfine => "hyperfine",
            Self::GoogleBenchmark => "google-benchmark",
            Self::Jmh => "jmh",
            Self::PytestBenchmark => "pytest-benchmark",
            Self::K6 => "k6",
        }
    }

    /// The tool called `word`.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|tool| tool.as_str() == word)
    }
}

/// Reads what `tool` wrote, or whoever wrote it if none is named.
///
/// # Errors
///
/// Where there is no such file, nobody known wrote it, or it is not whole.
pub fn read(path: &Path, tool: Option<Tool>, naming: &Naming) -> Result<Imported, BadFile> {
    let bad = |place: &str, problem: String| BadFile {
        path: path.to_owned(),
        place: place.to_owned(),
        problem,
    };
    if path.is_dir() {
        return match tool {
            None | Some(Tool::Criterion) => criterion::read(path, naming),
            Some(tool) => {
                let tool = tool.as_str();
                Err(bad(
                    "",
                    format!("is a directory; name a file that {tool} wrote"),
                ))
            }
        };
    }
    let file = fs::metadata(path).map_err(|error| bad("", error.to_string()))?;
    let len = file.len();
    if len > BYTES_MAX {
        return Err(bad(
            "",
            format!("has {len} bytes; at most {BYTES_MAX} are read"),
        ));
    }
    let text = fs::read_to_string(path).map_err(|error| bad("", error.to_string()))?;
    let naming = naming.when_written(&file);
    parse(&text, tool, &naming).map_err(|Wrong { place, problem }| bad(&place, problem))
}

/// Reads the text of a file.
///
/// # Errors
///
/// As [`read`].
pub fn parse(text: &str, tool: Option<Tool>, naming: &Naming) -> Result<Imported, Wrong> {
    // A line each, of which only the first is a value by itself.
    if tool == Some(Tool::K6) || (tool.is_none() && k6::is_lines(text)) {
        return k6::read(text, naming);
    }
    if tool == Some(Tool::Archive) || (tool.is_none() && archive::is_one(text)) {
        return archive::read(text);
    }
    let json: Json = serde_json::from_str(text).map_err(|error| Wrong::of_json(&error))?;
    let Some(tool) = tool.or_else(|| recognise(&json)) else {
        let known = Tool::ALL.map(Tool::as_str).join(", ");
        let problem = format!("nobody known wrote this; say who by `--from`: {known}");
        return Err(Wrong::at("", problem));
    };
    let samples = match tool {
        Tool::Hyperfine => hyperfine::read(&json)?,
        Tool::GoogleBenchmark => google_benchmark::read(&json)?,
        Tool::Jmh => jmh::read(&json)?,
        Tool::PytestBenchmark => pytest_benchmark::read(&json)?,
        Tool::Criterion => {
            let problem = "criterion writes many files; name its directory, `target/criterion`";
            return Err(Wrong::at("", problem));
        }
        Tool::K6 => return k6::read_summary(&json, naming),
        Tool::Archive => return archive::read(text),
    };
    samples.into_run(tool, naming)
}

/// Who wrote it, by what only they write.
fn recognise(json: &Json) -> Option<Tool> {
    let has = |json: &Json, key: &str| json.get(key).is_some();
    if has(json, "machine_info") && has(json, "benchmarks") {
        Some(Tool::PytestBenchmark)
    } else if has(json, "context") && has(json, "benchmarks") {
        Some(Tool::GoogleBenchmark)
    } else if json.pointer("/results/0/times").is_some()
        || json.pointer("/results/0/command").is_some()
    {
        Some(Tool::Hyperfine)
    } else if json.get(0).is_some_and(|first| has(first, "primaryMetric")) {
        Some(Tool::Jmh)
    } else if has(json, "metrics") {
        Some(Tool::K6)
    } else {
        None
    }
}

/// What is wrong with a text, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// A line and column, or the path to a value; empty for all of it.
    pub place: String,
    /// What it is, and what to do about it.
    pub problem: String,
}

impl Wrong {
    fn at(place: impl Into<String>, problem: impl Into<String>) -> Self {
        Self {
            place: place.into(),
            problem: problem.into(),
        }
    }

    fn of_json(error: &serde_json::Error) -> Self {
        let place = format!("line {}, column {}", error.line(), error.column());
        let whole = error.to_string();
        let what = whole.split(" at line ").next().unwrap_or_default();
        Self::at(place, format!("{what}; is the file whole?"))
    }
}

/// A value below another one, with its path.
#[derive(Clone, Debug)]
struct Node<'a> {
    json: &'a Json,
    path: String,
}

impl<'a> Node<'a> {
    fn root(json: &'a Json) -> Self {
        Self {
            json,
            path: String::new(),
        }
    }

    fn get(&self, key: &str) -> Option<Self> {
        let json = self.json.get(key).filter(|json| !json.is_null())?;
        let dot = if self.path.is_empty() { "" } else { "." };
        Some(Self {
            json,
            path: format!("{}{dot}{key}", self.path),
        })
    }

    fn need(&self, key: &str) -> Result<Self, Wrong> {
        self.get(key).ok_or_else(|| {
            let whose = if self.path.is_empty() {
                "the file"
            } else {
                &self.path
            };
            Wrong::at(
                whose,
                format!("has no `{key}`; is it of this tool, and whole?"),
            )
        })
    }

    fn items(&self) -> Result<Vec<Self>, Wrong> {
        let items = self.json.as_array();
        let items = items.ok_or_else(|| Wrong::at(&self.path, "is no list"))?;
        let named = items.iter().enumerate();
        Ok(named
            .map(|(at, json)| Self {
                json,
                path: format!("{}[{at}]", self.path),
            })
            .collect())
    }

    fn text(&self) -> Result<&'a str, Wrong> {
        let text = self.json.as_str();
        text.ok_or_else(|| Wrong::at(&self.path, "is no text"))
    }

    /// A number that a time, or how often something was done, can be.
    fn number(&self) -> Result<f64, Wrong> {
        let number = self.json.as_f64();
        let number = number.filter(|number| number.is_finite() && *number >= 0.0);
        number.ok_or_else(|| {
            Wrong::at(
                &self.path,
                format!("is {}, and no number from 0 on", self.json),
            )
        })
    }
}

/// The times of a list, in seconds.
fn times(list: &Node<'_>, per_second: f64) -> Result<Vec<f64>, Wrong> {
    let items = list.items()?;
    items
        .iter()
        .map(|item| Ok(item.number()? / per_second))
        .collect()
}
