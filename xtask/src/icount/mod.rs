//! `cargo xtask icount`: how many instructions each operation takes, counted by callgrind, against `benches/icount.csv`.
//!
//! ```text
//! (instructions of 2 N calls - instructions of N calls) / N  -  the same of the plain function
//! ```
//!
//! Instructions do not depend on how busy the machine is, so that a rise of 3 % is a change of the code, or of the
//! compiler, and the command fails. What `--bless` writes is reviewed like any other change.

mod table;

use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context as _, Result, bail};

use crate::bench::build;
use crate::bench::machine;
use crate::icount::table::{Change, Table};
use crate::run;

/// Where the counts are kept.
const KEPT: &str = "benches/icount.csv";
/// N: the first calls, which register and allocate, are in both counts.
const CALLS: u32 = 200_000;
/// Nothing was counted, for want of a tool.
const NOT_COUNTED: u8 = 3;

const NO_VALGRIND: &str = "icount: nothing was counted: `valgrind` is not on the PATH; install it with \
    `apt-get install valgrind`, `dnf install valgrind` or `pacman -S valgrind` (Linux only)";

/// An operation as the bench lists it.
struct Operation {
    name: String,
    base: String,
}

/// Counts every operation, or those whose names contain one of the arguments.
pub(crate) fn command(root: &Path, arguments: &[String]) -> Result<ExitCode> {
    let (bless, filters) = read_arguments(arguments)?;
    if !has_valgrind() {
        run::complain(NO_VALGRIND);
        return Ok(ExitCode::from(NOT_COUNTED));
    }
    let features = [
        "--bench=icount",
        "--no-default-features",
        "--features=enabled",
    ];
    let programs = build::benches(root, &features)?;
    let program = build::find(&programs, "icount")?;
    let counts = count_all(program, &filters)?;
    let path = root.join(KEPT);
    let kept = match fs::read_to_string(&path) {
        Ok(text) => Table::read(&text).with_context(|| format!("`{KEPT}`"))?,
        Err(_) => Table::default(),
    };
    let toolchain = machine::rustc();
    if bless {
        let mut table = kept;
        table.toolchain = toolchain;
        table.take(counts);
        fs::write(&path, table.text()).with_context(|| format!("cannot write `{KEPT}`"))?;
        run::say(&format!("icount: written to {KEPT}"));
        return Ok(ExitCode::SUCCESS);
    }
    Ok(judge(&kept, &counts, &toolchain))
}

fn read_arguments(arguments: &[String]) -> Result<(bool, Vec<&str>)> {
    let (mut bless, mut filters) = (false, Vec::new());
    for argument in arguments {
        match argument.as_str() {
            "--bless" => bless = true,
            unknown if unknown.starts_with('-') => {
                bail!("`icount` knows no `{unknown}`; there is `--bless`, and parts of names")
            }
            filter => filters.push(filter),
        }
    }
    Ok((bless, filters))
}

fn has_valgrind() -> bool {
    let mut valgrind = Command::new("valgrind");
    valgrind
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    valgrind.status().is_ok_and(|status| status.success())
}

/// Prints each count as it comes.
fn count_all(program: &Path, filters: &[&str]) -> Result<Vec<(String, f64)>> {
    let list = build::output(Command::new(program).arg("--list"))?;
    let operations: Vec<Operation> = list.lines().filter_map(operation).collect();
    let mut plain: Vec<(String, f64)> = Vec::new();
    let mut counts = Vec::new();
    run::say(&format!(
        "{:<24} {:>12} {:>12}",
        "operation", "instructions", "beyond plain"
    ));
    for Operation { name, base } in &operations {
        if !filters.is_empty() && !filters.iter().any(|filter| name.contains(filter)) {
            continue;
        }
        if !plain.iter().any(|(known, _)| known == base) {
            plain.push((base.clone(), count(program, base)?));
        }
        let of_base = plain
            .iter()
            .find(|(known, _)| known == base)
            .map_or(0.0, |(_, count)| *count);
        let whole = if name == base {
            of_base
        } else {
            count(program, name)?
        };
        let beyond = if name == base { whole } else { whole - of_base };
        run::say(&format!("{name:<24} {whole:>12.1} {beyond:>12.1}"));
        counts.push((name.clone(), beyond));
    }
    Ok(counts)
}

