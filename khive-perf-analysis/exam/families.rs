//! Series as benchmark histories really are, with what a careful reader would mark in them.
//!
//! The synthetic families of [`crate::steps`] were in view when the parameters of the detector were chosen; these were not.
//! Each is 200 points around 100 with noise of 3 % unless it says otherwise, once as it is and once with a step of 10 and of 20 %.
//! In the `open` ones readers disagree about what a step is; of those only the number of reports is told.

use crate::simulate::Rng;

/// Points of a series, where nothing else is said.
const POINTS: usize = 200;

/// Noise from point to point, in a share of the level.
const NOISE: f64 = 0.03;

/// Series of each kind and step.
const EACH: usize = 20;

/// A series with the first point of each new level.
pub(crate) struct Series {
    pub(crate) family: &'static str,
    pub(crate) values: Vec<f64>,
    pub(crate) steps: Vec<usize>,
    /// Whether readers would disagree.
    pub(crate) is_open: bool,
}

/// How the points of a family come about.
type Make = fn(&mut Rng, &dyn Fn(usize) -> f64, usize) -> Vec<f64>;

/// Families that one step fits into anywhere, with their length.
const STEPPED: [(&str, usize, Make); 14] = [
    ("whole milliseconds", POINTS, |rng, level, count| {
        points(count, |i| {
            (0.12 * level(i) * (1.0 + NOISE * rng.normal())).round()
        })
    }),
    ("mostly the same", POINTS, |rng, level, count| {
        let wobble = |rng: &mut Rng| {
            if rng.uniform() < 0.2 {
                rng.uniform()
            } else {
                0.0
            }
        };
        points(count, |i| level(i) * (1.0 + 2.0 * NOISE * wobble(rng)))
    }),
    ("always the same", POINTS, |_, level, count| {
        points(count, |i| (41.0 * level(i)).round())
    }),
    ("mostly nothing", POINTS, |rng, level, count| {
        // Calls that fail, of a thousand: none or one where all is well, some more behind a step.
        points(count, |i| {
            let rate = 0.1 + 0.3 * (level(i) - 100.0);
            poisson(rng, rate)
        })
    }),
    ("heavy to the right", POINTS, |rng, level, count| {
        points(count, |i| {
            let tail = if rng.uniform() < 0.1 {
                -0.3 * rng.uniform().ln()
            } else {
                0.0
            };
            level(i) * (NOISE * rng.normal() + tail).exp()
        })
    }),
    ("remembers, 0.8", POINTS, |rng, level, count| {
        let mut last = rng.normal();
        points(count, |i| {
            last = 0.8 * last + 0.6 * rng.normal();
            level(i) * (1.0 + 0.02 * last)
        })
    }),
    ("noise by the level", POINTS, |rng, level, count| {
        points(count, |i| {
            let loud = if (i / 40).is_multiple_of(2) { 1.0 } else { 3.0 };
            level(i) * (1.0 + 0.015 * loud * rng.normal())
        })
    }),
    ("noise that grows", POINTS, |rng, level, count| {
        points(count, |i| {
            let loud = 1.0 + 3.0 * i as f64 / count as f64;
            level(i) * (1.0 + 0.01 * loud * rng.normal())
        })
    }),
    ("five samples a build", 5 * POINTS, |rng, level, count| {
        let mut build = 0.0;
        points(count, |i| {
            if i.is_multiple_of(5) {
                build = 0.02 * rng.normal();
            }
            level(i - i % 5) * (1.0 + build + 0.02 * rng.normal())
        })
    }),
    ("neighbours that disturb", POINTS, |rng, level, count| {
        let mut left = 0;
        points(count, |i| {
            if left == 0 && rng.uniform() < 0.02 {
                left = 1 + below(rng, 3);
            }
            let disturbed = left > 0;
            left = left.saturating_sub(1);
            level(i) * (1.0 + NOISE * rng.normal() + if disturbed { 0.4 } else { 0.0 })
        })
    }),
    ("two modes, one rare", POINTS, |rng, level, count| {
        points(count, |i| {
            let other = if rng.uniform() < 0.15 { 0.12 } else { 0.0 };
            level(i) * (1.0 + other + 0.01 * rng.normal())
        })
    }),
    ("warms up", POINTS, |rng, level, count| {
        points(count, |i| {
            let cold = 0.6 * (-(i as f64) / 1.5).exp();
            level(i) * (1.0 + cold + NOISE * rng.normal())
        })
    }),
    ("forty points", 40, plain),
    ("twenty points", 20, plain),
];

fn plain(rng: &mut Rng, level: &dyn Fn(usize) -> f64, count: usize) -> Vec<f64> {
    points(count, |i| level(i) * (1.0 + NOISE * rng.normal()))
}

fn points(count: usize, point: impl FnMut(usize) -> f64) -> Vec<f64> {
    (0..count).map(point).collect()
}

/// A number of events, of which `mean` are expected (Knuth).
fn poisson(rng: &mut Rng, mean: f64) -> f64 {
    let (mut product, mut events) = (rng.uniform(), 0.0);
    while product > (-mean).exp() {
        product *= rng.uniform();
        events += 1.0;
    }
    events
}

fn below(rng: &mut Rng, count: usize) -> usize {
    usize::try_from(rng.next() % count.max(1) as u64).unwrap_or_default()
}

/// A place in the middle three fifths.
fn place(rng: &mut Rng, count: usize) -> usize {
    let fifth = count / 5;
    fifth + below(rng, 3 * fifth)
}

