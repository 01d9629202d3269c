//! InstallError and ExportError: what can go wrong at the start, and later.

use std::error::Error;
use std::fmt;
use std::io;

/// Why an exporter did not start. Nothing runs then, and what ran before still does.
#[derive(Debug)]
pub struct InstallError {
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Setting {
        name: String,
        value: Option<String>,
        problem: String,
    },
    AlreadyInstalled,
    Thread(io::Error),
}

impl InstallError {
    /// A variable or a setting that cannot be honoured, and what to do about it.
    #[cold]
    pub(crate) fn setting(name: &str, value: &str, problem: impl Into<String>) -> Self {
        Self {
            kind: Kind::Setting {
                name: name.to_owned(),
                value: Some(value.to_owned()),
                problem: problem.into(),
            },
        }
    }

    /// The same, of a value that is not to be shown.
    #[cold]
    pub(crate) fn secret(name: &str, problem: impl Into<String>) -> Self {
        Self {
            kind: Kind::Setting {
                name: name.to_owned(),
                value: None,
                problem: problem.into(),
            },
        }
    }

    #[cold]
    pub(crate) const fn already_installed() -> Self {
        Self {
            kind: Kind::AlreadyInstalled,
        }
    }

    #[cold]
    pub(crate) const fn thread(error: io::Error) -> Self {
        Self {
            kind: Kind::Thread(error),
        }
    }

    /// Whether the process has an exporter already, which keeps running.
    #[must_use]
    pub const fn is_already_installed(&self) -> bool {
        matches!(self.kind, Kind::AlreadyInstalled)
    }

    /// The variable or setting that cannot be honoured.
    #[must_use]
    pub fn setting_name(&self) -> Option<&str> {
        match &self.kind {
            Kind::Setting { name, .. } => Some(name),
            Kind::AlreadyInstalled | Kind::Thread(_) => None,
        }
    }
}

impl fmt::Display for InstallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Setting {
                name,
                value: Some(value),
                problem,
            } => write!(f, "{name} is `{value}`: {problem}"),
            Kind::Setting {
                name,
                value: None,
                problem,
            } => write!(f, "{name}: {problem}"),
            Kind::AlreadyInstalled => f.write_str(
                "the process has an exporter already, which keeps running; shut it down first, or \
                 use `ExporterBuilder::start` for one more",
            ),
            Kind::Thread(_) => f.write_str("the exporter's thread did not start"),
        }
    }
}

impl Error for InstallError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.kind {
            Kind::Thread(error) => Some(error),
            Kind::Setting { .. } | Kind::AlreadyInstalled => None,
        }
    }
}

/// Something that went wrong while an exporter ran.
#[derive(Clone, Debug)]
pub struct ExportError {
    message: String,
    is_retryable: bool,
}

impl ExportError {
    #[cold]
    pub(crate) fn new(message: impl Into<String>, is_retryable: bool) -> Self {
        Self {
            message: message.into(),
            is_retryable,
        }
    }

    /// Whether the data points it was about are tried again.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        self.is_retryable
    }
}

impl fmt::Display for ExportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for ExportError {}
