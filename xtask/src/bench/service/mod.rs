//! Whole programs: a service, a parser and a full-text index that nobody wrote for us, plain and with their functions measured, in turns.
//!
//! Both variants of a program run at the same time and are asked in turns, plain, measured, measured, plain; so often, and
//! started so often anew, that the interval of the median of the pairs says how sure the difference is.

mod programs;
mod talk;

use std::path::Path;

use anyhow::{Context as _, Result, ensure};

use crate::bench::figure::Median;
use crate::bench::service::programs::Variants;
use crate::bench::service::talk::Talk;
use crate::bench::table::Table;
use crate::run;

/// What measuring took from a program.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Effect {
    pub(super) program: &'static str,
    pub(super) what: &'static str,
    /// How much of it the plain program has.
    plain: f64,
    /// Parts of a hundred, worse than the plain one.
    pub(super) lost: Median,
    /// What is promised of it.
    pub(super) limit: Option<f64>,
}

/// How often programs are started, and asked each time.
struct Extent {
    starts: usize,
    pairs: usize,
    /// How long a service is loaded at a time.
    milliseconds: u32,
}

const WHOLE: Extent = Extent {
    starts: 6,
    pairs: 12,
    milliseconds: 500,
};
const QUICK: Extent = Extent {
    starts: 1,
    pairs: 6,
    milliseconds: 200,
};

/// Clients of the service, each with a request under way at any time.
const CONNECTIONS: &str = "8";

/// Builds the programs and measures both.
pub(super) fn measure(root: &Path, quick: bool) -> Result<Vec<Effect>> {
    let extent = if quick { QUICK } else { WHOLE };
    let variants = programs::build(root)?;
    let mut effects = service(&variants, &extent)?;
    effects.extend(over_text(&variants, &extent, "pulldown-cmark", "markdown")?);
    effects.extend(over_text(&variants, &extent, "tantivy", "index")?);
    Ok(effects)
}

/// One turn of a program: as many numbers as are told of it.
type Turn = Vec<f64>;

/// mini-redis under load: requests per second, the slowest hundredth, processor time per request.
fn service(variants: &Variants, extent: &Extent) -> Result<Vec<Effect>> {
    let mut pairs = Vec::new();
    for start in 0..extent.starts {
        say_start("mini-redis", start, extent);
        let mut servers = [
            Talk::start(&variants.plain("redis"), &[])?,
            Talk::start(&variants.measured("redis"), &[])?,
        ];
        let addresses = [servers[0].hear()?, servers[1].hear()?];
        let mut clients = Talk::start(
            &variants.plain("load"),
            &[CONNECTIONS, &addresses[0], &addresses[1]],
        )?;
        let mut turn = |server: usize| -> Result<Turn> {
            let before: f64 = number(&servers[server].ask("")?)?;
            let answer = numbers(&clients.ask(&format!("{server} {}", extent.milliseconds))?)?;
            let after: f64 = number(&servers[server].ask("")?)?;
            let [requests, nanoseconds, p99] = answer[..] else {
                anyhow::bail!("the load is told in three numbers, not {answer:?}");
            };
            ensure!(requests > 0.0, "mini-redis answered no request");
            Ok(vec![
                requests / nanoseconds * 1e9,
                p99 / 1e3,
                (after - before) / requests / 1e3,
            ])
        };
        pairs.extend(take_turns(&mut turn, extent.pairs)?);
    }
    Ok(vec![
        effect(
            "mini-redis",
            "throughput, requests per second",
            &pairs,
            0,
            Better::More,
            Some(2.0),
        ),
        effect("mini-redis", "p99, µs", &pairs, 1, Better::Less, Some(5.0)),
        effect(
            "mini-redis",
            "processor time per request, µs",
            &pairs,
            2,
            Better::Less,
            None,
        ),
    ])
}

