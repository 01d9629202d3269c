//! Errors of setting the exporter up: what is wrong, where, and what would be right.

use std::fmt;

/// The exporter could not be set up. Nothing was started, and nothing that runs was changed.
pub struct InstallError {
    kind: Kind,
}

#[derive(Debug)]
pub(crate) enum Kind {
    /// A setting that cannot be honoured: its name, its value, what would be right.
    Setting {
        name: String,
        value: String,
        remedy: String,
    },
    AlreadyInstalled,
    Thread(std::io::Error),
}

impl InstallError {
    #[cold]
    pub(crate) fn setting(name: &str, value: &str, remedy: impl Into<String>) -> Self {
        let (name, value) = (name.to_owned(), value.to_owned());
        Self {
            kind: Kind::Setting {
                name,
                value,
                remedy: remedy.into(),
            },
        }
    }

    #[cold]
    pub(crate) fn already_installed() -> Self {
        Self {
            kind: Kind::AlreadyInstalled,
        }
    }

    #[cold]
    pub(crate) fn thread(error: std::io::Error) -> Self {
        Self {
            kind: Kind::Thread(error),
        }
    }

    /// Whether an exporter that was installed before is still running.
    #[must_use]
    pub fn is_already_installed(&self) -> bool {
        matches!(self.kind, Kind::AlreadyInstalled)
    }

    /// Name of the environment variable or of the builder's setting that is wrong.
    #[must_use]
    pub fn setting_name(&self) -> Option<&str> {
        match &self.kind {
            Kind::Setting { name, .. } => Some(name),
            _ => None,
        }
    }
}

impl fmt::Display for InstallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Setting { name, value, remedy } => {
                write!(f, "{name} is `{value}`: {remedy}")
            }
            Kind::AlreadyInstalled => f.write_str(
                "an exporter is installed already; shut it down first, or build another with `Exporter::builder()`",
            ),
            Kind::Thread(error) => write!(f, "the exporter's thread could not be started: {error}"),
        }
    }
}

impl fmt::Debug for InstallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "InstallError({self})")
    }
}

impl std::error::Error for InstallError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.kind {
            Kind::Thread(error) => Some(error),
            _ => None,
        }
    }
}
