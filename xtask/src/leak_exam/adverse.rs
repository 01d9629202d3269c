//! Families that somebody else thought of to prove the detector wrong, after all was as it is; run once, and told as they came.

use crate::leak_exam::random::Random;
use crate::leak_exam::shape::Expected::{Healthy, Leaking, Undecided};
use crate::leak_exam::shape::{MAIN, Program, Shape};
use crate::leak_exam::world::{FOREVER, World, whole};

pub(super) const SHAPES: &[Shape] = &[
    Shape::new("sessions that slide on", Healthy, |world| {
        sessions(world, 0.0)
    })
    .for_censuses(480)
    .adverse(),
    Shape::new("cache cleared under pressure", Healthy, |world| {
        pressure(world, 0.0)
    })
    .for_censuses(480)
    .adverse(),
    Shape::new("segments that are compacted", Healthy, |world| {
        compacted(world, 0.0)
    })
    .for_censuses(480)
    .adverse(),
    Shape::new("retries with doubling waits", Healthy, |world| {
        retries(world, 0.0)
    })
    .for_censuses(480)
    .adverse(),
    Shape::new("tenants that come and settle", Healthy, |world| {
        tenants(world, 0.0)
    })
    .for_censuses(480)
    .adverse(),
    Shape::new("tenants that come and go", Healthy, |world| {
        moving(world, 0.0)
    })
    .for_censuses(480)
    .adverse(),
    Shape::new("words of a finite language", Undecided, words)
        .for_censuses(480)
        .adverse(),
    Shape::new("3 % of sliding sessions stay", Leaking, |world| {
        sessions(world, 0.03)
    })
    .for_censuses(480)
    .adverse(),
    Shape::new("3 % pinned when cleared", Leaking, |world| {
        pressure(world, 0.03)
    })
    .for_censuses(480)
    .adverse(),
    Shape::new("one segment in 20 left behind", Leaking, |world| {
        compacted(world, 0.05)
    })
    .for_censuses(480)
    .adverse(),
    Shape::new("3 % of retries given up and kept", Leaking, |world| {
        retries(world, 0.03)
    })
    .for_censuses(480)
    .adverse(),
    Shape::new("a tenth of what tenants had", Leaking, |world| {
        moving(world, 0.1)
    })
    .for_censuses(720)
    .adverse(),
    Shape::new("4 % from a deploy on", Leaking, late)
        .for_censuses(720)
        .adverse(),
    Shape::new("5 % at weekends", Leaking, weekends)
        .for_censuses(720)
        .adverse(),
];

/// What the program forgets to free.
fn or_never(random: &mut Random, share: f64, lives: f64) -> f64 {
    if share > 0.0 && random.chance(share) {
        FOREVER
    } else {
        lives
    }
}

/// A session ends when nothing came for as long as the timeout; a tenth of the users are always there.
fn sessions(world: &mut World, share: f64) -> Program {
    let timeout = world.random.between(1.0, 4.0);
    let (gap, eager) = (
        world.random.between(0.8, 1.5),
        world.random.between(0.25, 0.35),
    );
    Box::new(move |world| {
        world.churn(MAIN, 20.0, |random| {
            let gap = timeout * if random.chance(0.1) { eager } else { gap };
            let mut lives = timeout;
            loop {
                let next = random.exponential(gap);
                if next > timeout {
                    return or_never(random, share, lives);
                }
                lives += next;
            }
        });
    })
}

/// A cache without a limit, which is cleared as a whole when memory is short; some entries are in use then and stay, which is
/// the leak.
fn pressure(world: &mut World, share: f64) -> Program {
    let limit = whole(world.random.between(100.0, 500.0));
    let rate = world.random.between(10.0, 30.0);
    Box::new(move |world| {
        world.churn(MAIN, rate, |_| FOREVER);
        // What was pinned at an earlier clearing is told by its last use.
        let entries = world.blocks.iter().filter(|block| block.used > 0.0);
        if entries.count() > limit {
            let World {
                blocks,
                random,
                now,
                ..
            } = world;
            for block in blocks.iter_mut().filter(|block| block.used > 0.0) {
                if share > 0.0 && random.chance(share) {
                    block.used = 0.0;
                } else {
                    block.dies = *now;
                }
            }
        }
    })
}

