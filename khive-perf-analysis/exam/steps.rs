//! Steps in series whose steps are known: how many are found, how many are made up, and how fast.

use std::collections::BTreeMap;
use std::time::Duration;

use khive_perf_analysis::detect::trend::{State, TrendSettings, trend};

use crate::Check;
use crate::simulate::Rng;

/// A step counts as found this many points from where it is.
const NEAR: usize = 5;

/// Values, and where their level changes.
pub(crate) struct Labelled {
    name: String,
    values: Vec<f64>,
    step: Option<usize>,
}

/// Found, missed and made up.
#[derive(Default)]
struct Tally {
    hits: usize,
    misses: usize,
    alarms: usize,
}

impl Tally {
    fn f1(&self) -> f64 {
        let twice = 2 * self.hits;
        twice as f64 / ((twice + self.misses + self.alarms) as f64).max(1.0)
    }

    fn add(&mut self, series: &Labelled) {
        let found = trend(&series.values, &TrendSettings::default()).changes;
        let found = found.iter().filter(|change| change.state != State::Pending);
        let (mut hit, mut alarms) = (false, 0);
        for change in found {
            let near = series
                .step
                .is_some_and(|step| step.abs_diff(change.index) <= NEAR);
            // A second report of one step is an alarm, too.
            if near && !hit {
                hit = true;
            } else {
                alarms += 1;
            }
        }
        self.hits += usize::from(hit);
        self.misses += usize::from(series.step.is_some() && !hit);
        self.alarms += alarms;
    }
}

/// Series from a file: an object of `name: [values, step or null]`.
pub(crate) fn read(path: &str) -> Result<Vec<Labelled>, String> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))?;
    let all: BTreeMap<String, (Vec<f64>, Option<usize>)> =
        serde_json::from_str(&text).map_err(|error| format!("{path}: {error}"))?;
    let labelled = |(name, (values, step))| Labelled { name, values, step };
    Ok(all.into_iter().map(labelled).collect())
}

/// Five kinds of noise with a standard deviation of 3 %, and steps of 0, 5, 10 and 20 %; 400 series of 200 points.
pub(crate) fn generated() -> Vec<Labelled> {
    const POINTS: usize = 200;
    let mut rng = Rng::new(20_261_123);
    let mut all = Vec::new();
    for family in ["gauss", "t3", "ar6", "spikes", "bimodal"] {
        for effect in [0u32, 5, 10, 20] {
            for number in 0..20 {
                #[expect(
                    clippy::cast_possible_truncation,
                    reason = "below the number of points"
                )]
                #[expect(clippy::cast_sign_loss, reason = "positive")]
                let place = (40.0 + 120.0 * rng.uniform()) as usize;
                let noise = noise(&mut rng, family, POINTS);
                let level = |index: usize| {
                    let slower = if index < place {
                        0.0
                    } else {
                        f64::from(effect)
                    };
                    100.0 + slower
                };
                all.push(Labelled {
                    name: format!("{family}|{effect}|{number}"),
                    values: (0..POINTS)
                        .map(|i| level(i) * (1.0 + 0.03 * noise[i]))
                        .collect(),
                    step: (effect > 0).then_some(place),
                });
            }
        }
    }
    all
}

/// Noise of standard deviation one, but for the spikes.
fn noise(rng: &mut Rng, family: &str, count: usize) -> Vec<f64> {
    let mut last = rng.normal();
    (0..count)
        .map(|_| match family {
            "t3" => {
                let chi: f64 = (0..3).map(|_| rng.normal().powi(2)).sum();
                rng.normal() / (chi / 3.0).sqrt() / 3f64.sqrt()
            }
            "ar6" => {
                last = 0.6 * last + 0.8 * rng.normal();
                last
            }
            "spikes" if rng.uniform() < 0.05 => 10.0 * rng.uniform() + 3.0,
            "bimodal" => {
                let mode = if rng.uniform() < 0.5 { -0.9 } else { 0.9 };
                mode + 0.436 * rng.normal()
            }
            _ => rng.normal(),
        })
        .collect()
}

/// The checks of one set of series.
pub(crate) fn examine(what: &str, series: &[Labelled]) -> Vec<Check> {
    let mut all = Tally::default();
    let mut kinds: BTreeMap<&str, Tally> = BTreeMap::new();
    let mut null = Tally::default();
    for one in series {
        all.add(one);
        if one.step.is_none() {
            null.add(one);
        }
        let kind = one.name.rsplit_once('|').map_or("all", |(kind, _)| kind);
        kinds.entry(kind).or_default().add(one);
    }
    let detail = format!(
        "{} found, {} missed, {} made up, of {} series",
        all.hits,
        all.misses,
        all.alarms,
        series.len()
    );
    if std::env::var_os("KHIVE_PERF_VERBOSE").is_some() {
        for (kind, tally) in &kinds {
            crate::say(&format!(
                "     {kind:<14} {} found, {} missed, {} made up",
                tally.hits, tally.misses, tally.alarms
            ));
        }
    }
    vec![
        Check::at_least(
            &format!("steps, {what}: F1 within {NEAR} points"),
            all.f1(),
            0.95,
            &detail,
        ),
        Check::at_most(
            &format!("steps, {what}: alarms where nothing changed"),
            null.alarms as f64,
            0.0,
            "",
        ),
    ]
}

/// Ten thousand points, of all kinds that could take long.
pub(crate) fn timed() -> Vec<Check> {
    const COUNT: usize = 10_000;
    let mut rng = Rng::new(7);
    let mut wandering = 0.0;
    let mut level = |kind: &str, index: usize, noise: f64, rng: &mut Rng| -> f64 {
        let every = |points: usize| (index / points).is_multiple_of(2);
        match kind {
            "a step every 100 points" if every(100) => 130.0 + 3.0 * noise,
            "two levels in turn" if every(1) => 130.0 + noise,
            "a slope" => 100.0 + 0.01 * index as f64 + 3.0 * noise,
            "wandering" => {
                wandering += 0.01 * rng.normal();
                100.0 * wandering.exp()
            }
            "whole numbers" => (10.0 + noise).round(),
            "always the same" => 100.0,
            _ => 100.0 + 3.0 * noise,
        }
    };
    let kinds = [
        "without steps",
        "a step every 100 points",
        "two levels in turn",
        "a slope",
        "wandering",
        "whole numbers",
        "always the same",
    ];
    kinds
        .iter()
        .map(|&kind| {
            let noise = noise(&mut rng, "t3", COUNT);
            let values: Vec<f64> = (0..COUNT)
                .map(|i| level(kind, i, noise[i], &mut rng).max(1.0))
                .collect();
            let mut found = 0;
            let took = clocked(|| found = trend(&values, &TrendSettings::default()).changes.len());
            Check::at_most(
                &format!("10,000 points, {kind}: seconds"),
                took.as_secs_f64(),
                1.0,
                &format!("{found} steps"),
            )
        })
        .collect()
}

#[expect(clippy::disallowed_methods, reason = "the exam is what measures here")]
fn clocked(work: impl FnOnce()) -> Duration {
    let start = std::time::Instant::now();
    work();
    start.elapsed()
}
