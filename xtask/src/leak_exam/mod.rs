//! `cargo xtask leak-exam`: programs that leak and programs that do not, and what the leak detector says of them.
//!
//! Each family of programs is drawn by 200 seeds, and each program looked at census by census. A row says how often a
//! healthy one was called `Leaking` at any time, or `Suspect` at the end, and how often a leak was found.
//! `docs/leaks.md` has the method and its thresholds. The same seeds give the same table.
//!
//! With `--crates`, released crates that are known to leak, and some that only seem to, do real work instead.

mod adverse;
mod design;
mod fresh;
mod held_out;
mod random;
mod score;
mod shape;
mod single;
mod world;

use std::path::Path;
use std::process::{Command, ExitCode};
use std::thread;

use anyhow::{Context as _, Result, bail};

use crate::leak_exam::score::{HEADER, Score};
use crate::leak_exam::shape::{Set, Shape};
use crate::run;

/// Seeds for each family.
const SEEDS: u64 = 200;

/// What is to be done.
#[derive(Debug, PartialEq, Eq)]
struct Options {
    seeds: u64,
    /// Families whose names contain one of these; all if there are none.
    names: Vec<String>,
    design_only: bool,
    /// Released crates at work instead of simulated programs.
    crates: bool,
    /// This is the optimised program that was started to do the work.
    here: bool,
}

impl Options {
    fn read(arguments: &[String]) -> Result<Self> {
        let mut options = Self {
            seeds: SEEDS,
            names: Vec::new(),
            design_only: false,
            crates: false,
            here: false,
        };
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--here" => options.here = true,
                "--design" => options.design_only = true,
                "--crates" => options.crates = true,
                "--seeds" => {
                    let count = arguments.next().context("`--seeds` needs a number")?;
                    let count = count.parse().ok().filter(|count| *count > 0);
                    options.seeds = count.context("`--seeds` needs a number of at least 1")?;
                }
                unknown if unknown.starts_with('-') => {
                    bail!(
                        "`leak-exam` knows no `{unknown}`; it takes --seeds N, --design, --crates and parts of names"
                    )
                }
                name => options.names.push(name.to_owned()),
            }
        }
        Ok(options)
    }

    fn takes(&self, shape: &Shape) -> bool {
        let is_named = |name: &String| shape.name.contains(name.as_str());
        (self.names.is_empty() || self.names.iter().any(is_named))
            && (!self.design_only || shape.set == Set::Design)
    }
}

/// Examines the detector.
pub(crate) fn command(root: &Path, arguments: &[String]) -> Result<ExitCode> {
    let options = Options::read(arguments)?;
    if options.crates {
        return released(root);
    }
    if !options.here {
        return optimised(root, arguments);
    }
    let shapes: Vec<&Shape> = [
        design::SHAPES,
        held_out::SHAPES,
        single::SHAPES,
        fresh::SHAPES,
        adverse::SHAPES,
    ]
    .into_iter()
    .flatten()
    .filter(|shape| options.takes(shape))
    .collect();
    if shapes.is_empty() {
        bail!("no family has {} in its name", options.names.join(" or "));
    }
    run::say(HEADER);
    let mut failed = 0;
    for shape in &shapes {
        let score = examine(shape, options.seeds);
        failed += usize::from(!score.passes());
        run::say(&score.line());
    }
    run::say(&format!(
        "leak-exam: {} passed, {failed} failed, {} seeds each",
        shapes.len() - failed,
        options.seeds
    ));
    Ok(if failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Runs this command again as an optimised program: it is ten times faster.
fn optimised(root: &Path, arguments: &[String]) -> Result<ExitCode> {
    let mut command: Command = run::cargo();
    command
        .args(["run", "--quiet", "--release", "--package", "xtask", "--"])
        .args(["leak-exam", "--here"])
        .args(arguments);
    Ok(if run::succeeds(&mut command, root)? {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Runs the crates of `benches/leaks`, which prints a row for each.
fn released(root: &Path) -> Result<ExitCode> {
    let mut command: Command = run::cargo();
    command
        .args(["run", "--quiet", "--release", "--locked"])
        .args(["--manifest-path", "benches/leaks/Cargo.toml"]);
    Ok(if run::succeeds(&mut command, root)? {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// All seeds of a family, on all processors.
fn examine(shape: &Shape, seeds: u64) -> Score {
    let workers = thread::available_parallelism().map_or(1, |count| count.get() as u64);
    let outcomes = thread::scope(|scope| {
        let started: Vec<_> = (0..workers)
            .map(|worker| {
                let mine = (0..seeds).filter(move |seed| seed % workers == worker);
                scope.spawn(move || {
                    mine.map(|seed| score::look(shape, seed))
                        .collect::<Vec<_>>()
                })
            })
            .collect();
        let joined = started.into_iter().map(thread::ScopedJoinHandle::join);
        joined
            .flat_map(Result::unwrap_or_default)
            .collect::<Vec<_>>()
    });
    Score::of(shape, seeds, &outcomes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(arguments: &[&str]) -> Result<Options> {
        let arguments: Vec<String> = arguments.iter().map(ToString::to_string).collect();
        Options::read(&arguments)
    }

    #[test]
    fn an_argument_that_is_not_known_is_refused() {
        assert!(options(&["--sedes", "3"]).is_err());
        assert!(options(&["--seeds", "0"]).is_err());
        assert_eq!(options(&["--seeds", "3", "n1"]).unwrap().seeds, 3);
    }

    #[test]
    fn churn_passes_and_a_leak_of_a_tenth_is_found() {
        for name in ["n1 churn", "l2 10 % of churn"] {
            let shape = design::SHAPES
                .iter()
                .find(|shape| shape.name == name)
                .unwrap();
            let score = examine(shape, 4);
            assert!(score.passes(), "{}", score.line());
        }
    }

    #[test]
    fn names_of_families_are_unique() {
        let shapes = [
            design::SHAPES,
            held_out::SHAPES,
            single::SHAPES,
            fresh::SHAPES,
            adverse::SHAPES,
        ];
        let mut names: Vec<&str> = shapes
            .into_iter()
            .flatten()
            .map(|shape| shape.name)
            .collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}
