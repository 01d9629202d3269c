//! Calls in flight: futures that never end or are never polled again, spans that are never closed.
//!
//! Nobody follows a call. What is counted anyway says how many there are, and how long those took that have ended; and of
//! each callsite is counted how many have ended that were in flight at the last census. So what is in flight is kept by
//! **cohorts**: calls that began between the same two censuses. Those that have ended are taken off the cohort that was
//! as old as they were, to 2 % and half of the time between two censuses. A callsite thus costs a few words for each census
//! at which calls began that are still in flight.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use crate::callsite::Kind as CallKind;
use crate::clock::raw_ticks;
use crate::leak::census::{Census, Kind, Live};
use crate::leak::names::Names;
use crate::outcome::Outcome;
use crate::recorder::census;
use crate::registry::current;
use crate::snapshot::{self, CallsiteStats};
use crate::stats::Histogram;
use crate::sync::{Mutex, lock};

/// Cohorts of one callsite; the oldest are put together beyond.
const COHORTS_MAX: usize = 1_024;
/// Things that a cohort is told as; each stands for several beyond.
const TOLD_MAX: u64 = 1_024;

/// What all detectors of the process know: only one can say when the last census was.
static CALLS: Mutex<Calls> = Mutex::new(Calls::new());

/// Adds the calls of the process that are in flight.
pub(super) fn add_to(into: &mut Census, names: &mut Names) {
    let mut calls = lock(&CALLS);
    let snapshot = snapshot::take(&current::PROCESS);
    // Not before: a call that began in between is taken for one of this census when it ends, and its cohort for smaller
    // than it is; the other way round there would be survivors that are none.
    census::note(raw_ticks());
    let followed = snapshot.callsites().iter();
    let followed =
        followed.filter(|stats| matches!(stats.kind(), CallKind::Future | CallKind::Span));
    calls.observe(into.at, followed.map(Figures::of));
    for stats in snapshot.callsites() {
        let Some(callsite) = calls.callsites.get(stats.key()) else {
            continue;
        };
        let origin = names.number(Kind::Call, stats.name(), stats.file(), stats.line());
        callsite.tell(|born, id, stands_for| {
            let one = Live::new(id, origin, born, 0);
            into.live.push(one.standing_for(stands_for));
        });
    }
}

/// What is counted of one callsite.
struct Figures<'a> {
    key: &'a str,
    in_flight: u64,
    /// Of those that have ended, how many were in flight at the last census before they did.
    crossed: u64,
    /// What those took that have ended.
    wall: Histogram,
}

impl<'a> Figures<'a> {
    fn of(stats: &'a CallsiteStats) -> Self {
        let mut wall = Histogram::new();
        for outcome in Outcome::ALL {
            wall.merge(stats.wall_by(outcome));
        }
        Self {
            key: stats.key(),
            in_flight: stats.in_flight(),
            crossed: stats.crossed(),
            wall,
        }
    }
}

#[derive(Debug)]
struct Calls {
    at: Option<Duration>,
    callsites: BTreeMap<Box<str>, Callsite>,
    next_id: u64,
}

impl Calls {
    const fn new() -> Self {
        Self {
            at: None,
            callsites: BTreeMap::new(),
            next_id: 1,
        }
    }

    fn observe<'a>(&mut self, at: Duration, all: impl Iterator<Item = Figures<'a>>) {
        let since = self.at.replace(at);
        for figures in all {
            if let Some(callsite) = self.callsites.get_mut(figures.key) {
                // The first census knows of no time before it.
                callsite.observe(since.unwrap_or(at)..at, &figures, &mut self.next_id);
                if callsite.cohorts.is_empty() {
                    self.callsites.remove(figures.key);
                }
            } else if figures.in_flight > 0 {
                let mut callsite = Callsite {
                    crossed: figures.crossed,
                    wall: figures.wall,
                    cohorts: VecDeque::new(),
                };
                callsite.begin(
                    since.unwrap_or(at)..at,
                    figures.in_flight,
                    &mut self.next_id,
                );
                self.callsites.insert(figures.key.into(), callsite);
            }
        }
    }
}

/// The calls of one callsite that are in flight, and what was counted at the last census.
#[derive(Debug)]
struct Callsite {
    crossed: u64,
    wall: Histogram,
    /// The oldest first.
    cohorts: VecDeque<Cohort>,
}

