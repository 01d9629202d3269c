//! CallsiteStats: what was recorded of one callsite with one set of attributes.

use std::borrow::Cow;
use std::time::Duration;

use crate::attributes::AttributeValue;
use crate::callsite::Kind;
use crate::exemplars::{Exemplar, Exemplars};
use crate::outcome::Outcome;
use crate::recorder::budget::{self, Costs};
use crate::recorder::totals::{SeriesTotals, Totals};
use crate::registry::identity::Identity;
use crate::snapshot::AllocStats;
use crate::stats::Histogram;
use crate::sync::Arc;

/// What was recorded of one callsite with one set of attributes.
#[derive(Clone, Debug)]
pub struct CallsiteStats {
    identity: Arc<Identity>,
    totals: SeriesTotals,
    exemplars: Vec<Exemplar>,
}

impl CallsiteStats {
    pub(crate) fn all(
        totals: Totals,
        identities: &[Arc<Identity>],
        exemplars: &Exemplars,
    ) -> Vec<Self> {
        let mut all: Vec<Self> = totals
            .series
            .into_all()
            .filter_map(|(id, totals)| {
                let identity = Arc::clone(identities.get(id as usize)?);
                let exemplars = exemplars.of(id);
                Some(Self {
                    identity,
                    totals,
                    exemplars,
                })
            })
            .filter(|stats| stats.calls() > 0 || stats.polls() > 0 || stats.in_flight() > 0)
            .collect();
        all.sort_by(|a, b| a.key().cmp(b.key()));
        all
    }

    /// Whether this takes what passed the limit on series, of whichever callsite.
    pub(crate) fn is_of_all_callsites(&self) -> bool {
        self.identity.is_of_all_callsites
    }

    pub(crate) fn key(&self) -> &str {
        &self.identity.key
    }

    /// The given `name`, else the [path](Self::function).
    #[must_use]
    pub fn name(&self) -> &str {
        &self.identity.name
    }

    /// Full path of the function: `crate::module::function`, `<crate::A as crate::Trait>::function`.
    ///
    /// For a region, of the function around it; for a future with a name, the name.
    #[must_use]
    pub fn function(&self) -> &str {
        &self.identity.function
    }

    /// Whether [`name`](Self::name) was given, and is not the path.
    #[must_use]
    pub fn has_custom_name(&self) -> bool {
        self.identity.has_custom_name
    }

    /// The given `group`.
    #[must_use]
    pub fn group(&self) -> Option<&str> {
        self.identity.group
    }

    /// Source file, as the compiler names it.
    #[must_use]
    pub fn file(&self) -> &str {
        self.identity.file
    }

    /// Line in the file.
    #[must_use]
    pub fn line(&self) -> u32 {
        self.identity.line
    }

