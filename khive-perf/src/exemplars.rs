//! Exemplars: single calls that stand for those around them in a histogram, and the traces they were part of.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::ids::{SpanId, TraceId};
use crate::outcome::Outcome;

/// A call that a histogram counts, and the span that tells what happened in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Exemplar {
    /// How long the call took.
    pub value: Duration,
    /// When it ended, nanoseconds since the Unix epoch.
    pub time_unix_ns: u64,
    /// The trace that it was part of.
    pub trace_id: TraceId,
    /// Its span.
    pub span_id: SpanId,
    /// How it ended, and so which histogram counts it.
    pub outcome: Outcome,
}

/// The exemplars of one series and outcome.
#[derive(Clone, Copy, Debug)]
struct Pair {
    /// The slowest since the interval began.
    slowest: Exemplar,
    /// The one that came last.
    latest: Exemplar,
    /// When the interval began.
    since_unix_ns: u64,
}

/// How long the slowest call stands for the slow ones: as long as backends look back for an exemplar by default.
const INTERVAL_NS: u64 = 60_000_000_000;

/// The exemplars of a registry: at most two for each series and outcome.
#[derive(Debug, Default)]
pub(crate) struct Exemplars {
    pairs: BTreeMap<(u32, usize), Pair>,
}

impl Exemplars {
    pub(crate) const fn new() -> Self {
        Self {
            pairs: BTreeMap::new(),
        }
    }

    /// Takes in a call of series `id`.
    pub(crate) fn add(&mut self, id: u32, exemplar: Exemplar) {
        let fresh = Pair {
            slowest: exemplar,
            latest: exemplar,
            since_unix_ns: exemplar.time_unix_ns,
        };
        let key = (id, exemplar.outcome.index());
        let pair = self.pairs.entry(key).or_insert(fresh);
        pair.latest = exemplar;
        let is_old = exemplar.time_unix_ns.saturating_sub(pair.since_unix_ns) > INTERVAL_NS;
        if is_old {
            *pair = fresh;
        } else if exemplar.value > pair.slowest.value {
            pair.slowest = exemplar;
        }
    }

    /// Those of series `id`: the slowest, and another one.
    pub(crate) fn of(&self, id: u32) -> Vec<Exemplar> {
        let pairs = self.pairs.range((id, 0)..=(id, usize::MAX));
        pairs
            .flat_map(|(_, pair)| {
                let other = (pair.latest != pair.slowest).then_some(pair.latest);
                [Some(pair.slowest), other].into_iter().flatten()
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exemplar(ms: u64, second: u64) -> Exemplar {
        Exemplar {
            value: Duration::from_millis(ms),
            time_unix_ns: second * 1_000_000_000,
            trace_id: TraceId::random(),
            span_id: SpanId::of(1, 1),
            outcome: Outcome::Ok,
        }
    }

    #[test]
    fn the_slowest_stays_for_a_minute_and_the_latest_until_the_next() {
        let mut exemplars = Exemplars::new();
        let (slow, quick, quicker) = (exemplar(90, 1), exemplar(3, 2), exemplar(2, 60));
        exemplars.add(7, quick);
        exemplars.add(7, slow);
        exemplars.add(7, quicker);
        assert_eq!(exemplars.of(7), [slow, quicker]);
        let late = exemplar(1, 63);
        exemplars.add(7, late);
        assert_eq!(exemplars.of(7), [late]);
        assert_eq!(exemplars.of(8), []);
    }
}
