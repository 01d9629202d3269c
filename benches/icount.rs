//! One operation, a number of times: what `cargo xtask icount` runs under callgrind.
//!
//! `icount --list` prints the operations, one a line: `NAME`, the operation it is told as a difference to, and its
//! configuration. `icount NAME CALLS` makes the calls.

use std::hint::black_box;
use std::io::Write as _;
use std::process::ExitCode;

use khive_perf_benches::Configuration;
use khive_perf_benches::operations as op;

/// An operation whose instructions are counted.
struct Operation {
    name: &'static str,
    base: &'static str,
    configuration: Configuration,
    call: fn(),
}

const fn operation(
    name: &'static str,
    base: &'static str,
    configuration: Configuration,
    call: fn(),
) -> Operation {
    Operation {
        name,
        base,
        configuration,
        call,
    }
}

const OPERATIONS: &[Operation] = {
    use Configuration::{Default, EveryCall, Off};
    &[
        operation("plain", "plain", Off, || keep(op::plain(black_box(1)))),
        operation("future/plain", "future/plain", Off, || {
            op::drive(op::yield_once())
        }),
        operation("clock-pair", "plain", Off, || {
            keep(op::clock_pair(black_box(1)))
        }),
        operation("ideal", "plain", Off, || keep(op::ideal(black_box(1)))),
        operation("off/measure", "plain", Off, || {
            keep(op::measured(black_box(1)))
        }),
        operation("every-call/measure", "plain", EveryCall, || {
            keep(op::measured(black_box(1)))
        }),
        operation("every-call/err", "plain", EveryCall, || {
            keep(op::measured_err(black_box(1)))
        }),
        operation("every-call/fields", "plain", EveryCall, || {
            keep(op::measured_fields(black_box(1)));
        }),
        operation("every-call/alloc", "plain", EveryCall, || {
            keep(op::measured_alloc(black_box(1)));
        }),
        operation("every-call/span", "plain", EveryCall, || {
            keep(op::with_span(black_box(1)))
        }),
        operation("every-call/nested", "plain", EveryCall, || {
            keep(op::measured_caller(black_box(1)));
        }),
        operation("sample-64/measure", "plain", EveryCall, || {
            keep(op::measured_sample(black_box(1)));
        }),
        operation("default/measure", "plain", Default, || {
            keep(op::measured(black_box(1)))
        }),
        operation("default/err", "plain", Default, || {
            keep(op::measured_err(black_box(1)))
        }),
        operation("off/future", "future/plain", Off, || {
            op::drive(op::measured_yield_once())
        }),
        operation("every-call/future", "future/plain", EveryCall, || {
            op::drive(op::measured_yield_once())
        }),
        operation("default/future", "future/plain", Default, || {
            op::drive(op::measured_yield_once())
        }),
        operation("ideal/future", "future/plain", Off, || {
            op::drive(khive_perf_benches::ideal::future(op::yield_once()));
        }),
    ]
};

/// The call is made although nobody needs its result.
fn keep<R>(result: R) {
    black_box(result);
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| argument != "--bench")
        .collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        // Tried only.
        [] => try_all(),
        ["--list"] => list(),
        [name, calls] => match (find(name), calls.parse()) {
            (Some(operation), Ok(calls)) => run(operation, calls),
            _ => refuse(),
        },
        _ => refuse(),
    }
}

fn find(name: &str) -> Option<&'static Operation> {
    OPERATIONS.iter().find(|operation| operation.name == name)
}

fn run(operation: &Operation, calls: u32) -> ExitCode {
    if let Err(error) = operation.configuration.apply() {
        return complain(&error);
    }
    for _ in 0..calls {
        (operation.call)();
    }
    ExitCode::SUCCESS
}

fn try_all() -> ExitCode {
    for operation in OPERATIONS {
        if find(operation.base).is_none() {
            return complain(&format!("`{}` has no base", operation.name));
        }
        let code = run(operation, 10);
        if code != ExitCode::SUCCESS {
            return code;
        }
    }
    ExitCode::SUCCESS
}

fn list() -> ExitCode {
    let mut out = std::io::stdout();
    for Operation {
        name,
        base,
        configuration,
        ..
    } in OPERATIONS
    {
        let _ = writeln!(out, "{name} {base} {}", configuration.name());
    }
    ExitCode::SUCCESS
}

fn refuse() -> ExitCode {
    complain("usage: icount --list | icount NAME CALLS; `--list` has the names")
}

fn complain(says: &str) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "error: {says}");
    ExitCode::from(2)
}
