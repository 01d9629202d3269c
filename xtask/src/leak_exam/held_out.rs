//! Families that the thresholds were not chosen with: other lifetimes, other traffic, other structures.
//!
//! Their parameters are drawn anew for each seed.

use std::f64::consts::TAU;

use khive_perf::leak::{Capacity, LeakConfig};

use crate::leak_exam::random::Random;
use crate::leak_exam::shape::Expected::{Healthy, Leaking, Undecided};
use crate::leak_exam::shape::{MAIN, Program, Shape};
use crate::leak_exam::world::{FOREVER, World, whole};

pub(super) const SHAPES: &[Shape] = &[
    Shape::new("Weibull lifetimes", Healthy, |world| weibull(world, 0.0)).held_out(),
    Shape::new("log-normal lifetimes", Healthy, |world| {
        log_normal(world, 0.0)
    })
    .held_out(),
    Shape::new("requests and sessions", Healthy, |world| {
        sessions(world, 0.0)
    })
    .held_out(),
    Shape::new("connection pool, idle eviction", Healthy, |world| {
        pool(world, 0.0)
    })
    .held_out(),
    Shape::new("hours and weeks", Healthy, |world| weeks(world, 0.0)).held_out(),
    Shape::new("slow ramp", Healthy, |world| ramp(world, 0.0)).held_out(),
    Shape::new("batch jobs", Healthy, |world| batch(world, 0.0)).held_out(),
    Shape::new("arenas", Healthy, |world| arenas(world, 0.0)).held_out(),
    Shape::new("cache with time to live", Healthy, |world| {
        time_to_live(world, 0.0)
    })
    .held_out(),
    Shape::new("LRU, keys of all popularities", Healthy, |world| {
        lru(world, 0.0)
    })
    .held_out(),
    Shape::new("random replacement", Healthy, random_replacement).held_out(),
    Shape::new("table of all keys", Healthy, all_keys).held_out(),
    Shape::new("made at start, then slowly more", Undecided, logarithmic).held_out(),
    Shape::new("reconnecting all at once", Healthy, reconnects).held_out(),
    Shape::new("sessions longer than the window", Undecided, long_sessions).held_out(),
    Shape::new("the same, lifetime declared", Healthy, long_sessions)
        .with(|| {
            LeakConfig::default().lifetime("origin *", std::time::Duration::from_secs(400 * 60))
        })
        .held_out(),
    Shape::new("filling, steps in traffic", Undecided, filling).held_out(),
    Shape::new("the same, capacity declared", Healthy, filling)
        .with(|| LeakConfig::default().capacity("*", Capacity::bytes(1 << 30)))
        .held_out(),
    Shape::new("2 % under Weibull", Leaking, |world| weibull(world, 0.02))
        .for_censuses(480)
        .held_out(),
    Shape::new("3 % under log-normal", Leaking, |world| {
        log_normal(world, 0.03)
    })
    .for_censuses(480)
    .held_out(),
    Shape::new("2 % beside sessions", Leaking, |world| {
        sessions(world, 0.02)
    })
    .for_censuses(240)
    .held_out(),
    Shape::new("5 % of a pool's", Leaking, |world| pool(world, 0.05))
        .for_censuses(480)
        .held_out(),
    Shape::new("2 % under hours and weeks", Leaking, |world| {
        weeks(world, 0.02)
    })
    .for_censuses(240)
    .held_out(),
    Shape::new("2 % under a slow ramp", Leaking, |world| ramp(world, 0.02))
        .for_censuses(240)
        .held_out(),
    Shape::new("2 % of batch jobs", Leaking, |world| batch(world, 0.02))
        .for_censuses(240)
        .held_out(),
    Shape::new("2 % of arenas", Leaking, |world| arenas(world, 0.02))
        .for_censuses(480)
        .held_out(),
    Shape::new("2 % beside times to live", Leaking, |world| {
        time_to_live(world, 0.02)
    })
    .for_censuses(240)
    .held_out(),
    Shape::new("2 % beside an LRU", Leaking, |world| lru(world, 0.02))
        .for_censuses(480)
        .held_out(),
    Shape::new("leak that begins half way", Leaking, |_| begins_late())
        .for_censuses(240)
        .held_out(),
];

type Lifetime = Box<dyn FnMut(&mut Random) -> f64>;

/// Blocks at a rate that is drawn, with lifetimes that are drawn, but for a share that lives for ever.
fn churn(world: &mut World, share: f64, mut lifetime: Lifetime) -> Program {
    let rate = world.random.between(15.0, 40.0);
    Box::new(move |world| {
        world.churn(MAIN, rate, |random| {
            if share > 0.0 && random.chance(share) {
                FOREVER
            } else {
                lifetime(random)
            }
        });
    })
}

