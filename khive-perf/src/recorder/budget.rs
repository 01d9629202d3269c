//! Budget: what measuring costs, and which share of a path's calls is therefore timed.
//!
//! ```text
//! cost of a call   =  untimed + p (timed - untimed)      p: the probability that it is timed
//! allowed          =  AIM x (budget x the call's own time, or what amounts to FLOOR of the thread's time if that is more)
//! ```
//!
//! `p` is what makes the cost what is allowed. Since the own times of nested calls add up to the time of the outermost
//! one, so do their costs: whatever is measured on a code path, it gets slower by at most the budget, beside what is
//! below the floor. The process's budget is kept per thread, by a pressure that divides what callsites are allowed: the
//! floor, too, for a thread may have thousands of them.

use std::hint::black_box;

use crate::callsite::Timing;
use crate::clock::{Source, raw_ticks};
use crate::config;
use crate::recorder::sampled::Random;
use crate::recorder::shard::Shard;
use crate::sync::OnceLock;

/// Calls whose timing takes less than [`AIM`] of this share of their thread's time are all timed, however short they are.
const FLOOR: f64 = 1e-4;
/// Counting that costs a callsite less than this share of its own time is not worth a word.
const WORTH_A_WORD: f64 = 0.05;
/// Share of what is allowed that is aimed at: it is a limit, and what measuring costs is known to some tens of percent only.
const AIM: f64 = 0.75;
/// At least one call in so many is timed.
const EVERY_MAX: f64 = 1024.0;
/// Nanoseconds after which a thread's costs are compared with the process's budget.
const PERIOD_NS: u64 = 10_000_000;

/// How many times what it takes again and again a call takes that is timed among many that are not: it goes a way that the
/// processor does not expect, and comes to what has left the nearest caches. See decision 0017.
const UNEXPECTED: f64 = 4.0;
/// The same of counting, among what functions do.
const AMONG_OTHERS: f64 = 2.0;

/// What measuring one call costs on this machine, in nanoseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Costs {
    /// Of a call that is timed for itself alone.
    pub(crate) timed: f64,
    /// Of a call that is only counted.
    pub(crate) untimed: f64,
    /// Of a call that is timed for others, too.
    pub(crate) sampled: f64,
}

impl Costs {
    /// Measured once per process, in some ten microseconds.
    pub(crate) fn of_process() -> Self {
        static COSTS: OnceLock<Costs> = OnceLock::new();
        *COSTS.get_or_init(Self::measure)
    }

    /// The least of a few batches each, so that an interruption does not count.
    fn measure() -> Self {
        const BATCH: u32 = 64;
        let source = Source::of_process();
        let scale = source.scale();
        let clock = |source: &Source| {
            if source.is_raw() {
                raw_ticks()
            } else {
                source.now()
            }
        };
        let least = |call: &mut dyn FnMut()| {
            let batch = |call: &mut dyn FnMut()| {
                let before = clock(&source);
                (0..BATCH).for_each(|_| call());
                clock(&source).wrapping_sub(before)
            };
            let ticks = (0..5).map(|_| batch(call)).min().unwrap_or(0);
            scale.ns(ticks) as f64 / f64::from(BATCH)
        };
        let shard = Shard::new(source.clone(), 0, false);
        let exact = Timing::PLAIN;
        // SAFETY: the shard is this function's own.
        let path = |id, timing| unsafe { shard.root_path(id, timing) };
        let (Some(timed), Some(counted)) = (path(1, exact), path(2, exact)) else {
            return Self {
                timed: 25.0,
                untimed: 1.0,
                sampled: 50.0,
            };
        };
        let random = Random::new(1);
        counted.turn.wait_for(u64::MAX);
        Self {
            // SAFETY: the shard is this function's own, and the nodes are its nodes, here and below.
            timed: least(&mut || unsafe { shard.rehearse(timed, 0) }),
            untimed: AMONG_OTHERS
                * least(&mut || {
                    black_box(black_box(counted).turn.leave_untimed());
                }),
            sampled: UNEXPECTED
                * least(&mut || {
                    // SAFETY: see above.
                    unsafe { shard.rehearse(timed, 1) };
                    black_box(random.gap(black_box(2)));
                }),
        }
    }
}

/// What is known of a path since it was looked at last.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Usage {
    /// Finished calls, timed or not.
    pub(crate) calls: f64,
    /// Measured regions: of functions their calls, of futures their polls.
    pub(crate) regions: f64,
    /// Nanoseconds outside callees.
    pub(crate) own_ns: f64,
    /// Nanoseconds that have passed.
    pub(crate) elapsed_ns: f64,
}

/// One call in how many is to be timed, where the thread is under `pressure`.
pub(crate) fn every(usage: Usage, costs: Costs, pressure: f64) -> u32 {
    let Some(budget) = config::overhead_budget() else {
        return 1;
    };
    let Usage {
        calls,
        regions,
        own_ns,
        elapsed_ns,
    } = usage;
    if calls < 1.0 || regions < 1.0 {
        return 1;
    }
    let own = own_ns.max(0.0) / regions;
    let allowed = AIM * (budget * own).max(FLOOR * elapsed_ns.max(0.0) / regions) / pressure;
    if costs.timed <= allowed {
        return 1;
    }
    let dearer = (costs.sampled - costs.untimed).max(0.1);
    let share = ((allowed - costs.untimed) / dearer).max(1.0 / EVERY_MAX);
    (1.0 / share).ceil().clamp(1.0, EVERY_MAX) as u32
}

