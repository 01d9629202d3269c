//! The faults that can be switched on, and what each of them touches.

use std::fmt;

use clap::ValueEnum;

/// A fault of the demo service, chosen at start and on for the life of the process.
///
/// Each fault is work that is done for real and could be avoided, as in a bad change; none is a sleep.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Inject {
    /// The service as it should be.
    #[default]
    None,
    /// Loading a session reads and parses its whole history, not only the end that is asked for.
    SlowSession,
    /// The composition cache holds one entry, so that nearly every composition is made anew.
    CacheThrash,
    /// Every session that was ever loaded is kept in memory.
    Leak,
    /// Every composition reads and parses all definition files on the async worker thread.
    Blocking,
}

impl Inject {
    /// The functions which the fault slows down: the one that does the work first, then its callers, up to the
    /// routes.
    ///
    /// Names are those that reports show. Only [`SlowSession`](Self::SlowSession) is built to
    /// touch one call path and nothing else; the other faults spread, and list nothing here.
    #[must_use]
    pub fn slowed(self) -> &'static [&'static str] {
        match self {
            Self::SlowSession => &[
                "session::load_history",
                "session::load",
                "orchestration::orchestrate",
                "http::create_orchestration",
                "http::read_session",
                "POST /orchestrations",
                "GET /sessions/{id}",
            ],
            Self::None | Self::CacheThrash | Self::Leak | Self::Blocking => &[],
        }
    }
}

impl fmt::Display for Inject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "none",
            Self::SlowSession => "slow-session",
            Self::CacheThrash => "cache-thrash",
            Self::Leak => "leak",
            Self::Blocking => "blocking",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_displayed_name_is_the_one_the_command_line_takes() {
        for &inject in Inject::value_variants() {
            assert_eq!(Inject::from_str(&inject.to_string(), false), Ok(inject));
        }
    }
}
