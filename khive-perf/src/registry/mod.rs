//! Registry: owns the shards of all threads, and what threads that have ended left behind.

pub(crate) mod current;
pub(crate) mod identity;
pub(crate) mod live;
pub(crate) mod series;

use std::collections::BTreeMap;
use std::fmt;

use crate::clock::{self, Source};
use crate::config;
use crate::exemplars::Exemplars;
use crate::heap::rate::Rate;
use crate::heap::{self, Ledger, OwnLedger};
use crate::recorder::handoff::{Incoming, fold_ended};
use crate::recorder::shard::Shard;
use crate::recorder::totals::Totals;
use crate::sync::{AtomicU64, Mutex, MutexGuard, OnceLock, Ordering, lock, try_lock};

/// Why a measurement was not recorded at all.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Loss {
    /// The thread was ending, and its recorder was gone.
    ThreadEnding,
    /// A guard was dropped where its recorder is out of reach: outside its capture.
    GuardOutlivedScope,
    /// The recorder was at work on the thread, and allocated through a measured allocator.
    InsideRecorder,
}

impl Loss {
    pub(crate) const ALL: [Self; 3] = [
        Self::ThreadEnding,
        Self::GuardOutlivedScope,
        Self::InsideRecorder,
    ];

    /// The word in snapshots.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::ThreadEnding => "thread_ending",
            Self::GuardOutlivedScope => "guard_outlived_scope",
            Self::InsideRecorder => "inside_recorder",
        }
    }
}

/// Owns the shards of all threads that record into it.
pub(crate) struct Registry {
    number: u64,
    /// Whether calls are timed one in so many, where their callsite says so.
    samples: bool,
    source: OnceLock<Source>,
    started_unix_ns: OnceLock<u64>,
    /// Shards that threads have brought and no holder of the lock has seen.
    incoming: Incoming<Shard>,
    inner: Mutex<Inner>,
    losses: [AtomicU64; 3],
    /// `None` for the process's ledger.
    ledger: Option<OwnLedger>,
    exemplars: Mutex<Exemplars>,
}

#[derive(Default)]
struct Inner {
    shards: Vec<*mut Shard>,
    retired: Totals,
    /// Self and total times that readers have seen, by series: where calls are sampled an estimate may fall for a while,
    /// and a counter must not.
    seen: BTreeMap<u32, (i64, u64)>,
    /// For a scoped registry: the shard of each thread that came by, and the one for its calls in traces.
    by_thread: BTreeMap<(u64, bool), *const Shard>,
}

// SAFETY: the pointers are to shards that the registry owns; they are followed under the lock, and by
// the threads they were made for, which are done with them when they set `ended` or leave the scope.
unsafe impl Send for Inner {}

impl Registry {
    /// The process's registry. It is there before anything is allocated.
    pub(crate) const fn of_process() -> Self {
        Self::numbered(1, true, OnceLock::new())
    }

    /// A registry of its own that tells the time by `source`, or by the process's clock, and times every call
    /// unless it `samples`. It keeps the stacks of the first so many blocks that are tracked; `None` of all.
    pub(crate) fn new(source: Option<Source>, samples: bool, stacks: Option<u32>) -> Self {
        static NUMBER: AtomicU64 = AtomicU64::new(2);
        let manual = match &source {
            Some(Source::Manual(clock)) => Some(clock.clone()),
            _ => None,
        };
        let rate = (!samples).then_some(Rate::Every);
        let source = source.map_or_else(OnceLock::new, OnceLock::from);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let mut registry = Self::numbered(number, samples, source);
        registry.ledger = OwnLedger::new(rate, manual, stacks);
        registry
    }

    const fn numbered(number: u64, samples: bool, source: OnceLock<Source>) -> Self {
        let inner = Inner {
            shards: Vec::new(),
            retired: Totals::new(),
            seen: BTreeMap::new(),
            by_thread: BTreeMap::new(),
        };
        Self {
            number,
            samples,
            source,
            started_unix_ns: OnceLock::new(),
            incoming: Incoming::new(),
            inner: Mutex::new(inner),
            losses: [const { AtomicU64::new(0) }; 3],
            ledger: None,
            exemplars: Mutex::new(Exemplars::new()),
        }
    }

