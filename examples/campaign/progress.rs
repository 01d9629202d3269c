//! Progress: one line on standard error that says what is going on and how long it will take.

use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use crate::campaign::order::Side;

/// Where the tour is.
#[derive(Debug)]
pub struct Progress {
    runs: u32,
    run_duration: Duration,
    number: u32,
    side: Side,
    overwrites: bool,
}

// === impl Progress ===

impl Progress {
    /// A tour of `runs` runs, each about `run_duration` long; nothing is written yet.
    #[must_use]
    pub fn new(runs: u32, run_duration: Duration) -> Self {
        Self {
            runs,
            run_duration,
            number: 0,
            side: Side::Baseline,
            overwrites: io::stderr().is_terminal(),
        }
    }

    /// The next run begins.
    pub fn next(&mut self, side: Side) {
        self.number += 1;
        self.side = side;
    }

    /// A phase of the current run begins, which leaves `left` of it.
    pub fn phase(&self, phase: &str, left: Duration) {
        self.write(&format_args!("{}", self.line(phase, left)));
    }

    /// Time has passed in a phase; shown on a terminal only, so that logs stay short.
    pub fn tick(&self, phase: &str, left: Duration) {
        if self.overwrites {
            self.phase(phase, left);
        }
    }

    /// All runs are done; what follows begins on a line of its own.
    pub fn done(&self) {
        if self.overwrites && self.number > 0 {
            let _ = writeln!(io::stderr());
        }
    }

    /// An estimate, for people: what is left of this run, and whole runs for those to come.
    fn line(&self, phase: &str, left: Duration) -> String {
        let to_come = self.run_duration * self.runs.saturating_sub(self.number);
        format!(
            "run {:>2} of {}  {:<9}  {phase:<12} about {:>3.0} s left",
            self.number,
            self.runs,
            self.side.name(),
            (to_come + left).as_secs_f64(),
        )
    }

    fn write(&self, line: &fmt::Arguments<'_>) {
        let mut stderr = io::stderr().lock();
        // Nobody is harmed by a progress line that cannot be written.
        let _ = if self.overwrites {
            write!(stderr, "\r{line} ").and_then(|()| stderr.flush())
        } else {
            writeln!(stderr, "{line}")
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_counts_the_rest_of_this_run_and_the_runs_to_come() {
        let mut progress = Progress::new(10, Duration::from_secs(7));
        progress.next(Side::Baseline);
        progress.next(Side::Candidate);
        assert_eq!(
            progress.line("load", Duration::from_secs(5)),
            "run  2 of 10  candidate  load         about  61 s left",
        );
    }
}
