//! `cargo xtask bench`: every operation in every configuration, the peers beside it, and whole programs, as one table.
//!
//! ```text
//! benches/ ────────> ruler, sdk (static off, off, every call, default, exporter) ─┐
//! benches/peers/ ──> a process per peer and configuration ────────────────────────┼─> tables, benches/RESULTS.md
//! benches/service/ ─> real programs, plain and measured, in turns ────────────────┘
//! ```
//!
//! The benches print a line of JSON per case; all that is compared here was measured in turns by one process. Timings
//! are told and never judged: the exit code is that of a failure to measure. `cargo xtask icount` is the gate.

pub(crate) mod build;
mod figure;
pub(crate) mod machine;
mod options;
mod promises;
mod service;
mod table;

use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result};

use crate::bench::figure::Figures;
use crate::bench::machine::Machine;
use crate::bench::options::{Options, Part};
use crate::bench::service::Effect;
use crate::bench::table::CONFIGURATIONS;
use crate::run;

/// Where the results of a whole run are kept.
const KEPT: &str = "benches/RESULTS.md";

/// Measures what the arguments name, prints the tables, and keeps those of a whole run.
pub(crate) fn command(root: &Path, arguments: &[String]) -> Result<ExitCode> {
    let options = Options::read(arguments)?;
    let mut figures = Figures::default();
    if options.wants(Part::Ruler) || options.wants(Part::Sdk) {
        benches(root, &options, &mut figures)?;
    }
    if options.wants(Part::Peers) {
        peers(root, &options, &mut figures)?;
    }
    let mut effects = Vec::new();
    if options.wants(Part::Service) {
        effects = service::measure(root, options.quick)?;
    }
    let counts = fs::read_to_string(root.join("benches/icount.csv")).unwrap_or_default();
    let text = text(&Machine::here(root), &figures, &counts, &effects);
    run::say(&text);
    if options.is_whole() {
        fs::write(root.join(KEPT), text).with_context(|| format!("cannot write `{KEPT}`"))?;
        run::say(&format!("bench: written to {KEPT}"));
    } else {
        run::say(&format!(
            "bench: {KEPT} is written by a run of everything without `--quick` only"
        ));
    }
    Ok(ExitCode::SUCCESS)
}

/// The packages of the workspace: one build with everything, one with the feature `enabled` off.
fn benches(root: &Path, options: &Options, figures: &mut Figures) -> Result<()> {
    let on = build::benches(root, &["--bench=ruler", "--bench=sdk"])?;
    if options.wants(Part::Ruler) {
        measure(build::find(&on, "ruler")?, &[], options, figures)?;
    }
    if options.wants(Part::Sdk) {
        let off = build::benches(root, &["--bench=sdk", "--no-default-features"])?;
        for (configuration, _) in CONFIGURATIONS {
            let programs = if configuration == "static-off" {
                &off
            } else {
                &on
            };
            let program = build::find(programs, "sdk")?;
            measure(program, &["--config", configuration], options, figures)?;
        }
    }
    Ok(())
}

/// A process per peer, as what one does to the process the others must not meet.
fn peers(root: &Path, options: &Options, figures: &mut Figures) -> Result<()> {
    let package = root.join("benches/peers");
    let programs = build::outside(&package, &root.join("target/peers"), &["--locked"])?;
    let program = build::find(&programs, "khive-perf-peers")?;
    let names = build::output(Command::new(program).arg("--list"))?;
    for peer in names.lines() {
        for configuration in ["every-call", "default"] {
            measure(
                program,
                &["--peer", peer, "--config", configuration],
                options,
                figures,
            )?;
        }
    }
    Ok(())
}

fn measure(
    program: &Path,
    arguments: &[&str],
    options: &Options,
    figures: &mut Figures,
) -> Result<()> {
    let name = program
        .file_stem()
        .map(|name| name.to_string_lossy().into_owned());
    let name = name.unwrap_or_default();
    run::complain(&format!("bench: {name} {}", arguments.join(" ")));
    let mut command = Command::new(program);
    command
        .args(arguments)
        .args(["--json", "--bench"])
        .env_remove("KHIVE_PERF");
    if options.quick {
        command.arg("--quick");
    }
    let lines = build::output(&mut command)?;
    figures.0.extend(figure::read(&lines)?);
    Ok(())
}

/// The results file.
fn text(machine: &Machine, figures: &Figures, counts: &str, effects: &[Effect]) -> String {
    let Machine {
        date,
        processor,
        kernel,
        rustc,
        commit,
    } = machine;
    let promises = promises::all(figures, counts, effects);
    let mut text = format!(
        "# What measuring costs\n\n\
         Written by `cargo xtask bench` on {date}, from {commit}: {processor}, {kernel}, {rustc}, fat LTO, one codegen unit.\n\
         Absolute figures move from machine to machine; the ratios are the message.\n\
         All figures of a line come from one process in which its cases took turns: each is the median of the differences to the \
         plain function within a round, in nanoseconds per call.\n"
    );
    let sections = [
        (
            "Promises",
            promises::table(&promises),
            "Instructions are those of [icount.csv](icount.csv); `cargo xtask icount` counts them.",
        ),
        ("The ruler", table::ruler(figures), "Beyond doing nothing."),
        (
            "Every operation, by configuration",
            table::operations(figures),
            "Beyond the plain function; in brackets as a multiple of the floor, a bare pair of clock readings, or of the ideal, \
             a clock pair per poll and a histogram of the thread's own.\n\
             Of threads, processor time of a call on one of several to that of the only one.",
        ),
        (
            "Other libraries on the same work",
            table::peers(figures),
            "Beyond the plain function, each beside ours in its own process; what they export is discarded.",
        ),
        (
            "Whole programs",
            service::table(effects),
            "Released programs, plain and with every function measured by the rewriter of `cargo xtask exam`, in turns; with the default \
             budget and an exporter that sends once a second.",
        ),
    ];
    for (title, table, says) in sections {
        if !table.is_empty() {
            text.push_str(&format!("\n## {title}\n\n{says}\n\n{}", table.text()));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::figure::read;
    use crate::bench::figure::tests::line;

    #[test]
    fn results_say_when_and_where_and_leave_out_what_was_not_measured() {
        let lines = line("default", "", "empty function", ("measure", "subject"), 1.5);
        let figures = Figures(read(&lines).expect("our own"));
        let machine = Machine {
            date: "2020-02-02".into(),
            processor: "a chip".into(),
            ..Machine::default()
        };
        let text = text(&machine, &figures, "", &[]);
        assert!(
            text.contains("2020-02-02") && text.contains("a chip"),
            "{text}"
        );
        assert!(
            text.contains("## Every operation") && !text.contains("## Other libraries"),
            "{text}"
        );
    }
}
