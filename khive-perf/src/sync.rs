//! The only door to atomics and cells.
//!
//! Two kinds of words are built here, so that the rest of the crate says who may write what:
//! [`OwnedU64`] is written by one thread and read by any; [`OwnerCell`] is touched by one thread only.

use std::cell::UnsafeCell;
use std::time::Duration;

pub(crate) use std::sync::atomic::{
    AtomicBool, AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence,
};
pub(crate) use std::sync::{Arc, Condvar, Mutex, MutexGuard, Once, OnceLock, PoisonError};

/// A counter that one thread writes and any thread reads.
///
/// The owner adds with a plain load and a plain store, which costs a fifth of a read-modify-write.
/// `Relaxed` suffices for each value on its own; where several must be seen together, the shard's
/// sequence word orders them.
#[derive(Debug)]
pub(crate) struct OwnedU64(AtomicU64);

impl OwnedU64 {
    pub(crate) const fn new(value: u64) -> Self {
        Self(AtomicU64::new(value))
    }

    #[inline(always)]
    pub(crate) fn read(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Stores; to be called by the owner only.
    #[inline(always)]
    pub(crate) fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    /// Adds; to be called by the owner only, else additions are lost.
    #[inline(always)]
    pub(crate) fn add(&self, value: u64) {
        self.set(self.read().wrapping_add(value));
    }

    /// Adds, and publishes what was written before; to be called by the owner only.
    #[inline(always)]
    pub(crate) fn add_release(&self, value: u64) {
        self.0
            .store(self.read().wrapping_add(value), Ordering::Release);
    }

    /// Reads, and sees what was written before the value was published.
    pub(crate) fn read_acquire(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }

    /// Subtracts; to be called by the owner only.
    #[inline(always)]
    pub(crate) fn sub(&self, value: u64) {
        self.set(self.read().wrapping_sub(value));
    }

    /// Raises to `value` if that is more; to be called by the owner only.
    #[inline(always)]
    pub(crate) fn raise(&self, value: u64) {
        if value > self.read() {
            self.set(value);
        }
    }

    /// Lowers to `value` if that is less; to be called by the owner only.
    #[inline(always)]
    pub(crate) fn lower(&self, value: u64) {
        if value < self.read() {
            self.set(value);
        }
    }
}

/// A sum of fractions that one thread writes and any thread reads.
#[derive(Debug)]
pub(crate) struct OwnedF64(OwnedU64);

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
#[derive(Debug)]
pub(crate) struct OwnerCell<T>(UnsafeCell<T>);

// SAFETY: every method is `unsafe` and demands that the caller is the one owning thread.
unsafe impl<T> Sync for OwnerCell<T> {}

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

/// Waits for a time while a condition holds; what is guarded, then.
pub(crate) fn wait_for<'a, T>(
    woken: &Condvar,
    guard: MutexGuard<'a, T>,
    time: Duration,
    condition: impl FnMut(&mut T) -> bool,
) -> MutexGuard<'a, T> {
    let waited = woken.wait_timeout_while(guard, time, condition);
    waited.unwrap_or_else(PoisonError::into_inner).0
}