/// `NAME BASE CONFIGURATION`.
fn operation(line: &str) -> Option<Operation> {
    let mut words = line.split_whitespace().map(str::to_owned);
    Some(Operation {
        name: words.next()?,
        base: words.next()?,
    })
}

/// Instructions of one call.
fn count(program: &Path, name: &str) -> Result<f64> {
    let once = instructions(program, name, CALLS)?;
    let twice = instructions(program, name, 2 * CALLS)?;
    Ok((twice - once) / f64::from(CALLS))
}

/// Instructions of the whole program, when it makes so many calls.
fn instructions(program: &Path, name: &str, calls: u32) -> Result<f64> {
    let mut valgrind = Command::new("valgrind");
    valgrind
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(program)
        .args([name, &calls.to_string()])
        .env_remove("KHIVE_PERF")
        .stdin(Stdio::null());
    let output = valgrind.output().context("cannot start valgrind")?;
    let said = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        bail!("`{name}` failed under valgrind:\n{}", said.trim());
    }
    collected(&said).with_context(|| format!("valgrind counted nothing:\n{}", said.trim()))
}

/// The number in `==123== Collected : 456`.
fn collected(said: &str) -> Option<f64> {
    let line = said.lines().find(|line| line.contains("Collected :"))?;
    line.rsplit(':').next()?.trim().parse().ok()
}

/// Says what rose, what fell, and what is new.
fn judge(kept: &Table, counts: &[(String, f64)], toolchain: &str) -> ExitCode {
    let mut failed = false;
    for (name, now) in counts {
        match kept.change(name, *now) {
            Change::None => {}
            Change::Fell(before) => {
                run::say(&format!(
                    "icount: {name} fell from {before:.1} to {now:.1}; `--bless` keeps that"
                ));
            }
            Change::Rose(before) => {
                failed = true;
                run::complain(&format!(
                    "icount: {name} rose from {before:.1} to {now:.1} instructions, by more than 3 %; if that is wanted, \
                     `cargo xtask icount --bless {name}`"
                ));
            }
            Change::New => {
                failed = true;
                run::complain(&format!(
                    "icount: {name} is not in {KEPT}; `cargo xtask icount --bless` adds it"
                ));
            }
        }
    }
    if kept.toolchain != toolchain {
        run::say(&format!(
            "icount: counted with {toolchain}, kept are counts with {}",
            kept.toolchain
        ));
    }
    if failed {
        return ExitCode::FAILURE;
    }
    run::say(&format!(
        "icount: {} operations, none rose by more than 3 %",
        counts.len()
    ));
    ExitCode::SUCCESS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_count_is_read_from_what_valgrind_says() {
        let said = "==7== Events    : Ir\n==7== Collected : 20481234\n==7==\n==7== I   refs:      20,481,234\n";
        assert_eq!(
            collected(said).map(|count| format!("{count}")).as_deref(),
            Some("20481234")
        );
        assert_eq!(collected("valgrind: no such tool"), None);
    }

    #[test]
    fn operations_and_arguments_are_read() {
        let read = operation("off/measure plain off").expect("three words");
        assert_eq!(
            (read.name.as_str(), read.base.as_str()),
            ("off/measure", "plain")
        );
        assert!(operation("plain").is_none());
        let arguments = ["--bless".to_owned(), "off".to_owned()];
        assert_eq!(
            read_arguments(&arguments).expect("valid"),
            (true, vec!["off"])
        );
        assert!(read_arguments(&["--fast".to_owned()]).is_err());
    }
}