fn weibull(world: &mut World, share: f64) -> Program {
    let (scale, shape) = (
        world.random.between(0.5, 3.0),
        world.random.between(0.4, 0.9),
    );
    churn(
        world,
        share,
        Box::new(move |random| random.weibull(scale, shape)),
    )
}

fn log_normal(world: &mut World, share: f64) -> Program {
    let (median, sigma) = (
        world.random.between(0.5, 3.0),
        world.random.between(0.7, 1.6),
    );
    churn(
        world,
        share,
        Box::new(move |random| random.log_normal(median, sigma)),
    )
}

/// Most live for a request, some for a session.
fn sessions(world: &mut World, share: f64) -> Program {
    let (part, longest) = (
        world.random.between(0.05, 0.3),
        world.random.between(10.0, 25.0),
    );
    let lifetime: Lifetime = Box::new(move |random| {
        if random.chance(part) {
            random.between(longest / 3.0, longest)
        } else {
            random.exponential(0.5)
        }
    });
    churn(world, share, lifetime)
}

/// As many connections as the load needs; idle ones are closed, and old ones, too.
fn pool(world: &mut World, share: f64) -> Program {
    let (size, idle, oldest) = (
        world.random.between(40.0, 150.0),
        world.random.between(2.0, 5.0),
        world.random.between(15.0, 25.0),
    );
    let period = world.random.between(20.0, 60.0);
    Box::new(move |world| {
        let needed = whole(size * (1.0 + 0.5 * (TAU * world.now / period).sin()));
        let now = world.now;
        // Leaked connections are forgotten by the pool: they do not count as its own.
        world.blocks.retain(|block| {
            block.dies.is_finite() || (now - block.used < idle && now - block.born < oldest)
        });
        let own = world.kept(MAIN);
        for _ in own..needed {
            let forgotten = world.random.chance(share);
            world.make(MAIN, if forgotten { f64::MAX } else { FOREVER });
        }
        for block in world
            .blocks
            .iter_mut()
            .filter(|block| block.dies.is_infinite())
            .take(needed)
        {
            block.used = now;
        }
    })
}

fn weeks(world: &mut World, share: f64) -> Program {
    let (hour, week) = (
        world.random.between(8.0, 20.0),
        world.random.between(60.0, 120.0),
    );
    let (phase, mean) = (
        world.random.between(0.0, TAU),
        world.random.between(1.0, 6.0),
    );
    Box::new(move |world| {
        let wave = |period: f64| (TAU * world.now / period + phase).sin();
        let rate = 25.0 * (1.0 + 0.4 * wave(hour)) * (1.0 + 0.5 * wave(week));
        world.churn(MAIN, rate, |random| {
            if share > 0.0 && random.chance(share) {
                FOREVER
            } else {
                random.exponential(mean)
            }
        });
    })
}

fn ramp(world: &mut World, share: f64) -> Program {
    let (from, to) = (
        world.random.between(3.0, 10.0),
        world.random.between(30.0, 80.0),
    );
    let mean = world.random.between(1.0, 8.0);
    Box::new(move |world| {
        let rate = from + (to - from) * (world.now / 120.0).min(2.0);
        world.churn(MAIN, rate, |random| {
            if share > 0.0 && random.chance(share) {
                FOREVER
            } else {
                random.exponential(mean)
            }
        });
    })
}

/// A job allocates as it goes, and frees all at its end.
fn batch(world: &mut World, share: f64) -> Program {
    let (every, long) = (
        world.random.between(12.0, 25.0).floor(),
        world.random.between(4.0, 10.0).floor(),
    );
    let rate = world.random.between(20.0, 60.0);
    Box::new(move |world| {
        let into = world.now % every;
        if into >= long {
            return;
        }
        for _ in 0..world.random.poisson(rate) {
            let born = world.now - world.random.unit();
            let leaks = share > 0.0 && world.random.chance(share);
            let ends = world.now - into + long;
            world.make_at(MAIN, born, if leaks { FOREVER } else { ends - born });
        }
    })
}