/// A program that works on one text, time after time: time and processor time of all of it.
fn over_text(
    variants: &Variants,
    extent: &Extent,
    name: &'static str,
    program: &str,
) -> Result<Vec<Effect>> {
    let text = variants.text.display().to_string();
    let mut pairs = Vec::new();
    for start in 0..extent.starts {
        say_start(name, start, extent);
        let mut both = [
            Talk::start(&variants.plain(program), &[&text])?,
            Talk::start(&variants.measured(program), &[&text])?,
        ];
        let mut turn = |which: usize| -> Result<Turn> {
            let answer = numbers(&both[which].ask("")?)?;
            let [result, nanoseconds, processor] = answer[..] else {
                anyhow::bail!("a pass is told in three numbers, not {answer:?}");
            };
            Ok(vec![result, nanoseconds / 1e6, processor / 1e6])
        };
        let taken = take_turns(&mut turn, extent.pairs)?;
        ensure!(
            taken
                .iter()
                .all(|(plain, measured)| plain.first() == measured.first()),
            "{name}, measured, has another result"
        );
        pairs.extend(taken);
    }
    let effect = |what, at| effect(name, what, &pairs, at, Better::Less, Some(5.0));
    Ok(vec![effect("time, ms", 1), effect("processor time, ms", 2)])
}

fn say_start(name: &str, start: usize, extent: &Extent) {
    let (start, starts) = (start + 1, extent.starts);
    run::complain(&format!("bench: {name}, start {start} of {starts}"));
}

/// Has each take a turn that does not count, then both in pairs, of which every other begins with the measured one.
fn take_turns(
    turn: &mut impl FnMut(usize) -> Result<Turn>,
    pairs: usize,
) -> Result<Vec<(Turn, Turn)>> {
    let (plain, measured) = (0, 1);
    turn(plain)?;
    turn(measured)?;
    let mut taken = Vec::with_capacity(pairs);
    for pair in 0..pairs {
        taken.push(if pair % 2 == 0 {
            (turn(plain)?, turn(measured)?)
        } else {
            let first = turn(measured)?;
            (turn(plain)?, first)
        });
    }
    Ok(taken)
}

#[derive(Clone, Copy)]
enum Better {
    More,
    Less,
}

fn effect(
    program: &'static str,
    what: &'static str,
    pairs: &[(Turn, Turn)],
    at: usize,
    better: Better,
    limit: Option<f64>,
) -> Effect {
    let lost = pairs.iter().map(|(plain, measured)| {
        let change = (measured[at] / plain[at] - 1.0) * 100.0;
        match better {
            Better::More => -change,
            Better::Less => change,
        }
    });
    Effect {
        program,
        what,
        plain: Median::of(pairs.iter().map(|(plain, _)| plain[at]).collect()).value,
        lost: Median::of(lost.collect()),
        limit,
    }
}

fn number(word: &str) -> Result<f64> {
    word.parse()
        .with_context(|| format!("`{word}` is no number"))
}

fn numbers(line: &str) -> Result<Vec<f64>> {
    line.split_whitespace().map(number).collect()
}

pub(super) fn table(effects: &[Effect]) -> Table {
    let mut table = Table::new([
        "program",
        "plain",
        "lost by measuring",
        "in 95 of 100",
        "at most",
    ]);
    for effect in effects {
        let Median { value, low, high } = effect.lost;
        table.line(vec![
            format!("{}: {}", effect.program, effect.what),
            format!("{:.1}", effect.plain),
            format!("{value:.1} %"),
            format!("{low:.1}..{high:.1} %"),
            effect
                .limit
                .map_or_else(|| "-".into(), |limit| format!("{limit:.0} %")),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_within_a_pair_alternates_and_the_first_turns_do_not_count() {
        let mut order = String::new();
        let mut turn = |who: usize| {
            order.push(if who == 0 { 'p' } else { 'm' });
            Ok(vec![if who == 0 { 100.0 } else { 104.0 }])
        };
        let pairs = take_turns(&mut turn, 2).expect("no turn fails");
        assert_eq!(order, "pmpmmp");
        assert_eq!(
            pairs,
            [(vec![100.0], vec![104.0]), (vec![100.0], vec![104.0])]
        );
    }

    #[test]
    fn less_of_what_should_be_more_is_lost() {
        let pairs = [(vec![100.0, 10.0], vec![98.0, 11.0])];
        let throughput = effect("p", "t", &pairs, 0, Better::More, Some(2.0));
        let latency = effect("p", "l", &pairs, 1, Better::Less, None);
        assert!((throughput.lost.value - 2.0).abs() < 1e-9, "{throughput:?}");
        assert!((latency.lost.value - 10.0).abs() < 1e-9, "{latency:?}");
        let text = table(&[throughput, latency]).text();
        assert!(text.contains("2.0 %") && text.contains("10.0 %"), "{text}");
    }
}
