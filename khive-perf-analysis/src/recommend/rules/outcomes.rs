//! Work whose result nobody gets: errors, panics, calls that were given up, and caches that miss.

use crate::recommend::finding::Confidence;
use crate::recommend::rules::{Look, Rule, Symptom, count, percent, seconds};

/// Share of calls, and of a callsite's time, from which on errors are no exception.
const ERROR_SHARE: f64 = 0.01;
const ERROR_TIME: f64 = 0.05;

pub(super) const ERRORS: Rule = Rule {
    name: "errors-cost-time",
    advice: "calls that fail take a good part of the time: find out sooner that they will, stop trying what fails, or cache the refusal",
    look: Look::Callsite(|callsite, _| {
        let [ok, errors, ..] = callsite.wall_s;
        let share = callsite.calls[1] / callsite.all_calls();
        let time = errors / (ok + errors);
        (errors > 0.0 && share >= ERROR_SHARE && time >= ERROR_TIME).then(|| {
            Symptom::costing(errors, Confidence::Medium)
                .with("errors", count(callsite.calls[1]))
                .with("share of calls", percent(share))
                .with("time in them", seconds(errors))
        })
    }),
};

pub(super) const PANICS: Rule = Rule {
    name: "panics",
    advice: "calls panicked: whatever it was, it was not meant",
    look: Look::Callsite(|callsite, _| {
        let panics = callsite.calls[2];
        // A panic passes through its callers; it is told of where it began, as far as that can be seen.
        (panics > 0.0 && callsite.self_s > 0.0).then(|| {
            Symptom::wrong(callsite.wall_s[2], Confidence::High)
                .with("panics", count(panics))
                .with("calls", count(callsite.all_calls()))
        })
    }),
};

/// Share of calls from which on giving up is no exception.
const CANCELLED_SHARE: f64 = 0.05;

pub(super) const CANCELLED: Rule = Rule {
    name: "cancelled-work",
    advice: "work is begun and given up: a timeout that is too short, `select!` over futures that start anew each time, or clients that go away; keep the future across rounds, or begin later",
    look: Look::Callsite(|callsite, _| {
        let cancelled = callsite.calls[3];
        let share = cancelled / callsite.all_calls();
        (cancelled > 0.0 && share >= CANCELLED_SHARE).then(|| {
            // What they took on a thread: the rest of the time they waited.
            let wall: f64 = callsite.wall_s.iter().sum();
            let busy = callsite.busy_s * callsite.wall_s[3] / wall.max(f64::MIN_POSITIVE);
            Symptom::costing(busy, Confidence::Medium)
                .with("cancelled", count(cancelled))
                .with("share of calls", percent(share))
        })
    }),
};

/// Share of look-ups that find nothing, from which on a cache does not pay; and look-ups before which it may be filling.
const MISSES: f64 = 0.5;
const LOOKUPS: f64 = 1_000.0;

pub(super) const CACHE_MISSES: Rule = Rule {
    name: "cache-misses",
    advice: "most look-ups miss: the cache is too small, its entries are dropped too soon, or its keys are never asked for again",
    look: Look::Callsite(|callsite, _| {
        // A callsite of the group `cache` whose misses are errors by `ok_if`.
        let misses = callsite.calls[1] / callsite.all_calls();
        let is_lookup = callsite.key.group == "cache" && callsite.all_calls() >= LOOKUPS;
        (is_lookup && misses >= MISSES).then(|| {
            Symptom::wrong(0.0, Confidence::Medium)
                .with("look-ups", count(callsite.all_calls()))
                .with("misses", percent(misses))
        })
    }),
};
