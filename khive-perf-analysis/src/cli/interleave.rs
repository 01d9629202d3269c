//! `khive-perf run --interleave`: base and candidate in turn on one machine, until every verdict is clear.
//!
//! A machine that warms up, or gets a neighbour, hits both sides alike when they take turns; which of a pair goes first
//! is thrown anew each time. After some of the pairs the sides are compared, and when no callsite is inconclusive any
//! more, the rest is left out. Looking k times at 0.5 % would flag more than 0.5 %, so each look takes the kth part of
//! the false discovery rate and of what the intervals may miss (Bonferroni over the looks, which were fixed before).

use std::process::ExitCode;

use khive_perf_analysis::detect::{self, Comparison, Settings, Verdict};
use khive_perf_analysis::report;
use khive_perf_analysis::run::{self, Finished, Wanted};
use khive_perf_analysis::store::Store;

use crate::cli::{EXIT_INCONCLUSIVE, EXIT_REGRESSED, Failure, output, random};

/// The first look; two pairs show little but chance.
const FIRST_LOOK: u32 = 3;

/// One side: what its runs are called, and the command.
pub(crate) struct Arm<'a> {
    pub(crate) name: String,
    pub(crate) command: &'a [String],
}

/// Runs up to `pairs` pairs, answers with the comparison and its exit code; `finish` says whether a run was a good one.
pub(crate) fn execute(
    store: &Store,
    arms: [Arm<'_>; 2],
    pairs: u32,
    wanted: &Wanted,
    finish: impl Fn(&Arm<'_>, &Finished) -> Result<Option<ExitCode>, Failure>,
) -> Result<ExitCode, Failure> {
    let looks = looks(pairs);
    let settings = at_each_of(looks.len());
    let mut ids: [Vec<i64>; 2] = [Vec::new(), Vec::new()];
    let mut spent_ns = 0u64;
    // Any number will do: what matters is that no pattern of the machine has the same.
    let mut coin = u64::from(std::process::id());
    for pair in 1..=pairs {
        let first = usize::from(flip(&mut coin));
        for side in [first, 1 - first] {
            let arm = &arms[side];
            let finished = run::execute(store, &arm.name, arm.command, wanted)?;
            if let Some(code) = finish(arm, &finished)? {
                return Ok(code);
            }
            ids[side].push(finished.run);
            spent_ns = spent_ns.saturating_add(took_ns(store, finished.run)?);
        }
        let left = u64::from(pairs - pair) * (spent_ns / u64::from(pair)) / 1_000_000_000;
        output::say(&format!(
            "pair {pair} of {pairs} done; at most {left} s left"
        ));
        if !looks.contains(&pair) {
            continue;
        }
        let comparison = compare(store, &ids, &settings)?;
        if pair == pairs || is_clear(&comparison) {
            if pair < pairs {
                output::say(&format!("every verdict is clear after {pair} pairs"));
            }
            output::answer(&report::text::comparison(&comparison))?;
            return Ok(match comparison.verdict() {
                Verdict::Regressed => ExitCode::from(EXIT_REGRESSED),
                Verdict::Inconclusive(_) => ExitCode::from(EXIT_INCONCLUSIVE),
                _ => ExitCode::SUCCESS,
            });
        }
    }
    Err("no pair was run".into())
}

/// After which pairs the sides are compared: each time about half as many again, and at the end.
fn looks(pairs: u32) -> Vec<u32> {
    let mut looks = Vec::new();
    let mut next = FIRST_LOOK;
    while next < pairs {
        looks.push(next);
        next += next.div_ceil(2);
    }
    looks.push(pairs);
    looks
}

fn at_each_of(looks: usize) -> Settings {
    let gate = Settings::gate();
    let looks = looks.max(1) as f64;
    Settings {
        confidence: 1.0 - (1.0 - gate.confidence) / looks,
        false_discovery_rate: gate.false_discovery_rate / looks,
        ..gate
    }
}

fn is_clear(comparison: &Comparison) -> bool {
    let unclear = |verdict: Verdict| matches!(verdict, Verdict::Inconclusive(_));
    !unclear(comparison.verdict()) && !comparison.findings.iter().any(|f| unclear(f.verdict))
}

fn compare(store: &Store, ids: &[Vec<i64>; 2], settings: &Settings) -> Result<Comparison, Failure> {
    let load = |ids: &[i64]| {
        let runs = ids.iter().map(|&id| store.load(id));
        runs.collect::<Result<Vec<_>, _>>()
    };
    let [base, candidate] = ids;
    Ok(detect::compare(&load(base)?, &load(candidate)?, settings))
}

fn took_ns(store: &Store, id: i64) -> Result<u64, Failure> {
    let runs = store.runs_named(&format!("#{id}"))?;
    Ok(runs.first().map_or(0, |run| {
        let ended = run.ended_unix_ns.unwrap_or(run.started_unix_ns);
        ended.saturating_sub(run.started_unix_ns)
    }))
}

fn flip(state: &mut u64) -> bool {
    random::next(state) & 1 == 1
}

/// A command line as words: blanks part them, quotes and backslashes keep them together.
pub(crate) fn words(text: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match (quote, letter) {
            (Some(open), letter) if letter == open => quote = None,
            (Some('\''), letter) => word.get_or_insert_default().push(letter),
            (_, '\\') => {
                let next = letters.next().ok_or("ends with a backslash")?;
                word.get_or_insert_default().push(next);
            }
            (None, '\'' | '"') => {
                quote = Some(letter);
                word.get_or_insert_default();
            }
            (None, blank) if blank.is_whitespace() => words.extend(word.take()),
            (_, letter) => word.get_or_insert_default().push(letter),
        }
    }
    if let Some(open) = quote {
        return Err(format!("has a {open} that is not closed"));
    }
    words.extend(word);
    if words.is_empty() {
        return Err("names no program".to_owned());
    }
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_taken_apart_as_a_shell_does() {
        let of = |text: &str| words(text).unwrap();
        assert_eq!(of("./app  --n 3"), ["./app", "--n", "3"]);
        assert_eq!(
            of(r#"sh -c 'a "b"' "c d\"" e\ f '' "#),
            ["sh", "-c", "a \"b\"", "c d\"", "e f", ""]
        );
        assert!(words("a 'b").is_err() && words("  ").is_err() && words("a\\").is_err());
    }

    #[test]
    fn the_looks_are_fixed_and_share_the_error() {
        assert_eq!(looks(10), [3, 5, 8, 10]);
        assert_eq!(looks(3), [3]);
        assert_eq!(looks(1), [1]);
        let settings = at_each_of(4);
        assert!((settings.false_discovery_rate - 0.00125).abs() < 1e-12);
        assert!((settings.confidence - 0.9875).abs() < 1e-12);
    }

    #[test]
    fn neither_side_goes_first_by_rule() {
        let mut coin = 4_711;
        let firsts: u32 = (0..1_000).map(|_| u32::from(flip(&mut coin))).sum();
        assert!((400..600).contains(&firsts), "{firsts} of 1000");
    }
}
