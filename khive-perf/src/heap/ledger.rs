//! Ledger: what one registry's sampled blocks add up to, by site and by series.
//!
//! All sums are of whole numbers, so that a free takes back exactly what its allocation added.

use crate::clock::{ManualClock, monotonic_ns, saturating_ns};
use crate::heap::memory::{self, Lazy, Zeroed};
use crate::heap::rate::{Rate, WHOLE_BLOCK};
use crate::heap::shape::{User, use_in_place};
use crate::heap::slab::Block;
use crate::heap::traces::{ROOT, Step, Traces};
use crate::sync::{AtomicU32, AtomicU64, AtomicUsize, Ordering};

const PAGE_LEN: usize = 256;
const SERIES_PAGES: usize = 64;
const SITE_PAGES: usize = 64;
const SITES_MAX: u32 = (PAGE_LEN * SITE_PAGES) as u32;
const SITES_OF_STACKS_MAX: u32 = SITES_MAX / 2;
/// Lifetimes are told by the power of two of their nanoseconds.
pub(crate) const LIFETIMES: usize = 48;

/// What was allocated and freed at one place, as estimated.
pub(crate) struct Account {
    allocated_bytes: AtomicU64,
    /// In parts of [`WHOLE_BLOCK`], as all blocks here.
    allocated_blocks: AtomicU64,
    freed_bytes: AtomicU64,
    freed_blocks: AtomicU64,
    peak_bytes: AtomicU64,
    /// Allocations and reallocations that were looked at.
    requests: AtomicU64,
}

/// The same as plain numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sums {
    pub(crate) allocated_bytes: u64,
    pub(crate) allocated_blocks: u64,
    pub(crate) freed_bytes: u64,
    pub(crate) freed_blocks: u64,
    pub(crate) live_bytes: u64,
    pub(crate) peak_bytes: u64,
    pub(crate) requests: u64,
}

impl Sums {
    /// What came after an earlier state. The peak cannot be subtracted, and stays; so does what is alive.
    pub(crate) const fn since(&self, earlier: &Self) -> Self {
        Self {
            allocated_bytes: self.allocated_bytes.saturating_sub(earlier.allocated_bytes),
            allocated_blocks: self
                .allocated_blocks
                .saturating_sub(earlier.allocated_blocks),
            freed_bytes: self.freed_bytes.saturating_sub(earlier.freed_bytes),
            freed_blocks: self.freed_blocks.saturating_sub(earlier.freed_blocks),
            live_bytes: self.live_bytes,
            peak_bytes: self.peak_bytes,
            requests: self.requests.saturating_sub(earlier.requests),
        }
    }

    /// Adds those of another process, or of another time.
    pub(crate) const fn merge(&mut self, other: &Self) {
        self.allocated_bytes += other.allocated_bytes;
        self.allocated_blocks += other.allocated_blocks;
        self.freed_bytes += other.freed_bytes;
        self.freed_blocks += other.freed_blocks;
        self.live_bytes += other.live_bytes;
        self.peak_bytes += other.peak_bytes;
        self.requests += other.requests;
    }
}

impl Account {
    const fn new() -> Self {
        Self {
            allocated_bytes: AtomicU64::new(0),
            allocated_blocks: AtomicU64::new(0),
            freed_bytes: AtomicU64::new(0),
            freed_blocks: AtomicU64::new(0),
            peak_bytes: AtomicU64::new(0),
            requests: AtomicU64::new(0),
        }
    }

    fn credit(&self, bytes: u64, blocks: u64) {
        let before = self.allocated_bytes.fetch_add(bytes, Ordering::Relaxed);
        self.allocated_blocks.fetch_add(blocks, Ordering::Relaxed);
        // What others free meanwhile is taken off, so this is never more than there was at once.
        let freed = self.freed_bytes.load(Ordering::Relaxed);
        let live = before.wrapping_add(bytes).saturating_sub(freed);
        if live > self.peak_bytes.load(Ordering::Relaxed) {
            self.peak_bytes.fetch_max(live, Ordering::Relaxed);
        }
    }

