//! One number per run, over many runs: since when it is what it is, and whether it creeps.
//!
//! The steps are those of [`crate::stats::changepoint`], found in the logarithms where all values are positive, so that
//! a step is a factor; of values that can be zero, in the values themselves. What lies behind the last step is the
//! segment that runs are judged against: its level and its noise.

use crate::detect::settings::{TREND_MIN_EFFECT, TREND_RESOLUTION};
use crate::stats::changepoint::{self, Segmentation, Step};
use crate::stats::moderated::Variance;
use crate::stats::slope;

/// What counts as a step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TrendSettings {
    /// Smallest relative step worth a word; 0.03 is 3 %.
    pub min_effect: f64,
    /// Smallest step worth a word in the unit of the values.
    pub min_effect_absolute: f64,
    /// Confidence of the slope's interval.
    pub confidence: f64,
}

/// How far a step has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum State {
    /// The last points look like one; a few more will tell.
    Pending,
    /// It is one.
    Confirmed,
    /// It was one, and the level before it came back.
    WentAway,
}

/// A step of the series.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Change {
    /// The first point behind it.
    pub index: usize,
    /// Typical value before.
    pub before: f64,
    /// Typical value behind.
    pub after: f64,
    /// Chance of as large a difference between two stretches of one level.
    pub p: f64,
    /// How far it has come.
    pub state: State,
}

/// How the values have changed since the last step, per point.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Creep {
    /// The estimate: of logarithms a relative growth per point, else in the unit of the values.
    pub per_point: f64,
    /// Lower end of its interval.
    pub low: f64,
    /// Upper end of its interval.
    pub high: f64,
    /// Chance of as clear a direction where there is none.
    pub p: f64,
}

/// What is known of a series.
#[derive(Clone, Debug, PartialEq)]
pub struct Trend {
    /// Whether the steps were looked for in the logarithms.
    pub is_relative: bool,
    /// The steps, in order; a pending one comes last.
    pub changes: Vec<Change>,
    /// Where the segment behind the last confirmed step begins; a pending step ends it.
    pub segment: std::ops::Range<usize>,
    /// Typical value of that segment.
    pub level: f64,
    /// Variance of a point of that segment, of logarithms where [`Trend::is_relative`]; `None` of a single point.
    pub variance: Option<Variance>,
    /// How the values of that segment creep; `None` of fewer than four.
    pub creep: Option<Creep>,
}

// === impl TrendSettings ===

impl Default for TrendSettings {
    fn default() -> Self {
        Self {
            min_effect: TREND_MIN_EFFECT,
            min_effect_absolute: 0.0,
            confidence: crate::detect::settings::CONFIDENCE,
        }
    }
}

// === impl State ===

impl State {
    /// Two words at most, in lower case.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Confirmed => "confirmed",
            Self::WentAway => "went away",
        }
    }

    /// The state called `word`.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Pending, Self::Confirmed, Self::WentAway]
            .into_iter()
            .find(|state| state.as_str() == word)
    }
}

// === impl Change ===

impl Change {
    /// Behind by before; infinite where before was nothing.
    pub fn factor(&self) -> f64 {
        self.after / self.before
    }
}

/// The values on the scale that steps are looked for on.
struct Scaled<'a> {
    values: Vec<f64>,
    is_relative: bool,
    sigma_min: f64,
    settings: &'a TrendSettings,
}

impl<'a> Scaled<'a> {
    fn new(values: &[f64], settings: &'a TrendSettings) -> Self {
        let is_relative = values.iter().all(|value| *value > 0.0);
        let effect = settings.min_effect.max(0.0);
        let scaled = if is_relative {
            values.iter().map(|value| value.ln()).collect()
        } else {
            values.to_vec()
        };
        let size: f64 = values.iter().map(|value| value.abs()).sum::<f64>();
        let unit = if is_relative {
            effect.ln_1p()
        } else {
            effect * size / values.len().max(1) as f64
        };
        Self {
            values: scaled,
            is_relative,
            sigma_min: (unit * TREND_RESOLUTION).max(f64::MIN_POSITIVE),
            settings,
        }
    }

    fn unscaled(&self, level: f64) -> f64 {
        if self.is_relative { level.exp() } else { level }
    }

    /// Whether the difference of two levels is above both floors.
    fn is_large(&self, before: f64, after: f64) -> bool {
        let (before, after) = (self.unscaled(before), self.unscaled(after));
        let smaller = before.abs().min(after.abs());
        let size = (after - before).abs();
        size > self.settings.min_effect * smaller && size > self.settings.min_effect_absolute
    }

    fn change(&self, step: &Step, state: State) -> Change {
        Change {
            index: step.index,
            before: self.unscaled(step.before),
            after: self.unscaled(step.after),
            p: step.p,
            state,
        }
    }
}

