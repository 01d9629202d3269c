//! Context of a span: what goes from one service to the next, as the W3C's recommendations write it.

use std::fmt;

use crate::ids::{SpanId, TraceId};

/// What names a span to other services: the content of a `traceparent` and a `tracestate` header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpanContext {
    trace_id: TraceId,
    span_id: SpanId,
    sampled: bool,
    state: String,
}

/// Longest `tracestate` that is passed on; the recommendation asks for at least 512.
const STATE_BYTES_MAX: usize = 512;

impl SpanContext {
    /// The context of a span that something else than this crate recorded.
    #[must_use]
    pub const fn new(trace_id: TraceId, span_id: SpanId, sampled: bool) -> Self {
        Self {
            trace_id,
            span_id,
            sampled,
            state: String::new(),
        }
    }

    /// The span that a `traceparent` header names; `None` if it is none, as the W3C recommendation *Trace Context* says.
    ///
    /// ```
    /// use khive_perf::trace::SpanContext;
    ///
    /// let header = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    /// let caller = SpanContext::from_traceparent(header).unwrap();
    /// assert!(caller.is_sampled());
    /// assert_eq!(caller.to_traceparent(), header);
    /// ```
    #[must_use]
    pub fn from_traceparent(header: &str) -> Option<Self> {
        let mut parts = header.trim_matches([' ', '\t']).split('-');
        let [version] = unhex(parts.next()?)?;
        let trace_id = TraceId::from_bytes(unhex(parts.next()?)?)?;
        let span_id = SpanId::from_bytes(unhex(parts.next()?)?)?;
        let [flags] = unhex(parts.next()?)?;
        // A later version may have more parts; this one has not, and 255 is none.
        if version == u8::MAX || (version == 0 && parts.next().is_some()) {
            return None;
        }
        Some(Self::new(trace_id, span_id, flags & 1 == 1))
    }

    /// With the content of a `tracestate` header, which is passed on as it is; left out if it is longer than 512 bytes or
    /// no printable ASCII.
    #[must_use]
    pub fn with_state(mut self, state: &str) -> Self {
        self.state = ascii(state, STATE_BYTES_MAX).unwrap_or_default().to_owned();
        self
    }

    /// The content of a `traceparent` header that names it.
    #[must_use]
    pub fn to_traceparent(&self) -> String {
        let flags = u8::from(self.sampled);
        format!("00-{}-{}-{flags:02x}", self.trace_id, self.span_id)
    }

    /// Id of its trace.
    #[must_use]
    pub const fn trace_id(&self) -> TraceId {
        self.trace_id
    }

    /// Its id.
    #[must_use]
    pub const fn span_id(&self) -> SpanId {
        self.span_id
    }

    /// Whether its service records it.
    #[must_use]
    pub const fn is_sampled(&self) -> bool {
        self.sampled
    }

    /// The content of a `tracestate` header; empty where there is none.
    #[must_use]
    pub fn state(&self) -> &str {
        &self.state
    }
}

impl fmt::Display for SpanContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_traceparent())
    }
}

/// As many bytes as asked for, from lower-case hexadecimal digits.
fn unhex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digit = |digit: u8| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    };
    let digits = text.as_bytes();
    if digits.len() != 2 * N {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let [high, low] = pair else { return None };
        *byte = digit(*high)? << 4 | digit(*low)?;
    }
    Some(bytes)
}

/// A header's value without the blanks around it, if it can be passed on: printable ASCII, not empty, not too long.
pub(crate) fn ascii(value: &str, bytes_max: usize) -> Option<&str> {
    let value = value.trim_matches([' ', '\t']);
    let fits = !value.is_empty() && value.len() <= bytes_max;
    let is_printable = |byte: u8| (b' '..=b'~').contains(&byte);
    (fits && value.bytes().all(is_printable)).then_some(value)
}

/// What an application gives its callees to know, as a `baggage` header has it. Passed on as it came.
///
/// Names and values stand as they do in the header, percent-encoded. It goes to whoever is called: nothing private belongs
/// in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Baggage(String);

/// Longest `baggage` that is passed on, as the W3C recommendation *Baggage* has it.
const BAGGAGE_BYTES_MAX: usize = 8_192;

impl Baggage {
    /// What a `baggage` header says; empty if it is longer than 8,192 bytes or no printable ASCII.
    #[must_use]
    pub fn from_header(header: &str) -> Self {
        Self(
            ascii(header, BAGGAGE_BYTES_MAX)
                .unwrap_or_default()
                .to_owned(),
        )
    }

    /// Its entries, name and value, without their properties.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.split(',').filter_map(|entry| {
            let (name, rest) = entry.split_once('=')?;
            let value = rest.split_once(';').map_or(rest, |(value, _)| value);
            Some((name.trim(), value.trim()))
        })
    }

    /// The value of the entry with this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter()
            .find(|(of, _)| *of == name)
            .map(|(_, value)| value)
    }

    /// Adds an entry, or replaces it; says whether it did. Not if it is no entry of a header, or there is no room.
    pub fn set(&mut self, name: &str, value: &str) -> bool {
        let is_token =
            |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        let is_octet = |byte: u8| byte.is_ascii_graphic() && !b"\",;\\".contains(&byte);
        if name.is_empty() || !name.bytes().all(is_token) || !value.bytes().all(is_octet) {
            return false;
        }
        let others = self.0.split(',').filter(|entry| {
            let of = entry.split_once('=').map(|(of, _)| of.trim());
            of.is_some_and(|of| of != name)
        });
        let mut entries: Vec<String> = others.map(|entry| entry.trim().to_owned()).collect();
        entries.push(format!("{name}={value}"));
        let header = entries.join(",");
        if header.len() > BAGGAGE_BYTES_MAX {
            return false;
        }
        self.0 = header;
        true
    }

    /// The content of a `baggage` header; empty where there is nothing to say.
    #[must_use]
    pub fn as_header(&self) -> &str {
        &self.0
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// What came from a caller in another process.
#[derive(Clone, Debug, Default)]
pub(crate) struct Remote {
    pub(crate) caller: Option<SpanContext>,
    pub(crate) baggage: Baggage,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_traceparent_is_refused() {
        let good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        assert!(SpanContext::from_traceparent(good).is_some());
        let later = "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-09-what-comes";
        assert!(SpanContext::from_traceparent(later).is_some_and(|span| span.is_sampled()));
        for bad in [
            "",
            "00",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b7-01",
            "0-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-é1",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
        ] {
            assert_eq!(SpanContext::from_traceparent(bad), None, "{bad}");
        }
    }

    #[test]
    fn baggage_is_passed_on_as_it_came_and_can_be_read_and_set() {
        let header = "user=alice, region = eu;ttl=5,flag=%20";
        let mut baggage = Baggage::from_header(header);
        assert_eq!(baggage.as_header(), header);
        assert_eq!(baggage.get("region"), Some("eu"));
        assert!(baggage.set("user", "bob"));
        assert_eq!(baggage.get("user"), Some("bob"));
        assert_eq!(baggage.iter().count(), 3);
        assert!(!baggage.set("bad name", "x"));
        assert!(!baggage.set("name", "a,b"));
        assert!(!baggage.set("name", &"x".repeat(9_000)));
        assert!(Baggage::from_header("caf\u{e9}=1").is_empty());
    }
}