    fn debit(&self, bytes: u64, blocks: u64) {
        self.freed_bytes.fetch_add(bytes, Ordering::Relaxed);
        self.freed_blocks.fetch_add(blocks, Ordering::Relaxed);
    }

    fn resize(&self, before: &Block, after: &Block) {
        let (bytes, blocks) = (before.bytes(), before.weight);
        let (bytes_now, blocks_now) = (after.bytes(), after.weight);
        self.credit(
            bytes_now.saturating_sub(bytes),
            blocks_now.saturating_sub(blocks),
        );
        self.debit(
            bytes.saturating_sub(bytes_now),
            blocks.saturating_sub(blocks_now),
        );
        self.requests.fetch_add(1, Ordering::Relaxed);
    }

    /// The sums at about one moment. What was freed is read first, so that it is never more than was allocated.
    pub(crate) fn read(&self) -> Sums {
        let freed_bytes = self.freed_bytes.load(Ordering::Acquire);
        let freed_blocks = self.freed_blocks.load(Ordering::Acquire);
        let allocated_bytes = self.allocated_bytes.load(Ordering::Relaxed);
        Sums {
            allocated_bytes,
            allocated_blocks: self.allocated_blocks.load(Ordering::Relaxed),
            freed_bytes,
            freed_blocks,
            live_bytes: allocated_bytes.saturating_sub(freed_bytes),
            peak_bytes: self.peak_bytes.load(Ordering::Relaxed),
            requests: self.requests.load(Ordering::Relaxed),
        }
    }
}

/// Blocks that were allocated at one place: a path of measured calls, and the stack below them.
pub(crate) struct Site {
    trace: AtomicU32,
    pub(crate) account: Account,
    /// Freed blocks by the power of two of their lifetime.
    lifetimes: [AtomicU64; LIFETIMES],
    /// Freed by the thread that made them, before it made any other.
    temporary_blocks: AtomicU64,
}

struct SitePage([Site; PAGE_LEN]);
struct SeriesPage([Account; PAGE_LEN]);

// SAFETY: all fields are atomics, for which zero is a value.
unsafe impl Zeroed for SitePage {}
// SAFETY: as above.
unsafe impl Zeroed for SeriesPage {}

/// How long blocks lived that were freed, and how many of them were temporary. In parts of [`WHOLE_BLOCK`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lives {
    pub(crate) by_power: [u64; LIFETIMES],
    pub(crate) temporary: u64,
}

impl Default for Lives {
    fn default() -> Self {
        Self {
            by_power: [0; LIFETIMES],
            temporary: 0,
        }
    }
}

impl Lives {
    /// What came after an earlier state.
    pub(crate) fn since(mut self, earlier: &Self) -> Self {
        for (mine, before) in self.by_power.iter_mut().zip(earlier.by_power) {
            *mine = mine.saturating_sub(before);
        }
        self.temporary = self.temporary.saturating_sub(earlier.temporary);
        self
    }

    pub(crate) fn add(&mut self, other: &Self) {
        for (mine, theirs) in self.by_power.iter_mut().zip(other.by_power) {
            *mine += theirs;
        }
        self.temporary += other.temporary;
    }
}

impl Site {
    pub(crate) fn lives(&self) -> Lives {
        let mut lives = Lives::default();
        for (read, count) in lives.by_power.iter_mut().zip(&self.lifetimes) {
            *read = count.load(Ordering::Relaxed);
        }
        lives.temporary = self.temporary_blocks.load(Ordering::Relaxed);
        lives
    }
}

/// What one registry's sampled blocks add up to.
pub(crate) struct Ledger {
    /// The registry, and every block that is accounted for here. Nobody holds that of the process.
    holders: AtomicUsize,
    /// `None` for the process's, whose rate is that of the configuration.
    rate: Option<Rate>,
    manual: Option<ManualClock>,
    /// Blocks whose stack is still to be kept, where that is not all.
    stacks_left: Option<AtomicU32>,
    traces: Traces,
    sites: [Lazy<SitePage>; SITE_PAGES],
    sites_used: AtomicU32,
    /// By series, callees included.
    series: [Lazy<SeriesPage>; SERIES_PAGES],
    pub(crate) all: Account,
    /// Blocks that were to be tracked and were not, for want of room.
    untracked: AtomicU64,
    /// Blocks whose stack was to be kept and was not, or not all of it, for want of room.
    stacks_cut: AtomicU64,
}

