//! What is concluded of one callsite, and of all of them.
//!
//! The thresholds are those of `docs/detection.md`, as the constants of [`crate::detect::settings`].

use std::fmt;

use crate::detect::contrast::Contrast;
use crate::detect::settings::{
    BLIND_ABOVE, CRITICAL_ABOVE, REGRESSION_SHARE, SUSPECT_ABOVE, Settings,
};
use crate::stats::discovery::Question;
use crate::stats::student;

/// What is concluded of a callsite, or of a whole comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Slower, by more than the effect floors, and surely so.
    Regressed,
    /// Faster, likewise.
    Improved,
    /// No change shown, and no room for a large one.
    Unchanged,
    /// The runs do not tell.
    Inconclusive(Reason),
    /// Only the candidate has it.
    Added,
    /// Only the base has it.
    Removed,
}

/// Why the runs do not tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// A side has no run with it.
    NoRuns,
    /// No callsite was called on both sides.
    NothingInCommon,
    /// Called on both sides, and on one of them no call ended well.
    NoneEndedWell,
    /// Only one side says what was measured.
    OneSideTells,
    /// One run a side shows no variance between runs.
    OneRunASide,
    /// The runs differ too much among themselves.
    TooNoisy {
        /// Runs that each side still needs, where that can be estimated.
        more_runs: Option<u32>,
    },
    /// All runs of each side make the same number of calls, so that their rate only says how long a run took.
    CallsGiven,
    /// The mean changed, and without the slowest hundredth of the calls it did not.
    SlowestCalls,
    /// It is slower by what a much larger change may cost it by its company.
    Company,
    /// Most callsites, or one that looks much slower, are inconclusive themselves.
    Callsites,
}

/// How bad a regression is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Below 50 % slower.
    Minor,
    /// 50 to 200 % slower.
    Moderate,
    /// More than 200 % slower.
    Critical,
}

// === impl Verdict ===

impl Verdict {
    /// One word, in lower case.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Regressed => "regressed",
            Self::Improved => "improved",
            Self::Unchanged => "unchanged",
            Self::Inconclusive(_) => "inconclusive",
            Self::Added => "added",
            Self::Removed => "removed",
        }
    }

    /// Reports go from the worst to the least interesting.
    pub(crate) fn rank(self) -> u8 {
        match self {
            Self::Regressed => 0,
            Self::Inconclusive(_) => 1,
            Self::Improved => 2,
            Self::Unchanged => 3,
            Self::Added => 4,
            Self::Removed => 5,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoRuns => f.write_str("no runs to compare; record some on both sides"),
            Self::NothingInCommon => f.write_str(
                "no callsite was called on both sides; compare runs of the same program",
            ),
            Self::NoneEndedWell => {
                f.write_str("no call ended well on one side; look at its errors")
            }
            Self::OneSideTells => f.write_str("only one side says what was measured"),
            Self::OneRunASide => {
                f.write_str("one run a side shows no variance; record at least 3 runs of each")
            }
            Self::TooNoisy {
                more_runs: Some(more_runs),
            } => {
                write!(
                    f,
                    "too noisy; about {more_runs} more runs of each side would tell"
                )
            }
            Self::TooNoisy { more_runs: None } => {
                f.write_str("too noisy; record more runs of each side")
            }
            Self::CallsGiven => f.write_str(
                "every run makes the same number of calls, so their rate says how long a run takes, and no more",
            ),
            Self::SlowestCalls => f.write_str(
                "only the slowest hundredth of its calls changed; look at p99 and its stalls",
            ),
            Self::Company => f.write_str(
                "slower by no more than a call from cold caches, beside a change a thousand times as large; judge it when that is mended",
            ),
            Self::Callsites => {
                f.write_str("too many callsites are inconclusive, or one looks much slower")
            }
        }
    }
}

// === impl Severity ===

impl Severity {
    /// One word, in lower case.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Minor => "minor",
            Self::Moderate => "moderate",
            Self::Critical => "critical",
        }
    }

    /// The severity of a slowdown by `factor`; 1.5 is 50 % slower.
    pub fn of(factor: f64) -> Self {
        let slower = factor - 1.0;
        if slower < SUSPECT_ABOVE {
            Self::Minor
        } else if slower <= CRITICAL_ABOVE {
            Self::Moderate
        } else {
            Self::Critical
        }
    }
}

/// Judges a difference whose adjusted p-value is `p`.
pub(crate) fn judge(contrast: &Contrast, p: f64, settings: &Settings) -> Verdict {
    let Some(half) = contrast.half_width(settings.confidence) else {
        let more_runs =
            contrast.runs_needed(BLIND_ABOVE.ln_1p(), 1.0 - settings.false_discovery_rate);
        return Verdict::Inconclusive(match contrast.standard_error {
            Some(_) => Reason::TooNoisy { more_runs },
            None => Reason::OneRunASide,
        });
    };
    let size = contrast.difference.abs();
    let is_worth_it = is_large(contrast, size, settings.min_effect, settings);
    if is_worth_it && p <= settings.false_discovery_rate {
        return if contrast.difference > 0.0 {
            Verdict::Regressed
        } else {
            Verdict::Improved
        };
    }
    let looks_changed = is_worth_it && size > half;
    let blind_above = BLIND_ABOVE.max(settings.min_effect);
    if looks_changed || is_large(contrast, size + half, blind_above, settings) {
        // Enough to show what it looks like, or else the change that is to be ruled out.
        let effect = if looks_changed {
            size
        } else {
            blind_above.ln_1p()
        };
        let more_runs = contrast.runs_needed(effect, 1.0 - settings.false_discovery_rate);
        return Verdict::Inconclusive(Reason::TooNoisy { more_runs });
    }
    Verdict::Unchanged
}

/// Whether a difference of `ln` exceeds both floors: relative, and in seconds per call.
fn is_large(contrast: &Contrast, ln: f64, relative: f64, settings: &Settings) -> bool {
    ln > floor(contrast, relative, settings)
}

/// The least difference that exceeds both floors, as a logarithm.
fn floor(contrast: &Contrast, relative: f64, settings: &Settings) -> f64 {
    // The smaller side times the factor: the same seconds whichever side is called the base.
    let smaller = contrast.base.min(contrast.candidate).exp();
    let absolute = (settings.min_effect_s / smaller).ln_1p();
    relative.ln_1p().max(absolute)
}

/// What noise alone says of a difference that only counts above the floors; `None` without a standard error.
pub(crate) fn question(contrast: &Contrast, settings: &Settings) -> Option<Question> {
    let error = contrast.standard_error?;
    let floor = floor(contrast, settings.min_effect, settings);
    let counts = contrast.difference.abs() > floor;
    let rises = contrast.difference > 0.0;
    let reach = 0.5 * student::two_sided_p(floor / error, contrast.freedom);
    Some(Question {
        p: if counts {
            Question::p_of(contrast.p(), rises, REGRESSION_SHARE)
        } else {
            1.0
        },
        reach: [reach, reach],
        share: [REGRESSION_SHARE, 1.0 - REGRESSION_SHARE],
    })
}
