//! Finding: one thing that costs time and need not, with what shows it.

/// How sure a rule can be from what a run says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Confidence {
    /// It is a hint: what is behind it may be as it should.
    Low,
    /// It is so in most programs.
    Medium,
    /// The numbers leave no other reading.
    High,
}

/// One thing that costs time and need not.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// The rule that found it.
    pub rule: &'static str,
    /// The same for this rule at this callsite, whatever the numbers are.
    pub id: String,
    /// `service.name` of the source.
    pub service: String,
    /// The callsite.
    pub callsite: String,
    /// Source file and line.
    pub place: Option<(String, i64)>,
    /// What shows it: names and numbers, as text.
    pub evidence: Vec<(&'static str, String)>,
    /// Seconds that the run would have been spared, as estimated; 0 where the rule is not about time.
    pub saving_s: f64,
    /// The same as a share of all time on threads.
    pub share: Option<f64>,
    /// How sure it is.
    pub confidence: Confidence,
    /// Whether it is told however little time it costs.
    pub is_always_told: bool,
    /// What to do about it.
    pub advice: &'static str,
}

/// What became of a finding in a later run.
#[derive(Clone, Debug, PartialEq)]
pub struct Saved {
    /// As it was found.
    pub finding: Finding,
    /// Whether it is there still.
    pub outcome: Outcome,
    /// By how much a call of the callsite takes less time on a thread, in seconds; below 0 where it takes more.
    pub saved_per_call_s: Option<f64>,
}

/// Whether a finding is there still.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The rule finds it no more.
    Gone,
    /// The rule finds it still.
    Remains,
    /// The callsite was not called, so nothing can be said.
    NotCalled,
}

impl Confidence {
    /// The word in reports.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }
}

impl Outcome {
    /// The word in reports.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Gone => "gone",
            Self::Remains => "remains",
            Self::NotCalled => "not called",
        }
    }
}

/// Names a rule's finding at a callsite: 64 bits of FNV-1a, as 16 hexadecimal digits.
pub(super) fn id(rule: &str, service: &str, callsite: &str) -> String {
    let parts = [rule, service, callsite];
    let bytes = parts.iter().flat_map(|part| part.bytes().chain([0]));
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{hash:016x}")
}
