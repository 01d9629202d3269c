//! Which run comes when, under which name, and in which database.

use std::io;
use std::path::{Path, PathBuf};

use crate::demo::Inject;

/// What a run is compared as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The service as it should be.
    Baseline,
    /// The service with the fault.
    Candidate,
}

// === impl Side ===

impl Side {
    /// Name of its runs in the database.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Baseline => "baseline",
            Self::Candidate => "candidate",
        }
    }

    /// Fault that is on in its runs.
    #[must_use]
    pub fn inject(self, candidate: Inject) -> Inject {
        match self {
            Self::Baseline => Inject::None,
            Self::Candidate => candidate,
        }
    }
}

/// Both sides `runs` times, taking turns; who goes first changes from pair to pair.
pub fn order(runs: u32) -> impl Iterator<Item = Side> {
    (0..runs).flat_map(|pair| match pair % 2 {
        0 => [Side::Baseline, Side::Candidate],
        _ => [Side::Candidate, Side::Baseline],
    })
}

/// The first of `tour-1.sqlite`, `tour-2.sqlite`, .. that `directory` does not have.
///
/// # Errors
///
/// The directory cannot be looked at.
pub fn database_path(directory: &Path) -> io::Result<PathBuf> {
    for number in 1_u32.. {
        let path = directory.join(format!("tour-{number}.sqlite"));
        if !path.try_exists()? {
            return Ok(path);
        }
    }
    Err(io::Error::other(
        "there are too many tours; remove some of tour-*.sqlite",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sides_take_turns_and_neither_goes_first_always() {
        use Side::{Baseline as B, Candidate as C};
        assert_eq!(order(4).collect::<Vec<_>>(), [B, C, C, B, B, C, C, B]);
        assert_eq!(order(5).filter(|&side| side == B).count(), 5);
    }

    #[test]
    fn a_tour_never_writes_into_the_database_of_an_earlier_one() {
        let dir = tempfile::tempdir().unwrap();
        let first = database_path(dir.path()).unwrap();
        assert!(first.ends_with("tour-1.sqlite"));
        std::fs::write(first, "").unwrap();
        assert!(
            database_path(dir.path())
                .unwrap()
                .ends_with("tour-2.sqlite")
        );
    }
}
