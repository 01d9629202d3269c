//! Every check of this repository as one command: `cargo xtask <command>`.

#![forbid(unsafe_code)]

mod bench;
mod ci;
mod compile_time;
mod demo_exam;
mod exam;
mod formats;
mod fuzz;
mod heap_stress;
mod icount;
mod install;
mod interop;
mod judge_exam;
mod leak_exam;
mod licences;
mod lints;
mod loom;
mod miri;
mod off;
mod run;
mod tidy;
mod workflow;

use std::env;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};

/// What a command is called, what it does, and what it needs beyond the Rust toolchain.
struct Command {
    name: &'static str,
    does: &'static str,
    needs: &'static str,
    run: fn(&Path, &[String]) -> Result<ExitCode>,
}

const COMMANDS: &[Command] = &[
    Command {
        name: "ci",
        does: "format, clippy, documentation, features, tidy and licences; a failure does not hide the next",
        needs: "a C compiler (SQLite is built from source), rustfmt and clippy",
        run: ci::command,
    },
    Command {
        name: "tidy",
        does: "layers, module docs, orphan files, unsafe code, links, changelog and file sizes",
        needs: "nothing",
        run: tidy::command,
    },
    Command {
        name: "licences",
        does: "every dependency is under a licence that deny.toml allows",
        needs: "nothing",
        run: licences::command,
    },
    Command {
        name: "lints",
        does: "clippy, asked for everything, says of measured functions what it says of plain ones",
        needs: "clippy",
        run: lints::command,
    },
    Command {
        name: "off",
        does: "measured functions are compiled as plain ones where the feature `enabled` is off",
        needs: "nothing",
        run: off::command,
    },
    Command {
        name: "compile-time",
        does: "what the attribute adds to compiling 1,000 functions, beside tracing and hotpath; fails at\n               \
               15 % of `cargo check` or 25 % of a release build; [--rounds N]",
        needs: "some minutes, and the network the first time",
        run: compile_time::command,
    },
    Command {
        name: "fuzz",
        does: "feeds the receiver, the configuration and the importers what a fuzzer thinks of;\n               \
               [TARGET..] [--executions N], a million where nothing is said",
        needs: "a C++ compiler, and the network the first time",
        run: fuzz::command,
    },
    Command {
        name: "formats",
        does: "holds what `khive-perf` writes against the schema of each format, or a program that reads it",
        needs: "python3 with venv, and the network",
        run: formats::command,
    },
    Command {
        name: "interop",
        does: "sends a recording to independent OTLP receivers and compares what they got; exits 3 where one cannot be installed",
        needs: "python3 with venv, apt-get and dpkg-deb, unshare, a gigabyte on disk, and the network the first time",
        run: interop::command,
    },
    Command {
        name: "bench",
        does: "measures every operation, other libraries and whole programs; prints tables, writes benches/RESULTS.md;\n            \
               [ruler] [sdk] [peers] [service] [--quick]",
        needs: "a quiet machine, and the network the first time",
        run: bench::command,
    },
    Command {
        name: "icount",
        does: "counts the instructions of each operation and fails on a rise of more than 3 % over benches/icount.csv;\n            \
               [PART OF A NAME..] [--bless]; exits 3 without valgrind",
        needs: "valgrind (apt-get install valgrind)",
        run: icount::command,
    },
    Command {
        name: "loom",
        does: "goes through the ways in which threads may interleave where they agree without a lock; [PART OF A NAME..]",
        needs: "two minutes, and the network the first time",
        run: loom::command,
    },
    Command {
        name: "miri",
        does: "interprets unit tests and a set of black-box tests, and finds undefined behaviour and data races;\n               \
               [SEEDS], 2 where nothing is said; exits 3 without Miri",
        needs: "five minutes, and Miri (rustup component add --toolchain nightly miri rust-src)",
        run: miri::command,
    },
    Command {
        name: "exam",
        does: "measures every function of released crates and compares their own tests and warnings;\n               \
               [CRATE[@VERSION]..] [--placement first|last] [--clippy] [-- ARGUMENT OF CARGO TEST..]",
        needs: "the network the first time",
        run: exam::command,
    },
    Command {
        name: "leak-exam",
        does: "judges the leak detector: families of programs that leak or do not, 200 of each;\n               \
               [PART OF A NAME..] [--seeds N] [--design]; or --crates: released crates at work",
        needs: "ten minutes; with --crates the network the first time",
        run: leak_exam::command,
    },
    Command {
        name: "heap-stress",
        does: "strains the tracking allocator over one that checks every layout, 10,000 rounds; [--rounds N]",
        needs: "some minutes",
        run: heap_stress::command,
    },
    Command {
        name: "judge-exam",
        does: "how often comparison and trend are wrong, against thresholds fixed before the run;\n               \
               [SERIES.json] adds labelled series: {\"name\": [[values], step or null]}",
        needs: "a C compiler",
        run: judge_exam::command,
    },
    Command {
        name: "store-exam",
        does: "points a second taken in over gRPC, memory meanwhile, and how long compare and trend take on a large store;\n               \
               [POINTS], ten million where nothing is said",
        needs: "a C compiler, and a gigabyte on disk for each four million points",
        run: judge_exam::store,
    },
    Command {
        name: "demo-exam",
        does: "each fault of the demo is found, its function first and nothing foreign, and none is found where there is\n               \
               none, 20 times; [FAULT..] [--same N]",
        needs: "twenty minutes of an idle machine, and a C compiler",
        run: demo_exam::command,
    },
    Command {
        name: "workflow",
        does: "runs the steps of the performance workflow, as they are written, on a small history",
        needs: "bash, git, and some minutes",
        run: workflow::command,
    },
    Command {
        name: "kills",
        does: "kills a receiver a hundred times at different moments; nothing acknowledged may be lost",
        needs: "a C compiler",
        run: judge_exam::kills,
    },
];

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match dispatch(&arguments) {
        Ok(code) => code,
        Err(error) => {
            run::complain(&format!("error: {error:#}"));
            ExitCode::from(2)
        }
    }
}

