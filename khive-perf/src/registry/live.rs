//! Live: the sampled blocks that are alive, and where they were allocated, in words.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::heap::ledger::{Sums, whole};
use crate::heap::{self, Ledger, Step};
use crate::recorder::totals::Totals;
use crate::registry::identity::Identity;
use crate::registry::{Registry, current, series};
use crate::stats::estimate::Estimate;
use crate::sync::Arc;

/// Whose blocks: those of the process, or of a capture.
#[derive(Clone)]
pub(crate) struct Scope {
    /// `None` for the process's.
    registry: Option<Arc<Registry>>,
}

/// Number of a place that blocks were allocated at, within its [`Scope`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct SiteId(u32);

/// Adds what a ledger knows to the series that blocks were allocated in.
pub(super) fn add_to(totals: &mut Totals, ledger: &Ledger) {
    for (id, sums) in ledger.all_series() {
        totals.series.of(id).alloc.heap = sums;
    }
    for (number, site) in ledger.sites() {
        let lives = site.lives();
        for id in calls_up(ledger, number) {
            totals.series.of(id).alloc.lives.add(&lives);
        }
    }
    let mut by_site: BTreeMap<u32, (Estimate, f64)> = BTreeMap::new();
    heap::visit(ledger, |block| {
        let blocks = whole(block.weight);
        let (estimate, count) = by_site.entry(block.site).or_default();
        estimate.add(block.size, blocks, block.mean());
        *count += blocks;
    });
    for (number, (estimate, blocks)) in by_site {
        for (at, id) in calls_up(ledger, number).enumerate() {
            let alloc = &mut totals.series.of(id).alloc;
            alloc.retained.merge(&estimate);
            alloc.retained_blocks += blocks;
            if at == 0 {
                alloc.own.merge(&estimate);
            }
        }
    }
}

/// The series that lead to a site, the innermost first.
fn calls_up(ledger: &Ledger, site: u32) -> impl Iterator<Item = u32> {
    ledger.steps_up(site).filter_map(|step| match step {
        Step::Call(id) => Some(id),
        Step::Return(_) => None,
    })
}

/// A sampled block that is alive.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LiveSample {
    /// Never used again.
    pub(crate) id: u64,
    pub(crate) site: SiteId,
    /// Since the origin of the clock, see [`Scope::now`].
    pub(crate) born: Duration,
    /// Bytes that it stands for.
    pub(crate) bytes: f64,
    /// Blocks that it stands for.
    pub(crate) blocks: f64,
    /// Its own.
    pub(crate) size: usize,
    /// How often it was made larger, up to 65,535.
    pub(crate) grown: u32,
    /// Bytes between two samples, on average, at the rate that it was sampled at; 0 if each block was.
    pub(crate) mean: f64,
}

/// What was allocated and freed at a site.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SiteFigures {
    pub(crate) site: SiteId,
    pub(crate) sums: Sums,
}

impl SiteId {
    /// The number.
    pub(crate) const fn number(self) -> u32 {
        self.0
    }
}

impl SiteFigures {
    /// Blocks that were ever allocated there, as estimated.
    pub(crate) fn allocated_blocks(&self) -> f64 {
        whole(self.sums.allocated_blocks)
    }
}

/// Where blocks were allocated.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// Measured calls, the outermost first; empty outside of any.
    pub(crate) path: Vec<Arc<Identity>>,
    /// Return addresses below the innermost of them, that of the allocating function first; empty where stacks are not
    /// kept.
    pub(crate) stack: Vec<usize>,
}

impl Scope {
    /// That of the code that runs now.
    pub(crate) fn current() -> Self {
        Self {
            registry: current::registry(),
        }
    }

    /// That of a capture.
    pub(crate) fn of(registry: Arc<Registry>) -> Self {
        Self {
            registry: Some(registry),
        }
    }

    /// Whether it is the process, and no capture.
    pub(crate) const fn is_of_process(&self) -> bool {
        self.registry.is_none()
    }

    fn ledger(&self) -> &Ledger {
        self.registry
            .as_ref()
            .map_or(&heap::PROCESS, |registry| registry.ledger())
    }

    /// Time since the origin of the clock that [`LiveSample::born`] is told by: the process's, or the manual one of a
    /// capture that has one.
    pub(crate) fn now(&self) -> Duration {
        Duration::from_nanos(self.ledger().now_ns())
    }

    /// Hands out the sampled blocks that are alive. One that is freed or resized meanwhile may be missed.
    ///
    /// Takes no lock, and keeps nobody from allocating.
    pub(crate) fn census(&self, mut each: impl FnMut(LiveSample)) {
        heap::visit(self.ledger(), |block| {
            let blocks = whole(block.weight);
            each(LiveSample {
                id: block.id,
                site: SiteId(block.site),
                born: Duration::from_nanos(block.born_ns),
                bytes: block.size as f64 * blocks,
                blocks,
                size: block.size,
                grown: u32::from(block.grown),
                mean: block.mean(),
            });
        });
    }

    /// What was allocated and freed, by site.
    pub(crate) fn sites(&self) -> Vec<SiteFigures> {
        let sites = self.ledger().sites().map(|(number, site)| SiteFigures {
            site: SiteId(number),
            sums: site.account.read(),
        });
        sites.filter(|site| site.sums.requests > 0).collect()
    }

    /// Bytes between two samples, on average, at the rate that holds now; 0 if each block is sampled, or none.
    pub(crate) fn mean(&self) -> f64 {
        self.ledger().rate().mean()
    }

    /// Blocks that were to be tracked, and were not for want of room.
    pub(crate) fn untracked(&self) -> u64 {
        self.ledger().untracked()
    }

    /// Blocks whose stack is not known, or not to its end, for want of room.
    pub(crate) fn stacks_cut(&self) -> u64 {
        self.ledger().stacks_cut()
    }

    /// A number for the measured calls that led to a site, whatever the stack below them.
    pub(crate) fn calls_of(&self, site: SiteId) -> u32 {
        self.ledger().calls_of(site.0)
    }

    /// Bytes that the tables take, about.
    pub(crate) fn own_bytes(&self) -> u64 {
        heap::own_bytes() + self.ledger().own_bytes()
    }

    /// Says in words where blocks of a site were allocated.
    pub(crate) fn place(&self, site: SiteId) -> Place {
        let identities = series::identities();
        let (mut path, mut stack) = (Vec::new(), Vec::new());
        for step in self.ledger().steps_up(site.0) {
            match step {
                Step::Call(id) => path.extend(identities.get(id as usize).cloned()),
                Step::Return(address) => stack.push(address),
            }
        }
        path.reverse();
        Place { path, stack }
    }
}