/// Small segments are merged into larger ones, those into one, and that is replaced.
fn compacted(world: &mut World, share: f64) -> Program {
    let (small, large) = (
        world.random.between(3.0, 6.0).floor(),
        world.random.between(3.0, 6.0).floor(),
    );
    let rate = world.random.between(10.0, 30.0);
    Box::new(move |world| {
        let until = |now: f64, every: f64| (now / every).floor() * every + every - now;
        let next = until(world.now, small) + 0.5;
        world.churn(MAIN, rate, |random| or_never(random, share, next));
        if world.now % small == 0.0 {
            let next = until(world.now, small * large) + 0.5;
            world.churn(MAIN, rate / 2.0, |random| or_never(random, share, next));
        }
        if world.now % (small * large) == 0.0 {
            let lives = small * large + 0.5;
            for _ in 0..whole(rate) {
                let lives = or_never(&mut world.random, share, lives);
                world.make(MAIN, lives);
            }
        }
    })
}

/// A job that fails waits twice as long, and again; it is given up after some times.
fn retries(world: &mut World, share: f64) -> Program {
    let (fails, tries) = (
        world.random.between(0.2, 0.6),
        whole(world.random.between(4.0, 7.0)),
    );
    Box::new(move |world| {
        world.churn(MAIN, 30.0, |random| {
            let (mut wait, mut lives) = (0.5, 0.1);
            for _ in 0..tries {
                if !random.chance(fails) {
                    return or_never(random, share, lives);
                }
                lives += wait * random.between(0.8, 1.2);
                wait *= 2.0;
            }
            or_never(random, share, lives)
        });
    })
}

/// Each tenant has tables for good; most come in the first third, along a logistic curve.
fn tenants(world: &mut World, share: f64) -> Program {
    let all = world.random.between(20.0, 80.0);
    let (middle, steepness) = (
        world.random.between(30.0, 80.0),
        world.random.between(5.0, 12.0),
    );
    let mut there = 0.0;
    Box::new(move |world| {
        let wanted = all / (1.0 + (-(world.now - middle) / steepness).exp());
        while there + 1.0 <= wanted {
            there += 1.0;
            let tables = whole(world.random.between(2.0, 8.0));
            (0..tables).for_each(|_| world.make(MAIN, FOREVER));
        }
        world.churn(MAIN, 20.0, |random| {
            let lives = random.exponential(1.5);
            or_never(random, share, lives)
        });
    })
}

/// Tenants come and go, each with many blocks; of what one had a share stays when it goes.
fn moving(world: &mut World, share: f64) -> Program {
    let (rate, stays) = (
        world.random.between(0.3, 1.0),
        world.random.between(10.0, 40.0),
    );
    Box::new(move |world| {
        for _ in 0..world.random.poisson(rate) {
            let lives = world.random.weibull(stays, 1.5);
            let blocks = whole(world.random.between(5.0, 25.0));
            for _ in 0..blocks {
                let lives = or_never(&mut world.random, share, lives);
                world.make(MAIN, lives);
            }
        }
        world.churn(MAIN, 10.0, |random| random.exponential(0.5));
    })
}

/// Each word is kept when it is first met; there are some hundred, and some are rare.
fn words(world: &mut World) -> Program {
    let count = whole(world.random.between(200.0, 600.0));
    let mut met = vec![false; count];
    Box::new(move |world| {
        for _ in 0..world.random.poisson(20.0) {
            // Rank by Zipf's law.
            let rank = (count as f64).powf(world.random.unit()) - 1.0;
            if let Some(met) = met.get_mut(whole(rank))
                && !std::mem::replace(met, true)
            {
                world.make(MAIN, FOREVER);
            }
        }
        world.churn(MAIN, 20.0, |random| random.exponential(1.0));
    })
}

fn late(world: &mut World) -> Program {
    let from = world.random.between(150.0, 300.0);
    let mean = world.random.between(0.5, 4.0);
    Box::new(move |world| {
        let share = if world.now > from { 0.04 } else { 0.0 };
        world.churn(MAIN, 25.0, |random| {
            let lives = random.exponential(mean);
            or_never(random, share, lives)
        });
    })
}

fn weekends(world: &mut World) -> Program {
    let mean = world.random.between(0.5, 4.0);
    Box::new(move |world| {
        let is_weekend = world.now % 70.0 >= 50.0;
        let (rate, share) = if is_weekend { (8.0, 0.05) } else { (25.0, 0.0) };
        world.churn(MAIN, rate, |random| {
            let lives = random.exponential(mean);
            or_never(random, share, lives)
        });
    })
}
