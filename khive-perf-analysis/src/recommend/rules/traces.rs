//! What only traces show: how often one call makes another, one after the other or all at once, and with what.

use std::collections::{BTreeMap, BTreeSet};

use crate::recommend::facts::{CallsiteFacts, Facts};
use crate::recommend::families::{Child, Traced};
use crate::recommend::finding::Confidence;
use crate::recommend::rules::{Look, Rule, Seen, Symptom, count, percent, seconds};

/// Calls of one operation below one call, from which on they could be one; Sentry and perf-sentinel have the same.
const REPEATS: usize = 5;
/// From here on there is no doubt; perf-sentinel calls it critical.
const MANY_REPEATS: usize = 10;

pub(super) const N_PLUS_ONE: Rule = Rule {
    name: "n-plus-one",
    advice: "one call makes the same call again and again, each time for another thing: ask for all of them at once (a join, `WHERE id IN (..)`, a batch endpoint)",
    look: Look::Traces(|facts| repeated(facts, false)),
};

pub(super) const REDUNDANT: Rule = Rule {
    name: "redundant-calls",
    advice: "one call makes the same call with the same arguments again and again: make it once and keep the answer",
    look: Look::Traces(|facts| repeated(facts, true)),
};

/// Calls that are repeated below one call: all the same, or not.
fn repeated(facts: &Facts, redundant: bool) -> Vec<Seen> {
    let mut found: BTreeMap<usize, Tally> = BTreeMap::new();
    for family in &facts.traces.families {
        let mut by_operation: BTreeMap<usize, Vec<Child>> = BTreeMap::new();
        for child in &family.children {
            by_operation
                .entry(child.operation)
                .or_default()
                .push(*child);
        }
        for (operation, children) in by_operation {
            if children.len() < REPEATS {
                continue;
            }
            let kinds: BTreeSet<Option<u64>> = children.iter().map(|child| child.asked).collect();
            let is_redundant = kinds.len() == 1 && !kinds.contains(&None);
            // Some of the same and some of others is neither: a cache may be filling.
            let is_distinct = kinds.contains(&None) || kinds.len() >= REPEATS;
            if (redundant && is_redundant) || (!redundant && is_distinct) {
                let parent = family.parent.as_deref();
                let saved = covered_s(&children) - longest_s(&children);
                found
                    .entry(operation)
                    .or_default()
                    .add(parent, children.len(), saved);
            }
        }
    }
    seen(facts, found, |tally, of| {
        let confidence = match tally.calls_max {
            MANY_REPEATS.. if of.is_client || redundant => Confidence::High,
            _ => Confidence::Medium,
        };
        Symptom::costing(tally.saved_s, confidence)
            .with("most calls below one", count_of(tally.calls_max))
    })
}

/// Calls that run at the same time below one call, from which on they crowd each other out; perf-sentinel warns from there.
const FAN_OUT: usize = 20;

pub(super) const FAN_OUT_RULE: Rule = Rule {
    name: "fan-out",
    advice: "one call makes many calls at the same time: whatever they share (a pool, a lock, the other service) becomes the queue; let a few run at a time (`buffer_unordered`, a semaphore)",
    look: Look::Traces(|facts| {
        let mut found: BTreeMap<usize, Tally> = BTreeMap::new();
        for family in &facts.traces.families {
            if family.children.len() <= FAN_OUT {
                continue;
            }
            let at_once = at_once(&family.children);
            if at_once > FAN_OUT {
                let mut often: BTreeMap<usize, usize> = BTreeMap::new();
                for child in &family.children {
                    *often.entry(child.operation).or_default() += 1;
                }
                let most = often
                    .into_iter()
                    .max_by_key(|(operation, number)| (*number, usize::MAX - operation));
                if let Some((operation, _)) = most {
                    let tally = found.entry(operation).or_default();
                    tally.add(family.parent.as_deref(), at_once, 0.0);
                }
            }
        }
        seen(facts, found, |tally, _| {
            Symptom::wrong(0.0, Confidence::Medium)
                .with("most at one time", count_of(tally.calls_max))
        })
    }),
};

/// Calls one after the other, of different operations, that do little but wait; perf-sentinel tells from three on.
const CHAIN: usize = 3;
/// Shorter ones are not worth being joined.
const CHAIN_LINK_NS: u64 = 1_000_000;
/// Share of a future's time that is spent between polls, from which on it waits.
const WAITS: f64 = 0.5;