/// The process's.
pub(crate) static PROCESS: Ledger = Ledger::new(None, None, None);

impl Ledger {
    const fn new(
        rate: Option<Rate>,
        manual: Option<ManualClock>,
        stacks_left: Option<AtomicU32>,
    ) -> Self {
        Self {
            holders: AtomicUsize::new(1),
            rate,
            manual,
            stacks_left,
            traces: Traces::new(),
            sites: [const { Lazy::new() }; SITE_PAGES],
            sites_used: AtomicU32::new(0),
            series: [const { Lazy::new() }; SERIES_PAGES],
            all: Account::new(),
            untracked: AtomicU64::new(0),
            stacks_cut: AtomicU64::new(0),
        }
    }

    /// How many of its blocks are sampled.
    pub(crate) fn rate(&self) -> Rate {
        self.rate.unwrap_or_else(super::rate_of_process)
    }

    /// Nanoseconds since the clock's origin.
    pub(crate) fn now_ns(&self) -> u64 {
        match &self.manual {
            Some(clock) => saturating_ns(clock.elapsed()),
            None => monotonic_ns(),
        }
    }

    /// Blocks that were to be tracked and were not.
    pub(crate) fn untracked(&self) -> u64 {
        self.untracked.load(Ordering::Relaxed)
    }

    pub(super) fn count_untracked(&self) {
        self.untracked.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether the stack of the next block is to be kept.
    pub(crate) fn keeps_stack(&self) -> bool {
        self.stacks_left.as_ref().is_none_or(|left| {
            let one_less = |left: u32| left.checked_sub(1);
            left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less)
                .is_ok()
        })
    }

    /// Blocks whose stack is not known, or not to its end, for want of room.
    pub(crate) fn stacks_cut(&self) -> u64 {
        self.stacks_cut.load(Ordering::Relaxed)
    }

    /// Bytes that it takes itself, about.
    pub(crate) fn own_bytes(&self) -> u64 {
        let sites = self.sites.iter().filter_map(Lazy::get);
        let series = self.series.iter().filter_map(Lazy::get);
        let pages = sites.map(size_of_val).chain(series.map(size_of_val));
        pages.sum::<usize>() as u64 + self.traces.own_bytes()
    }

    /// The site of blocks that these steps lead to, from the outermost on; where there is no room, that of fewer. Stacks take
    /// no more than half of the room, so that there is some for calls.
    pub(crate) fn site_of(&self, steps: impl Iterator<Item = Step>) -> u32 {
        let (mut at, mut call) = (ROOT, ROOT);
        let mut is_cut = false;
        for step in steps {
            let Some(child) = self.traces.child(at, step) else {
                is_cut = matches!(step, Step::Return(_));
                break;
            };
            at = child;
            if matches!(step, Step::Call(_)) {
                call = child;
            }
        }
        let of_stack = (at != call).then(|| self.site_at(at, SITES_OF_STACKS_MAX));
        if is_cut || of_stack == Some(None) {
            self.stacks_cut.fetch_add(1, Ordering::Relaxed);
        }
        let of_call = || self.site_at(call, SITES_MAX);
        of_stack.flatten().or_else(of_call).unwrap_or(0)
    }

