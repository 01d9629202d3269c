//! `cargo xtask off`: with the `enabled` feature off, a measured function is compiled to the instructions of
//! the plain one.
//!
//! The functions are in `tests/off`. Each is compiled plain, measured and off, and measured and on: the first
//! two must be equal, line by line but for what is named after the crate; the third must not be, or else
//! nothing was compared.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};

use crate::run;

const PACKAGE: &str = "khive-perf-tests-off";

/// The measured functions, by what their symbols contain.
const FUNCTIONS: &[&str] = &[
    "sync_sum",
    "sync_question_mark",
    "sync_owned",
    "generic_sort",
    "method_step",
    "method_of_block",
    "async_loop",
    "async_question_mark",
    "returned_future",
    "returned_box",
];

/// The instructions of each symbol.
type Assembly = BTreeMap<String, Vec<String>>;

/// Runs the check alone.
pub(crate) fn command(root: &Path, arguments: &[String]) -> Result<ExitCode> {
    crate::no_arguments("off", arguments)?;
    Ok(if check(root)? {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Prints every function that is compiled differently; true when there is none.
pub(crate) fn check(root: &Path) -> Result<bool> {
    let plain = assembly(root, "")?;
    let off = assembly(root, "measured")?;
    let on = assembly(root, "on")?;
    let mut equal = true;
    for symbol in different(&plain, &off) {
        equal = false;
        run::complain(&format!(
            "off: {symbol} is compiled differently where it is measured"
        ));
    }
    let mut compared = 0;
    for function in FUNCTIONS {
        let of_it = |assembly: &Assembly| -> Assembly {
            let all = assembly
                .iter()
                .filter(|(symbol, _)| symbol.contains(function));
            all.map(|(symbol, lines)| (symbol.clone(), lines.clone()))
                .collect()
        };
        let (plain, on) = (of_it(&plain), of_it(&on));
        if plain.is_empty() {
            bail!("`{function}` is not in the assembly; was it inlined?");
        }
        if plain == on {
            bail!("`{function}` is the same where it is measured and on; was the attribute there?");
        }
        compared += plain.values().map(Vec::len).sum::<usize>();
    }
    if equal {
        run::say(&format!(
            "off: {} functions, {compared} lines of assembly: the same as without the attribute",
            FUNCTIONS.len()
        ));
    }
    Ok(equal)
}

/// The symbols that are not in both, or not the same in both.
fn different<'a>(one: &'a Assembly, other: &'a Assembly) -> Vec<&'a str> {
    let mut symbols: Vec<_> = one.keys().chain(other.keys()).map(String::as_str).collect();
    symbols.sort_unstable();
    symbols.dedup();
    symbols.retain(|symbol| one.get(*symbol) != other.get(*symbol));
    symbols
}

fn assembly(root: &Path, features: &str) -> Result<Assembly> {
    let target = root.join("target").join("off");
    let file = target.join(format!("functions-{features}.s"));
    fs::create_dir_all(&target).with_context(|| format!("cannot make {}", target.display()))?;
    let emit = format!("--emit=asm={}", file.display());
    let mut cargo = run::cargo();
    cargo
        .args(["rustc", "--quiet", "--release", "--locked", "--lib"])
        .args(["--package", PACKAGE, "--features", features])
        .arg("--target-dir")
        .arg(&target)
        .args([
            "--",
            "-Csymbol-mangling-version=v0",
            "-Ccodegen-units=1",
            &emit,
        ])
        // What is said about lines in the source is no instruction.
        .env("CARGO_PROFILE_RELEASE_DEBUG", "false")
        .env("CARGO_INCREMENTAL", "0");
    if !run::succeeds(&mut cargo, root)? {
        bail!("{PACKAGE} does not compile with the features `{features}`");
    }
    let text =
        fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
    Ok(read(&text))
}

/// Directives that say where something is, and not what.
const PLACES: &[&str] = &[
    ".file", ".globl", ".hidden", ".ident", ".p2align", ".section", ".size", ".type",
];

/// Parts assembly by symbol, as the order of symbols depends on the hash of the crate; data is apart.
fn read(text: &str) -> Assembly {
    let mut all = Assembly::new();
    let mut symbol = String::new();
    for line in text.lines().map(without_numbers) {
        let directive = line.split_whitespace().next().unwrap_or_default();
        if line.contains(".section\t.rodata") || line.contains(".section\t.data") {
            symbol = String::from("data");
        }
        if PLACES.contains(&directive) {
            continue;
        }
        let label = line.strip_suffix(':');
        let is_symbol = |label: &&str| !label.starts_with(".L") && !label.starts_with("GCC_");
        if let Some(label) = label.filter(is_symbol) {
            symbol = label.to_owned();
        }
        all.entry(symbol.clone()).or_default().push(line);
    }
    all
}

/// Takes out what depends on the hash of the crate and on the order of symbols.
fn without_numbers(line: &str) -> String {
    let in_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '$');
    let mut clean = String::new();
    let mut rest = line;
    while !rest.is_empty() {
        let word = rest.find(|c| !in_word(c)).unwrap_or(rest.len());
        let other = rest.chars().next().map_or(0, char::len_utf8);
        let (word, behind) = rest.split_at(if word == 0 { other } else { word });
        clean.push_str(&if word.starts_with("_R") {
            ["Cs", "Ms", "Xs", "B"]
                .iter()
                .fold(word.to_owned(), |word, mark| without_base_62(&word, mark))
        } else if let Some(hash) = word.find("anon.") {
            let (before, hash) = word.split_at(hash + 5);
            format!(
                "{before}{}",
                hash.trim_start_matches(|c: char| c.is_ascii_hexdigit())
            )
        } else if word.starts_with(".L") || word.starts_with("GCC_") {
            without_first_number(word)
        } else {
            word.to_owned()
        });
        rest = behind;
    }
    clean
}

/// Empties the numbers between `mark` and `_` in a symbol: hashes of crates, numbers of `impl` blocks, and
/// references to earlier parts of the symbol, which count its letters.
fn without_base_62(symbol: &str, mark: &str) -> String {
    let mut parts = symbol.split(mark);
    let mut clean = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let number = part
            .split_once('_')
            .filter(|(number, _)| number.chars().all(|c| c.is_ascii_alphanumeric()));
        clean.push_str(mark);
        clean.push_str(number.map_or(part, |(_, behind)| behind));
    }
    clean
}

/// `.LBB12_3` is the third label in the twelfth function.
fn without_first_number(label: &str) -> String {
    let is_digit = |c: char| c.is_ascii_digit();
    let start = label.find(is_digit).unwrap_or(label.len());
    let (name, number) = label.split_at(start);
    format!("{name}{}", number.trim_start_matches(is_digit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_of_crates_and_the_order_of_symbols_do_not_count() {
        let same = |one: &str, other: &str| {
            assert_eq!(without_numbers(one), without_numbers(other));
        };
        same(
            "\tcallq\t_RNvCs7sXJ3YKJ2z_5crate4work",
            "\tcallq\t_RNvCsa_5crate4work",
        );
        same("_RNvMs1_Cs9_1aNtB5_1b:", "_RNvMsa_Cs9_1aNtB4_1b:");
        same(
            "\tleaq\t.Lanon.0123abcd.4(%rip), %rdi",
            "\tleaq\t.Lanon.4567.4(%rip), %rdi",
        );
        same("\tjmp\t.LBB12_3", "\tjmp\t.LBB7_3");
        assert_ne!(
            without_numbers("\tjmp\t.LBB7_4"),
            without_numbers("\tjmp\t.LBB7_3")
        );
        assert_eq!(
            without_numbers("\tmovq\t8(%rax), %rbx"),
            "\tmovq\t8(%rax), %rbx"
        );
    }

    #[test]
    fn an_instruction_more_in_one_symbol_is_found() {
        let one = read("f:\n\tnop\n.LBB0:\n\tretq\ng:\n\tretq\n");
        let other = read("g:\n\tretq\nf:\n\tnop\n.LBB0:\n\tnop\n\tretq\n");
        assert_eq!(different(&one, &one), Vec::<&str>::new());
        assert_eq!(different(&one, &other), ["f"]);
        assert_eq!(different(&one, &read("f:\n\tnop\n.LBB0:\n\tretq\n")), ["g"]);
    }
}
