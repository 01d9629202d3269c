//! The arguments of `cargo xtask compile-time`.

use anyhow::{Context as _, Result, bail};

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Options {
    /// How often each variant is compiled in each way.
    pub(super) rounds: u32,
}

/// Enough for a median.
const ROUNDS: u32 = 5;

impl Options {
    /// Reads `[--rounds N]`.
    ///
    /// # Errors
    ///
    /// When an argument is not known, or `N` is not a number from 1.
    pub(super) fn read(arguments: &[String]) -> Result<Self> {
        let mut options = Self { rounds: ROUNDS };
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            if argument != "--rounds" {
                bail!("`compile-time` knows no `{argument}`, only `--rounds N`");
            }
            let value = rest.next().context("`--rounds` needs a number")?;
            options.rounds = match value.parse() {
                Ok(rounds @ 1..) => rounds,
                _ => bail!("`--rounds` is a number from 1, not `{value}`"),
            };
        }
        Ok(options)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Options> {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        Options::read(&words)
    }

    #[test]
    fn the_number_of_rounds_may_be_given() {
        assert_eq!(read("").expect("valid").rounds, ROUNDS);
        assert_eq!(read("--rounds 3").expect("valid").rounds, 3);
    }

    #[test]
    fn unknown_arguments_and_no_rounds_at_all_are_refused() {
        for line in ["--round 3", "3", "--rounds", "--rounds 0", "--rounds few"] {
            assert!(read(line).is_err(), "{line}");
        }
    }
}
