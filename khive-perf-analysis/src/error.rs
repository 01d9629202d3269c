//! What can go wrong outside the receiver's own answers: one opaque error with its causes.

use std::error::Error as StdError;
use std::fmt;
use std::path::{Path, PathBuf};

/// What a database is in the middle of when it cannot be opened.
pub(crate) const OPENING: &str = "opening";

type Source = Box<dyn StdError + Send + Sync + 'static>;

/// A failure with the place where it happened and, where there is one, the remedy.
#[derive(Debug)]
pub struct Error {
    kind: Kind,
    source: Option<Source>,
}

#[derive(Debug)]
enum Kind {
    NoDatabase(PathBuf),
    NotOurs {
        path: PathBuf,
        what: String,
    },
    Corrupt {
        path: PathBuf,
        what: String,
    },
    NewerSchema {
        path: PathBuf,
        found: i64,
        known: i64,
    },
    Busy(PathBuf),
    Storage {
        path: PathBuf,
        doing: &'static str,
    },
    NoRun {
        path: PathBuf,
        wanted: String,
    },
    Bind {
        what: &'static str,
        addr: String,
    },
    Serve(&'static str),
    Command(String),
    Refused(String),
    Io(String),
}

impl Error {
    /// The database does not exist or holds no such run.
    pub fn is_not_found(&self) -> bool {
        matches!(self.kind, Kind::NoDatabase(_) | Kind::NoRun { .. })
    }

    /// The file is damaged, or is not a database of ours.
    pub fn is_corrupt(&self) -> bool {
        matches!(self.kind, Kind::Corrupt { .. } | Kind::NotOurs { .. })
    }

    /// The database was written by a newer khive-perf.
    pub fn is_newer_schema(&self) -> bool {
        matches!(self.kind, Kind::NewerSchema { .. })
    }

    /// The same request may succeed later: another process holds the database.
    pub fn is_busy(&self) -> bool {
        matches!(self.kind, Kind::Busy(_))
    }

    /// Nothing that was asked is wrong: the tool, or what it runs on, failed. The same may work later.
    pub fn is_internal(&self) -> bool {
        match self.kind {
            Kind::Busy(_) | Kind::Serve(_) | Kind::Io(_) => true,
            // What cannot even be opened is most likely not what was meant.
            Kind::Storage { doing, .. } => doing != OPENING,
            _ => false,
        }
    }

    /// What was asked cannot be done, and what can be.
    #[cold]
    pub(crate) fn refused(why: impl Into<String>) -> Self {
        Kind::Refused(why.into()).into()
    }

    #[cold]
    pub(crate) fn no_database(path: &Path) -> Self {
        Kind::NoDatabase(path.to_owned()).into()
    }

    #[cold]
    pub(crate) fn not_ours(path: &Path, what: impl Into<String>) -> Self {
        Kind::NotOurs {
            path: path.to_owned(),
            what: what.into(),
        }
        .into()
    }

    #[cold]
    pub(crate) fn corrupt(path: &Path, what: impl Into<String>) -> Self {
        Kind::Corrupt {
            path: path.to_owned(),
            what: what.into(),
        }
        .into()
    }

    #[cold]
    pub(crate) fn newer_schema(path: &Path, found: i64, known: i64) -> Self {
        Kind::NewerSchema {
            path: path.to_owned(),
            found,
            known,
        }
        .into()
    }

    #[cold]
    pub(crate) fn busy(path: &Path, source: impl Into<Source>) -> Self {
        Self::from(Kind::Busy(path.to_owned())).with_source(source)
    }

    #[cold]
    pub(crate) fn storage(path: &Path, doing: &'static str, source: impl Into<Source>) -> Self {
        Self::from(Kind::Storage {
            path: path.to_owned(),
            doing,
        })
        .with_source(source)
    }

    #[cold]
    pub(crate) fn no_run(path: &Path, wanted: impl Into<String>) -> Self {
        Kind::NoRun {
            path: path.to_owned(),
            wanted: wanted.into(),
        }
        .into()
    }

    #[cold]
    pub(crate) fn bind(
        what: &'static str,
        addr: impl fmt::Display,
        source: impl Into<Source>,
    ) -> Self {
        Self::from(Kind::Bind {
            what,
            addr: addr.to_string(),
        })
        .with_source(source)
    }

    #[cold]
    pub(crate) fn serve(what: &'static str, source: impl Into<Source>) -> Self {
        Self::from(Kind::Serve(what)).with_source(source)
    }

    /// A command under measurement could not be run or waited for.
    #[cold]
    pub fn command(program: impl Into<String>, source: impl Into<Source>) -> Self {
        Self::from(Kind::Command(program.into())).with_source(source)
    }

    /// An operation of the operating system failed; `doing` says which, in the style "starting the runtime".
    #[cold]
    pub fn io(doing: impl Into<String>, source: impl Into<Source>) -> Self {
        Self::from(Kind::Io(doing.into())).with_source(source)
    }

    fn with_source(mut self, source: impl Into<Source>) -> Self {
        self.source = Some(source.into());
        self
    }
}

impl From<Kind> for Error {
    fn from(kind: Kind) -> Self {
        Self { kind, source: None }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::NoDatabase(path) => write!(
                f,
                "there is no database at {}; record a run first (khive-perf run --db {} --name NAME -- COMMAND) or name another with --db",
                path.display(),
                path.display(),
            ),
            Kind::NotOurs { path, what } => write!(
                f,
                "{} is not a khive-perf database: {what}; it was left as it is; name another file with --db",
                path.display(),
            ),
            Kind::Corrupt { path, what } => write!(
                f,
                "the database {} is damaged: {what}; restore it from a copy, or move it away and record anew",
                path.display(),
            ),
            Kind::NewerSchema { path, found, known } => write!(
                f,
                "the database {} has schema version {found} and this khive-perf knows versions up to {known}; use a newer khive-perf",
                path.display(),
            ),
            Kind::Busy(path) => write!(
                f,
                "the database {} is held by another process for longer than we wait; try again",
                path.display(),
            ),
            Kind::Storage { path, doing } => {
                write!(f, "{doing} the database {} failed", path.display())
            }
            Kind::NoRun { path, wanted } => write!(
                f,
                "no run called `{wanted}` in {}; `khive-perf runs --db {}` lists them",
                path.display(),
                path.display(),
            ),
            Kind::Bind { what, addr } => write!(
                f,
                "cannot listen for OTLP/{what} on {addr}; choose another address, or port 0 for a free one"
            ),
            Kind::Serve(what) => write!(f, "the OTLP/{what} receiver failed"),
            Kind::Command(program) => write!(f, "cannot run `{program}`"),
            Kind::Refused(why) => f.write_str(why),
            Kind::Io(doing) => f.write_str(doing),
        }
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source
            .as_ref()
            .map(|source| source.as_ref() as &(dyn StdError + 'static))
    }
}
