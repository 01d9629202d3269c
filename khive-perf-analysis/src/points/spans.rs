//! Spans, as plain values that know neither OTLP nor SQL.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::points::Attributes;

/// Bytes of an id, written as hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Id<const N: usize>(pub [u8; N]);

/// Names a trace.
pub type TraceId = Id<16>;

/// Names a span within its trace.
pub type SpanId = Id<8>;

/// The spans of one resource.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResourceSpans {
    /// Who is measured.
    pub resource: Attributes,
    /// By what they are spans of.
    pub operations: Vec<OperationSpans>,
}

/// The spans of one operation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OperationSpans {
    /// What they are spans of.
    pub operation: Operation,
    /// The spans themselves.
    pub spans: Vec<Span>,
}

/// What spans of one name, kind and place have in common.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Operation {
    /// Name of the instrumentation scope.
    pub scope_name: String,
    /// Name of the spans.
    pub name: String,
    /// What they are to their caller.
    pub kind: SpanKind,
    /// Attributes that say where in the source they are: `code.*`, `khive.perf.name`, `khive.perf.group`.
    pub attributes: Attributes,
}

/// One span.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Span {
    /// The trace it is part of.
    pub trace_id: TraceId,
    /// Its own id.
    pub span_id: SpanId,
    /// The span that it is below; none for a root.
    pub parent_span_id: Option<SpanId>,
    /// When it began, nanoseconds since the Unix epoch.
    pub start_unix_ns: u64,
    /// How long it took.
    pub duration_ns: u64,
    /// How it ended.
    pub status: SpanStatus,
    /// All other attributes, as far as they are kept.
    pub attributes: Attributes,
}

/// What a span is to its caller.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SpanKind {
    /// Not said.
    #[default]
    Unspecified,
    /// Work within the process.
    Internal,
    /// Answers a request from elsewhere.
    Server,
    /// Makes a request to elsewhere.
    Client,
    /// Hands a message to be worked on later.
    Producer,
    /// Works on such a message.
    Consumer,
}

/// How a span ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SpanStatus {
    /// Not said, which is well.
    #[default]
    Unset,
    /// Well.
    Ok,
    /// With an error.
    Error,
}

// === impl Id ===

impl<const N: usize> Id<N> {
    /// The id of these bytes, unless their number is wrong or all are zero.
    pub fn of(bytes: &[u8]) -> Option<Self> {
        let bytes: [u8; N] = bytes.try_into().ok()?;
        bytes.iter().any(|&byte| byte != 0).then_some(Self(bytes))
    }

    fn parse(text: &str) -> Option<Self> {
        let digits = text.as_bytes();
        if digits.len() != 2 * N {
            return None;
        }
        let mut bytes = [0; N];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            let mut digits = pair.iter().map(|&digit| char::from(digit).to_digit(16));
            let value = 16 * digits.next()?? + digits.next()??;
            *byte = u8::try_from(value).ok()?;
        }
        Self::of(&bytes)
    }
}

impl<const N: usize> fmt::Display for Id<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl<const N: usize> fmt::Debug for Id<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<const N: usize> Serialize for Id<N> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de, const N: usize> Deserialize<'de> for Id<N> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        Self::parse(&text).ok_or_else(|| {
            let digits = 2 * N;
            de::Error::custom(format!(
                "`{text:.40}` is no id of {digits} hexadecimal digits"
            ))
        })
    }
}

// === impl SpanKind ===

impl SpanKind {
    const ALL: [Self; 6] = [
        Self::Unspecified,
        Self::Internal,
        Self::Server,
        Self::Client,
        Self::Producer,
        Self::Consumer,
    ];

    /// The word the database and the exports use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unspecified => "unspecified",
            Self::Internal => "internal",
            Self::Server => "server",
            Self::Client => "client",
            Self::Producer => "producer",
            Self::Consumer => "consumer",
        }
    }

    /// The kind called `word`.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }
}

// === impl SpanStatus ===

impl SpanStatus {
    /// The word the database and the exports use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unset => "unset",
            Self::Ok => "ok",
            Self::Error => "error",
        }
    }

    /// The status called `word`.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Unset, Self::Ok, Self::Error]
            .into_iter()
            .find(|status| status.as_str() == word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_hexadecimal_digits_of_one_length_and_never_zero() {
        let id = SpanId::parse("00f067aa0ba902b7").expect("an id");
        assert_eq!(id.to_string(), "00f067aa0ba902b7");
        for wrong in [
            "",
            "00f067aa0ba902b",
            "00f067aa0ba902bg",
            "0000000000000000",
        ] {
            assert_eq!(SpanId::parse(wrong), None, "{wrong}");
        }
        assert_eq!(TraceId::of(&[1; 8]), None);
    }
}