fn dispatch(arguments: &[String]) -> Result<ExitCode> {
    let Some((name, rest)) = arguments.split_first() else {
        run::say(&help());
        return Ok(ExitCode::from(2));
    };
    if matches!(name.as_str(), "-h" | "--help" | "help") {
        run::say(&help());
        return Ok(ExitCode::SUCCESS);
    }
    let Some(command) = COMMANDS.iter().find(|command| command.name == name) else {
        bail!("`{name}` is not a command; `cargo xtask --help` lists them");
    };
    if rest
        .iter()
        .any(|argument| matches!(argument.as_str(), "-h" | "--help"))
    {
        run::say(&describe(command));
        return Ok(ExitCode::SUCCESS);
    }
    (command.run)(&workspace_root()?, rest)
}

fn help() -> String {
    let mut text = String::from("usage: cargo xtask <command>\n");
    for command in COMMANDS {
        text.push('\n');
        text.push_str(&describe(command));
    }
    text
}

fn describe(command: &Command) -> String {
    format!(
        "  {:<12} {}\n               needs {}\n",
        command.name, command.does, command.needs
    )
}

/// The directory that holds the workspace's Cargo.toml, whichever directory the caller stands in.
fn workspace_root() -> Result<PathBuf> {
    // Cargo says at run time where the package is; the built program may have been moved since.
    let package =
        env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    let root = Path::new(&package)
        .parent()
        .context("the xtask package has no parent directory")?;
    Ok(root.to_path_buf())
}

/// Refuses arguments for a command that takes none.
fn no_arguments(name: &str, arguments: &[String]) -> Result<()> {
    match arguments.first() {
        Some(extra) => bail!("`{name}` takes no argument, but got `{extra}`"),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn help_lists_every_command_with_what_it_needs() {
        let text = help();
        for command in COMMANDS {
            assert!(
                text.contains(command.name) && text.contains(command.needs),
                "{text}"
            );
        }
    }

    #[test]
    fn an_unknown_command_is_refused_and_named() {
        let error = dispatch(&[String::from("benhc")]).expect_err("no such command");
        assert!(error.to_string().contains("`benhc`"), "{error}");
    }

    #[test]
    fn an_argument_too_many_is_refused() {
        assert!(no_arguments("tidy", &[String::from("now")]).is_err());
    }
}
