//! The harness of the benches: cases take turns, and each is told as a difference to the first.
//!
//! A machine's speed drifts from second to second, by more than what is measured here. So all cases of a
//! bench run in one process, in short rounds one after the other, and what is quoted is the median of
//! the differences and ratios within a round.

use std::hint::black_box;
use std::time::Instant;

const ROUNDS: usize = 201;
const CALLS: u32 = 20_000;

/// Something to be called over and over.
pub struct Case {
    name: &'static str,
    run: Box<dyn FnMut(u32)>,
}

impl std::fmt::Debug for Case {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Case")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// A case that calls `f` once per iteration. `f` should be `#[inline(never)]`, or use `black_box`.
pub fn case<R>(name: &'static str, mut f: impl FnMut() -> R + 'static) -> Case {
    let run = move |calls| {
        for _ in 0..calls {
            black_box(f());
        }
    };
    Case {
        name,
        run: Box::new(run),
    }
}

/// Runs the cases in turns and prints, for each, the time per call, what it costs over the first case
/// (the base), and that cost as a multiple of the second case's (the floor).
#[expect(clippy::print_stdout, reason = "a bench prints its table")]
#[expect(clippy::disallowed_methods, reason = "a bench reads the clock")]
pub fn compare(title: &str, mut cases: Vec<Case>) {
    let mut rounds: Vec<Vec<f64>> = vec![Vec::with_capacity(ROUNDS); cases.len()];
    for _ in 0..ROUNDS {
        for (case, times) in cases.iter_mut().zip(&mut rounds) {
            let start = Instant::now();
            (case.run)(CALLS);
            times.push(start.elapsed().as_secs_f64() * 1e9 / f64::from(CALLS));
        }
    }
    println!("\n{title}  (median of {ROUNDS} rounds of {CALLS} calls in turns)");
    println!(
        "  {:>9} {:>9} {:>9}  case",
        "ns/call", "over base", "x floor"
    );
    let over_base = |case: usize| {
        median(
            rounds[case]
                .iter()
                .zip(&rounds[0])
                .map(|(time, base)| time - base)
                .collect(),
        )
    };
    for (i, case) in cases.iter().enumerate() {
        let floor = over_base(1);
        println!(
            "  {:>9.2} {:>9.2} {:>9.2}  {}",
            median(rounds[i].clone()),
            over_base(i),
            over_base(i) / floor,
            case.name
        );
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