/// Calls that began between the same two censuses, and are in flight.
#[derive(Clone, Copy, Debug)]
struct Cohort {
    from: Duration,
    to: Duration,
    left: u64,
    /// The first of the ids that its calls are told by.
    id: u64,
    /// Calls that one of them stands for.
    each: u64,
}

type Interval = std::ops::Range<Duration>;

impl Callsite {
    fn observe(&mut self, interval: Interval, figures: &Figures<'_>, next_id: &mut u64) {
        let crossed = figures.crossed.saturating_sub(self.crossed);
        let took = figures.wall.since(&self.wall);
        self.crossed = figures.crossed;
        self.wall.clone_from(&figures.wall);
        let ended = self.end_by_age(&interval, crossed, &took);
        self.end_youngest(crossed - ended);
        let old: u64 = self.left();
        if let Some(new) = figures.in_flight.checked_sub(old) {
            self.begin(interval, new, next_id);
        } else {
            // Threads are read one after the other: one that has ended may have been read where it had not begun.
            self.end_youngest(old - figures.in_flight);
        }
        self.cohorts.retain(|cohort| cohort.left > 0);
    }

    fn left(&self) -> u64 {
        self.cohorts.iter().map(|cohort| cohort.left).sum()
    }

    /// Takes calls off that took longer than the interval, at most so many; the longest first.
    fn end_by_age(&mut self, interval: &Interval, most: u64, took: &Histogram) -> u64 {
        let length = (interval.end - interval.start).as_secs_f64();
        let mut ended = 0;
        let mut buckets: Vec<(i32, u64)> = took.buckets().collect();
        buckets.sort_unstable_by_key(|(bucket, _)| std::cmp::Reverse(*bucket));
        for (bucket, count) in buckets {
            let seconds =
                2.0_f64.powf((f64::from(bucket) + 0.5) / f64::from(1 << Histogram::SCALE));
            if seconds < length || ended == most {
                break;
            }
            let middle = interval.start + (interval.end - interval.start) / 2;
            let began =
                middle.saturating_sub(Duration::try_from_secs_f64(seconds).unwrap_or(middle));
            ended += self.end_next_to(began, count.min(most - ended));
        }
        ended
    }

    /// Takes calls off that began about then; says how many there were. Where none is left of the cohort, one next to it had
    /// more than was thought: older ones count as half as far away, because what has ended must not be among the old.
    fn end_next_to(&mut self, began: Duration, count: u64) -> u64 {
        let mut left = count;
        while left > 0 {
            let alive = self.cohorts.iter_mut().filter(|cohort| cohort.left > 0);
            let nearest = alive.min_by_key(|cohort| {
                let younger = cohort.from.saturating_sub(began);
                younger.max(began.saturating_sub(cohort.to) / 2)
            });
            let Some(cohort) = nearest else { break };
            let now = cohort.left.min(left);
            cohort.left -= now;
            left -= now;
        }
        count - left
    }

    /// Takes calls off, the youngest first.
    fn end_youngest(&mut self, count: u64) {
        let mut left = count;
        for cohort in self.cohorts.iter_mut().rev() {
            let now = cohort.left.min(left);
            cohort.left -= now;
            left -= now;
        }
    }

    fn begin(&mut self, interval: Interval, count: u64, next_id: &mut u64) {
        if count == 0 {
            return;
        }
        self.cohorts.retain(|cohort| cohort.left > 0);
        if self.cohorts.len() >= COHORTS_MAX
            && let Some(oldest) = self.cohorts.pop_front()
            && let Some(next) = self.cohorts.front_mut()
        {
            next.from = oldest.from;
            next.left += oldest.left;
        }
        let each = count.div_ceil(TOLD_MAX);
        self.cohorts.push_back(Cohort {
            from: interval.start,
            to: interval.end,
            left: count,
            id: *next_id,
            each,
        });
        *next_id += TOLD_MAX;
    }