    fn site_at(&self, trace: u32, most: u32) -> Option<u32> {
        let node = self.traces.node(trace)?;
        let known = node.site.load(Ordering::Acquire);
        if known != 0 {
            return Some(known - 1);
        }
        let mut number = self.sites_used.load(Ordering::Relaxed);
        loop {
            if number >= most {
                return None;
            }
            // Site 0 is that of the root, and of what finds no room.
            let page = self.sites.get(number as usize / PAGE_LEN)?.get_or_make()?;
            let claimed = self.sites_used.compare_exchange_weak(
                number,
                number + 1,
                Ordering::AcqRel,
                Ordering::Relaxed,
            );
            match claimed {
                Err(now) => number = now,
                Ok(_) => {
                    let own = if number == 0 { ROOT } else { trace };
                    let site = page.0.get(number as usize % PAGE_LEN)?;
                    site.trace.store(own, Ordering::Release);
                    if number == 0 {
                        let root = self.traces.node(ROOT)?;
                        root.site.store(1, Ordering::Release);
                        return self.site_at(trace, most);
                    }
                    // Of two threads that make it, one has made a site that nothing is booked to.
                    let published = node.site.compare_exchange(
                        0,
                        number + 1,
                        Ordering::AcqRel,
                        Ordering::Acquire,
                    );
                    return Some(published.map_or_else(|theirs| theirs - 1, |_| number));
                }
            }
        }
    }

    /// A site by its number.
    pub(crate) fn site(&self, number: u32) -> Option<&Site> {
        let page = self.sites.get(number as usize / PAGE_LEN)?.get()?;
        page.0.get(number as usize % PAGE_LEN)
    }

    /// All sites there are, by number.
    pub(crate) fn sites(&self) -> impl Iterator<Item = (u32, &Site)> {
        let used = self.sites_used.load(Ordering::Acquire);
        (0..used).filter_map(|number| Some((number, self.site(number)?)))
    }

    /// What leads to a site, the innermost step first.
    pub(crate) fn steps_up(&self, site: u32) -> impl Iterator<Item = Step> {
        let trace = self
            .site(site)
            .map_or(ROOT, |site| site.trace.load(Ordering::Acquire));
        self.traces.steps_up(trace)
    }

    /// A number for the measured calls that lead to a site, whatever the stack below them.
    pub(crate) fn calls_of(&self, site: u32) -> u32 {
        let trace = self
            .site(site)
            .map_or(ROOT, |site| site.trace.load(Ordering::Acquire));
        self.traces.innermost_call(trace)
    }

    /// What was allocated in calls of a series, callees included.
    pub(crate) fn series(&self, id: u32) -> Option<&Account> {
        let page = self
            .series
            .get(id as usize / PAGE_LEN % SERIES_PAGES)?
            .get()?;
        page.0.get(id as usize % PAGE_LEN)
    }

    /// All series of which blocks were sampled.
    pub(crate) fn all_series(&self) -> impl Iterator<Item = (u32, Sums)> {
        let ids = 0..(PAGE_LEN * SERIES_PAGES) as u32;
        ids.filter_map(|id| Some((id, self.series(id)?.read())))
            .filter(|(_, sums)| sums.requests > 0)
    }

    fn for_each_account(&self, site: u32, each: impl Fn(&Account)) {
        each(&self.all);
        if let Some(site) = self.site(site) {
            each(&site.account);
        }
        for step in self.steps_up(site) {
            let Step::Call(id) = step else { continue };
            let page = self.series.get(id as usize / PAGE_LEN % SERIES_PAGES);
            let page = page.and_then(Lazy::get_or_make);
            if let Some(account) = page.and_then(|page| page.0.get(id as usize % PAGE_LEN)) {
                each(account);
            }
        }
    }

    /// Adds a block that was made.
    pub(super) fn credit(&self, block: &Block) {
        if !self.is_of_process() {
            self.holders.fetch_add(1, Ordering::Relaxed);
        }
        self.for_each_account(block.site, |account| {
            account.credit(block.bytes(), block.weight);
            account.requests.fetch_add(1, Ordering::Relaxed);
        });
    }

    /// Takes off a block that is freed.
    pub(super) fn debit(&self, block: &Block, mark: u16) {
        self.for_each_account(block.site, |account| {
            account.debit(block.bytes(), block.weight);
        });
        let Some(site) = self.site(block.site) else {
            return;
        };
        let lived = self.now_ns().saturating_sub(block.born_ns);
        let power = (lived | 1).ilog2() as usize;
        if let Some(count) = site.lifetimes.get(power.min(LIFETIMES - 1)) {
            count.fetch_add(block.weight, Ordering::Relaxed);
        }
        if mark == block.mark {
            site.temporary_blocks
                .fetch_add(block.weight, Ordering::Relaxed);
        }
    }

