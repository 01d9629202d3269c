//! World: blocks that are made and freed by rule, and the censuses of them.
//!
//! Time is in intervals between two censuses.

use std::time::Duration;

use khive_perf::leak::{Census, Kind, Live, Origin, OriginId};

use crate::leak_exam::random::Random;

/// What an interval is in the time of a census.
const INTERVAL: Duration = Duration::from_secs(60);

/// A simulated process.
pub(super) struct World {
    pub(super) random: Random,
    /// End of the current interval.
    pub(super) now: f64,
    pub(super) blocks: Vec<Block>,
    made: u64,
}

/// A block that is alive.
#[derive(Clone, Copy, Debug)]
pub(super) struct Block {
    id: u64,
    /// Which part of the program made it.
    pub(super) origin: u64,
    pub(super) born: f64,
    /// Infinity for what the program frees by another rule, or never.
    pub(super) dies: f64,
    /// When it was last looked up.
    pub(super) used: f64,
    pub(super) size: usize,
}

/// Never freed, or not by age.
pub(super) const FOREVER: f64 = f64::INFINITY;

impl World {
    pub(super) const fn new(seed: u64) -> Self {
        Self {
            random: Random::new(seed),
            now: 0.0,
            blocks: Vec::new(),
            made: 0,
        }
    }

    /// Lets one interval pass, in which a program works.
    pub(super) fn pass(&mut self, program: &mut dyn FnMut(&mut Self)) {
        self.now += 1.0;
        program(self);
        let now = self.now;
        self.blocks.retain(|block| block.dies > now);
    }

    /// Makes a block at some moment of the interval.
    pub(super) fn make(&mut self, origin: u64, lifetime: f64) {
        let born = self.now - self.random.unit();
        self.make_at(origin, born, lifetime);
    }

    /// Makes a block at a moment.
    pub(super) fn make_at(&mut self, origin: u64, born: f64, lifetime: f64) {
        // Sizes are skewed, as they are in programs.
        let size = self.random.log_normal(128.0, 1.0).clamp(16.0, 65_536.0);
        self.made += 1;
        self.blocks.push(Block {
            id: self.made,
            origin,
            born,
            dies: born + lifetime,
            used: born,
            size: whole(size),
        });
    }

    /// Makes about so many blocks, with lifetimes that are drawn.
    pub(super) fn churn(
        &mut self,
        origin: u64,
        rate: f64,
        mut lifetime: impl FnMut(&mut Random) -> f64,
    ) {
        for _ in 0..self.random.poisson(rate) {
            let lifetime = lifetime(&mut self.random);
            self.make(origin, lifetime);
        }
    }

    /// Number of blocks of an origin that die by no age.
    pub(super) fn kept(&self, origin: u64) -> usize {
        let kept = |block: &&Block| block.origin == origin && block.dies.is_infinite();
        self.blocks.iter().filter(kept).count()
    }

    /// Frees the least recently used of what is kept, down to a number.
    pub(super) fn evict(&mut self, origin: u64, capacity: usize) {
        while self.kept(origin) > capacity {
            let blocks = self.blocks.iter().enumerate();
            let kept =
                blocks.filter(|(_, block)| block.origin == origin && block.dies.is_infinite());
            let oldest = kept.min_by(|(_, a), (_, b)| a.used.total_cmp(&b.used));
            let Some((at, _)) = oldest else { return };
            self.blocks.swap_remove(at);
        }
    }

    /// Looks up so many of what is kept, at random.
    pub(super) fn look_up(&mut self, count: usize) {
        for _ in 0..count.min(self.blocks.len()) {
            let at =
                whole(self.random.unit() * self.blocks.len() as f64).min(self.blocks.len() - 1);
            if let Some(block) = self.blocks.get_mut(at) {
                block.used = self.now;
            }
        }
    }

    /// All that is alive.
    pub(super) fn census(&self) -> Census {
        let mut census = Census::at(INTERVAL.mul_f64(self.now));
        let live = self.blocks.iter().map(|block| {
            let origin = OriginId::new(Kind::Heap, block.origin);
            Live::new(
                block.id,
                origin,
                INTERVAL.mul_f64(block.born.max(0.0)),
                block.size,
            )
        });
        census.live = live.collect();
        let mut origins: Vec<u64> = self.blocks.iter().map(|block| block.origin).collect();
        origins.sort_unstable();
        origins.dedup();
        let named = origins.iter().map(|origin| {
            let id = OriginId::new(Kind::Heap, *origin);
            (id, Origin::named(format!("origin {origin}")))
        });
        census.origins = named.collect();
        census
    }
}

/// A number without what is behind the point.
#[expect(
    clippy::cast_possible_truncation,
    reason = "numbers of blocks and bytes are small, and not negative"
)]
pub(super) const fn whole(number: f64) -> usize {
    number as usize
}
