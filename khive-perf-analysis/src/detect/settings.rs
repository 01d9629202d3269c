//! Every threshold of a comparison, as documented in `docs/detection.md`.

/// Confidence of the reported intervals.
pub const CONFIDENCE: f64 = 0.95;

/// Share of false ones among the changes shown that is put up with (Benjamini-Hochberg).
///
/// Where nothing changed at all, it is the chance that a whole comparison shows anything.
pub const FALSE_DISCOVERY_RATE: f64 = 0.05;

/// The same for a gate: one build in two hundred, and not one in twenty, may be red for nothing.
pub const GATE_FALSE_DISCOVERY_RATE: f64 = 0.005;

/// Which share of the false discoveries may be regressions; the rest may be improvements.
///
/// A gate is asked what got slower, so most of the error is spent there.
pub const REGRESSION_SHARE: f64 = 0.8;

/// Smaller relative changes are not worth a verdict, however sure.
pub const MIN_EFFECT: f64 = 0.05;

/// Smaller changes per call are not worth a verdict, in seconds: two clock reads cost about as much.
pub const MIN_EFFECT_S: f64 = 20e-9;

/// The same of retained bytes: less is a buffer or two, whose growing is no leak.
pub const MIN_EFFECT_BYTES: f64 = 65_536.0;

/// What a call may take more because its code and data went out of the caches, in seconds: a hundred loads from memory, one
/// after the other. That much, where it is less than half, is no verdict of its own beside a critical change that adds
/// [a thousand times](COMPANY_SHARE) as much to a run.
pub const COLD_CALL_S: f64 = 10e-6;

/// See [`COLD_CALL_S`].
pub const COMPANY_SHARE: f64 = 1e-3;

/// A callsite is unchanged only where its interval leaves no room for a change larger than this.
pub const BLIND_ABOVE: f64 = 0.25;

/// An unproven slowdown that looks at least this large makes the whole comparison inconclusive.
pub const SUSPECT_ABOVE: f64 = 0.50;

/// Above this a slowdown is critical; between it and [`SUSPECT_ABOVE`] moderate, below minor.
pub const CRITICAL_ABOVE: f64 = 2.00;

/// Standard deviation of a logarithm that is assumed at least: run values are never more equal than 0.1 %.
pub const NOISE_FLOOR: f64 = 1e-3;

/// Values below a nanosecond count as one: no clock here tells them apart.
pub const TIME_FLOOR_S: f64 = 1e-9;

/// Fewer callsites than this cannot tell a drift of the machine from their own changes.
pub const DRIFT_CALLSITES_MIN: usize = 8;

/// A drift is removed where it is this many standard errors from none.
pub const DRIFT_SIGNIFICANCE: f64 = 3.0;

/// A drift is removed where at least this share of the callsites agrees with it.
pub const DRIFT_AGREEMENT: f64 = 2.0 / 3.0;

/// A larger common change is not called drift: another machine, another build profile, or everything slower.
pub const DRIFT_MAX: f64 = 0.15;

/// A rise of the share of failed calls that is worth a verdict.
pub const FAILURES_RISE: f64 = 0.01;

/// The same as a factor: one call in a hundred more is worth a word where one failed before, and not where thirty did.
pub const FAILURES_FACTOR: f64 = 1.5;

/// Which part of the false discovery rate is spent on failures: what fails more, fails much more, and needs little.
pub const FAILURES_SHARE: f64 = 0.1;

/// A regression is an origin where at least this share of the time it added is its own.
pub const OWN_SHARE: f64 = 0.5;

/// Counts per call that differ by less between the runs of a side are taken to be the same in all.
pub const COUNT_SPREAD: f64 = 1e-3;

/// Smaller relative steps of a series of runs are not worth a word.
pub const TREND_MIN_EFFECT: f64 = 0.03;

/// The noise of a series is taken to be at least this share of the smallest step worth a word.
pub const TREND_RESOLUTION: f64 = 0.2;

/// What a comparison takes as a change, and how sure it has to be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// Confidence of the intervals; `0.5..1`.
    pub confidence: f64,
    /// False discovery rate; `0..1`.
    pub false_discovery_rate: f64,
    /// Smallest relative change worth a verdict; 0.05 is 5 %.
    pub min_effect: f64,
    /// Smallest change per call worth a verdict, in seconds.
    pub min_effect_s: f64,
    /// Whether a drift common to all callsites is taken out.
    pub remove_drift: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            confidence: CONFIDENCE,
            false_discovery_rate: FALSE_DISCOVERY_RATE,
            min_effect: MIN_EFFECT,
            min_effect_s: MIN_EFFECT_S,
            remove_drift: true,
        }
    }
}

impl Settings {
    /// What a gate takes: as the default, and ten times as sure.
    pub fn gate() -> Self {
        Self {
            false_discovery_rate: GATE_FALSE_DISCOVERY_RATE,
            ..Self::default()
        }
    }

    /// The settings with whatever makes no sense replaced by its default.
    pub(crate) fn sane(&self) -> Self {
        let default = Self::default();
        let or = |value: f64, allowed: std::ops::Range<f64>, default: f64| {
            if allowed.contains(&value) {
                value
            } else {
                default
            }
        };
        Self {
            confidence: or(self.confidence, 0.5..1.0, default.confidence),
            false_discovery_rate: or(
                self.false_discovery_rate,
                1e-12..1.0,
                default.false_discovery_rate,
            ),
            min_effect: or(self.min_effect, 0.0..1e6, default.min_effect),
            min_effect_s: or(self.min_effect_s, 0.0..1e6, default.min_effect_s),
            remove_drift: self.remove_drift,
        }
    }
}