/// Whether so few calls in so much time are all to be timed, however short they are.
pub(crate) fn is_rare(calls: u64, elapsed_ns: u64) -> bool {
    calls as f64 * Costs::of_process().timed <= AIM * FLOOR * elapsed_ns as f64
}

/// Whether calls are so short that even counting them costs more than the budget, and than is worth a word.
pub(crate) fn is_too_short(own_ns_per_call: f64, costs: Costs) -> bool {
    config::overhead_budget()
        .is_some_and(|budget| own_ns_per_call * budget.max(WORTH_A_WORD) < costs.untimed)
}

/// What measuring costs a thread, beside what the process's budget allows; the owner's alone.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pressure {
    /// Divides what callsites are allowed; at least 1.
    factor: f64,
    /// Ticks at the beginning of the period.
    since: u64,
    /// Nanoseconds spent on measuring in it, as far as paths were looked at.
    spent_ns: f64,
}

impl Pressure {
    pub(crate) const fn new() -> Self {
        Self {
            factor: 1.0,
            since: 0,
            spent_ns: 0.0,
        }
    }

    pub(crate) const fn factor(&self) -> f64 {
        self.factor
    }

    /// Adds what was spent, at time `now`; `ns` tells what ticks are.
    pub(crate) fn add(&mut self, spent_ns: f64, now: u64, ns: impl Fn(u64) -> u64) {
        if self.since == 0 {
            self.since = now;
        }
        self.spent_ns += spent_ns;
        let elapsed = ns(now.saturating_sub(self.since));
        if elapsed < PERIOD_NS {
            return;
        }
        let over = self.spent_ns / (elapsed as f64 * config::process_overhead_budget());
        // Up at once, down by halves, so that it does not swing.
        self.factor = (self.factor * over.max(0.5)).clamp(1.0, 64.0);
        self.since = now;
        self.spent_ns = 0.0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COSTS: Costs = Costs {
        timed: 20.0,
        untimed: 1.0,
        sampled: 41.0,
    };

    fn usage(calls: f64, own: f64, elapsed_ns: f64) -> Usage {
        Usage {
            calls,
            regions: calls,
            own_ns: own * calls,
            elapsed_ns,
        }
    }

    #[test]
    fn calls_that_are_long_beside_what_timing_costs_are_all_timed() {
        assert_eq!(every(usage(1e6, 2_700.0, 3e9), COSTS, 1.0), 1);
        assert_eq!(every(usage(1e6, 1e9, 1e15), COSTS, 1.0), 1);
    }

    #[test]
    fn shorter_ones_are_timed_as_often_as_the_budget_allows() {
        // Three quarters of 1 % are 5 ns a call: 1 for counting it, and 4 of the 40 that timing adds.
        assert_eq!(every(usage(1e6, 667.0, 1e9), COSTS, 1.0), 10);
        // Under twice the pressure 2.5 ns: 1.5 of the 40.
        assert_eq!(every(usage(1e6, 667.0, 1e9), COSTS, 2.0), 27);
        // Where counting alone is more than allowed, as seldom as can be.
        assert_eq!(every(usage(1e6, 10.0, 1e7), COSTS, 1.0), 1024);
        assert!(is_too_short(19.0, COSTS) && !is_too_short(21.0, COSTS));
    }

    #[test]
    fn calls_that_are_rare_are_all_timed_however_short() {
        // A thousand in a second: 20 us.
        assert_eq!(every(usage(1e3, 1.0, 1e9), COSTS, 1.0), 1);
        assert!(every(usage(1e5, 1.0, 1e9), COSTS, 1.0) > 1);
        // A thread that has too many of them does not time them all, either.
        assert!(every(usage(1e3, 1.0, 1e9), COSTS, 8.0) > 1);
    }

    #[test]
    fn pressure_follows_what_a_thread_spends() {
        let mut pressure = Pressure::new();
        pressure.add(0.0, 1, |ticks| ticks);
        // 3 % of the time, where 1 % is allowed.
        pressure.add(300_000.0, 1 + PERIOD_NS, |ticks| ticks);
        assert!((pressure.factor() - 3.0).abs() < 1e-9);
        for period in 2..5 {
            pressure.add(0.0, 1 + period * PERIOD_NS, |ticks| ticks);
        }
        assert!((pressure.factor() - 1.0).abs() < 1e-9);
    }

    #[test]
    fn what_a_call_costs_is_measured() {
        let costs = Costs::of_process();
        assert!(costs.timed > 0.0 && costs.sampled > 0.0, "{costs:?}");
        assert!(costs.untimed < costs.sampled, "{costs:?}");
    }
}
