//! How a call ended.

use std::fmt;

/// How a call ended. The four are kept apart everywhere, so that a cancelled request does not
/// flatter a quantile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(clippy::exhaustive_enums, reason = "a call ends in one of four ways")]
pub enum Outcome {
    /// It returned; with `err` or `ok_if`, what it returned passed the test.
    Ok,
    /// It returned what `err` or `ok_if` calls an error.
    Error,
    /// It unwound.
    Panic,
    /// Its future was dropped between its first poll and its end.
    Cancelled,
}

impl Outcome {
    /// All four, in the order in which reports show them.
    pub const ALL: [Self; 4] = [Self::Ok, Self::Error, Self::Panic, Self::Cancelled];

    /// The word used in reports and as attribute value: `ok`, `error`, `panic`, `cancelled`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Error => "error",
            Self::Panic => "panic",
            Self::Cancelled => "cancelled",
        }
    }

    pub(crate) const fn index(self) -> usize {
        self as usize
    }

    pub(crate) const fn from_index(index: u64) -> Self {
        match index {
            0 => Self::Ok,
            1 => Self::Error,
            2 => Self::Panic,
            _ => Self::Cancelled,
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
