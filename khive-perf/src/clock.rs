//! Time: raw ticks on the hot path, nanoseconds afterwards; the only caller of the system's clocks.
//!
//! Ticks are the processor's time-stamp counter where it is invariant, read without a fence, because a
//! fenced read costs twice as much and a measured region of a few nanoseconds is not what a service is
//! about. Elsewhere they are nanoseconds of the monotonic clock. Ticks become nanoseconds by one
//! multiplication with a factor found once per process, in less than a millisecond, when the first
//! callsite registers.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::sync::{Arc, AtomicU64, OnceLock, Ordering};

/// Time the calibration spends between its two readings.
const CALIBRATION: Duration = Duration::from_micros(400);
/// One nanosecond per tick, as a 32.32 fixed-point number.
const ONE: u64 = 1 << 32;

/// How ticks of one clock become nanoseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scale {
    /// Nanoseconds per tick, 32.32 fixed point.
    pub(crate) factor: u64,
    /// Ticks that an empty region appears to take.
    pub(crate) bias: u64,
}

impl Scale {
    /// Of a clock whose ticks are nanoseconds and cost nothing.
    pub(crate) const NANOSECONDS: Self = Self {
        factor: ONE,
        bias: 0,
    };

    /// The least number of ticks that are as many nanoseconds; `u64::MAX` for that many.
    pub(crate) fn ticks(self, ns: u64) -> u64 {
        if ns == u64::MAX {
            return ns;
        }
        let wide = (u128::from(ns) << 32).saturating_sub(u128::from(ONE / 2));
        u64::try_from(wide.div_ceil(u128::from(self.factor))).unwrap_or(u64::MAX)
    }

    /// What one tick takes.
    pub(crate) fn ns_per_tick(self) -> f64 {
        self.factor as f64 / ONE as f64
    }

    /// Nanoseconds of a number of ticks, to the nearest.
    #[inline(always)]
    pub(crate) fn ns(self, ticks: u64) -> u64 {
        let wide = u128::from(ticks) * u128::from(self.factor) + u128::from(ONE / 2);
        (wide >> 32) as u64
    }
}

/// Where a registry's time comes from.
#[derive(Clone, Debug)]
pub(crate) enum Source {
    /// [`raw_ticks`] with the scale given.
    Ticks(Scale),
    /// The monotonic clock, where the counter is not invariant.
    Monotonic(Scale),
    /// A clock that a test moves.
    Manual(ManualClock),
}

impl Source {
    /// The process's clock; calibrated at the first call.
    pub(crate) fn of_process() -> Self {
        static SOURCE: OnceLock<Source> = OnceLock::new();
        SOURCE.get_or_init(calibrate).clone()
    }

    pub(crate) fn scale(&self) -> Scale {
        match self {
            Self::Ticks(scale) | Self::Monotonic(scale) => *scale,
            Self::Manual(_) => Scale::NANOSECONDS,
        }
    }

    /// Whether [`raw_ticks`] is this clock, so that the hot path may be used.
    pub(crate) const fn is_raw(&self) -> bool {
        matches!(self, Self::Ticks(_))
    }

    pub(crate) fn now(&self) -> u64 {
        match self {
            Self::Ticks(_) => raw_ticks(),
            Self::Monotonic(_) => monotonic_ns(),
            Self::Manual(clock) => clock.0.load(Ordering::Acquire),
        }
    }
}

/// A clock for tests: it stands still until it is advanced.
///
/// Clones are the same clock. See [`Capture::clock`](crate::testing::Capture::clock).
#[derive(Clone, Debug, Default)]
pub struct ManualClock(Arc<AtomicU64>);

impl ManualClock {
    /// A clock at zero.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Moves the clock on, for every thread that reads it.
    pub fn advance(&self, by: Duration) {
        self.0.fetch_add(saturating_ns(by), Ordering::AcqRel);
    }

    /// Time since the clock was made.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        Duration::from_nanos(self.0.load(Ordering::Acquire))
    }
}

/// Nanoseconds of a duration; 584 years and more are `u64::MAX`.
pub(crate) fn saturating_ns(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Nanoseconds since the Unix epoch; zero for a clock set before it.
#[expect(clippy::disallowed_methods, reason = "this is the crate's clock")]
pub(crate) fn unix_ns() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, saturating_ns)
}

/// Ticks of the cheapest clock there is.
#[cfg(all(target_arch = "x86_64", not(miri)))]
#[inline(always)]
pub(crate) fn raw_ticks() -> u64 {
    // SAFETY: the instruction exists on every x86-64 processor and touches no memory.
    unsafe { core::arch::x86_64::_rdtsc() }
}

/// The same, once all that comes before it is done.
///
/// A processor reads its counter while it still waits for memory. What was in no cache would be counted to what begins now.
#[inline(always)]
pub(crate) fn settled_ticks() -> u64 {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    // SAFETY: the instruction exists on every x86-64 processor and touches no memory.
    unsafe {
        core::arch::x86_64::_mm_lfence();
    }
    raw_ticks()
}

