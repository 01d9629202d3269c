//! The only door to atomics and cells.
//!
//! Two kinds of words are built here, so that the rest of the crate says who may write what:
//! [`OwnedU64`] is written by one thread and read by any; [`OwnerCell`] is touched by one thread only.
//!
//! Under `cfg(loom)` the atomics are those of the model checker, which goes through the ways that threads may interleave.
//! It cannot make them in constants, so not all of the crate is compiled then: what threads agree by without a lock is in
//! files of its own, which name nothing of the crate but this one, and `tests/loom` compiles them.

#[cfg(not(loom))]
use std::cell::UnsafeCell;
#[cfg(not(loom))]
use std::time::Duration;

#[cfg(loom)]
pub(crate) use self::model::*;
#[cfg(not(loom))]
pub(crate) use self::real::*;

#[cfg(not(loom))]
mod real {
    pub(crate) use std::hint::spin_loop;
    pub(crate) use std::sync::atomic::{
        AtomicBool, AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence,
    };
    pub(crate) use std::sync::{Arc, Condvar, Mutex, MutexGuard, Once, OnceLock, PoisonError};
}

#[cfg(loom)]
mod model {
    pub(crate) use loom::hint::spin_loop;
    pub(crate) use loom::sync::atomic::{
        AtomicBool, AtomicPtr, AtomicU32, AtomicU64, Ordering, fence,
    };
    pub(crate) use loom::sync::{Mutex, MutexGuard};
    pub(crate) use std::sync::PoisonError;
}

/// A function that is `const` but where the atomics in it are those of a model checker.
macro_rules! constant {
    ($(#[$meta:meta])* $vis:vis fn $name:ident($($argument:ident: $of:ty),*) -> $result:ty $body:block) => {
        $(#[$meta])*
        #[cfg(not(loom))]
        $vis const fn $name($($argument: $of),*) -> $result $body

        $(#[$meta])*
        #[cfg(loom)]
        $vis fn $name($($argument: $of),*) -> $result $body
    };
}
pub(crate) use constant;

/// Words that one thread writes and any thread reads.
///
/// The owner knows what it has written. It asks for that by `own`, which is a load like any other; but a model checker need
/// not take it for a meeting with other threads, and loom overlooks some ways to interleave where it does.
macro_rules! owned {
    ($(#[$meta:meta])* $name:ident$(<$parameter:ident>)?, $atomic:ty, $shadow:ty, $word:ty) => {
        $(#[$meta])*
        #[derive(Debug)]
        pub(crate) struct $name$(<$parameter>)? {
            word: $atomic,
            #[cfg(loom)]
            own: $shadow,
        }

        impl$(<$parameter>)? $name$(<$parameter>)? {
            constant! {
                #[allow(dead_code, reason = "some are in memory that is zeroed")]
                pub(crate) fn new(value: $word) -> Self {
                    Self {
                        word: <$atomic>::new(value),
                        #[cfg(loom)]
                        own: <$shadow>::new(value),
                    }
                }
            }

            /// Reads what was written last; to be called by the owner only.
            #[inline(always)]
            pub(crate) fn own(&self) -> $word {
                #[cfg(not(loom))]
                return self.word.load(Ordering::Relaxed);
                #[cfg(loom)]
                return self.own.load(Ordering::Relaxed);
            }

            #[inline(always)]
            pub(crate) fn read(&self) -> $word {
                self.word.load(Ordering::Relaxed)
            }

            /// Reads, and sees what was written before the value was published.
            #[inline(always)]
            pub(crate) fn read_acquire(&self) -> $word {
                self.word.load(Ordering::Acquire)
            }

            /// Stores; to be called by the owner only.
            #[inline(always)]
            pub(crate) fn set(&self, value: $word) {
                #[cfg(loom)]
                self.own.store(value, Ordering::Relaxed);
                self.word.store(value, Ordering::Relaxed);
            }

            /// Stores, and publishes what was written before; to be called by the owner only.
            #[inline(always)]
            pub(crate) fn set_release(&self, value: $word) {
                #[cfg(loom)]
                self.own.store(value, Ordering::Relaxed);
                self.word.store(value, Ordering::Release);
            }
        }
    };
}

owned! {
    /// A counter that one thread writes and any thread reads.
    ///
    /// The owner adds with a plain load and a plain store, which costs a fifth of a read-modify-write.
    /// `Relaxed` suffices for each value on its own; where several must be seen together, the shard's
    /// sequence word orders them.
    OwnedU64, AtomicU64, std::sync::atomic::AtomicU64, u64
}

owned! {
    /// A smaller one.
    OwnedU32, AtomicU32, std::sync::atomic::AtomicU32, u32
}

owned! {
    /// A pointer that one thread writes and any thread reads.
    OwnedPtr<T>, AtomicPtr<T>, std::sync::atomic::AtomicPtr<T>, *mut T
}

/// Has the processor fetch a value that is read soon, where it can be asked to. Any address will do.
#[inline(always)]
pub(crate) fn prefetch<T>(value: *const T) {
    const LINE: usize = 64;
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    for line in 0..size_of::<T>().div_ceil(LINE) {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a hint, which reads nothing that the program could see, and does not fault.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(value.cast::<i8>().wrapping_add(line * LINE)) };
    }
    #[cfg(not(all(target_arch = "x86_64", not(miri))))]
    let _ = (value, LINE);
}

impl OwnedU64 {
    /// Adds; to be called by the owner only, else additions are lost.
    #[inline(always)]
    pub(crate) fn add(&self, value: u64) {
        self.set(self.own().wrapping_add(value));
    }

    /// Adds, and publishes what was written before; to be called by the owner only.
    #[inline(always)]
    pub(crate) fn add_release(&self, value: u64) {
        self.set_release(self.own().wrapping_add(value));
    }

    /// Subtracts; to be called by the owner only.
    #[inline(always)]
    pub(crate) fn sub(&self, value: u64) {
        self.set(self.own().wrapping_sub(value));
    }

    /// Raises to `value` if that is more; to be called by the owner only.
    #[inline(always)]
    pub(crate) fn raise(&self, value: u64) {
        if value > self.own() {
            self.set(value);
        }
    }

    /// Lowers to `value` if that is less; to be called by the owner only.
    #[inline(always)]
    pub(crate) fn lower(&self, value: u64) {
        if value < self.own() {
            self.set(value);
        }
    }
}

impl<T> OwnedPtr<T> {
    /// What it points to, for those who have it for themselves.
    #[expect(
        clippy::needless_pass_by_ref_mut,
        reason = "a shared reference would let a reader take what the owner still uses"
    )]
    pub(crate) fn take(&mut self) -> *mut T {
        let pointer = self.read();
        self.set(std::ptr::null_mut());
        pointer
    }
}

/// A sum of fractions that one thread writes and any thread reads.
#[cfg(not(loom))]
#[derive(Debug)]
pub(crate) struct OwnedF64(OwnedU64);

#[cfg(not(loom))]
impl OwnedF64 {
    pub(crate) const fn new(value: f64) -> Self {
        Self(OwnedU64::new(value.to_bits()))
    }

    pub(crate) fn read(&self) -> f64 {
        f64::from_bits(self.0.read())
    }

    /// Adds; to be called by the owner only.
    pub(crate) fn add(&self, value: f64) {
        self.0.set((self.read() + value).to_bits());
    }
}

/// A value that only the thread owning its shard may touch.
///
/// It is `Sync` only because it sits in structures that other threads read; those threads never
/// call its methods. `T: Copy` keeps every access a plain move with no reference left behind.
#[cfg(not(loom))]
#[derive(Debug)]
pub(crate) struct OwnerCell<T>(UnsafeCell<T>);

#[cfg(not(loom))]
// SAFETY: every method is `unsafe` and demands that the caller is the one owning thread.
unsafe impl<T> Sync for OwnerCell<T> {}

#[cfg(not(loom))]
impl<T: Copy> OwnerCell<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self(UnsafeCell::new(value))
    }

    /// Reads the value.
    ///
    /// # Safety
    ///
    /// The calling thread owns the structure that holds this cell.
    #[inline(always)]
    pub(crate) unsafe fn get(&self) -> T {
        // SAFETY: only the owning thread gets here, and no reference outlives a call.
        unsafe { *self.0.get() }
    }

    /// Replaces the value.
    ///
    /// # Safety
    ///
    /// The calling thread owns the structure that holds this cell.
    #[inline(always)]
    pub(crate) unsafe fn set(&self, value: T) {
        // SAFETY: only the owning thread gets here, and no reference outlives a call.
        unsafe { *self.0.get() = value }
    }
}