    /// What is measured here.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.identity.kind
    }

    /// What `fields(..)` recorded, in their order.
    #[must_use]
    pub fn attributes(&self) -> &[(Cow<'static, str>, AttributeValue)] {
        &self.identity.attributes
    }

    /// Calls that stand for those around them in the histograms, with the [trace](crate::trace) they were part of: of each
    /// outcome the slowest one, for a minute, and the latest. Of traces that were kept, and taken out of their collector.
    #[must_use]
    pub fn exemplars(&self) -> &[Exemplar] {
        &self.exemplars
    }

    /// Whether this takes what passed a limit, see [`Overflow`](crate::snapshot::Overflow).
    #[must_use]
    pub fn is_overflow(&self) -> bool {
        self.identity.is_overflow
    }

    /// Finished calls, recursive ones included. Exact.
    #[must_use]
    pub fn calls(&self) -> u64 {
        Outcome::ALL
            .iter()
            .map(|outcome| self.calls_by(*outcome))
            .sum()
    }

    /// Finished calls with an outcome, recursive ones included. Exact.
    #[must_use]
    pub fn calls_by(&self, outcome: Outcome) -> u64 {
        let calls = self.totals.calls.get(outcome.index());
        calls.copied().unwrap_or(0)
    }

    /// Finished calls that were timed: all of them, unless the callsite has `sample = N`, or timing each would cost
    /// more than the [budget](crate::Config::overhead_budget).
    ///
    /// Where they are fewer, [`calls`](Self::calls) and outcomes are exact all the same, and all times,
    /// histograms included, are estimates: each timed call stands for several.
    #[must_use]
    pub fn timed(&self) -> u64 {
        self.calls().saturating_sub(self.totals.untimed)
    }

    /// Whether some calls were not timed, so that times are estimates.
    #[must_use]
    pub fn sampled(&self) -> bool {
        self.totals.untimed > 0
    }

    /// By how much [`busy`](Self::busy) may be off, where it is an estimate, [sampled](Self::sampled); else zero. The
    /// truth is within this of the estimate in at least 95 of 100 cases.
    ///
    /// Three standard errors: that is enough for every distribution of the estimate with one peak (inequality of
    /// Vysochanskij and Petunin, 1980), and latencies are seldom as well-behaved as the normal one. More while few
    /// calls were timed, by the quantiles of Student's distribution. Where a few calls take most of the time and none
    /// of them was timed yet, no interval can know of them.
    #[must_use]
    pub fn total_error(&self) -> Duration {
        let error = self.totals.variance.sqrt() * quantile(self.totals.sampled);
        Duration::from_nanos(error as u64)
    }

    /// What measuring these calls has cost, by what a call costs on this machine. An estimate.
    #[must_use]
    pub fn overhead(&self) -> Duration {
        let costs = Costs::of_process();
        let regions = match self.kind() {
            Kind::Future | Kind::Span => self.polls() as f64 / self.calls().max(1) as f64,
            Kind::Function | Kind::Region => 1.0,
        };
        let timed = self.timed() as f64 * costs.timed;
        let untimed = self.totals.untimed as f64 * costs.untimed;
        Duration::from_nanos(((timed + untimed) * regions.max(1.0)) as u64)
    }

    /// Whether the calls are so short that even counting them costs more than the
    /// [budget](crate::Config::overhead_budget), and more than a twentieth of what they take: measuring them makes their
    /// callers slower than was allowed.
    #[must_use]
    pub fn is_too_short(&self) -> bool {
        let own_ns = self.self_time().as_nanos() as f64 / self.calls().max(1) as f64;
        self.sampled() && budget::is_too_short(own_ns, Costs::of_process())
    }

    /// The time from which on a call is slow: `slow = ".."`.
    #[must_use]
    pub fn slow_threshold(&self) -> Option<Duration> {
        self.identity.slow
    }

    /// Outermost calls that took [`slow_threshold`](Self::slow_threshold) or longer, however they ended.
    /// Exact, unless [`sampled`](Self::sampled).
    #[must_use]
    pub fn slow(&self) -> u64 {
        self.totals.slow
    }

    /// Calls that ended well.
    #[must_use]
    pub fn ok(&self) -> u64 {
        self.calls_by(Outcome::Ok)
    }

    /// Calls whose result `err` or `ok_if` calls an error.
    #[must_use]
    pub fn errors(&self) -> u64 {
        self.calls_by(Outcome::Error)
    }

    /// Calls that unwound.
    #[must_use]
    pub fn panics(&self) -> u64 {
        self.calls_by(Outcome::Panic)
    }

    /// Futures dropped between their first poll and their end.
    #[must_use]
    pub fn cancelled(&self) -> u64 {
        self.calls_by(Outcome::Cancelled)
    }

    /// Calls that have begun and not ended.
    #[must_use]
    pub fn in_flight(&self) -> u64 {
        match self.kind() {
            Kind::Future | Kind::Span => self.totals.begun.saturating_sub(self.totals.ended),
            Kind::Function | Kind::Region => self.totals.open,
        }
    }

    /// Futures and spans that have ended, and began before the last census of those in flight.
    pub(crate) fn crossed(&self) -> u64 {
        self.totals.crossed
    }

    /// Wall time of calls that ended well: the outermost ones, because the time of a recursive call is
    /// inside that of its caller already.
    #[must_use]
    pub fn wall(&self) -> &Histogram {
        self.wall_by(Outcome::Ok)
    }

    /// Wall time of outermost calls with an outcome.
    #[must_use]
    pub fn wall_by(&self, outcome: Outcome) -> &Histogram {
        static NONE: Histogram = Histogram::new();
        self.totals.wall.get(outcome.index()).unwrap_or(&NONE)
    }

    /// Time on a thread, measured callees included: of a future, the time it was polled.
    ///
    /// Outermost calls only. Of a future, polls of calls still under way are included. Where calls are
    /// [`sampled`](Self::sampled), an estimate for as many calls as there were, with an
    /// [error](Self::total_error).
    #[must_use]
    pub fn busy(&self) -> Duration {
        Duration::from_nanos(self.totals.total_ns)
    }

    /// Of futures, the time between polls, of finished calls. Wall time is busy plus idle.
    #[must_use]
    pub fn idle(&self) -> Duration {
        Duration::from_nanos(self.totals.idle_ns)
    }

    /// Time on a thread outside measured callees, over all calls, recursive ones included.
    #[must_use]
    pub fn self_time(&self) -> Duration {
        Duration::from_nanos(u64::try_from(self.totals.self_ns).unwrap_or(0))
    }

    /// Of futures, how often they were polled.
    #[must_use]
    pub fn polls(&self) -> u64 {
        self.totals.polls
    }

    /// Of futures, the longest single poll since the process started.
    #[must_use]
    pub fn max_poll(&self) -> Duration {
        Duration::from_nanos(self.totals.max_poll_ns)
    }

    /// What its calls have allocated, on the threads they ran on, callees included, and what is left of it: under a
    /// [`TrackingAllocator`](crate::alloc::TrackingAllocator); else nothing.
    #[must_use]
    pub const fn alloc(&self) -> AllocStats {
        AllocStats::of(self.totals.alloc)
    }

    pub(crate) fn since(&self, earlier: &Self) -> Self {
        let (now, before) = (&self.totals, &earlier.totals);
        let mut totals = now.clone();
        for (wall, before) in totals.wall.iter_mut().zip(&before.wall) {
            *wall = wall.since(before);
        }
        for (count, before) in totals.calls.iter_mut().zip(&before.calls) {
            *count = count.saturating_sub(*before);
        }
        totals.untimed = now.untimed.saturating_sub(before.untimed);
        totals.inner = now.inner.saturating_sub(before.inner);
        totals.total_ns = now.total_ns.saturating_sub(before.total_ns);
        totals.variance = (now.variance - before.variance).max(0.0);
        totals.sampled = now.sampled.saturating_sub(before.sampled);
        totals.slow = now.slow.saturating_sub(before.slow);
        totals.alloc = now.alloc.since(&before.alloc);
        totals.self_ns = now.self_ns.saturating_sub(before.self_ns);
        totals.idle_ns = now.idle_ns.saturating_sub(before.idle_ns);
        totals.polls = now.polls.saturating_sub(before.polls);
        let exemplars = self.exemplars.iter();
        let exemplars = exemplars.filter(|exemplar| !earlier.exemplars.contains(exemplar));
        Self {
            identity: Arc::clone(&self.identity),
            totals,
            exemplars: exemplars.copied().collect(),
        }
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        self.totals.merge(&other.totals);
        self.exemplars.extend_from_slice(&other.exemplars);
    }
}

/// The quantile of Student's distribution, for an estimate that rests on so many calls, that is three for the normal one;
/// by the expansion of Cornish and Fisher (Abramowitz and Stegun, 26.7.5), and for the least numbers as tabulated.
fn quantile(calls: u64) -> f64 {
    const NORMAL: f64 = 3.0;
    match calls {
        0..=2 => 235.8,
        3 => 19.2,
        4 => 9.22,
        _ => {
            let freedom = calls as f64 - 1.0;
            let z3 = NORMAL.powi(3);
            let first = (z3 + NORMAL) / 4.0;
            let second = (5.0 * NORMAL.powi(5) + 16.0 * z3 + 3.0 * NORMAL) / 96.0;
            NORMAL + first / freedom + second / freedom.powi(2)
        }
    }
}
