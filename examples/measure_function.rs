//! This example shows one attribute on a function, and the table that tells where the time went.
#![expect(clippy::print_stdout, reason = "an example shows what it found")]

use khive_perf::measure;

#[measure(group = "report")]
fn report(lines: &[&str]) -> u64 {
    lines.iter().filter_map(|line| amount(line).ok()).sum()
}

/// `err` counts an `Err` as an error rather than as a call that went well.
#[measure(group = "parse", err)]
fn amount(line: &str) -> Result<u64, std::num::ParseIntError> {
    line.rsplit(' ').next().unwrap_or_default().parse()
}

fn main() {
    let lines = ["coffee 3", "cake 4", "a note without an amount"];
    let total: u64 = (0..1_000).map(|_| report(&lines)).sum();

    let snapshot = khive_perf::snapshot();
    println!("total {total}\n\n{}", khive_perf::report::text(&snapshot));
    if let Some(amount) = snapshot.callsite("amount") {
        println!(
            "{} of {} amounts could not be read",
            amount.errors(),
            amount.calls()
        );
    }
}
