//! Follower: what came and what went between one census and the next.

use std::collections::HashMap;
use std::time::Duration;

use crate::leak::ages::Ages;
use crate::leak::census::{Census, Live, OriginId};
use crate::leak::clumps::Clumps;
use crate::leak::growth::Growth;
use crate::leak::tempo::Tempo;

/// All that is kept of the past.
#[derive(Debug)]
pub(super) struct Follower {
    live_max: usize,
    origins_max: usize,
    /// One in 2 to this power is followed.
    thinning: u32,
    /// As of the last census, by origin and id.
    live: Vec<Followed>,
    at: Duration,
    observations: u64,
    origins: HashMap<OriginId, Past>,
    left_out: u64,
}

/// One thing that is followed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Followed {
    pub(super) live: Live,
    /// Its size when it was first seen.
    first_size: usize,
}

/// What has become of the things of one origin.
#[derive(Debug)]
pub(super) struct Past {
    pub(super) ages: Ages,
    pub(super) clumps: Clumps,
    /// When the first of them was made, or first seen if that was before the detector.
    pub(super) first: Duration,
    /// Censuses since then.
    pub(super) observations: u64,
    /// Things that were seen at least once.
    pub(super) seen: u64,
    /// Things that were ever made, where somebody counts.
    pub(super) made: Option<f64>,
    pub(super) tempo: Tempo,
    /// It was found leaking, and has not been less than suspect since.
    pub(super) was_leaking: bool,
    /// Of all bytes.
    pub(super) total: Growth,
    /// Of the largest block of those that have grown while they were followed.
    pub(super) block: Growth,
}

impl Follower {
    pub(super) fn new(live_max: usize, origins_max: usize) -> Self {
        Self {
            live_max: live_max.max(1),
            origins_max,
            thinning: 0,
            live: Vec::new(),
            at: Duration::ZERO,
            observations: 0,
            origins: HashMap::new(),
            left_out: 0,
        }
    }

    /// Time of the last census.
    pub(super) const fn at(&self) -> Duration {
        self.at
    }

    pub(super) const fn observations(&self) -> u64 {
        self.observations
    }

    /// Things whose origins found no room, counted at each census in which they were new.
    pub(super) const fn left_out(&self) -> u64 {
        self.left_out
    }

    pub(super) const fn origins(&self) -> &HashMap<OriginId, Past> {
        &self.origins
    }

    /// Remembers who was found leaking.
    pub(super) fn remember(&mut self, is_leaking: impl Fn(&OriginId) -> bool) {
        for (id, past) in &mut self.origins {
            past.was_leaking = is_leaking(id);
        }
    }

    /// What each followed thing stands for, beside what it said itself.
    pub(super) fn weight(&self) -> f64 {
        2.0_f64.powi(self.thinning as i32)
    }

    /// What was alive at the last census, origin by origin.
    pub(super) fn by_origin(&self) -> impl Iterator<Item = (OriginId, &[Followed])> {
        self.live
            .chunk_by(|a, b| a.live.origin == b.live.origin)
            .filter_map(|chunk| Some((chunk.first()?.live.origin, chunk)))
    }

    /// Takes the next census in, unless it is not later than the last.
    pub(super) fn observe(&mut self, census: &Census) -> bool {
        if self.observations > 0 && census.at <= self.at {
            return false;
        }
        let mut now = self.next(census);
        let before = std::mem::take(&mut self.live);
        for past in self.origins.values_mut() {
            past.observations += 1;
        }
        let mut left = before.iter().peekable();
        let mut births: Vec<Duration> = Vec::new();
        for chunk in now.chunk_by_mut(|a, b| a.live.origin == b.live.origin) {
            births.clear();
            for followed in chunk.iter_mut() {
                let key = key_of(&followed.live);
                while let Some(gone) = left.next_if(|gone| key_of(&gone.live) < key) {
                    self.died(&gone.live, census.at);
                }
                if let Some(same) = left.next_if(|same| key_of(&same.live) == key) {
                    followed.first_size = same.first_size;
                    self.survived(&same.live, census.at);
                } else {
                    self.came(&followed.live);
                    births.push(followed.live.born);
                }
            }
            let origin = chunk.first().map(|first| first.live.origin);
            if let Some(past) = origin.and_then(|origin| self.origins.get_mut(&origin)) {
                // What was there before the first census says nothing of how births come.
                if self.observations > 0 {
                    past.clumps.observe(self.at, census.at, &births);
                }
            }
        }
        for gone in left {
            self.died(&gone.live, census.at);
        }
        now.retain(|followed| self.origins.contains_key(&followed.live.origin));
        self.live = now;
        self.at = census.at;
        self.observations += 1;
        for (origin, made) in &census.made {
            if let Some(past) = self.origins.get_mut(origin) {
                past.made = Some(*made);
            }
        }
        self.grew();
        true
    }

