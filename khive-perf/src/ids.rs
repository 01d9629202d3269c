//! Ids of traces and spans, and the random numbers they are made of.

use std::cell::Cell;
use std::collections::hash_map::RandomState;
use std::fmt;
use std::hash::{BuildHasher as _, Hasher as _};

/// Id of a trace: 16 bytes, not all zero. Shown in lower-case hexadecimal, as in a `traceparent`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TraceId([u8; 16]);

/// Id of a span within its trace: 8 bytes, not all zero. Shown in lower-case hexadecimal, as in a `traceparent`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SpanId([u8; 8]);

impl TraceId {
    /// The id with these bytes; `None` if all are zero, which is no id.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 16]) -> Option<Self> {
        (bytes != [0; 16]).then_some(Self(bytes))
    }

    /// Its bytes, in the order in which they are shown.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; 16] {
        self.0
    }

    pub(crate) fn random() -> Self {
        let high = random_here().to_be_bytes();
        // Not zero, whatever the other half is.
        let low = (random() | 1).to_be_bytes();
        let mut bytes = [0; 16];
        for (to, from) in bytes.iter_mut().zip(high.into_iter().chain(low)) {
            *to = from;
        }
        Self(bytes)
    }

    /// The half that samplers go by.
    pub(crate) fn low(self) -> u64 {
        let bytes = self.0.iter().skip(8);
        bytes.fold(0, |low, byte| low << 8 | u64::from(*byte))
    }
}

impl SpanId {
    /// The id with these bytes; `None` if all are zero, which is no id.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 8]) -> Option<Self> {
        (bytes != [0; 8]).then_some(Self(bytes))
    }

    /// Its bytes, in the order in which they are shown.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; 8] {
        self.0
    }

    /// The id of the `number`th span of those that go by this seed. Each has another one, but for the zero.
    pub(crate) fn of(seed: u64, number: u32) -> Self {
        let id = mix(seed.wrapping_add(u64::from(number).wrapping_mul(GOLDEN)));
        Self(if id == 0 { u64::MAX } else { id }.to_be_bytes())
    }
}

/// Writes bytes as they stand in a header.
fn hex(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex(&self.0, f)
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex(&self.0, f)
    }
}

impl fmt::Debug for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Debug for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The odd number next to 2^64 divided by the golden ratio, as in SplitMix64 (Steele, Lea and Flood 2014).
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// SplitMix64's finalizer: one to one, and each bit of the result depends on all.
const fn mix(mut value: u64) -> u64 {
    value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

/// A random number that no other thread is likely to draw. Not for secrets.
fn random() -> u64 {
    thread_local! {
        /// State of the thread's generator; before the first number, zero.
        static STATE: Cell<u64> = const { Cell::new(0) };
    }
    STATE.with(|state| {
        let mut at = state.get();
        if at == 0 {
            // The keys of a hasher come from the operating system.
            at = RandomState::new().build_hasher().finish() | 1;
        }
        at = at.wrapping_add(GOLDEN);
        state.set(at);
        mix(at)
    })
}

/// The same, and no process that was forked off this one is likely to draw it either, though it has the generator's state.
pub(crate) fn random_here() -> u64 {
    random() ^ mix(u64::from(std::process::id()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn ids_are_shown_as_in_a_traceparent() {
        let bytes = [
            0x4b, 0xf9, 0x2f, 0x35, 0x77, 0xb3, 0x4d, 0xa6, 0xa3, 0xce, 0x92, 0x9d, 0x0e, 0x0e,
            0x47, 0x36,
        ];
        let id = TraceId::from_bytes(bytes).unwrap();
        assert_eq!(id.to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!(id.low(), 0xa3ce_929d_0e0e_4736);
        assert_eq!(TraceId::from_bytes([0; 16]), None);
        assert_eq!(SpanId::from_bytes([0; 8]), None);
    }

    #[test]
    fn no_two_spans_of_a_trace_have_the_same_id() {
        let ids: BTreeSet<SpanId> = (0..100_000).map(|at| SpanId::of(42, at)).collect();
        assert_eq!(ids.len(), 100_000);
    }

    #[test]
    fn threads_draw_different_ids() {
        let draw = || (0..100).map(|_| TraceId::random()).collect::<Vec<_>>();
        let threads: Vec<_> = (0..4).map(|_| std::thread::spawn(draw)).collect();
        let ids: BTreeSet<_> = threads
            .into_iter()
            .flat_map(|thread| thread.join().unwrap())
            .collect();
        assert_eq!(ids.len(), 400);
    }
}
