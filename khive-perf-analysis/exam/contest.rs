//! Ours and the rules of other tools on the same series: of [`crate::families`], and of whatever labelled series are given.

use std::collections::BTreeMap;

use crate::families::{self, Series};
use crate::{Check, peers};

/// A report counts as that of a step this many points from it.
const NEAR: usize = 5;

/// Not looked at while the detector was made, and fixed.
const SEED: u64 = 20_261_130;

/// What was found, missed and made up.
#[derive(Clone, Copy, Default)]
struct Tally {
    hits: usize,
    misses: usize,
    alarms: usize,
    /// Series without a step.
    calm: usize,
    /// Those of them with a report.
    alarmed: usize,
}

impl Tally {
    fn f1(&self) -> f64 {
        let twice = 2 * self.hits;
        twice as f64 / ((twice + self.misses + self.alarms) as f64).max(1.0)
    }

    fn add(&mut self, found: &[usize], steps: &[usize]) {
        let mut left = found.to_vec();
        for step in steps {
            let near = |at: &usize| at.abs_diff(*step) <= NEAR;
            let nearest = (0..left.len())
                .filter(|at| near(&left[*at]))
                .min_by_key(|at| left[*at].abs_diff(*step));
            match nearest {
                Some(at) => {
                    left.remove(at);
                    self.hits += 1;
                }
                None => self.misses += 1,
            }
        }
        self.alarms += left.len();
        if steps.is_empty() {
            self.calm += 1;
            self.alarmed += usize::from(!left.is_empty());
        }
    }

    fn and(mut self, other: &Self) -> Self {
        self.hits += other.hits;
        self.misses += other.misses;
        self.alarms += other.alarms;
        self.calm += other.calm;
        self.alarmed += other.alarmed;
        self
    }
}

/// Puts all families to all tools; ours has to be the best, and quiet where there is nothing.
pub(crate) fn held() -> Vec<Check> {
    let given = std::env::var("KHIVE_PERF_SEED").ok();
    let seed = given.and_then(|seed| seed.parse().ok()).unwrap_or(SEED);
    let scores = scores(&families::all(seed));
    let (ours, others) = match scores.split_first() {
        Some(((_, ours), others)) => (*ours, others),
        None => return Vec::new(),
    };
    let others = others.iter().filter(|(name, _)| *name != CONFIRMED);
    let best = others
        .map(|(name, tally)| (tally.f1(), *name))
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .unwrap_or_default();
    vec![
        Check::at_least("steps, held out: F1", ours.f1(), 0.9, ""),
        Check::at_least(
            "steps, held out: F1 beyond the best other tool's",
            ours.f1() - best.0,
            0.0,
            best.1,
        ),
        Check::at_most(
            "steps, held out: share of series without a step reported",
            ours.alarmed as f64 / ours.calm.max(1) as f64,
            0.05,
            &format!("{} of {}", ours.alarmed, ours.calm),
        ),
    ]
}

/// Ours without what is only pending, for comparison.
const CONFIRMED: &str = "khive-perf, confirmed";

/// What each tool made of the families that are not open; tells all of it.
fn scores(series: &[Series]) -> Vec<(&'static str, Tally)> {
    let finds = peers::ALL.iter().map(|peer| (peer.name, peer.find));
    let finds = finds.chain([(CONFIRMED, peers::confirmed as fn(&[f64]) -> Vec<usize>)]);
    let mut names = families(series);
    names.sort_by_key(|(_, is_open)| *is_open);
    let mut lines: Vec<String> = (names.iter())
        .map(|(name, is_open)| {
            format!("     {name:<34} {}", if *is_open { "open" } else { "    " })
        })
        .collect();
    let mut scores = Vec::new();
    for (name, find) in finds {
        let mut tallies: BTreeMap<&str, Tally> = BTreeMap::new();
        for one in series {
            let tally = tallies.entry(one.family).or_default();
            tally.add(&find(&one.values), &one.steps);
        }
        let mut total = Tally::default();
        for (line, (family, is_open)) in lines.iter_mut().zip(&names) {
            let tally = tallies.get(family).copied().unwrap_or_default();
            let steps = tally.hits + tally.misses;
            line.push_str(&format!(" {:>4}/{steps:<3}{:>4}", tally.hits, tally.alarms));
            if !is_open {
                total = total.and(&tally);
            }
        }
        scores.push((name, total));
    }
    for (column, (name, total)) in scores.iter().enumerate() {
        crate::say(&format!(
            "     {:>2} {name:<26} F1 {:.3}  {} found, {} missed, {} made up; {} of {} series without a step reported",
            column + 1,
            total.f1(),
            total.hits,
            total.misses,
            total.alarms,
            total.alarmed,
            total.calm
        ));
    }
    crate::say("     found of all steps, and made up, in the same order:");
    for line in lines {
        crate::say(&line);
    }
    scores
}

/// Years of a project, as one series.
pub(crate) fn long() -> Vec<Check> {
    let mut tally = Tally::default();
    for number in 0..3 {
        let series = families::long(SEED + number);
        tally.add(&peers::confirmed(&series.values), &series.steps);
    }
    let found = format!(
        "{} found, {} missed, {} made up",
        tally.hits, tally.misses, tally.alarms
    );
    vec![Check::at_least(
        "steps of 10 %, seven in 14,000 points: F1",
        tally.f1(),
        0.95,
        &found,
    )]
}

fn families(series: &[Series]) -> Vec<(&'static str, bool)> {
    let mut names: Vec<(&str, bool)> = Vec::new();
    for one in series {
        if !names.iter().any(|(name, _)| *name == one.family) {
            names.push((one.family, one.is_open));
        }
    }
    names
}