#[cfg(not(loom))]
impl<T> OwnerCell<T> {
    pub(crate) const fn holding(value: T) -> Self {
        Self(UnsafeCell::new(value))
    }

    /// Lends the value for the length of `f`.
    ///
    /// # Safety
    ///
    /// The calling thread owns the structure that holds this cell, and `f` does not come back to it.
    #[inline]
    pub(crate) unsafe fn with<R>(&self, f: impl FnOnce(&mut T) -> R) -> R {
        // SAFETY: only the owning thread gets here, and `f` does not re-enter.
        f(unsafe { &mut *self.0.get() })
    }
}

/// Enters a mutex also when a thread panicked inside it: what it guards stays usable, and the host
/// must not be brought down by a panic that was its own.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Enters a mutex if nobody is inside it.
pub(crate) fn try_lock<T>(mutex: &Mutex<T>) -> Option<MutexGuard<'_, T>> {
    mutex.try_lock().ok()
}

/// How often [`wait_a_little`] is to be asked before giving up: a quarter of a second, if it comes to that.
pub(crate) const WAITS: u32 = 2_000;

/// Waits for another thread that is about to be done: a moment at first, and longer the more often it was waited before,
/// so that a thread which was suspended gets the processor.
pub(crate) fn wait_a_little(times_before: u32) {
    #[cfg(loom)]
    return {
        let _ = times_before;
        spin_loop();
    };
    #[cfg(not(loom))]
    match times_before {
        0..100 => spin_loop(),
        100..1_000 => std::thread::yield_now(),
        _ => std::thread::sleep(Duration::from_micros(250)),
    }
}

/// Waits for a time while a condition holds; what is guarded, then.
#[cfg(not(loom))]
pub(crate) fn wait_for<'a, T>(
    woken: &Condvar,
    guard: MutexGuard<'a, T>,
    time: Duration,
    condition: impl FnMut(&mut T) -> bool,
) -> MutexGuard<'a, T> {
    let waited = woken.wait_timeout_while(guard, time, condition);
    waited.unwrap_or_else(PoisonError::into_inner).0
}
