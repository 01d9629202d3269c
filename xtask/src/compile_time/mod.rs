//! `cargo xtask compile-time`: what the attribute adds to the time that a crate of 1,000 functions takes to compile.
//!
//! ```text
//! fixtures/ ──> plain/  measured/  tracing/  hotpath/      the same functions under no attribute and under three
//!                  │        │         │         │
//!                  '────────┴────┬────┴─────────'          in turns: check, check again, release build
//!                                v
//!               processor time of cargo and its children ──> table ──> within the limits?
//! ```
//!
//! Only the crate itself is compiled; what it depends on was compiled before. The crates and what is made of
//! them are kept below `target/compile-time/`.

mod measure;
mod options;
mod source;
mod table;

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, Result};

use crate::compile_time::measure::{Step, Workspace};
use crate::compile_time::options::Options;
use crate::compile_time::source::{FUNCTIONS, VARIANTS};
use crate::compile_time::table::{OURS, Table};
use crate::run;

/// Measures, prints the table, and fails where the attribute costs more than it may.
pub(crate) fn command(root: &Path, arguments: &[String]) -> Result<ExitCode> {
    let options = Options::read(arguments)?;
    let lines = source::service(0, VARIANTS[0].attribute).lines().count();
    run::say(&format!(
        "compile-time: {FUNCTIONS} functions, {} lines each on average with what is around them; {} rounds",
        lines * source::MODULES / FUNCTIONS,
        options.rounds
    ));
    let mut workspace = Workspace::create(root)?;
    let mut table = Table::default();
    for step in Step::ALL {
        for variant in &VARIANTS {
            workspace.run(step, variant)?;
        }
    }
    for _ in 0..options.rounds {
        for step in Step::ALL {
            for repeat in 0..step.repeats() {
                let variants = if repeat == 0 {
                    &VARIANTS[..]
                } else {
                    &VARIANTS[..=OURS]
                };
                for (column, variant) in variants.iter().enumerate() {
                    let cost = workspace
                        .run(step, variant)
                        .with_context(|| format!("`{}`", variant.directory))?;
                    table.note(step, column, cost);
                }
            }
        }
    }
    run::say(&table.render());
    let over = table.over_limit();
    for line in &over {
        run::complain(&format!("compile-time: {line}"));
    }
    Ok(if over.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
