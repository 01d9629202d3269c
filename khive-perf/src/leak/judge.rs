//! Judge: from the past and the survivors of one origin to its verdict.

use std::time::Duration;

use crate::leak::ages::Survival;
use crate::leak::config::LeakConfig;
use crate::leak::decay::{self, Decay};
use crate::leak::follow::{Followed, Past, age_us};
use crate::leak::settle::{self, Births};
use crate::leak::verdict::{Reason, Verdict};

/// Chance that a mortal origin is ever called leaking, over all origins together.
const LEAKING_CHANCE: f64 = 0.05;
/// The same for suspect, for one origin.
const SUSPECT_CHANCE: f64 = 0.1;
/// Chance that growth which dies down is called leaking, or suspect.
const SETTLED_LEAKING: f64 = 0.1;
const SETTLED_SUSPECT: f64 = 0.25;
/// Survivors that a verdict needs, and deaths without survivors.
const SURVIVORS_MIN: f64 = 8.0;
/// Independent births of survivors that `Leaking` needs.
const BIRTHS_MIN: f64 = 5.0;
/// Censuses of an origin that a verdict needs.
const OBSERVATIONS_MIN: u64 = 8;
/// `M` is at least this many times the time between two censuses.
const CENSUSES_PER_AGE: f64 = 2.0;
/// Survivors are counted from the age on at which so many of them are immortal, but at the latest from this part of the
/// oldest age on.
const PURE: f64 = 0.8;
const PURER_UNTIL: f64 = 0.35;
/// An origin of which a smaller share has died is one that only grows.
const MORTAL_SHARE: f64 = 0.5;
/// An origin of which no more were ever seen is judged by its bytes.
const FEW: u64 = 64;

/// What is known of one origin.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Judgement {
    pub(super) verdict: Verdict,
    pub(super) reason: Reason,
    pub(super) survivors: f64,
    /// Ages that can be told to be deadly begin here.
    pub(super) mature: Duration,
    /// Deaths beyond that age, and how many there would at least have been if things died there.
    pub(super) deaths: f64,
    pub(super) expected: f64,
    /// Natural logarithm of the evidence that some never die.
    pub(super) evidence: f64,
    /// Bytes, and things, per hour.
    pub(super) bytes_per_hour: Rate,
    pub(super) things_per_hour: Rate,
}

/// A number and what it is within, in about 95 of 100 cases.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Rate {
    pub(super) mean: f64,
    pub(super) low: f64,
    pub(super) high: f64,
}

/// What is judged.
pub(super) struct Case<'a> {
    pub(super) config: &'a LeakConfig,
    pub(super) past: &'a Past,
    pub(super) live: &'a [Followed],
    pub(super) at: Duration,
    /// Between two censuses, on average.
    pub(super) interval: Duration,
    /// Origins that are judged at the same time.
    pub(super) origins: usize,
    /// What each thing stands for, beside what it says itself.
    pub(super) weight: f64,
    pub(super) lifetime: Option<Duration>,
    /// Whether the declared capacity is exceeded, if there is one.
    pub(super) over_capacity: Option<bool>,
}