/// The trend of finite values in the order of their runs.
pub fn trend(values: &[f64], settings: &TrendSettings) -> Trend {
    let scaled = Scaled::new(values, settings);
    let is_large = |before: f64, after: f64| scaled.is_large(before, after);
    let found = changepoint::segment(&scaled.values, scaled.sigma_min, is_large);
    let start = found.steps.last().map_or(0, |step| step.index);
    let rest = scaled.values.get(start..).unwrap_or_default();
    let pending = changepoint::latest(rest, found.inflation, scaled.sigma_min, is_large);
    let mut changes: Vec<Change> = (found.steps.iter().enumerate())
        .map(|(position, step)| scaled.change(step, state(&found.steps, position, is_large)))
        .collect();
    let mut end = values.len();
    if let Some(mut step) = pending {
        step.index += start;
        end = step.index;
        changes.push(scaled.change(&step, State::Pending));
    }
    let segment = scaled.values.get(start..end).unwrap_or_default();
    let (level, variance) = changepoint::level(segment, scaled.sigma_min);
    Trend {
        is_relative: scaled.is_relative,
        changes,
        segment: start..end,
        level: scaled.unscaled(level),
        variance: variance.map(|value| Variance {
            value,
            freedom: effective(segment.len(), &found),
        }),
        creep: slope::slope(segment, settings.confidence, found.inflation).map(|slope| Creep {
            per_point: slope.estimate,
            low: slope.low,
            high: slope.high,
            p: slope.p,
        }),
    }
}

/// Degrees of freedom of the noise of `count` points.
fn effective(count: usize, found: &Segmentation) -> f64 {
    (count as f64 / found.inflation - 1.0).max(1.0)
}

/// A step is gone where a later level is as the one before it was.
fn state(steps: &[Step], position: usize, is_large: impl Fn(f64, f64) -> bool) -> State {
    let Some(step) = steps.get(position) else {
        return State::Confirmed;
    };
    let came_back = steps
        .get(position + 1)
        .is_some_and(|next| !is_large(step.before, next.after));
    if came_back {
        State::WentAway
    } else {
        State::Confirmed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stretch(values: &mut Vec<f64>, count: usize, level: f64) {
        for _ in 0..count {
            // Noise of 1 %, the same every time: a permutation of even steps.
            let wobble = ((values.len() * 7 + values.len() * values.len() % 11) % 13) as f64;
            values.push(level * (1.0 + 0.003 * (wobble - 6.0)));
        }
    }

    #[test]
    fn a_step_is_pending_and_then_confirmed_at_the_same_place() {
        let mut values = Vec::new();
        stretch(&mut values, 60, 10.0);
        let mut states = Vec::new();
        for _ in 0..12 {
            stretch(&mut values, 1, 12.0);
            let found = trend(&values, &TrendSettings::default());
            let last = found.changes.last().map(|c| (c.index, c.state));
            states.push(last);
        }
        assert_eq!(states[..2], [None, None], "two points are not enough");
        assert_eq!(states[2], Some((60, State::Pending)));
        assert_eq!(states[11], Some((60, State::Confirmed)));
    }

    #[test]
    fn a_level_that_comes_back_went_away() {
        let mut values = Vec::new();
        stretch(&mut values, 40, 10.0);
        stretch(&mut values, 20, 14.0);
        stretch(&mut values, 40, 10.0);
        let found = trend(&values, &TrendSettings::default());
        let states: Vec<State> = found.changes.iter().map(|change| change.state).collect();
        assert_eq!(states, [State::WentAway, State::Confirmed]);
        assert!((found.changes[0].factor() - 1.4).abs() < 0.02);
        assert_eq!(found.segment, 60..100);
    }

    #[test]
    fn a_creeping_series_has_a_slope_and_no_step() {
        let mut values = Vec::new();
        stretch(&mut values, 200, 10.0);
        for (index, value) in values.iter_mut().enumerate() {
            *value *= (0.000_1 * index as f64).exp();
        }
        let found = trend(&values, &TrendSettings::default());
        assert!(found.changes.is_empty(), "{found:?}");
        let creep = found.creep.unwrap();
        assert!(
            creep.low < 1e-4 && 1e-4 < creep.high && creep.low > 0.0,
            "{creep:?}"
        );
    }

    #[test]
    fn values_that_can_be_zero_are_taken_as_they_are() {
        let mut values = vec![0.0; 30];
        values.extend([2.0; 30]);
        let found = trend(&values, &TrendSettings::default());
        assert!(!found.is_relative);
        assert_eq!(found.changes.len(), 1);
        assert_eq!(found.changes[0].index, 30);
        assert!(
            trend(&[0.0; 30], &TrendSettings::default())
                .changes
                .is_empty()
        );
        assert!(trend(&[], &TrendSettings::default()).changes.is_empty());
    }
}
