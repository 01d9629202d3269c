//! What memory costs: many allocations, large ones, and what is never freed.

use crate::recommend::finding::Confidence;
use crate::recommend::rules::{Look, Rule, Symptom, count, percent, seconds};

/// What allocating and freeing a small block takes with glibc on the machine of benches/RESULTS.md.
const ALLOCATION_S: f64 = 14e-9;
/// Share of a callsite's time from which on allocating is a cost of its own.
const ALLOCATING: f64 = 0.05;
/// Allocations of one call below which there is little to spare.
const ALLOCATIONS_MIN: f64 = 16.0;

pub(super) const ALLOCATIONS: Rule = Rule {
    name: "hot-allocations",
    advice: "a call allocates many times: reuse buffers, reserve what will be needed, borrow in place of cloning",
    look: Look::Callsite(|callsite, _| {
        let each = callsite.allocations / callsite.all_calls();
        let cost = callsite.allocations * ALLOCATION_S;
        let share = cost / callsite.busy_s;
        (each >= ALLOCATIONS_MIN && share >= ALLOCATING).then(|| {
            Symptom::costing(cost, Confidence::Medium)
                .with("allocations of a call", count(each))
                .with("time of allocating, about", seconds(cost))
                .with("of its time", percent(share))
        })
    }),
};

/// Bytes of one call that are more than a cache holds.
const LARGE_BYTES: f64 = 1_048_576.0;
/// What writing to fresh memory takes, by byte: 4 KiB a page fault of half a microsecond.
const BYTE_S: f64 = 0.5e-6 / 4_096.0;

pub(super) const LARGE: Rule = Rule {
    name: "large-allocations",
    advice: "a call allocates a megabyte and more: work in parts, or keep the buffer",
    look: Look::Callsite(|callsite, _| {
        let each = callsite.bytes / callsite.all_calls();
        (callsite.bytes > 0.0 && each >= LARGE_BYTES).then(|| {
            Symptom::costing(callsite.bytes * BYTE_S, Confidence::Low)
                .with("bytes of a call", count(each))
                .with("bytes in all", count(callsite.bytes))
        })
    }),
};

pub(super) const LEAK: Rule = Rule {
    name: "leak",
    advice: "what is allocated here comes to stay: bound the collection that holds it, or find who forgets to let go",
    look: Look::Leak(|leak| {
        let confidence = match leak.verdict.as_str() {
            "leaking" => Confidence::High,
            "suspect" => Confidence::Low,
            _ => return None,
        };
        Some(
            Symptom::wrong(0.0, confidence)
                .with("verdict", leak.verdict.clone())
                .with("bytes an hour", count(leak.bytes_per_hour))
                .with("bytes retained", count(leak.retained_bytes)),
        )
    }),
};