/// All families.
pub(crate) fn all(seed: u64) -> Vec<Series> {
    let mut rng = Rng::new(seed);
    let mut all = Vec::new();
    for (family, count, make) in STEPPED {
        for effect in [0.0, 10.0, 20.0] {
            for _ in 0..EACH {
                let mut at = place(&mut rng, count);
                if family == "five samples a build" {
                    at -= at % 5;
                }
                let level = |index: usize| if index < at { 100.0 } else { 100.0 + effect };
                all.push(Series {
                    family,
                    values: make(&mut rng, &level, count),
                    steps: if effect > 0.0 { vec![at] } else { Vec::new() },
                    is_open: false,
                });
            }
        }
    }
    for _ in 0..EACH {
        shaped(&mut rng, &mut all);
        late(&mut rng, &mut all);
        open(&mut rng, &mut all);
    }
    all
}

/// Levels that do more than change once.
fn shaped(rng: &mut Rng, all: &mut Vec<Series>) {
    let mut add = |rng: &mut Rng, family, count, level: &dyn Fn(usize) -> f64, steps: &[usize]| {
        all.push(Series {
            family,
            values: plain(rng, level, count),
            steps: steps.to_vec(),
            is_open: false,
        });
    };
    let at = place(rng, POINTS);
    let within = |i: usize, from: usize, count: usize| (from..from + count).contains(&i);
    add(
        rng,
        "a stair of three, 15 apart",
        POINTS,
        &|i| 100.0 * 1.15f64.powf((0..3).filter(|k| i >= at + 15 * k).count() as f64),
        &[at, at + 15, at + 30],
    );
    add(
        rng,
        "away for twelve points",
        POINTS,
        &|i| if within(i, at, 12) { 125.0 } else { 100.0 },
        &[at, at + 12],
    );
    add(
        rng,
        "away for two points",
        POINTS,
        &|i| if within(i, at, 2) { 140.0 } else { 100.0 },
        &[],
    );
    add(
        rng,
        "an outlier at the end",
        POINTS,
        &|i| if i + 1 == POINTS { 170.0 } else { 100.0 },
        &[],
    );
    add(
        rng,
        "two outliers at the end",
        POINTS,
        &|i| if i + 2 >= POINTS { 150.0 } else { 100.0 },
        &[],
    );
    add(
        rng,
        "an outlier in the beginning",
        POINTS,
        &|i| if i == 0 { 30.0 } else { 100.0 },
        &[],
    );
}

/// A new level that has only begun.
fn late(rng: &mut Rng, all: &mut Vec<Series>) {
    for (family, last) in [
        ("the last four points", 4),
        ("the last eight points", 8),
        ("the last fifteen points", 15),
    ] {
        let from = POINTS - last;
        all.push(Series {
            family,
            values: plain(rng, &|i| if i >= from { 125.0 } else { 100.0 }, POINTS),
            steps: vec![from],
            is_open: false,
        });
    }
}

/// A project's years: 14,000 points with seven steps up or down.
pub(crate) fn long(seed: u64) -> Series {
    let mut rng = Rng::new(seed);
    let places: Vec<usize> = (1..8).map(|k| 1_700 * k + below(&mut rng, 400)).collect();
    let signs: Vec<f64> = places
        .iter()
        .map(|_| if rng.uniform() < 0.5 { -1.0 } else { 1.0 })
        .collect();
    let level = |i: usize| -> f64 {
        let passed = places.iter().zip(&signs).filter(|(at, _)| i >= **at);
        100.0 * passed.map(|(_, sign)| 1.1f64.powf(*sign)).product::<f64>()
    };
    Series {
        family: "fourteen thousand",
        values: plain(&mut rng, &level, 14_000),
        steps: places.clone(),
        is_open: false,
    }
}

/// What one reader calls a step and another does not.
fn open(rng: &mut Rng, all: &mut Vec<Series>) {
    let mut add = |family, values| {
        all.push(Series {
            family,
            values,
            steps: Vec::new(),
            is_open: true,
        })
    };
    add(
        "creeps 10 % in all",
        plain(rng, &|i| 100.0 + 0.05 * i as f64, POINTS),
    );
    add(
        "creeps 40 % in all",
        plain(rng, &|i| 100.0 + 0.2 * i as f64, POINTS),
    );
    let mut wandering = 0.0;
    add(
        "wanders",
        points(POINTS, |_| {
            wandering += 0.004 * rng.normal();
            100.0 * (wandering + 0.02 * rng.normal()).exp()
        }),
    );
    let day = |i: usize| (2.0 * std::f64::consts::PI * i as f64 / 24.0).sin();
    add(
        "a day of 24, 5 %",
        plain(rng, &|i| 100.0 * (1.0 + 0.05 * day(i)), POINTS),
    );
    for (family, stay) in [
        ("two levels, 5 at a time", 5.0),
        ("two levels, 15 at a time", 15.0),
    ] {
        let mut is_up = false;
        add(
            family,
            points(POINTS, |_| {
                is_up ^= rng.uniform() * stay < 1.0;
                let level = if is_up { 108.0 } else { 100.0 };
                level * (1.0 + 0.01 * rng.normal())
            }),
        );
    }
    let mut last = rng.normal();
    add(
        "remembers, 0.95",
        points(POINTS, |_| {
            last = 0.95 * last + 0.31 * rng.normal();
            100.0 * (1.0 + NOISE * last)
        }),
    );
    let mut last = rng.normal();
    add(
        "remembers, 0.9, and as much white",
        points(POINTS, |_| {
            last = 0.9 * last + 0.436 * rng.normal();
            100.0 * (1.0 + 0.02 * (last + rng.normal()))
        }),
    );
}
