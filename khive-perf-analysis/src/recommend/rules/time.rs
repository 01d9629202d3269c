//! Where time goes: a function that takes most of it, a long tail, calls that are slow, measuring itself.

use crate::recommend::finding::Confidence;
use crate::recommend::rules::{Look, Rule, Symptom, count, percent, seconds};
use crate::stats::quantile::quantile;

/// Share of all time that one function takes itself, from which on it is the first to look at. Half of it is what making it
/// twice as fast saves.
const HOT_SHARE: f64 = 0.25;

pub(super) const HOT_FUNCTION: Rule = Rule {
    name: "hot-function",
    advice: "one function takes much of all time itself: whatever makes it faster pays more than anything elsewhere; profile it first",
    look: Look::Callsite(|callsite, facts| {
        let all = facts.busy_s();
        let share = callsite.self_s / all;
        (all > 0.0 && share >= HOT_SHARE).then(|| {
            Symptom::costing(callsite.self_s / 2.0, Confidence::Low)
                .with("self time", seconds(callsite.self_s))
                .with("share of all time", percent(share))
                .with("calls", count(callsite.all_calls()))
        })
    }),
};

/// The 99th percentile by the median, from which on the tail is no noise. Latencies of one code path spread by a factor of
/// two or three; an order of magnitude is another path.
const TAIL: f64 = 20.0;
/// Fewer calls have no 99th percentile to speak of.
const TAIL_CALLS: f64 = 1_000.0;

pub(super) const LONG_TAIL: Rule = Rule {
    name: "long-tail",
    advice: "a few calls take many times as long as most: find out what they do or wait for (a lock, a cold cache, a retry); the traces of slow calls show it",
    look: Look::Callsite(|callsite, _| {
        let (median, high) = (quantile(&callsite.ok, 0.5)?, quantile(&callsite.ok, 0.99)?);
        let calls = callsite.ok.count as f64;
        if calls < TAIL_CALLS || median <= 0.0 || high < TAIL * median {
            return None;
        }
        // What the slowest hundredth takes more than the median, at the least.
        let saving = calls * 0.01 * (high - median);
        Some(
            Symptom::costing(saving, Confidence::Medium)
                .with("median", seconds(median))
                .with("99th percentile", seconds(high)),
        )
    }),
};

/// Share of calls that are slow by the callsite's own word.
const SLOW_SHARE: f64 = 0.01;

pub(super) const SLOW_CALLS: Rule = Rule {
    name: "slow-calls",
    advice: "more than one call in a hundred takes as long as its `slow = \"..\"` says is too long: make it faster, or the threshold what is meant",
    look: Look::Callsite(|callsite, _| {
        let share = callsite.slow_calls / callsite.all_calls();
        (callsite.slow_calls > 0.0 && share >= SLOW_SHARE).then(|| {
            Symptom::wrong(0.0, Confidence::High)
                .with("slow calls", count(callsite.slow_calls))
                .with("share", percent(share))
        })
    }),
};

/// Share of a function's own time that measuring it may take; the default budget of the SDK.
const OVERHEAD: f64 = 0.05;

pub(super) const MEASURING: Rule = Rule {
    name: "measuring-overhead",
    advice: "the function is too short to be measured: put `#[measure(skip)]` on it, or measure its caller",
    look: Look::Callsite(|callsite, _| {
        let share = callsite.overhead_s / callsite.self_s;
        (callsite.overhead_s > 0.0 && share > OVERHEAD).then(|| {
            Symptom::costing(callsite.overhead_s, Confidence::High)
                .with("measuring", seconds(callsite.overhead_s))
                .with("of its own time", percent(share))
        })
    }),
};

/// Involuntary context switches a second of the process, from which on it wants more processors than it gets.
const SWITCHES: f64 = 1_000.0;

pub(super) const CROWDED: Rule = Rule {
    name: "crowded-processors",
    advice: "threads are taken off their processors often: there are more that run than processors, or other programs beside; use fewer worker threads or more processors, and do not trust timings of this run",
    look: Look::Run(|facts| {
        let rate = facts.involuntary_switches / facts.seconds;
        (facts.seconds > 0.0 && rate >= SWITCHES).then(|| {
            Symptom::wrong(0.0, Confidence::Medium)
                .with("involuntary context switches a second", count(rate))
        })
    }),
};
