//! LeakDetector: looks again and again, and says what leaks.

use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use crate::leak::census::{Census, Origin, OriginId};
use crate::leak::config::{Capacity, LeakConfig};
use crate::leak::follow::{Followed, Follower, Past};
use crate::leak::judge::Case;
use crate::leak::report::{Finding, Holding, LeakReport};
use crate::leak::retention::Readings;
use crate::leak::sources::Sources;
use crate::leak::verdict::Verdict;
use crate::recorder::local::quiet;

/// Looks again and again at what is alive, and tells which of it leaks.
///
/// The method, its thresholds and what it cannot know are in `docs/leaks.md`.
///
/// # Overhead
///
/// Nothing between two censuses. A census is sorted and compared with the one before: a microsecond for ten things,
/// about. A report, and each sixth census, weighs the ages of each origin: some tens of microseconds.
///
/// # Limits
///
/// [`LeakConfig::live_max`] things are followed, [`LeakConfig::origins_max`] origins judged.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use khive_perf::leak::{Census, Kind, LeakConfig, LeakDetector, Live, Origin, OriginId, Verdict};
///
/// let handles = OriginId::new(Kind::Declared, 1);
/// let mut detector = LeakDetector::new(LeakConfig::default().every_cache_declared());
/// for minute in 1..=120 {
///     let mut census = Census::at(Duration::from_secs(60 * minute));
///     // One handle in each minute that nobody closes.
///     census.live = (0..minute)
///         .map(|made| Live::new(made, handles, Duration::from_secs(60 * made), 64))
///         .collect();
///     census.origins.push((handles, Origin::named("open handle")));
///     detector.observe_census(&census);
/// }
/// let report = detector.report();
/// let worst = &report.findings()[0];
/// assert_eq!((worst.verdict(), worst.callsite()), (Verdict::Leaking, "open handle"));
/// assert!(worst.bytes_per_hour_interval().contains(&(60.0 * 64.0)));
/// ```
#[derive(Debug)]
pub struct LeakDetector {
    config: LeakConfig,
    follower: Follower,
    names: HashMap<OriginId, Origin>,
    /// Return addresses by the number of the stack.
    stacks: HashMap<u64, Vec<usize>>,
    readings: Readings,
    began: Duration,
    sources: Sources,
}

impl LeakDetector {
    /// One that has seen nothing yet.
    #[must_use]
    pub fn new(config: LeakConfig) -> Self {
        Self {
            follower: Follower::new(config.live_limit(), config.origins_limit()),
            config,
            names: HashMap::new(),
            stacks: HashMap::new(),
            readings: Readings::new(),
            began: Duration::ZERO,
            sources: Sources::default(),
        }
    }

    /// Looks at what is alive in this process.
    ///
    /// # Overhead
    ///
    /// Reads the table of sampled blocks, tens of nanoseconds for each, what is declared and, on Linux, `/proc/self/fd` and `/proc/self/task`: some microseconds for each open file
    /// and thread.
    pub fn observe(&mut self) {
        let census = self.sources.census();
        self.observe_census(&census);
    }

    /// Takes in what somebody else has counted, or what a test makes up.
    ///
    /// A census that is not later than the one before is left out.
    pub fn observe_census(&mut self, census: &Census) {
        // Its own memory is nobody's leak.
        let _quiet = quiet();
        let is_first = self.follower.observations() == 0;
        if !self.follower.observe(census) {
            return;
        }
        if is_first {
            self.began = census.at;
        }
        for (id, origin) in &census.origins {
            if self.names.len() < 2 * self.config.origins_limit() || self.names.contains_key(id) {
                self.names.entry(*id).or_insert_with(|| origin.clone());
            }
        }
        for (number, stack) in &census.stacks {
            if self.stacks.len() < STACKS_MAX || self.stacks.contains_key(number) {
                self.stacks
                    .entry(*number)
                    .or_insert_with(|| stack.iter().take(FRAMES_MAX).copied().collect());
            }
        }
        if let (Some(live), Some(resident)) = (census.live_heap, census.resident) {
            self.readings.observe(census.at, live, resident);
        }
        if self.follower.observations().is_multiple_of(REMEMBER_EVERY) {
            let report = self.report();
            let leaking: HashSet<OriginId> = report.leaking().map(Finding::origin_id).collect();
            self.follower.remember(|id| leaking.contains(id));
        }
    }

