//! What is wrong with a future: it blocks its thread, is polled in vain, waits, or never ends.

use crate::recommend::finding::Confidence;
use crate::recommend::rules::{Look, Rule, Symptom, count, percent, seconds};

/// A poll of this length holds up everything else on its thread; what Clinic Doctor calls a delay of the event loop.
const LONG_POLL_S: f64 = 0.010;

pub(super) const BLOCKING: Rule = Rule {
    name: "blocking-in-async",
    advice: "a poll held its thread for long, and every other task on it: move what blocks or computes to `spawn_blocking` or a thread of its own, or yield in between",
    look: Look::Callsite(|callsite, _| {
        (callsite.polls > 0.0 && callsite.longest_poll_s >= LONG_POLL_S).then(|| {
            Symptom::wrong(callsite.longest_poll_s, Confidence::High)
                .with("longest poll", seconds(callsite.longest_poll_s))
                .with("polls", count(callsite.polls))
        })
    }),
};

/// Mean of a poll that tokio's metrics call slow.
const SLOW_POLL_S: f64 = 50e-6;

pub(super) const SLOW_POLLS: Rule = Rule {
    name: "slow-polls",
    advice: "polls take long on average: other tasks wait for each of them; do less between two awaits",
    look: Look::Callsite(|callsite, _| {
        let mean = callsite.self_s / callsite.polls;
        // Of its own: what its callees do is theirs.
        (callsite.polls > 0.0 && mean >= SLOW_POLL_S && callsite.longest_poll_s < LONG_POLL_S).then(
            || {
                Symptom::costing(
                    callsite.self_s - callsite.polls * SLOW_POLL_S,
                    Confidence::Low,
                )
                .with("mean poll, callees excluded", seconds(mean))
                .with("polls", count(callsite.polls))
            },
        )
    }),
};

/// Time on a thread of one call, all in one poll, that tokio's console warns of.
const NEVER_YIELDS_S: f64 = 1.0;

pub(super) const NEVER_YIELDS: Rule = Rule {
    name: "never-yields",
    advice: "each call runs for a second and more in a single poll: it is no asynchronous work; run it on a thread for blocking work",
    look: Look::Callsite(|callsite, _| {
        let calls = callsite.all_calls();
        let busy = callsite.busy_per_call()?;
        let once = callsite.polls > 0.0 && callsite.polls <= calls;
        (once && busy >= NEVER_YIELDS_S).then(|| {
            Symptom::wrong(0.0, Confidence::High)
                .with("time of one poll", seconds(busy))
                .with("calls", count(calls))
        })
    }),
};

/// Polls of a call from which on most of them find nothing to do.
const POLLS: f64 = 100.0;

pub(super) const MANY_POLLS: Rule = Rule {
    name: "polled-in-vain",
    advice: "a call is polled again and again: it wakes itself, or is polled with others (`join!`, `select!` in a loop) that are awake; use `FuturesUnordered`, or spawn the parts",
    look: Look::Callsite(|callsite, _| {
        let calls = callsite.all_calls();
        let polls = callsite.polls / calls;
        (calls > 0.0 && polls >= POLLS).then(|| {
            Symptom::costing(callsite.self_s * (1.0 - 1.0 / polls), Confidence::Low)
                .with("polls of a call", count(polls))
                .with("self time", seconds(callsite.self_s))
        })
    }),
};

/// Share of a call's time in which it waits, and the time from which on somebody waits with it.
const WAITING_SHARE: f64 = 0.95;
const WAITING_S: f64 = 0.100;

pub(super) const WAITING: Rule = Rule {
    name: "mostly-waiting",
    advice: "calls do next to nothing but wait: for a lock, a place in a pool, or an answer; more at once, a larger pool, or asking for several things together makes them shorter",
    look: Look::Callsite(|callsite, _| {
        let wall: f64 = callsite.wall_s.iter().sum();
        let calls = callsite.all_calls();
        let share = callsite.idle_s / wall;
        (wall > 0.0 && share >= WAITING_SHARE && wall / calls >= WAITING_S).then(|| {
            Symptom::wrong(0.0, Confidence::Low)
                .with("time of a call", seconds(wall / calls))
                .with("of it waiting", percent(share))
        })
    }),
};

/// Calls that had not ended when the run did, by those that had.
const UNFINISHED_SHARE: f64 = 0.10;
const UNFINISHED_CALLS: f64 = 100.0;

pub(super) const UNFINISHED: Rule = Rule {
    name: "unfinished-calls",
    advice: "many calls have begun and not ended: futures that nobody polls any more, or that wait for what never comes; give them a timeout",
    look: Look::Callsite(|callsite, _| {
        let share = callsite.in_flight / callsite.all_calls().max(1.0);
        (callsite.in_flight >= UNFINISHED_CALLS && share >= UNFINISHED_SHARE).then(|| {
            Symptom::wrong(0.0, Confidence::Medium)
                .with("not ended", count(callsite.in_flight))
                .with("ended", count(callsite.all_calls()))
        })
    }),
};
