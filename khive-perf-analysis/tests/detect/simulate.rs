//! A small world of runs: services whose callsites are known to be slower or not.

use std::collections::BTreeMap;

use khive_perf_analysis::model::{CallsiteKey, CallsiteRun, ExpHistogram, Run};

/// SplitMix64 (Steele, Lea & Flood, OOPSLA 2014), with normal numbers by Box and Muller.
pub(crate) struct Rng(u64);

impl Rng {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Even over `0..1`, never 0.
    pub(crate) fn uniform(&mut self) -> f64 {
        ((self.next() >> 11) as f64 + 0.5) / (1u64 << 53) as f64
    }

    pub(crate) fn normal(&mut self) -> f64 {
        let radius = (-2.0 * self.uniform().ln()).sqrt();
        radius * (2.0 * std::f64::consts::PI * self.uniform()).cos()
    }
}

/// How one callsite behaves.
#[derive(Clone, Debug)]
pub(crate) struct Behaviour {
    pub(crate) name: String,
    /// Middle of its calls, in seconds.
    pub(crate) median_s: f64,
    /// Standard deviation of the logarithm from run to run.
    pub(crate) run_sd: f64,
    /// Calls of each run.
    pub(crate) calls: u64,
    /// Chance that a run has a stall in it, of this many seconds.
    pub(crate) stall: Option<(f64, f64)>,
    /// Whether it gets slower by itself, or by what it calls.
    pub(crate) is_caller: bool,
}

impl Behaviour {
    pub(crate) fn new(name: impl Into<String>, median_s: f64, run_sd: f64) -> Self {
        Self {
            name: name.into(),
            median_s,
            run_sd,
            calls: 2_000,
            stall: None,
            is_caller: false,
        }
    }

    pub(crate) fn key(&self) -> CallsiteKey {
        CallsiteKey {
            service: "shop".into(),
            group: String::new(),
            name: self.name.clone(),
        }
    }
}

/// Standard deviation of the logarithm of one call, which the histogram shows.
const CALL_SD: f64 = 0.2;

/// Shares of the calls in the slices of a normal distribution, with the slices' middles.
const SLICES: [(f64, f64); 9] = [
    (-2.2, 0.02),
    (-1.5, 0.08),
    (-1.0, 0.12),
    (-0.5, 0.18),
    (0.0, 0.20),
    (0.5, 0.18),
    (1.0, 0.12),
    (1.5, 0.08),
    (2.2, 0.02),
];

/// A histogram of `calls` calls around `median_s`, at scale 5, with `stall_s` added to one of them.
pub(crate) fn histogram(median_s: f64, calls: u64, stall_s: f64) -> ExpHistogram {
    let mut histogram = ExpHistogram {
        scale: 5,
        ..ExpHistogram::default()
    };
    let mut add = |value: f64, count: u64| {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "times of programs have small indexes"
        )]
        let index = (value.log2() * 32.0).ceil() as i32 - 1;
        *histogram.buckets.entry(index).or_default() += count;
        histogram.count += count;
        histogram.sum += value * count as f64;
        histogram.min = Some(histogram.min.map_or(value, |min| min.min(value)));
        histogram.max = Some(histogram.max.map_or(value, |max| max.max(value)));
    };
    for (sds, share) in SLICES {
        #[expect(clippy::cast_possible_truncation, reason = "a share of the calls")]
        #[expect(clippy::cast_sign_loss, reason = "both factors are positive")]
        let count = (share * calls as f64).round() as u64;
        if count > 0 {
            add(median_s * (sds * CALL_SD).exp(), count);
        }
    }
    if stall_s > 0.0 || calls < 20 {
        add(median_s + stall_s, 1);
    }
    histogram
}

/// One run of all callsites, each `slower[i]` times as slow, the whole machine `machine` times.
pub(crate) fn run(
    rng: &mut Rng,
    name: &str,
    world: &[Behaviour],
    slower: &[f64],
    machine: f64,
) -> Run {
    let mut callsites = BTreeMap::new();
    for (behaviour, slower) in world.iter().zip(slower) {
        let noise = (behaviour.run_sd * rng.normal()).exp();
        let median_s = behaviour.median_s * slower * machine * noise;
        let stall_s = match behaviour.stall {
            Some((chance, seconds)) if rng.uniform() < chance => seconds,
            _ => 0.0,
        };
        let ok = histogram(median_s, behaviour.calls, stall_s);
        let callsite = CallsiteRun {
            calls: [ok.count, 0, 0, 0],
            // A caller's own half stays as it was; of a leaf, all is its own.
            self_time_s: if behaviour.is_caller {
                0.5 * ok.sum / slower
            } else {
                ok.sum
            },
            busy_time_s: ok.sum,
            ok,
            ..CallsiteRun::default()
        };
        callsites.insert(behaviour.key(), callsite);
    }
    Run {
        id: 0,
        name: name.into(),
        started_unix_ns: 0,
        seconds: None,
        callsites,
    }
}

/// `count` runs of one side, on a machine that is now faster, now slower, by `machine_sd` from run to run.
pub(crate) fn runs_on(
    rng: &mut Rng,
    name: &str,
    count: usize,
    world: &[Behaviour],
    slower: &[f64],
    machine_sd: f64,
) -> Vec<Run> {
    (0..count)
        .map(|_| {
            let machine = (machine_sd * rng.normal()).exp();
            run(rng, name, world, slower, machine)
        })
        .collect()
}

/// `count` runs of one side, on a steady machine.
pub(crate) fn runs(
    rng: &mut Rng,
    name: &str,
    count: usize,
    world: &[Behaviour],
    slower: &[f64],
) -> Vec<Run> {
    (0..count)
        .map(|_| run(rng, name, world, slower, 1.0))
        .collect()
}

/// `count` callsites of one service: noise of 1 to 5 % from run to run, every fifth (the async ones) up to 10 %.
pub(crate) fn service(rng: &mut Rng, count: usize) -> Vec<Behaviour> {
    (0..count)
        .map(|index| {
            let run_sd = if index % 5 == 4 {
                0.03 + 0.07 * rng.uniform()
            } else {
                0.01 + 0.04 * rng.uniform()
            };
            let median_s = 1e-6 * 10f64.powf(4.0 * rng.uniform());
            Behaviour::new(format!("shop::part{:02}::work", index), median_s, run_sd)
        })
        .collect()
}