    /// The part of a census that is followed, sorted.
    fn next(&mut self, census: &Census) -> Vec<Followed> {
        let kept = |thinning: u32| {
            let live = census.live.iter().copied();
            live.filter(move |live| is_followed(live, thinning))
        };
        while self.thinning < 32 && kept(self.thinning).count() > self.live_max {
            self.thinning += 1;
            let thinning = self.thinning;
            self.live
                .retain(|followed| is_followed(&followed.live, thinning));
        }
        let followed = kept(self.thinning).map(|live| Followed {
            live,
            first_size: live.size,
        });
        let mut now: Vec<Followed> = followed.collect();
        now.sort_unstable_by_key(|followed| key_of(&followed.live));
        now.dedup_by_key(|followed| key_of(&followed.live));
        now
    }

    fn came(&mut self, live: &Live) {
        if !self.origins.contains_key(&live.origin) {
            if self.origins.len() >= self.origins_max {
                self.left_out += 1;
                return;
            }
            self.origins.insert(live.origin, Past::since(live.born));
        }
        if let Some(past) = self.origins.get_mut(&live.origin) {
            past.first = past.first.min(live.born);
            past.seen += 1;
        }
    }

    fn survived(&mut self, live: &Live, now: Duration) {
        let (from, to) = (age_us(live, self.at), age_us(live, now));
        if let Some(past) = self.origins.get_mut(&live.origin) {
            past.ages.lived(from, to);
        }
    }

    fn died(&mut self, live: &Live, now: Duration) {
        let (from, to) = (age_us(live, self.at), age_us(live, now));
        if let Some(past) = self.origins.get_mut(&live.origin) {
            past.ages.died(from, to);
        }
    }

    /// Whether a thing has been there for half of the time that its origin has. Others grow and go.
    fn is_elder(&self, live: &Live) -> bool {
        self.origins.get(&live.origin).is_some_and(|past| {
            let half = self.at.saturating_sub(past.first) / 2;
            self.at.saturating_sub(live.born) >= half
        })
    }

    /// Notes how much each origin holds.
    fn grew(&mut self) {
        let (at, weight) = (self.at, self.weight());
        let mut held: HashMap<OriginId, (f64, f64)> = HashMap::new();
        for followed in &self.live {
            let live = &followed.live;
            let (total, block) = held.entry(live.origin).or_default();
            *total += live.bytes * weight;
            let grew = live.has_grown || live.size > followed.first_size;
            if grew && self.is_elder(live) {
                *block = block.max(live.size as f64);
            }
        }
        for (origin, past) in &mut self.origins {
            let (total, block) = held.get(origin).copied().unwrap_or_default();
            past.total.observe(at, total);
            past.block.observe(at, block);
            past.tempo
                .observe(at, past.made.unwrap_or(past.seen as f64));
        }
    }
}

impl Past {
    fn since(first: Duration) -> Self {
        Self {
            ages: Ages::new(),
            clumps: Clumps::default(),
            first,
            observations: 1,
            seen: 0,
            made: None,
            tempo: Tempo::default(),
            was_leaking: false,
            total: Growth::default(),
            block: Growth::default(),
        }
    }
}

const fn key_of(live: &Live) -> (OriginId, u64) {
    (live.origin, live.id)
}

/// Age at a moment, in microseconds.
pub(super) fn age_us(live: &Live, at: Duration) -> f64 {
    at.saturating_sub(live.born).as_secs_f64() * 1_000_000.0
}

/// Whether a thing is among the one in 2 to this power that are followed: by its id, so that it always is or never.
const fn is_followed(live: &Live, thinning: u32) -> bool {
    let mut mixed = live.id ^ (live.id >> 33);
    mixed = mixed.wrapping_mul(0xff51_afd7_ed55_8ccd);
    mixed = (mixed ^ (mixed >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    (mixed ^ (mixed >> 33)) & ((1 << thinning) - 1) == 0
}