    /// Hands out when calls began, an id, and how many it stands for.
    fn tell(&self, mut each: impl FnMut(Duration, u64, f64)) {
        for cohort in &self.cohorts {
            let born = cohort.from + (cohort.to - cohort.from) / 2;
            let (each_of, told) = (cohort.each, cohort.left.div_ceil(cohort.each));
            // Of a cohort that others were added to there may be more than there are ids.
            let told = told.clamp(1, TOLD_MAX);
            (0..told).for_each(|at| each(born, cohort.id + at, each_of as f64));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    /// Calls of one callsite, one by one: the truth that cohorts are compared with.
    #[derive(Default)]
    struct Truth {
        /// When each began, and ends if ever.
        calls: Vec<(f64, Option<f64>)>,
    }

    impl Truth {
        fn in_flight(&self, at: f64) -> impl Iterator<Item = f64> {
            let calls = self.calls.iter();
            calls
                .filter(move |(began, ends)| *began <= at && ends.is_none_or(|ends| ends > at))
                .map(|(began, _)| *began)
        }

        fn figures(&self, at: f64, crossed: u64) -> Figures<'static> {
            let mut wall = Histogram::new();
            for (began, ends) in &self.calls {
                if let Some(ends) = ends.filter(|ends| *ends <= at) {
                    wall.record(Duration::from_secs_f64(ends - began));
                }
            }
            Figures {
                key: "one",
                in_flight: self.in_flight(at).count() as u64,
                crossed,
                wall,
            }
        }
    }

    /// Looks so often, and says how many are in flight that began before half of the time, by cohorts and in truth.
    fn old_ones(truth: &Truth, censuses: u32) -> (u64, u64) {
        let mut calls = Calls::new();
        let mut crossed = 0;
        for census in 1..=censuses {
            let (before, at) = (f64::from(census - 1) * 60.0, f64::from(census) * 60.0);
            let ended = |ends: Option<f64>| ends.is_some_and(|ends| ends > before && ends <= at);
            let crossing = truth.calls.iter();
            crossed += crossing
                .filter(|(began, ends)| *began <= before && ended(*ends))
                .count() as u64;
            calls.observe(MINUTE * census, [truth.figures(at, crossed)].into_iter());
        }
        let half = MINUTE * censuses / 2;
        let cohorts = calls.callsites["one"].cohorts.iter();
        let told = cohorts.filter(|cohort| cohort.to <= half);
        let true_ones = truth.in_flight(f64::from(censuses) * 60.0);
        let old = true_ones.filter(|began| *began <= half.as_secs_f64());
        (told.map(|cohort| cohort.left).sum(), old.count() as u64)
    }

    #[test]
    fn short_calls_leave_no_survivors() {
        let calls = (0..20_000).map(|at| (f64::from(at) * 0.3, Some(f64::from(at) * 0.3 + 20.0)));
        let truth = Truth {
            calls: calls.collect(),
        };
        assert_eq!(old_ones(&truth, 100), (0, 0));
    }

    #[test]
    fn calls_that_never_end_are_found_among_others() {
        // One in 50 never ends; the others take from a second to half an hour.
        let calls = (0..20_000).map(|at| {
            let began = f64::from(at) * 0.3;
            let took = 1.0 + f64::from(at * 7_919 % 1_800);
            (began, (at % 50 != 0).then_some(began + took))
        });
        let truth = Truth {
            calls: calls.collect(),
        };
        let (told, old) = old_ones(&truth, 100);
        assert_eq!(old, 201);
        assert!(told.abs_diff(old) <= 20, "{told} {old}");
    }

    #[test]
    fn long_calls_that_end_leave_no_survivors() {
        // Half of them take about twenty minutes.
        let calls = (0..20_000).map(|at| {
            let began = f64::from(at) * 0.3;
            let took = if at % 2 == 0 { 1_200.0 } else { 1.0 };
            (began, Some(began + took + f64::from(at * 7_919 % 60)))
        });
        let truth = Truth {
            calls: calls.collect(),
        };
        assert_eq!(old_ones(&truth, 100), (0, 0));
    }

    #[test]
    fn cohorts_are_bounded_and_told_in_bounded_numbers() {
        let mut calls = Calls::new();
        for census in 1..=3_000_u32 {
            let figures = Figures {
                key: "one",
                in_flight: u64::from(census) * 10_000,
                crossed: 0,
                wall: Histogram::new(),
            };
            calls.observe(MINUTE * census, [figures].into_iter());
        }
        let callsite = &calls.callsites["one"];
        assert_eq!(callsite.left(), 30_000_000);
        assert!(callsite.cohorts.len() <= COHORTS_MAX);
        let mut told = 0;
        callsite.tell(|_, _, _| told += 1);
        assert!(told <= COHORTS_MAX as u64 * TOLD_MAX);
    }
}
