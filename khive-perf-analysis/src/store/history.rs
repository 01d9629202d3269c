//! One number per run and callsite over many runs, and what is remembered of their steps.

use crate::model::{CallsiteKey, Metric};

/// Which runs and callsites a history is of; all where nothing is said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    /// Runs with this name, or that match it as a glob.
    pub runs: Option<String>,
    /// Callsites of this service.
    pub service: Option<String>,
    /// Runs of this branch: the resource attribute `vcs.ref.head.name`.
    pub branch: Option<String>,
    /// Callsites with this name, or that match it as a glob.
    pub callsite: Option<String>,
}

/// One metric of one callsite over its runs.
#[derive(Clone, Debug, PartialEq)]
pub struct History {
    /// The callsite.
    pub key: CallsiteKey,
    /// What was measured.
    pub metric: Metric,
    /// By start of the run, then by its id.
    pub points: Vec<HistoryPoint>,
}

/// What one run said.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct HistoryPoint {
    /// Row id of the run.
    pub run: i64,
    /// When it started, nanoseconds since the Unix epoch.
    pub started_unix_ns: u64,
    /// The number.
    pub value: f64,
}

/// A step as it is remembered from one time to the next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownStep {
    /// What it is called for good: sixteen hexadecimal digits.
    pub id: String,
    /// The first run behind it.
    pub run: i64,
    /// Whether the values rise.
    pub rises: bool,
    /// `pending`, `confirmed` or `went away`.
    pub state: String,
}

// === impl Scope ===

impl Scope {
    /// The scope without its callsite, as text: steps of one scope are not those of another.
    pub(crate) fn as_text(&self) -> String {
        let part = |part: &Option<String>| part.clone().unwrap_or_default();
        [part(&self.runs), part(&self.service), part(&self.branch)].join("\u{1f}")
    }
}

impl KnownStep {
    /// The id of a step that is seen for the first time: FNV-1a of what it is a step of.
    pub fn new_id(
        key: &CallsiteKey,
        metric: Metric,
        scope: &Scope,
        run: i64,
        rises: bool,
    ) -> String {
        let run = run.to_string();
        let rises = if rises { "+" } else { "-" };
        let scope = scope.as_text();
        let parts = [
            &key.service,
            &key.group,
            &key.name,
            metric.as_str(),
            &scope,
            &run,
            rises,
        ];
        let mut hash = 0xcbf2_9ce4_8422_2325u64;
        for part in parts {
            for byte in part.bytes().chain([0]) {
                hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
            }
        }
        format!("{hash:016x}")
    }
}