    /// What is known by now, worst first. The same censuses give the same report.
    #[must_use]
    pub fn report(&self) -> LeakReport {
        let _quiet = quiet();
        let live: HashMap<OriginId, &[Followed]> = self.follower.by_origin().collect();
        let unnamed = Origin::default();
        let mut origins: Vec<Held<'_>> = self
            .follower
            .origins()
            .iter()
            .map(|(id, past)| {
                let live = live.get(id).copied().unwrap_or_default();
                let origin = self.names.get(id).unwrap_or(&unnamed);
                Held {
                    id: *id,
                    past,
                    live,
                    origin,
                    holding: self.holding(live),
                    capacity: self.config.capacity_of(origin),
                }
            })
            .collect();
        origins.sort_unstable_by_key(|held| held.id);
        let mut shared: HashMap<usize, (f64, f64)> = HashMap::new();
        for held in &origins {
            if let Some((pattern, _)) = held.capacity {
                let (count, bytes) = shared.entry(pattern).or_default();
                *count += held.holding.count;
                *bytes += held.holding.bytes;
            }
        }
        let findings = origins.iter().map(|held| self.judge(held, &shared));
        let mut findings: Vec<Finding> = findings.collect();
        findings.sort_by(by_severity);
        LeakReport {
            findings,
            retention: self.readings.retention(),
            censuses: self.follower.observations(),
            watched: self.follower.at().saturating_sub(self.began),
            left_out: self.follower.left_out(),
            unknown: self.sources.unknown().to_vec(),
        }
    }

    fn judge(&self, held: &Held<'_>, shared: &HashMap<usize, (f64, f64)>) -> Finding {
        let looks = self.follower.observations().saturating_sub(1).max(1);
        let watched = self.follower.at().saturating_sub(self.began);
        let judgement = Case {
            config: &self.config,
            past: held.past,
            live: held.live,
            at: self.follower.at(),
            interval: watched.div_f64(looks as f64),
            origins: self.follower.origins().len(),
            weight: self.follower.weight(),
            lifetime: self.config.lifetime_of(held.origin),
            over_capacity: held.capacity.map(|(pattern, capacity)| {
                let (count, bytes) = shared.get(&pattern).copied().unwrap_or_default();
                match capacity {
                    Capacity::Bytes(most) => bytes > most as f64,
                    Capacity::Count(most) => count > most as f64,
                }
            }),
        }
        .judge();
        let finding = Finding::new(held.id, held.origin.clone(), judgement, held.holding);
        if judgement.verdict < Verdict::Suspect {
            return finding;
        }
        let stack = self.stack_of_survivors(held.live, judgement.mature);
        finding.with_stack(stack.map_or(&[], Vec::as_slice))
    }

    /// The stack that most of what is older than this was made from.
    fn stack_of_survivors(&self, live: &[Followed], mature: Duration) -> Option<&Vec<usize>> {
        let is_old = |one: &&Followed| self.follower.at().saturating_sub(one.live.born) >= mature;
        let mut by_stack: BTreeMap<u64, f64> = BTreeMap::new();
        for Followed { live, .. } in live.iter().filter(is_old) {
            // What has no size is counted.
            let much = if live.bytes > 0.0 {
                live.bytes
            } else {
                live.blocks
            };
            *by_stack.entry(live.stack).or_default() += much;
        }
        by_stack.remove(&0);
        let most = by_stack.iter().max_by(|a, b| a.1.total_cmp(b.1));
        self.stacks.get(most?.0)
    }

    fn holding(&self, live: &[Followed]) -> Holding {
        let weight = self.follower.weight();
        let born = live.iter().map(|one| one.live.born).min();
        Holding {
            count: live.iter().map(|one| one.live.blocks * weight).sum(),
            bytes: live.iter().map(|one| one.live.bytes * weight).sum(),
            oldest: born.map_or(Duration::ZERO, |born| {
                self.follower.at().saturating_sub(born)
            }),
        }
    }
}

/// Stacks, and frames of each, that are remembered.
const STACKS_MAX: usize = 16_384;
const FRAMES_MAX: usize = 64;
/// In such a census those that leak are remembered.
const REMEMBER_EVERY: u64 = 6;

/// An origin and what it holds.
struct Held<'a> {
    id: OriginId,
    past: &'a Past,
    live: &'a [Followed],
    origin: &'a Origin,
    holding: Holding,
    capacity: Option<(usize, Capacity)>,
}

/// Worst first; what is equally bad keeps the order of its numbers.
fn by_severity(a: &Finding, b: &Finding) -> Ordering {
    let verdict = b.verdict().cmp(&a.verdict());
    verdict
        .then_with(|| b.bytes_per_hour().total_cmp(&a.bytes_per_hour()))
        .then_with(|| b.things_per_hour().total_cmp(&a.things_per_hour()))
        .then_with(|| b.retained_bytes().cmp(&a.retained_bytes()))
}
