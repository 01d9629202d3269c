//! Usage: what `getrusage` says of this process, with its threads that have ended.

use std::time::Duration;

/// The numbers that are wanted of it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Usage {
    pub(super) user: Duration,
    pub(super) system: Duration,
    pub(super) minor_faults: u64,
    pub(super) major_faults: u64,
    pub(super) voluntary_switches: u64,
    pub(super) involuntary_switches: u64,
}

/// `None` where it is not known how the answer is laid out.
#[cfg(not(all(target_os = "linux", target_pointer_width = "64")))]
pub(super) fn of_process() -> Option<Usage> {
    None
}

/// What is counted now.
#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
pub(super) fn of_process() -> Option<Usage> {
    const OF_PROCESS: i32 = 0;
    /// `struct rusage` on 64-bit Linux: two times, of seconds and microseconds, and fourteen counts.
    type Raw = [i64; 18];
    unsafe extern "C" {
        fn getrusage(who: i32, usage: *mut Raw) -> i32;
    }
    let mut raw: Raw = [0; 18];
    // SAFETY: the library that the standard library is linked with has it, with this signature, and writes no more than the
    // structure, which is as long as `raw`.
    if unsafe { getrusage(OF_PROCESS, &raw mut raw) } != 0 {
        return None;
    }
    let counts = raw.map(|count| u64::try_from(count).unwrap_or(0));
    let [
        user_s,
        user_us,
        system_s,
        system_us,
        _,
        _,
        _,
        _,
        minor_faults,
        major_faults,
        _,
        _,
        _,
        _,
        _,
        _,
        voluntary_switches,
        involuntary_switches,
    ] = counts;
    let time = |s, us| Duration::from_secs(s) + Duration::from_micros(us);
    Some(Usage {
        user: time(user_s, user_us),
        system: time(system_s, system_us),
        minor_faults,
        major_faults,
        voluntary_switches,
        involuntary_switches,
    })
}