/// Ticks of the cheapest clock there is. Miri interprets no processor's counter.
#[cfg(any(not(target_arch = "x86_64"), miri))]
#[inline(always)]
pub(crate) fn raw_ticks() -> u64 {
    monotonic_ns()
}

/// Nanoseconds since it was first asked.
#[expect(clippy::disallowed_methods, reason = "this is the crate's clock")]
pub(crate) fn monotonic_ns() -> u64 {
    static ANCHOR: OnceLock<Instant> = OnceLock::new();
    saturating_ns(ANCHOR.get_or_init(Instant::now).elapsed())
}

fn calibrate() -> Source {
    let monotonic = Source::Monotonic(Scale {
        factor: ONE,
        bias: bias_of(monotonic_ns),
    });
    if !counter_is_invariant() {
        return monotonic;
    }
    let (ticks_before, ns_before) = paired_reading();
    while monotonic_ns() < ns_before + saturating_ns(CALIBRATION) {
        std::hint::spin_loop();
    }
    let (ticks_after, ns_after) = paired_reading();
    let ticks = u128::from(ticks_after.saturating_sub(ticks_before));
    let ns = u128::from(ns_after.saturating_sub(ns_before));
    let factor = (ns << 32)
        .checked_div(ticks)
        .and_then(|factor| u64::try_from(factor).ok());
    match factor {
        // Between 50 MHz and 50 GHz; anything else is no time-stamp counter.
        Some(factor) if (ONE / 50..=ONE * 20).contains(&factor) => Source::Ticks(Scale {
            factor,
            bias: bias_of(raw_ticks),
        }),
        _ => monotonic,
    }
}

/// A tick count and the monotonic time at the same moment: the tightest of a few tries.
fn paired_reading() -> (u64, u64) {
    let mut best = (u64::MAX, 0, 0);
    for _ in 0..16 {
        let before = raw_ticks();
        let ns = monotonic_ns();
        let width = raw_ticks().saturating_sub(before);
        if width < best.0 {
            best = (width, before + width / 2, ns);
        }
    }
    (best.1, best.2)
}

/// What two readings in a row differ by at least.
fn bias_of(clock: fn() -> u64) -> u64 {
    (0..64)
        .map(|_| {
            let first = clock();
            clock().saturating_sub(first)
        })
        .min()
        .unwrap_or(0)
}

/// Whether the time-stamp counter runs at one rate, always, on all cores.
#[cfg(all(target_arch = "x86_64", not(miri)))]
fn counter_is_invariant() -> bool {
    use core::arch::x86_64::__cpuid;
    const ADVANCED_POWER_MANAGEMENT: u32 = 0x8000_0007;
    const INVARIANT_TSC: u32 = 1 << 8;
    let highest = __cpuid(0x8000_0000).eax;
    if highest < ADVANCED_POWER_MANAGEMENT
        || __cpuid(ADVANCED_POWER_MANAGEMENT).edx & INVARIANT_TSC == 0
    {
        return false;
    }
    // Linux strikes the counter off this list when it has seen it go wrong.
    std::fs::read_to_string("/sys/devices/system/clocksource/clocksource0/available_clocksource")
        .map_or(true, |list| {
            list.split_whitespace().any(|name| name == "tsc")
        })
}

#[cfg(any(not(target_arch = "x86_64"), miri))]
fn counter_is_invariant() -> bool {
    // Under Miri the hot path is to be run, as on a processor whose counter is what `raw_ticks` reads there.
    cfg!(miri)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_rounded_to_the_nearest_nanosecond() {
        let half = Scale {
            factor: ONE / 2,
            bias: 3,
        };
        assert_eq!(half.ns(3), 2);
        assert_eq!(half.ns(2), 1);
        assert_eq!((half.ticks(1), half.ticks(2)), (1, 3));
        assert_eq!(Scale::NANOSECONDS.ns(u64::MAX), u64::MAX);
    }

    #[test]
    fn the_process_clock_agrees_with_the_monotonic_clock() {
        let source = Source::of_process();
        let (ticks, ns) = (source.now(), monotonic_ns());
        while monotonic_ns() < ns + 5_000_000 {
            std::hint::spin_loop();
        }
        let (ticks_after, ns_after) = (source.now(), monotonic_ns());
        let measured = source.scale().ns(ticks_after - ticks) as f64;
        let truth = (ns_after - ns) as f64;
        // A wrong factor is off by far more; preemption between two readings by less than this.
        assert!(
            (0.2..5.0).contains(&(measured / truth)),
            "{measured} ns for {truth} ns"
        );
    }

    #[test]
    fn a_manual_clock_is_shared_by_its_clones() {
        let clock = ManualClock::new();
        let source = Source::Manual(clock.clone());
        clock.advance(Duration::from_micros(7));
        assert_eq!(source.now(), 7_000);
        assert_eq!(clock.elapsed(), Duration::from_micros(7));
    }
}
