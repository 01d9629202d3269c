//! Verdict: what is said of an origin, and why.

use std::fmt;

/// What is said of the things of one origin. Later ones are worse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Verdict {
    /// Too few things, too few censuses, or too young ones to tell.
    InsufficientData,
    /// What lives there dies, or has stopped becoming more, or is within its declared capacity.
    Plateau,
    /// Survivors do not die and keep being born; what still speaks for a cache that fills or for long lives is that
    /// it could not be seen yet.
    Suspect,
    /// Survivors do not die, keep being born, and are older than what they could have been waiting for.
    Leaking,
}

/// Why a verdict is what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// It was looked at too few times.
    TooFewCensuses,
    /// Too few of it were seen.
    TooFewThings,
    /// What has grown old still dies.
    Dies,
    /// Some never die, but no more of those are born.
    Settled,
    /// It is within what was declared for it.
    WithinCapacity,
    /// Some seem not to die; that may yet be chance.
    NotSureYet,
    /// Little of it has ever died: a leak, or something of undeclared capacity that is not full.
    MayBeFilling,
    /// Some do not die; they may live longer than they were watched.
    MayLiveLong,
    /// Some do not die, however old they are, and more of them keep coming.
    Survives,
    /// A block, or a structure of few, grows as steadily as at first.
    Grows,
}

impl Verdict {
    /// As reports and metrics name it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InsufficientData => "insufficient_data",
            Self::Plateau => "plateau",
            Self::Suspect => "suspect",
            Self::Leaking => "leaking",
        }
    }
}

impl Reason {
    /// As reports put it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TooFewCensuses => "looked at too few times",
            Self::TooFewThings => "too few were seen",
            Self::Dies => "the old ones die",
            Self::Settled => "no more of those that stay are made",
            Self::WithinCapacity => "within the declared capacity",
            Self::NotSureYet => "some seem not to die; that may yet be chance",
            Self::MayBeFilling => "hardly any was ever freed: a leak, or a cache that is not full",
            Self::MayLiveLong => "some do not die; they may live longer than they were watched",
            Self::Survives => "some never die, and more of them keep coming",
            Self::Grows => "a block grows as steadily as at first",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
