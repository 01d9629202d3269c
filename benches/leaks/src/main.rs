//! Released crates at work, some in a way that leaks, watched by the leak detector; each in a process of its own.
//!
//! Without an argument all cases are run, a row for each: what was said, of whom, and whether that is right. The exit
//! code is 1 where it is not. With the name of a case only that is run, and its whole report printed.

mod healthy;
mod leaking;

use std::env;
use std::io::Write as _;
use std::process::{Command, ExitCode};
use std::thread;

use khive_perf::Config;
use khive_perf::alloc::TrackingAllocator;
use khive_perf::leak::{Kind, LeakConfig, LeakDetector, LeakReport, Verdict};

#[global_allocator]
static ALLOCATOR: TrackingAllocator = TrackingAllocator::system();

/// Censuses of a case, and so rounds of its work: more than what only grows is given to fill.
const ROUNDS: u32 = 420;
/// Bytes between two sampled blocks: these programs are small.
const SAMPLE_BYTES: u64 = 512;

/// A crate in use.
pub struct Case {
    name: &'static str,
    /// What uses it; that is to be found, if it leaks.
    guilty: &'static str,
    leaks: bool,
    /// Makes what does one round of work.
    start: fn() -> Work,
}

/// One round of work.
type Work = Box<dyn FnMut(u32)>;

impl Case {
    const fn leaking(name: &'static str, guilty: &'static str, start: fn() -> Work) -> Self {
        Self {
            name,
            guilty,
            leaks: true,
            start,
        }
    }

    const fn healthy(name: &'static str, guilty: &'static str, start: fn() -> Work) -> Self {
        Self {
            name,
            guilty,
            leaks: false,
            start,
        }
    }

    /// Lets it work, and looks after each round.
    fn watch(&self) -> LeakReport {
        let mut work = (self.start)();
        let mut detector = LeakDetector::new(LeakConfig::default());
        for round in 0..ROUNDS {
            work(round);
            detector.observe();
        }
        let report = detector.report();
        drop(work);
        report
    }

    /// Whether what leaks was found, and nobody else.
    fn is_right(&self, report: &LeakReport) -> bool {
        let mut told = report
            .findings()
            .iter()
            .filter(|finding| finding.verdict() >= Verdict::Suspect);
        if !self.leaks {
            return told.next().is_none();
        }
        let guilty: Vec<&str> = report.leaking().map(|finding| finding.callsite()).collect();
        !guilty.is_empty() && told.all(|finding| finding.callsite() == self.guilty)
    }
}

fn main() -> ExitCode {
    let cases: Vec<&Case> = leaking::CASES.iter().chain(healthy::CASES).collect();
    let Some(name) = env::args().nth(1) else {
        return all(&cases);
    };
    let Some(case) = cases.iter().find(|case| case.name == name) else {
        let _ = writeln!(std::io::stderr(), "no case is called `{name}`");
        return ExitCode::from(2);
    };
    if let Err(error) = khive_perf::configure(Config::default().heap_sample_bytes(SAMPLE_BYTES)) {
        let _ = writeln!(std::io::stderr(), "{error}");
        return ExitCode::from(2);
    }
    // A thread that begins now samples at this rate from its first block on.
    let watched = thread::scope(|scope| scope.spawn(|| case.watch()).join());
    let Ok(report) = watched else {
        return ExitCode::from(2);
    };
    let _ = write!(std::io::stdout(), "{}\n{report}", line(case, &report));
    if case.is_right(&report) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// The row of a case: its name, what is right, what was said of its worst place on the heap.
fn line(case: &Case, report: &LeakReport) -> String {
    let mut heap = report
        .findings()
        .iter()
        .filter(|finding| finding.kind() == Kind::Heap);
    let worst = heap.next();
    let said = worst.map_or("nothing", |worst| worst.verdict().as_str());
    let of = worst.map_or("", |worst| worst.callsite());
    let expected = if case.leaks { "leaking" } else { "plateau" };
    let result = if case.is_right(report) {
        "pass"
    } else {
        "FAIL"
    };
    format!(
        "{:<52} {expected:<8} {said:<18} {of:<34} {result}",
        case.name
    )
}

/// Runs each case in a process of its own.
fn all(cases: &[&Case]) -> ExitCode {
    let mut failed = 0;
    for case in cases {
        let ran =
            env::current_exe().and_then(|program| Command::new(program).arg(case.name).output());
        let text = match &ran {
            Ok(output) => String::from_utf8_lossy(&output.stdout).into_owned(),
            Err(error) => format!("{}: {error}", case.name),
        };
        let passed = ran.is_ok_and(|output| output.status.success());
        failed += usize::from(!passed);
        let row = text.lines().next().unwrap_or(case.name);
        let _ = writeln!(std::io::stdout(), "{row}");
        if !passed {
            let _ = writeln!(std::io::stdout(), "{text}");
        }
    }
    let passed = cases.len() - failed;
    let _ = writeln!(
        std::io::stdout(),
        "crates: {passed} passed, {failed} failed"
    );
    if failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