pub(super) const SERIALISED: Rule = Rule {
    name: "serialised-awaits",
    advice: "one call waits for several others one after the other: where none needs the answer of another, wait for all at once (`join!`, `try_join!`)",
    look: Look::Traces(|facts| {
        let waiting: Vec<bool> = facts
            .traces
            .operations
            .iter()
            .map(|of| waits(facts, of))
            .collect();
        let mut found: BTreeMap<usize, Tally> = BTreeMap::new();
        for family in &facts.traces.families {
            let chain = chain(&family.children, &waiting);
            if chain.len() < CHAIN {
                continue;
            }
            let sum: f64 = chain.iter().map(length_s).sum();
            let longest = longest_s(&chain);
            let place = chain
                .iter()
                .max_by_key(|child| (child.end_ns - child.start_ns, usize::MAX - child.operation));
            if let Some(slowest) = place {
                let tally = found.entry(slowest.operation).or_default();
                tally.add(family.parent.as_deref(), chain.len(), sum - longest);
            }
        }
        seen(facts, found, |tally, _| {
            Symptom::costing(tally.saved_s, Confidence::Low)
                .with("longest chain", count_of(tally.calls_max))
        })
    }),
};

/// Whether spans of an operation do little but wait: they ask elsewhere, or its metrics say so.
fn waits(facts: &Facts, of: &Traced) -> bool {
    let is_it = |callsite: &&CallsiteFacts| {
        callsite.key.service == of.service && callsite.key.name == of.name
    };
    let idle = facts.callsites.iter().find(is_it).map(|callsite| {
        let wall: f64 = callsite.wall_s.iter().sum();
        wall > 0.0 && callsite.idle_s >= WAITS * wall
    });
    idle.unwrap_or(of.is_client)
}

/// The longest chain of calls of different operations of which none overlaps another: the one that ends first comes first.
fn chain(children: &[Child], waiting: &[bool]) -> Vec<Child> {
    let mut by_end: Vec<Child> = children
        .iter()
        .filter(|child| waiting.get(child.operation).copied().unwrap_or_default())
        .filter(|child| child.end_ns - child.start_ns >= CHAIN_LINK_NS)
        .copied()
        .collect();
    by_end.sort_unstable_by_key(|child| (child.end_ns, child.start_ns, child.operation));
    let mut chain: Vec<Child> = Vec::new();
    let mut used = BTreeSet::new();
    for child in by_end {
        let follows = chain
            .last()
            .is_none_or(|last| last.end_ns <= child.start_ns);
        if follows && used.insert(child.operation) {
            chain.push(child);
        }
    }
    chain
}

/// Words in the name of a function that waits for a lock, or for its turn at something that is shared.
const WAITING_WORDS: [&str; 7] = [
    "lock",
    "acquire",
    "permit",
    "semaphore",
    "checkout",
    "mutex",
    "pool",
];
/// Share of all time, and the 99th percentile, from which on waiting for it matters.
const WAITING_SHARE: f64 = 0.05;
const WAITING_S: f64 = 1e-3;

pub(super) const CONTENDED: Rule = Rule {
    name: "contended-wait",
    advice: "calls wait for a lock or for their turn at a pool: hold it shorter, split it, or make the pool as large as what is behind it can take",
    look: Look::Callsite(|callsite, facts| {
        let wall: f64 = callsite.wall_s.iter().sum();
        let share = wall / facts.busy_s();
        let high = crate::stats::quantile::quantile(&callsite.ok, 0.99)?;
        let is_wait = last_words(&callsite.key.name).any(|word| WAITING_WORDS.contains(&word));
        // What it does itself on a thread may be the lock's wait, or work; what is below it is work.
        let below = (callsite.busy_s - callsite.self_s).max(0.0);
        let waited = wall - below;
        (is_wait && share >= WAITING_SHARE && high >= WAITING_S && waited >= wall / 2.0).then(
            || {
                Symptom::costing(waited, Confidence::Low)
                    .with("waited", seconds(waited))
                    .with("99th percentile", seconds(high))
                    .with("of all time on threads", percent(share))
            },
        )
    }),
};

/// The words of the last part of a name: `app::pool::acquire_timeout{shard=1}` has `acquire` and `timeout`.
fn last_words(name: &str) -> impl Iterator<Item = &str> {
    let bare = name.split('{').next().unwrap_or_default();
    let last = bare.rsplit([':', '.', '/']).next().unwrap_or_default();
    last.split(['_', '-', ' '])
}

/// What was seen of one operation over all traces.
#[derive(Default)]
struct Tally {
    parents: BTreeMap<String, u64>,
    calls_max: usize,
    saved_s: f64,
}