/// Blocks come by the hundred and go together; in a leaking program some arenas stay.
fn arenas(world: &mut World, share: f64) -> Program {
    let (blocks, mean) = (
        world.random.between(5.0, 30.0),
        world.random.between(1.0, 5.0),
    );
    Box::new(move |world| {
        for _ in 0..world.random.poisson(4.0) {
            let leaks = share > 0.0 && world.random.chance(share);
            let born = world.now - world.random.unit();
            let lifetime = if leaks {
                FOREVER
            } else {
                world.random.exponential(mean)
            };
            for _ in 0..whole(blocks) {
                world.make_at(MAIN, born, lifetime);
            }
        }
    })
}

fn time_to_live(world: &mut World, share: f64) -> Program {
    let lives = world.random.between(8.0, 25.0);
    churn(world, share, Box::new(move |_| lives))
}

/// Keys are as popular as in text: a few are there for good, the others come and go.
fn lru(world: &mut World, share: f64) -> Program {
    let (keys, capacity) = (
        world.random.between(1_500.0, 3_000.0),
        world.random.between(150.0, 400.0),
    );
    let capacity = whole(capacity);
    // The key of each entry, most recently used last.
    let mut entries: Vec<(u64, f64)> = Vec::new();
    Box::new(move |world| {
        for _ in 0..60 {
            let key = whole(keys.powf(world.random.unit())) as u64;
            if let Some(at) = entries.iter().position(|(known, _)| *known == key) {
                let entry = entries.remove(at);
                entries.push(entry);
                continue;
            }
            let leaks = share > 0.0 && world.random.chance(share);
            let born = world.now - world.random.unit();
            world.make_at(MAIN, born, if leaks { f64::MAX } else { FOREVER });
            if !leaks {
                entries.push((key, born));
            }
            if entries.len() > capacity {
                let (_, gone) = entries.remove(0);
                world
                    .blocks
                    .retain(|block| block.born.to_bits() != gone.to_bits());
            }
        }
    })
}

fn random_replacement(world: &mut World) -> Program {
    let capacity = whole(world.random.between(150.0, 500.0));
    Box::new(move |world| {
        world.churn(MAIN, 25.0, |_| FOREVER);
        while world.blocks.len() > capacity {
            let at = whole(world.random.unit() * world.blocks.len() as f64);
            world.blocks.swap_remove(at.min(world.blocks.len() - 1));
        }
    })
}

/// One entry per user, and there are so many users; each request also allocates.
fn all_keys(world: &mut World) -> Program {
    let users = whole(world.random.between(200.0, 600.0));
    let mut known = vec![false; users];
    Box::new(move |world| {
        for _ in 0..60 {
            let user = whole(world.random.unit() * users as f64).min(users - 1);
            if let Some(known) = known.get_mut(user).filter(|known| !**known) {
                *known = true;
                world.make(MAIN, FOREVER);
            }
        }
        world.churn(MAIN, 20.0, |random| random.exponential(1.0));
    })
}

/// As many more as the time doubles.
fn logarithmic(world: &mut World) -> Program {
    let per_octave = world.random.between(30.0, 100.0);
    Box::new(move |world| {
        world.churn(MAIN, per_octave / world.now, |_| FOREVER);
        world.churn(MAIN, 20.0, |random| random.exponential(1.0));
    })
}

/// All connections are made anew whenever the other side restarts.
fn reconnects(world: &mut World) -> Program {
    let (count, mean) = (
        whole(world.random.between(50.0, 200.0)),
        world.random.between(8.0, 15.0),
    );
    let mut next = 0.0;
    Box::new(move |world| {
        if world.now >= next {
            next = world.now + world.random.exponential(mean).clamp(2.0, 25.0);
            world.blocks.retain(|block| block.dies.is_finite());
            for _ in 0..count {
                world.make(MAIN, FOREVER);
            }
        }
        world.churn(MAIN, 20.0, |random| random.exponential(1.0));
    })
}

/// Nobody can have seen one end.
fn long_sessions(world: &mut World) -> Program {
    churn(world, 0.0, Box::new(|random| random.between(150.0, 300.0)))
}

fn filling(world: &mut World) -> Program {
    let (low, high) = (
        world.random.between(5.0, 20.0),
        world.random.between(20.0, 40.0),
    );
    Box::new(move |world| {
        let rate = if whole(world.now / 20.0).is_multiple_of(2) {
            low
        } else {
            high
        };
        world.churn(MAIN, rate, |_| FOREVER);
    })
}

fn begins_late() -> Program {
    Box::new(|world| {
        let share = if world.now < 120.0 { 0.0 } else { 0.04 };
        world.churn(MAIN, 25.0, |random| {
            if share > 0.0 && random.chance(share) {
                FOREVER
            } else {
                random.exponential(2.0)
            }
        });
    })
}