    /// Says that a block has another size, or stands for another number.
    pub(super) fn resize(&self, before: &Block, after: &Block) {
        self.for_each_account(before.site, |account| account.resize(before, after));
    }

    /// Takes off a block that is tracked no longer.
    pub(super) fn strike_off(&self, block: &Block) {
        self.for_each_account(block.site, |account| {
            account.debit(block.bytes(), block.weight);
        });
    }

    /// Counts the growth of a block that is not tracked, where all that are made here are.
    pub(crate) fn count_growth(&self, site: u32, bytes: u64) {
        self.for_each_account(site, |account| {
            account.allocated_bytes.fetch_add(bytes, Ordering::Relaxed);
            account.freed_bytes.fetch_add(bytes, Ordering::Relaxed);
            account.requests.fetch_add(1, Ordering::Relaxed);
        });
    }

    /// That of the process is never freed, so that nobody need hold it.
    pub(super) fn is_of_process(&self) -> bool {
        std::ptr::eq(self, &raw const PROCESS)
    }

    /// Lets go of a ledger; the last one who does frees it.
    ///
    /// # Safety
    ///
    /// The caller was counted among its holders, and uses it no more.
    pub(super) unsafe fn release(ledger: *const Self) {
        // SAFETY: alive, because the caller holds it.
        let held = unsafe { &*ledger };
        if !held.is_of_process() && held.holders.fetch_sub(1, Ordering::AcqRel) == 1 {
            // SAFETY: made by `OwnLedger::new`, as it is not that of the process; and nobody is left.
            unsafe { OwnLedger::free(ledger.cast_mut()) };
        }
    }
}

/// The ledger of a capture. Blocks that outlive it are accounted for no longer.
#[derive(Debug)]
pub(crate) struct OwnLedger {
    ledger: *const Ledger,
    is_exact: bool,
}

// SAFETY: a ledger is shared between threads, and freed by whichever is the last.
unsafe impl Send for OwnLedger {}
// SAFETY: as above.
unsafe impl Sync for OwnLedger {}

impl OwnLedger {
    /// A ledger that tells the time by a manual clock, or by the process's, and whose blocks are sampled at a rate, or at
    /// the process's; and the number of blocks whose stack is kept, where that is not all. `None` where there is no memory.
    pub(crate) fn new(
        rate: Option<Rate>,
        manual: Option<ManualClock>,
        stacks: Option<u32>,
    ) -> Option<Self> {
        let ledger = memory::allocate::<Ledger>()?;
        let stacks_left = stacks.map(AtomicU32::new);
        // SAFETY: it is memory for one, that nobody else has.
        unsafe { ledger.write(Ledger::new(rate, manual, stacks_left)) };
        let is_exact = rate == Some(Rate::Every);
        if is_exact {
            use_in_place(User::CaptureBegins);
        }
        Some(Self { ledger, is_exact })
    }

    /// # Safety
    ///
    /// It was made by [`new`](Self::new), and nobody has it any more.
    unsafe fn free(ledger: *mut Ledger) {
        // SAFETY: as the caller vouches.
        unsafe { ledger.drop_in_place() };
        // SAFETY: as the caller vouches.
        unsafe { memory::free(ledger) };
    }

    pub(crate) fn get(&self) -> &Ledger {
        // SAFETY: alive, because this is one of its holders.
        unsafe { &*self.ledger }
    }
}

impl Drop for OwnLedger {
    fn drop(&mut self) {
        super::detach_all(self.ledger);
        // SAFETY: it was counted when it was made.
        unsafe { Ledger::release(self.ledger) };
        if self.is_exact {
            use_in_place(User::CaptureEnds);
        }
    }
}

/// Whole blocks, of parts.
pub(crate) fn whole(parts: u64) -> f64 {
    parts as f64 / WHOLE_BLOCK as f64
}