impl Tally {
    fn add(&mut self, parent: Option<&str>, calls: usize, saved_s: f64) {
        let parent = parent.unwrap_or("a call elsewhere");
        *self.parents.entry(parent.to_owned()).or_default() += 1;
        self.calls_max = self.calls_max.max(calls);
        self.saved_s += saved_s.max(0.0);
    }
}

fn seen(
    facts: &Facts,
    found: BTreeMap<usize, Tally>,
    symptom: impl Fn(&Tally, &Traced) -> Symptom,
) -> Vec<Seen> {
    // One operation may come with other attributes of its place; it is one to the reader.
    let mut by_name: BTreeMap<(&str, &str), (usize, Tally)> = BTreeMap::new();
    for (operation, tally) in found {
        let Some(of) = facts.traces.operations.get(operation) else {
            continue;
        };
        let (_, sum) = by_name
            .entry((&of.service, &of.name))
            .or_insert_with(|| (operation, Tally::default()));
        for (parent, times) in tally.parents {
            *sum.parents.entry(parent).or_default() += times;
        }
        sum.calls_max = sum.calls_max.max(tally.calls_max);
        sum.saved_s += tally.saved_s * share_of_all(facts, of);
    }
    let told = by_name.into_values().filter_map(|(operation, tally)| {
        let of = facts.traces.operations.get(operation)?;
        let often = tally
            .parents
            .iter()
            .max_by_key(|(name, times)| (**times, std::cmp::Reverse(*name)));
        let (parent, _) = often?;
        let times: u64 = tally.parents.values().sum();
        let symptom = symptom(&tally, of)
            .with("below", parent.clone())
            .with("seen in traces", times.to_string());
        Some(Seen {
            service: of.service.clone(),
            callsite: of.name.clone(),
            place: of.place.clone(),
            symptom,
        })
    });
    told.collect()
}

/// How many calls each span stands for: traces are sampled, and metrics have all calls.
fn share_of_all(facts: &Facts, of: &Traced) -> f64 {
    let is_it = |callsite: &&CallsiteFacts| {
        callsite.key.service == of.service && callsite.key.name == of.name
    };
    let spans: u64 = facts
        .traces
        .operations
        .iter()
        .filter(|other| other.service == of.service && other.name == of.name)
        .map(|other| other.spans)
        .sum();
    let calls = facts
        .callsites
        .iter()
        .find(is_it)
        .map_or(0.0, CallsiteFacts::all_calls);
    (calls / (spans.max(1) as f64)).max(1.0)
}

/// The time in which at least one of them ran. They are in the order of their start.
fn covered_s(children: &[Child]) -> f64 {
    let (mut covered, mut until) = (0u64, 0u64);
    for child in children {
        covered += child.end_ns.saturating_sub(child.start_ns.max(until));
        until = until.max(child.end_ns);
    }
    covered as f64 / 1e9
}

/// How many ran at the same time at the most.
fn at_once(children: &[Child]) -> usize {
    let mut ends: Vec<u64> = children.iter().map(|child| child.end_ns).collect();
    ends.sort_unstable();
    let (mut ended, mut most) = (0, 0);
    for (begun, child) in (1..).zip(children) {
        while ends.get(ended).is_some_and(|&end| end <= child.start_ns) {
            ended += 1;
        }
        most = most.max(begun - ended.min(begun));
    }
    most
}

fn length_s(child: &Child) -> f64 {
    child.end_ns.saturating_sub(child.start_ns) as f64 / 1e9
}

fn longest_s(children: &[Child]) -> f64 {
    children.iter().map(length_s).fold(0.0, f64::max)
}

fn count_of(number: usize) -> String {
    count(number as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn child(start_ns: u64, end_ns: u64) -> Child {
        Child {
            operation: 0,
            start_ns,
            end_ns,
            asked: None,
        }
    }

    #[test]
    fn time_that_overlaps_counts_once_and_so_many_run_at_once() {
        let all = [child(0, 10), child(5, 20), child(20, 30), child(40, 50)];
        assert!((covered_s(&all) - 40e-9).abs() < 1e-15);
        assert_eq!(at_once(&all), 2);
        assert_eq!(at_once(&[child(0, 9), child(0, 9), child(8, 9)]), 3);
        assert_eq!(at_once(&[]), 0);
    }

    #[test]
    fn the_words_of_a_name_are_those_of_its_last_part() {
        let words: Vec<&str> = last_words("app::pool::acquire_timeout{shard=1}").collect();
        assert_eq!(words, ["acquire", "timeout"]);
    }
}
