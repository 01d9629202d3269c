//! Questions to a heap snapshot: parts of it, groups, and what changed between two.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use crate::alloc::formats::frames;
use crate::alloc::snapshot::{HeapSite, HeapSnapshot, interval};
use crate::stats::estimate::Estimate;

/// By what the sites of a [`HeapSnapshot`] are put together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HeapGrouping {
    /// By the innermost measured call: whose code allocated it.
    Callsite,
    /// By all measured calls that led there, outermost first, joined by ` > `.
    Path,
    /// By the group of the innermost measured call; empty where it has none.
    Group,
    /// By the source file of the innermost measured call.
    File,
    /// By the outermost measured call: what the program was asked to do.
    Root,
    /// By measured calls and the stack below them, outermost first, joined by ` > `.
    Stack,
    /// By the [line](HeapSite::line) that allocated, of a snapshot that is [named](HeapSnapshot::named); where that is not
    /// known, by that of the innermost measured call.
    Line,
}

impl HeapGrouping {
    fn key(self, site: &HeapSite) -> String {
        let innermost = site.path().last();
        match self {
            Self::Callsite => site.name().to_owned(),
            Self::Path if site.path().is_empty() => site.name().to_owned(),
            Self::Path => {
                let names: Vec<&str> = site.path().iter().map(|call| call.name()).collect();
                names.join(" > ")
            }
            Self::Group => innermost
                .and_then(|call| call.group())
                .unwrap_or_default()
                .to_owned(),
            Self::File => innermost
                .map(|call| call.file())
                .unwrap_or_default()
                .to_owned(),
            Self::Root => {
                let outermost = site.path().first();
                outermost.map_or_else(|| site.name().to_owned(), |call| call.name().to_owned())
            }
            Self::Stack => {
                let names: Vec<String> = frames(site).into_iter().map(|frame| frame.name).collect();
                if names.is_empty() {
                    return site.name().to_owned();
                }
                names.join(" > ")
            }
            Self::Line => match (site.line(), innermost) {
                (Some(symbol), _) => format!("{}:{}", symbol.file(), symbol.line()),
                (None, Some(call)) => format!("{}:{}", call.file(), call.line()),
                (None, None) => site.name().to_owned(),
            },
        }
    }
}

/// What the sites of one group add up to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HeapGroup {
    key: String,
    live: Estimate,
    blocks: f64,
    samples: u64,
    allocated: u64,
    freed: u64,
    sites: usize,
}

impl HeapGroup {
    fn add(&mut self, site: &HeapSite) {
        self.live.merge(&site.live);
        self.blocks += site.blocks;
        self.samples += site.samples;
        self.allocated += site.allocated;
        self.freed += site.freed;
        self.sites += 1;
    }

    /// What its sites have in common.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Bytes that are alive.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.live.bytes.round() as u64
    }

    /// What [`bytes`](Self::bytes) is within, in at least 95 of 100 cases.
    #[must_use]
    pub fn interval(&self) -> RangeInclusive<u64> {
        interval(&self.live)
    }

    /// Blocks that are alive.
    #[must_use]
    pub const fn blocks(&self) -> f64 {
        self.blocks
    }

    /// Sampled blocks that this rests on.
    #[must_use]
    pub const fn samples(&self) -> u64 {
        self.samples
    }

    /// Bytes allocated so far.
    #[must_use]
    pub const fn allocated(&self) -> u64 {
        self.allocated
    }

    /// Bytes of them that were freed.
    #[must_use]
    pub const fn freed(&self) -> u64 {
        self.freed
    }

    /// How many sites it is made of.
    #[must_use]
    pub const fn sites(&self) -> usize {
        self.sites
    }
}

/// How a group changed from one snapshot to another.
#[derive(Clone, Debug, PartialEq)]
pub struct HeapChange {
    before: HeapGroup,
    after: HeapGroup,
}

