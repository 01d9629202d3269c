//! `cargo xtask heap-stress`: strains the tracking allocator over one that checks every layout, ten thousand times.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};

use crate::run;

const ROUNDS: u64 = 10_000;

/// Runs the test of that name for so many rounds; with assertions compiled in, and those of the standard library's `unsafe`
/// functions.
pub(crate) fn command(root: &Path, arguments: &[String]) -> Result<ExitCode> {
    let rounds = match arguments {
        [] => ROUNDS,
        [flag, count] if flag == "--rounds" => {
            let count = count.parse().ok().filter(|count| *count > 0);
            count.context("`--rounds` needs a number of at least 1")?
        }
        [other, ..] => bail!("`heap-stress` takes --rounds N, but got `{other}`"),
    };
    let mut stress = run::cargo();
    stress
        .args(["test", "--quiet", "--package", "khive-perf-tests"])
        .args(["--test", "heap_stress"])
        .env("KHIVE_PERF_STRESS", rounds.to_string());
    Ok(if run::succeeds(&mut stress, root)? {
        run::say(&format!(
            "heap-stress: {rounds} rounds, every layout as it was, nothing stuck"
        ));
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
