//! Models of threads that bring their shards, end, and leave them behind: `khive-perf/src/recorder/handoff.rs`.

use loom::cell::UnsafeCell;
use loom::sync::{Arc, Mutex};
use loom::thread;

use crate::check;
use crate::handoff::{Handed, Incoming, Link, fold_ended};
use crate::sync::{OwnedU64, lock, try_lock};

/// Stands for a shard: what its owner counts, and what nobody but its owner may touch while it lives.
struct Shard {
    calls: OwnedU64,
    own: UnsafeCell<u64>,
    link: Link<Self>,
}

// SAFETY: `own` is the owner's until the thread has ended, which is what the models are about; loom would notice.
unsafe impl Sync for Shard {}
// SAFETY: as above.
unsafe impl Send for Shard {}

impl Shard {
    /// What its owner, who has ended, has counted.
    fn left_behind(&self) -> u64 {
        // SAFETY: the owner has ended.
        let own = self.own.with(|own| unsafe { *own });
        assert_eq!(own, self.calls.read());
        own
    }
}

impl Handed for Shard {
    fn link(&self) -> &Link<Self> {
        &self.link
    }
}

#[derive(Default)]
struct Inner {
    shards: Vec<*mut Shard>,
    retired: u64,
}

// SAFETY: the shards are followed under the lock.
unsafe impl Send for Inner {}

/// A registry in small.
struct Registry {
    incoming: Incoming<Shard>,
    inner: Mutex<Inner>,
}

impl Registry {
    fn new() -> Self {
        Self {
            incoming: Incoming::new(),
            inner: Mutex::new(Inner::default()),
        }
    }

    fn fold(&self, inner: &mut Inner) {
        let Inner { shards, retired } = inner;
        self.incoming.adopt(shards);
        // SAFETY: all were adopted.
        unsafe { fold_ended(shards, |shard| *retired += shard.left_behind()) };
    }

    /// A thread from its first call to its last.
    fn thread(&self, calls: u64) {
        let shard = self.incoming.push(Box::new(Shard {
            calls: OwnedU64::new(0),
            own: UnsafeCell::new(0),
            link: Link::new(),
        }));
        // SAFETY: it has not ended.
        let shard = unsafe { &*shard };
        for _ in 0..calls {
            shard.calls.add(1);
            // SAFETY: this thread is the owner.
            shard.own.with_mut(|own| unsafe { *own += 1 });
        }
        shard.link.end();
        if let Some(mut inner) = try_lock(&self.inner) {
            self.fold(&mut inner);
        }
    }

    fn calls(&self) -> u64 {
        let mut inner = lock(&self.inner);
        self.fold(&mut inner);
        // SAFETY: shards are freed under the lock only.
        let alive = inner
            .shards
            .iter()
            .map(|shard| unsafe { &**shard }.calls.read());
        inner.retired + alive.sum::<u64>()
    }
}

/// Threads that come and go while a reader reads lose no call, and none is counted twice; no shard is read after it was
/// freed, or freed while its owner writes.
#[test]
fn threads_that_come_and_go_lose_no_call() {
    check(3, || {
        let registry = Arc::new(Registry::new());
        let threads = [1, 2].map(|calls| {
            let registry = Arc::clone(&registry);
            thread::spawn(move || registry.thread(calls))
        });
        let (first, second) = (registry.calls(), registry.calls());
        assert!(first <= second && second <= 3, "{first}, {second}");
        for thread in threads {
            thread.join().expect("no model panics");
        }
        assert_eq!(registry.calls(), 3);
        assert!(lock(&registry.inner).shards.is_empty());
    });
}