impl HeapChange {
    /// What its sites have in common.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.after.key
    }

    /// What it was; nothing is alive of one that was not there.
    #[must_use]
    pub const fn before(&self) -> &HeapGroup {
        &self.before
    }

    /// What it is.
    #[must_use]
    pub const fn after(&self) -> &HeapGroup {
        &self.after
    }

    /// Bytes that are alive now and were not before; below zero if there are fewer.
    #[must_use]
    pub fn growth(&self) -> i64 {
        let bytes = |group: &HeapGroup| i64::try_from(group.bytes()).unwrap_or(i64::MAX);
        bytes(&self.after).saturating_sub(bytes(&self.before))
    }

    /// Whether the intervals do not touch: it grew or shrank, and not just the samples did.
    #[must_use]
    pub fn is_sure(&self) -> bool {
        let (before, after) = (self.before.interval(), self.after.interval());
        after.start() > before.end() || after.end() < before.start()
    }
}

impl HeapSnapshot {
    /// The part whose sites satisfy this.
    ///
    /// ```
    /// # use khive_perf::alloc::HeapSnapshot;
    /// # let snapshot = HeapSnapshot::take();
    /// let large = snapshot.filter(|site| site.bytes() >= 1 << 20);
    /// let of_sessions = snapshot.filter(|site| {
    ///     site.path().iter().any(|call| call.group() == Some("session"))
    /// });
    /// ```
    #[must_use]
    pub fn filter(&self, keep: impl Fn(&HeapSite) -> bool) -> Self {
        let sites = self.sites.iter().filter(|site| keep(site)).cloned();
        Self {
            sites: sites.collect(),
            modules: self.modules.clone(),
            ..*self
        }
    }

    /// The `count` sites with the most bytes alive.
    #[must_use]
    pub fn top(&self, count: usize) -> Self {
        Self {
            sites: self.sites.iter().take(count).cloned().collect(),
            modules: self.modules.clone(),
            ..*self
        }
    }

    /// The sites put together, those with the most bytes alive first.
    #[must_use]
    pub fn group_by(&self, by: HeapGrouping) -> Vec<HeapGroup> {
        let mut groups: Vec<HeapGroup> = self.groups(by).into_values().collect();
        groups.sort_by(|a, b| {
            let bytes = b.live.bytes.total_cmp(&a.live.bytes);
            bytes.then_with(|| a.key.cmp(&b.key))
        });
        groups
    }

    fn groups(&self, by: HeapGrouping) -> BTreeMap<String, HeapGroup> {
        let mut groups = BTreeMap::new();
        for site in &self.sites {
            let key = by.key(site);
            let empty = || HeapGroup {
                key: key.clone(),
                live: Estimate {
                    mean: self.mean,
                    ..Estimate::default()
                },
                ..HeapGroup::default()
            };
            groups.entry(key.clone()).or_insert_with(empty).add(site);
        }
        groups
    }

    /// How groups have changed since an earlier snapshot, those that grew most first. One that is the same is left out.
    #[must_use]
    pub fn since(&self, earlier: &Self, by: HeapGrouping) -> Vec<HeapChange> {
        let (mut before, after) = (earlier.groups(by), self.groups(by));
        let missing = |key: &str, of: &Self| HeapGroup {
            key: key.to_owned(),
            live: Estimate {
                mean: of.mean,
                ..Estimate::default()
            },
            ..HeapGroup::default()
        };
        let mut changes: Vec<HeapChange> = after
            .into_iter()
            .map(|(key, after)| HeapChange {
                before: before
                    .remove(&key)
                    .unwrap_or_else(|| missing(&key, earlier)),
                after,
            })
            .collect();
        changes.extend(before.into_iter().map(|(key, before)| HeapChange {
            before,
            after: missing(&key, self),
        }));
        changes.retain(|change| change.growth() != 0);
        changes.sort_by_key(|change| std::cmp::Reverse(change.growth()));
        changes
    }
}