impl Case<'_> {
    pub(super) fn judge(&self) -> Judgement {
        let span_us = self.span_us();
        let clump = self.past.clumps.size();
        let lifetime_us = self.lifetime.map_or(0.0, us);
        let youngest_us = (us(self.interval) * CENSUSES_PER_AGE).max(lifetime_us);
        let decay = decay::weigh(&self.past.ages, span_us, youngest_us, clump);
        let decay = decay.map(|decay| self.purer(decay, span_us));
        let births = decay.map(|decay| self.births(&decay, span_us, clump));
        let (verdict, reason) = if self.past.observations < OBSERVATIONS_MIN {
            (Verdict::InsufficientData, Reason::TooFewCensuses)
        } else {
            let by_survivors = match (decay, births) {
                (Some(decay), Some(births)) => self.by_survivors(&decay, &births, clump),
                _ => self.without_survivors(),
            };
            self.standing(by_survivors.max(self.by_growth()))
        };
        let decay = decay.filter(|_| births.is_some_and(|births| births.count >= 1.0));
        let mut judgement = Judgement {
            verdict,
            reason,
            survivors: births.map_or(0.0, |births| births.count) * self.weight,
            mature: decay.map_or(Duration::ZERO, |decay| of_us(decay.from_us)),
            deaths: decay.map_or(0.0, |decay| decay.deaths * clump),
            expected: decay.map_or(0.0, |decay| decay.expected * clump),
            evidence: decay.map_or(0.0, |decay| decay.evidence),
            bytes_per_hour: Rate::default(),
            things_per_hour: Rate::default(),
        };
        if let (Some(decay), Some(births)) = (decay, births) {
            self.rates(&mut judgement, &decay, &births, span_us);
        }
        if reason == Reason::Grows {
            let mean = self.growth().rate() * 3_600.0;
            judgement.bytes_per_hour = Rate {
                mean,
                low: mean / 2.0,
                high: mean * 2.0,
            };
        }
        judgement
    }

    /// What was leaking and is still suspect is leaking: births of survivors come as they like, and a doubt that was
    /// settled does not come back with a quiet hour.
    fn standing(&self, (verdict, reason): (Verdict, Reason)) -> (Verdict, Reason) {
        if verdict == Verdict::Suspect && self.past.was_leaking {
            let reason = if reason == Reason::Grows {
                reason
            } else {
                Reason::Survives
            };
            return (Verdict::Leaking, reason);
        }
        (verdict, reason)
    }

    fn by_survivors(&self, decay: &Decay, births: &Births, clump: f64) -> (Verdict, Reason) {
        if births.count / clump < SURVIVORS_MIN {
            return self.without_survivors();
        }
        if decay.evidence < -SUSPECT_CHANCE.ln() {
            return (Verdict::Plateau, Reason::Dies);
        }
        if births.chance > SETTLED_SUSPECT {
            return (Verdict::Plateau, Reason::Settled);
        }
        if self.over_capacity == Some(false) {
            return (Verdict::Plateau, Reason::WithinCapacity);
        }
        let enough = (self.origins.max(1) as f64 / LEAKING_CHANCE).ln();
        let keep_coming = births.chance <= SETTLED_LEAKING && births.effective >= BIRTHS_MIN;
        if decay.evidence < enough || !keep_coming {
            return (Verdict::Suspect, Reason::NotSureYet);
        }
        let patience = match (self.over_capacity, self.lifetime) {
            (Some(_), _) => Duration::ZERO,
            (None, Some(lifetime)) => lifetime,
            (None, None) => self.config.patience(self.only_grows(), self.interval),
        };
        if self.older_than(patience, decay) / clump >= SURVIVORS_MIN {
            (Verdict::Leaking, Reason::Survives)
        } else if self.only_grows() {
            (Verdict::Suspect, Reason::MayBeFilling)
        } else {
            (Verdict::Suspect, Reason::MayLiveLong)
        }
    }

    fn without_survivors(&self) -> (Verdict, Reason) {
        if self.past.ages.deaths() as f64 >= SURVIVORS_MIN {
            (Verdict::Plateau, Reason::Dies)
        } else {
            (Verdict::InsufficientData, Reason::TooFewThings)
        }
    }

    /// For blocks that grow, and structures of few blocks.
    fn by_growth(&self) -> (Verdict, Reason) {
        let patience = match self.over_capacity {
            Some(false) => return (Verdict::InsufficientData, Reason::TooFewThings),
            Some(true) => Duration::ZERO,
            None => self.config.patience(true, self.interval),
        };
        let verdict = self.growth().verdict(self.past.first, self.at, patience);
        let reason = match verdict {
            Verdict::Leaking | Verdict::Suspect => Reason::Grows,
            Verdict::Plateau => Reason::Settled,
            Verdict::InsufficientData => Reason::TooFewThings,
        };
        (verdict, reason)
    }

    fn growth(&self) -> &crate::leak::growth::Growth {
        if self.past.seen <= FEW {
            &self.past.total
        } else {
            &self.past.block
        }
    }

    /// Whether little of it has ever died.
    fn only_grows(&self) -> bool {
        let seen = self.past.seen as f64;
        let died = self.past.ages.deaths() as f64;
        let share = match self.past.made {
            Some(made) if made > 0.0 => {
                let live: f64 = self.live.iter().map(|one| one.live.blocks).sum();
                (1.0 - live * self.weight / made).max(died / seen.max(1.0))
            }
            _ => died / seen.max(1.0),
        };
        share < MORTAL_SHARE
    }

    /// Age of the oldest survivors, without a straggler or two.
    fn span_us(&self) -> f64 {
        let ages = self.live.iter().map(|one| age_us(&one.live, self.at));
        let mut ages: Vec<f64> = ages.collect();
        let left_out = (ages.len() / 20).min(5);
        if ages.is_empty() {
            return 0.0;
        }
        let (_, age, _) = ages.select_nth_unstable_by(left_out, |a, b| b.total_cmp(a));
        *age
    }

    fn births(&self, decay: &Decay, span_us: f64, clump: f64) -> Births {
        let born = self.live.iter().map(|one| one.live.born).min();
        let from = born
            .unwrap_or(self.at)
            .min(self.at.saturating_sub(of_us(span_us)));
        let to = self.at.saturating_sub(of_us(decay.from_us));
        let tempo = &self.past.tempo;
        let (first, last) = (tempo.made_by(from), tempo.made_by(to));
        let by_calendar = self.only_grows() || last - first < SURVIVORS_MIN;
        let moment = |born: Duration| {
            if by_calendar {
                let length = to.saturating_sub(from).as_secs_f64();
                born.saturating_sub(from).as_secs_f64() / length.max(f64::MIN_POSITIVE)
            } else {
                (tempo.made_by(born) - first) / (last - first)
            }
        };
        let immortal = self.immortal(decay);
        let mature = self.live.iter().filter_map(|one| {
            let age = age_us(&one.live, self.at);
            (age >= decay.from_us).then(|| (moment(one.live.born), immortal(age)))
        });
        settle::births(mature, clump)
    }

    /// The chance that what has reached an age never dies, as both ways to tell it allow.
    fn immortal(&self, decay: &Decay) -> impl Fn(f64) -> f64 + use<> {
        let (survival, decay) = (Survival::of(&self.past.ages), *decay);
        move |age_us| decay.immortal_at(age_us).min(survival.from(age_us))
    }

    /// The same from an age on at which nearly all are immortal, if there is one: who they are is plainer there.
    fn purer(&self, decay: Decay, span_us: f64) -> Decay {
        let immortal = self.immortal(&decay);
        let most = (PURER_UNTIL * span_us).max(decay.mature_us);
        let steps = (0..).map(|step| decay.mature_us * 2.0_f64.powf(f64::from(step) / 8.0));
        let mut ages = steps.take_while(|age| *age <= most);
        let pure = ages.find(|age| immortal(*age) >= PURE);
        Decay {
            from_us: pure.unwrap_or(most),
            ..decay
        }
    }

    /// Immortals that are older.
    fn older_than(&self, age: Duration, decay: &Decay) -> f64 {
        let least = us(age).max(decay.from_us);
        let ages = self.live.iter().map(|one| age_us(&one.live, self.at));
        ages.filter(|age| *age >= least)
            .map(self.immortal(decay))
            .sum()
    }

    /// How fast immortals come: those of an age at which they can be told, over the time in which they were born.
    fn rates(&self, judgement: &mut Judgement, decay: &Decay, births: &Births, span_us: f64) {
        let hours = (span_us - decay.from_us) / 3_600_000_000.0;
        if hours <= 0.0 {
            return;
        }
        let (mut bytes, mut bytes_squares, mut things, mut things_squares) = (0.0, 0.0, 0.0, 0.0);
        let immortal = self.immortal(decay);
        for one in self.live {
            let age = age_us(&one.live, self.at);
            let chance = if age < decay.from_us {
                0.0
            } else {
                immortal(age)
            };
            let (size, count) = (one.live.bytes * self.weight, one.live.blocks * self.weight);
            bytes += chance * size;
            bytes_squares += chance * size * size;
            things += chance * count;
            things_squares += chance * count * count;
        }
        // Where births clump, the sums vary more.
        let clump = births.count / births.effective.max(f64::MIN_POSITIVE);
        let rate = |sum: f64, squares: f64| {
            let error = 1.96 * (squares * clump.max(1.0)).sqrt();
            Rate {
                mean: sum / hours,
                low: (sum - error).max(0.0) / hours,
                high: (sum + error) / hours,
            }
        };
        judgement.bytes_per_hour = rate(bytes, bytes_squares);
        judgement.things_per_hour = rate(things, things_squares);
    }
}

fn of_us(us: f64) -> Duration {
    Duration::try_from_secs_f64(us / 1_000_000.0).unwrap_or_default()
}

fn us(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000_000.0
}
