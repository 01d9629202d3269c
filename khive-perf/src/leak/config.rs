//! LeakConfig: what the program knows of itself, and the limits of a detector.

use std::time::Duration;

use crate::config::switches::fits;
use crate::leak::census::Origin;

/// What a detector is told before it looks.
///
/// Statistics can tell that blocks have stopped dying. They cannot tell a leak from a cache that has yet to fill,
/// or from a session that has yet to time out. What is declared here decides those cases; without it they are
/// [`Suspect`](crate::leak::Verdict::Suspect) at most, for as long as the defaults say.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use khive_perf::leak::{Capacity, LeakConfig};
///
/// let config = LeakConfig::default()
///     .capacity("*TileCache*", Capacity::bytes(64 << 20))
///     .lifetime("*Session*", Duration::from_secs(24 * 3600));
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct LeakConfig {
    lives_at_most: Option<Duration>,
    fills_within: Option<Duration>,
    capacities: Vec<(String, Capacity)>,
    lifetimes: Vec<(String, Duration)>,
    live_max: usize,
    origins_max: usize,
}

/// How much a structure may hold.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Capacity {
    /// So many bytes.
    Bytes(u64),
    /// So many blocks, entries or handles.
    Count(u64),
}

impl Capacity {
    /// So many bytes.
    #[must_use]
    pub const fn bytes(bytes: u64) -> Self {
        Self::Bytes(bytes)
    }

    /// So many blocks, entries or handles.
    #[must_use]
    pub const fn count(count: u64) -> Self {
        Self::Count(count)
    }
}

impl Default for LeakConfig {
    fn default() -> Self {
        Self {
            lives_at_most: None,
            fills_within: None,
            capacities: Vec::new(),
            lifetimes: Vec::new(),
            live_max: 100_000,
            origins_max: 2_048,
        }
    }
}

impl LeakConfig {
    /// How long a thing may live that others of its origin do not: a session, a connection, a token.
    ///
    /// Survivors must be older before a verdict says `Leaking`; until then it says `Suspect`. Default: the time of 60
    /// censuses.
    #[must_use]
    pub const fn lives_at_most(mut self, duration: Duration) -> Self {
        self.lives_at_most = Some(duration);
        self
    }

    /// How long a structure of undeclared capacity may only grow: a cache that has yet to fill.
    ///
    /// An origin of which little was ever freed is `Suspect` until its survivors are older. Default: the time of
    /// 300 censuses.
    #[must_use]
    pub const fn fills_within(mut self, duration: Duration) -> Self {
        self.fills_within = Some(duration);
        self
    }

    /// Says that all capacities are declared: what only grows is given no more time than other leaks.
    #[must_use]
    pub const fn every_cache_declared(self) -> Self {
        self.fills_within(Duration::ZERO)
    }

    /// What origins that match may hold. Within it they are a [`Plateau`](crate::leak::Verdict::Plateau) at most;
    /// beyond it nothing that only grows is given time.
    ///
    /// A pattern is a callsite's name, one of its path or a frame of its stack, in which `*` stands for any text.
    /// The first that matches counts. Origins that share a pattern share the capacity.
    #[must_use]
    pub fn capacity(mut self, pattern: &str, capacity: Capacity) -> Self {
        self.capacities.push((pattern.into(), capacity));
        self
    }

    /// How long a thing of origins that match may live: the time to live of a cache or session.
    ///
    /// In place of [`lives_at_most`](Self::lives_at_most) and [`fills_within`](Self::fills_within); nothing is said
    /// of such an origin, `Suspect` neither, before survivors are older.
    #[must_use]
    pub fn lifetime(mut self, pattern: &str, duration: Duration) -> Self {
        self.lifetimes.push((pattern.into(), duration));
        self
    }

    /// Number of live things that are followed from census to census. Default 100,000, which takes 7 MiB.
    ///
    /// Where there are more, one in 2, 4, 8.. of them is followed, and stands for the others.
    #[must_use]
    pub const fn live_max(mut self, count: usize) -> Self {
        self.live_max = count;
        self
    }

    /// Number of origins that are judged. Default 2,048, which takes 2 MiB.
    ///
    /// Those that come later are counted in [`LeakReport::left_out`](crate::leak::LeakReport::left_out).
    #[must_use]
    pub const fn origins_max(mut self, count: usize) -> Self {
        self.origins_max = count;
        self
    }

    /// How old survivors must be; `interval` is the time between two censuses.
    pub(super) fn patience(&self, only_grows: bool, interval: Duration) -> Duration {
        let lives = self.lives_at_most.unwrap_or(interval * LIVES_CENSUSES);
        if only_grows {
            lives.max(self.fills_within.unwrap_or(interval * FILLS_CENSUSES))
        } else {
            lives
        }
    }

    pub(super) const fn live_limit(&self) -> usize {
        self.live_max
    }

    pub(super) const fn origins_limit(&self) -> usize {
        self.origins_max
    }

    /// What the origin may hold, and the number of the pattern that says so.
    pub(super) fn capacity_of(&self, origin: &Origin) -> Option<(usize, Capacity)> {
        let mut capacities = self.capacities.iter().enumerate();
        let (at, (_, capacity)) = capacities.find(|(_, (pattern, _))| is_like(origin, pattern))?;
        Some((at, *capacity))
    }

    pub(super) fn lifetime_of(&self, origin: &Origin) -> Option<Duration> {
        let mut lifetimes = self.lifetimes.iter();
        let (_, lifetime) = lifetimes.find(|(pattern, _)| is_like(origin, pattern))?;
        Some(*lifetime)
    }
}

/// Whether the name of an origin, one of its path or a frame of its stack is as the pattern says.
fn is_like(origin: &Origin, pattern: &str) -> bool {
    std::iter::once(&origin.callsite)
        .chain(&origin.path)
        .chain(&origin.stack)
        .any(|name| fits(pattern, name))
}

/// Defaults of the two waits, in censuses.
const LIVES_CENSUSES: u32 = 60;
const FILLS_CENSUSES: u32 = 300;
