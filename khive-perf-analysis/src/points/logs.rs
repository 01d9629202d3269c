//! Log records, as plain values that know neither OTLP nor SQL.

use serde::{Deserialize, Serialize};

use crate::points::Attributes;

/// Severity number of OpenTelemetry from which on a record warns.
pub const WARNING: u8 = 13;

/// The log records of one resource.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResourceLogs {
    /// Who says it.
    pub resource: Attributes,
    /// What was said.
    pub records: Vec<LogRecord>,
}

/// One log record.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogRecord {
    /// When, nanoseconds since the Unix epoch.
    pub time_unix_ns: u64,
    /// Severity number of OpenTelemetry, 1 to 24; 0 where it is not said.
    pub severity: u8,
    /// Name of the event, or empty.
    pub event: String,
    /// What was said: text, or JSON as text.
    pub body: String,
    /// Attributes, as far as they are kept.
    pub attributes: Attributes,
}

impl LogRecord {
    /// The word for its severity.
    pub fn severity_word(&self) -> &'static str {
        match self.severity {
            0 => "unspecified",
            1..=4 => "trace",
            5..=8 => "debug",
            9..=12 => "info",
            WARNING..=16 => "warn",
            17..=20 => "error",
            _ => "fatal",
        }
    }
}
