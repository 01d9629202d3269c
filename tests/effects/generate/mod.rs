//! Generates functions with side effects, each of them plain and measured, and the table of both.
//!
//! A function is a tree of random choices. `scope` knows what may be named, moved and left at each place,
//! so that what comes out compiles; every choice at run time is asked of the script that the test sets.

mod expression;
mod function;
mod future;
mod random;
mod scope;
mod statement;

use std::env;
use std::fmt::Write as _;
use std::path::Path;

use self::function::{Function, function};
use self::random::Random;
use self::scope::Scope;

const SEED_VARIABLE: &str = "KHIVE_PERF_EFFECTS_SEED";
const SEED_DEFAULT: u64 = 1;
const FUNCTIONS: usize = 204;
const QUIET: &str = "#[allow(warnings, clippy::all, reason = \"nobody wrote it\")]\n";

/// Writes `functions.rs` to where `include!` finds it.
pub(crate) fn write() {
    println!("cargo::rerun-if-env-changed={SEED_VARIABLE}");
    let written = env::var(SEED_VARIABLE).unwrap_or_else(|_| SEED_DEFAULT.to_string());
    let Ok(seed) = written.parse() else {
        println!("cargo::error={SEED_VARIABLE} is `{written}`; it must be a whole number");
        return;
    };
    let directory = env::var("OUT_DIR").unwrap_or_default();
    let path = Path::new(&directory).join("functions.rs");
    if let Err(error) = std::fs::write(&path, generated(seed)) {
        println!("cargo::error=cannot write {}: {error}", path.display());
    }
}

fn generated(seed: u64) -> String {
    let mut scope = Scope::new(Random::new(seed));
    let functions: Vec<_> = (0..FUNCTIONS)
        .map(|index| function(&mut scope, index))
        .collect();
    let mut text = format!("pub(crate) const SEED: u64 = {seed};\n");
    text.push_str(&module("plain", &functions, |_| ""));
    text.push_str(&module("measured", &functions, |function| {
        &function.attribute
    }));
    text.push_str(QUIET);
    text.push_str("pub(crate) const CASES: &[Case] = &[\n");
    for function in &functions {
        let source = indented(&function.text.replace('@', &function.attribute));
        let run = |module: &str| {
            let call = function.call.replace('@', module);
            if function.is_future {
                format!("|polls| drive({call}, polls)")
            } else {
                format!("|_| ended({call})")
            }
        };
        let is_future = function.is_future;
        let (plain, measured) = (run("plain"), run("measured"));
        let _ = writeln!(
            text,
            "Case {{ source: {source:?}, is_future: {is_future}, plain: {plain}, measured: {measured} }},"
        );
    }
    text.push_str("];\n");
    text
}

/// All functions in one module, with what `attribute` says above each.
fn module<'a>(
    name: &str,
    functions: &'a [Function],
    attribute: impl Fn(&'a Function) -> &'a str,
) -> String {
    let mut text = format!(
        "{QUIET}pub(crate) mod {name} {{\nuse crate::runtime::*;\npub struct Owner(pub Token, pub Token);\n"
    );
    for function in functions {
        text.push_str(&function.text.replace('@', attribute(function)));
        text.push_str("\n\n");
    }
    text.push_str("}\n");
    indented(&text)
}

/// Indents lines by the braces around them, so that a failure can be read.
fn indented(text: &str) -> String {
    let mut depth = 0_usize;
    let mut result = String::new();
    for line in text.lines() {
        let closing = line
            .chars()
            .take_while(|c| matches!(c, '}' | ')'))
            .filter(|c| *c == '}')
            .count();
        let _ = writeln!(result, "{:1$}{line}", "", 4 * depth.saturating_sub(closing));
        depth = (depth + line.matches('{').count()).saturating_sub(line.matches('}').count());
    }
    result
}
