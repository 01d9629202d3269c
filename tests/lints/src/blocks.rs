//! Methods, traits, implementations and modules.

use std::fmt::{self, Debug};
use std::future::{Future, ready};

/// Has wheels.
pub struct Machine {
    wheels: u8,
}

impl Machine {
    /// Makes one.
    #[cfg_attr(feature = "measured", khive_perf::measure)]
    #[must_use]
    pub fn new(wheels: u8) -> Self {
        Self { wheels }
    }

    /// By reference.
    #[cfg_attr(feature = "measured", khive_perf::measure)]
    #[must_use]
    pub fn wheels(&self) -> u8 {
        self.wheels
    }

    /// By mutable reference.
    ///
    /// # Errors
    ///
    /// If there are none.
    #[cfg_attr(feature = "measured", khive_perf::measure(err))]
    pub fn lose(&mut self) -> Result<u8, fmt::Error> {
        self.wheels = self.wheels.checked_sub(1).ok_or(fmt::Error)?;
        Ok(self.wheels)
    }

    /// By value.
    #[cfg_attr(feature = "measured", khive_perf::measure(ok_if = |wheels| *wheels > 0))]
    #[must_use]
    pub fn scrap(self, tax: u8) -> u8 {
        self.wheels.saturating_sub(tax)
    }

    /// By box.
    #[cfg_attr(feature = "measured", khive_perf::measure(ok_if = |wheels| *wheels > 0))]
    #[must_use]
    pub fn unbox(self: Box<Self>) -> u8 {
        self.wheels
    }

    /// Does not look at itself.
    #[cfg_attr(feature = "measured", khive_perf::measure(ok_if = |wheels| *wheels > 0))]
    #[must_use]
    pub fn blind(&self, wheels: u8) -> u8 {
        wheels
    }

    /// Could do with less.
    #[cfg_attr(feature = "measured", khive_perf::measure(ok_if = |wheels| *wheels > 0))]
    pub fn modest(&mut self) -> u8 {
        self.wheels
    }

    /// By reference, later.
    #[cfg_attr(feature = "measured", khive_perf::measure)]
    pub async fn count(&self) -> u8 {
        ready(self.wheels).await
    }

    /// By mutable reference, later.
    ///
    /// # Errors
    ///
    /// If there are none.
    #[cfg_attr(feature = "measured", khive_perf::measure(err))]
    pub async fn drive(&mut self, by: u8) -> Result<u8, fmt::Error> {
        ready(()).await;
        self.wheels = self.wheels.checked_sub(by).ok_or(fmt::Error)?;
        Ok(self.wheels)
    }

    /// By value, later.
    #[cfg_attr(feature = "measured", khive_perf::measure)]
    pub async fn sink(self) -> u8 {
        ready(()).await;
        self.wheels
    }

    /// Does not look at itself, later.
    #[cfg_attr(feature = "measured", khive_perf::measure)]
    pub async fn blind_async(self, wheels: u8) -> u8 {
        ready(wheels).await
    }
}

impl Debug for Machine {
    #[cfg_attr(feature = "measured", khive_perf::measure(err))]
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Machine")
            .field("wheels", &self.wheels)
            .finish()
    }
}

impl Drop for Machine {
    #[cfg_attr(feature = "measured", khive_perf::measure)]
    fn drop(&mut self) {
        self.wheels = 0;
    }
}

impl From<Machine> for u8 {
    #[cfg_attr(feature = "measured", khive_perf::measure)]
    fn from(machine: Machine) -> Self {
        machine.wheels
    }
}

/// Moves.
pub trait Moves {
    /// Where to.
    type Place: Debug;

    /// By default nowhere.
    #[cfg_attr(feature = "measured", khive_perf::measure)]
    fn far(&self) -> u64 {
        0
    }

    /// There.
    fn there(&self, place: &Self::Place) -> bool;

    /// There, later.
    fn later(&self, place: Self::Place) -> impl Future<Output = bool> + Send;
}

impl Moves for Machine {
    type Place = String;

    #[cfg_attr(feature = "measured", khive_perf::measure)]
    fn there(&self, place: &Self::Place) -> bool {
        place.len() > usize::from(self.wheels)
    }

    #[cfg_attr(feature = "measured", khive_perf::measure)]
    async fn later(&self, place: String) -> bool {
        ready(()).await;
        place.is_empty()
    }
}

/// Counts.
#[derive(Debug, Default)]
pub struct Counter {
    count: u64,
}

#[cfg_attr(feature = "measured", khive_perf::measure(group = "counter", err))]
impl Counter {
    /// Not measured.
    pub const START: u64 = 3;

    /// Makes one.
    #[must_use]
    pub const fn new() -> Self {
        Self { count: Self::START }
    }

    /// Adds.
    pub fn add(&mut self, count: u64) -> u64 {
        self.count += count;
        self.count
    }

    /// Checks.
    ///
    /// # Errors
    ///
    /// If it is too large.
    pub fn check(&self) -> Result<u64, fmt::Error> {
        if self.count > 1000 {
            return Err(fmt::Error);
        }
        Ok(self.count)
    }

    /// Checks later.
    ///
    /// # Errors
    ///
    /// If it is too large.
    pub async fn check_async(&self) -> Result<u64, fmt::Error> {
        ready(()).await;
        self.check()
    }
}

#[cfg_attr(feature = "measured", khive_perf::measure)]
/// A module with functions.
pub mod inner {
    use std::collections::BTreeMap;

    /// Counts words.
    #[must_use]
    pub fn words(text: &str) -> BTreeMap<&str, usize> {
        let mut words = BTreeMap::new();
        for word in text.split_whitespace() {
            *words.entry(word).or_default() += 1;
        }
        words
    }

    pub(super) fn hidden(text: &str) -> usize {
        words(text).len()
    }
}

/// Calls what is hidden.
#[must_use]
pub fn hidden(text: &str) -> usize {
    inner::hidden(text)
}