    /// Where the blocks are accounted for that are allocated in it.
    pub(crate) fn ledger(&self) -> &Ledger {
        self.ledger.as_ref().map_or(&heap::PROCESS, OwnLedger::get)
    }

    /// Calls that stand for those around them.
    pub(crate) fn exemplars(&self) -> MutexGuard<'_, Exemplars> {
        lock(&self.exemplars)
    }

    /// Where its time comes from.
    pub(crate) fn clock(&self) -> Source {
        self.source.get_or_init(Source::of_process).clone()
    }

    /// When it first recorded, or was first asked.
    pub(crate) fn started_unix_ns(&self) -> u64 {
        *self.started_unix_ns.get_or_init(clock::unix_ns)
    }

    pub(crate) fn count_loss(&self, loss: Loss) {
        if let Some(count) = self.losses.get(loss as usize) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(crate) fn losses(&self, loss: Loss) -> u64 {
        self.losses
            .get(loss as usize)
            .map_or(0, |count| count.load(Ordering::Relaxed))
    }

    /// Makes a shard for the calling thread, for the calls of traces or for all others. Takes no lock.
    pub(crate) fn add_shard(&self, is_traced: bool) -> *const Shard {
        self.started_unix_ns();
        let samples = self.samples && !is_traced;
        let mut shard = Shard::new(self.clock(), self.number, samples);
        shard.is_traced = is_traced;
        self.incoming.push(shard)
    }

    /// The shard of a thread that visits this scoped registry.
    pub(crate) fn shard_of_visitor(&self, thread: u64, is_traced: bool) -> *const Shard {
        let visitor = (thread, is_traced);
        if let Some(shard) = lock(&self.inner).by_thread.get(&visitor) {
            return *shard;
        }
        let shard = self.add_shard(is_traced);
        lock(&self.inner).by_thread.insert(visitor, shard);
        shard
    }

    /// Folds in the shards of threads that have ended; if someone holds the lock, leaves it to the next
    /// who gets it. Never waits.
    pub(crate) fn retire_ended(&self) {
        if let Some(mut inner) = try_lock(&self.inner) {
            self.incoming.adopt(&mut inner.shards);
            inner.fold_ended();
        }
    }

    /// What all threads have recorded, up to now.
    pub(crate) fn totals(&self) -> Totals {
        let mut inner = lock(&self.inner);
        self.incoming.adopt(&mut inner.shards);
        inner.fold_ended();
        let mut totals = inner.retired.clone();
        for shard in &inner.shards {
            // SAFETY: the registry owns the shard, and frees it only under the lock held here.
            unsafe { &**shard }.read_into(&mut totals, config::call_tree_nodes_max());
        }
        live::add_to(&mut totals, self.ledger());
        for (id, series) in totals.series.iter_mut() {
            let (self_ns, total_ns) = inner.seen.entry(id).or_default();
            *self_ns = series.self_ns.max(*self_ns);
            *total_ns = series.total_ns.max(*total_ns);
            (series.self_ns, series.total_ns) = (*self_ns, *total_ns);
        }
        totals
    }
}

impl Inner {
    fn fold_ended(&mut self) {
        let Self {
            shards, retired, ..
        } = self;
        let fold = |shard: Box<Shard>| shard.read_into(retired, config::call_tree_nodes_max());
        // SAFETY: all were adopted, and readers come with the lock.
        unsafe { fold_ended(shards, fold) };
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let mut inner = std::mem::take(&mut *lock(&self.inner));
        self.incoming.adopt(&mut inner.shards);
        for shard in inner.shards {
            // SAFETY: made by `Box::into_raw` in `Incoming::push`. No thread is inside the scope, because each
            // keeps the registry alive while it is.
            drop(unsafe { Box::from_raw(shard) });
        }
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry")
            .field("number", &self.number)
            .finish_non_exhaustive()
    }
}
