//! Runs each function plain and measured, by many scripts, and compares.

use crate::functions::{CASES, SEED};
use crate::runtime::{Case, Event, Script, Token, ended, step, traced};

/// More polls than any of the futures needs.
const TO_THE_END: usize = 1000;
const SCRIPTS: u64 = 10;
const CHOICES: u64 = 24;
/// In a run with more events, only some of them panic, one in each part.
const PANICS_MAX: usize = 60;

/// Scripts of a function: first the likely way, then ways with more and more unlikely turns.
fn scripts(case: usize) -> impl Iterator<Item = Vec<bool>> {
    (0..SCRIPTS).map(move |script| {
        (0..CHOICES)
            .map(|choice| {
                let mut bits = (case as u64) << 16 | script << 8 | choice;
                bits = bits.wrapping_mul(0x9e37_79b9_7f4a_7c15);
                (bits ^ (bits >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 32 & 15 < script
            })
            .collect()
    })
}

/// Runs both twins; what the plain one did, or how they differ.
fn compared(case: &Case, script: &Script, polls: usize) -> Result<Vec<Event>, String> {
    let plain = traced(script, || (case.plain)(polls));
    let measured = traced(script, || (case.measured)(polls));
    if plain == measured {
        return Ok(plain.0);
    }
    let same = plain
        .0
        .iter()
        .zip(&measured.0)
        .take_while(|(plain, measured)| plain == measured)
        .count();
    let rest = |trace: &[Event]| {
        trace
            .get(same..)
            .unwrap_or_default()
            .iter()
            .take(12)
            .copied()
            .collect::<Vec<_>>()
    };
    Err(format!(
        "{}\nseed {SEED}, {script:?}, {polls} polls; after {same} events\nplain:    {:?} {:?}\nmeasured: {:?} {:?}\nin common: {:?}",
        case.source,
        rest(&plain.0),
        plain.1,
        rest(&measured.0),
        measured.1,
        plain.0.get(..same).unwrap_or_default(),
    ))
}

/// Every way of a function that its scripts lead to; how many runs that were.
fn explored(case: &Case, bits: Vec<bool>) -> Result<usize, String> {
    let mut script = Script {
        bits,
        panic_at: None,
    };
    let trace = compared(case, &script, TO_THE_END)?;
    let polls = trace
        .iter()
        .filter(|event| **event == Event::Polled)
        .count();
    for polls in 0..polls {
        compared(case, &script, polls)?;
    }
    let every = trace.len().div_ceil(PANICS_MAX).max(1);
    for event in (1..=trace.len()).step_by(every) {
        script.panic_at = Some(event);
        compared(case, &script, TO_THE_END)?;
        if case.is_future && polls > 0 {
            // A drop that panics in a future that is given up.
            compared(case, &script, event % polls)?;
        }
    }
    Ok(1 + polls + trace.len().div_ceil(every))
}

#[test]
fn every_generated_function_does_measured_what_it_does_plain() {
    let mut failures = Vec::new();
    let mut runs = 0;
    for (index, case) in CASES.iter().enumerate() {
        let outcome: Result<Vec<usize>, String> =
            scripts(index).map(|bits| explored(case, bits)).collect();
        match outcome {
            Ok(counts) => runs += counts.iter().sum::<usize>(),
            Err(failure) => failures.push(failure),
        }
    }
    assert!(
        failures.is_empty(),
        "{} of {} functions differ; the first of them:\n{}",
        failures.len(),
        CASES.len(),
        failures.join("\n\n")
    );
    assert!(
        runs > 50 * CASES.len(),
        "only {runs} runs of {} functions",
        CASES.len()
    );
}

#[test]
fn the_functions_take_every_kind_of_turn() {
    let mut all = Vec::new();
    for (index, case) in CASES.iter().enumerate() {
        for bits in scripts(index) {
            let (trace, returned) = traced(
                &Script {
                    bits,
                    panic_at: None,
                },
                || (case.plain)(TO_THE_END),
            );
            all.extend(trace);
            assert!(
                returned.is_some(),
                "panics without being told to:\n{}",
                case.source
            );
        }
    }
    type Test = fn(&Event) -> bool;
    let kinds: [(&str, Test); 6] = [
        ("asked", |event| matches!(event, Event::Asked(_))),
        ("used", |event| matches!(event, Event::Used(_))),
        ("dropped", |event| matches!(event, Event::Dropped(_))),
        ("converted", |event| *event == Event::Converted),
        ("pending", |event| *event == Event::Pending),
        ("ready", |event| *event == Event::Ready),
    ];
    for (name, kind) in kinds {
        assert!(all.iter().any(kind), "nothing was ever {name}");
    }
}

#[test]
fn a_lost_statement_and_a_late_drop_are_found() {
    fn plain() -> u32 {
        let token = Token::new(1);
        step(2) + token.get(3)
    }
    fn without_a_statement() -> u32 {
        let token = Token::new(1);
        2 + token.get(3)
    }
    fn with_a_late_drop() -> (u32, Token) {
        let token = Token::new(1);
        (step(2) + token.get(3), token)
    }
    let case = |measured| Case {
        source: "",
        is_future: false,
        plain: |_| ended(plain()),
        measured,
    };
    let script = Script {
        bits: Vec::new(),
        panic_at: None,
    };
    assert!(compared(&case(|_| ended(plain())), &script, 0).is_ok());
    assert!(compared(&case(|_| ended(without_a_statement())), &script, 0).is_err());
    assert!(compared(&case(|_| ended(with_a_late_drop().0)), &script, 0).is_err());
}
