//! The shapes that the thresholds were chosen with: churn, caches, tides and queues, and leaks among them.
//!
//! About 20 blocks are made in an interval, and there are 120 censuses, where nothing else is said.

use std::f64::consts::TAU;

use khive_perf::leak::{Capacity, LeakConfig};

use crate::leak_exam::shape::Expected::{Healthy, Leaking, Undecided};
use crate::leak_exam::shape::{MAIN, Program, Shape};
use crate::leak_exam::world::{FOREVER, World};

const RATE: f64 = 20.0;
const WINDOW: f64 = 120.0;

pub(super) const SHAPES: &[Shape] = &[
    Shape::new("n1 churn", Healthy, |_| leaking(0.0)),
    Shape::new("n2 heavy tail", Healthy, |_| heavy_tail(0.0)),
    Shape::new("n3 cache full at 20 %", Healthy, |_| cache(0.2, 20, 0.0)),
    Shape::new("n4 cache full at 60 %", Healthy, |_| cache(0.6, 20, 0.0)),
    Shape::new("n5 cache not full", Undecided, |_| cache(1.25, 20, 0.0)),
    Shape::new("n5 with declared capacity", Healthy, |_| {
        cache(1.25, 20, 0.0)
    })
    .with(declared),
    Shape::new("n6 one day's tide", Healthy, |_| tide(0.0)),
    Shape::new("n7 sawtooth", Healthy, |_| sawtooth(0.0)),
    Shape::new("n8 queue, nearly overrun", Healthy, |_| queue()),
    Shape::new("n9 load doubles", Healthy, |_| step()),
    Shape::new("n10 made at start", Healthy, |_| start()),
    Shape::new("l1 2 % of churn", Leaking, |_| leaking(0.02)),
    Shape::new("l2 10 % of churn", Leaking, |_| leaking(0.1)),
    Shape::new("l3 2 % under sawtooth", Leaking, |_| sawtooth(0.02)),
    Shape::new("l4 5 % under a tide", Leaking, |_| tide(0.05)),
    Shape::new("l5 rare bursts", Leaking, |_| bursts()).for_censuses(960),
    Shape::new("l6 all leak, 120 censuses", Undecided, |_| leaking(1.0)),
    Shape::new("l6 all leak, 360 censuses", Leaking, |_| leaking(1.0)).for_censuses(360),
    Shape::new("l7 2 % under heavy tail", Leaking, |_| heavy_tail(0.02)).for_censuses(480),
    Shape::new("l8 2 % beside a full cache", Leaking, |_| {
        cache(0.2, 4, 0.02)
    })
    .for_censuses(240),
];

fn declared() -> LeakConfig {
    LeakConfig::default().capacity("origin *", Capacity::count(4_000))
}

/// Short lives, but for a share that lives for ever.
fn leaking(share: f64) -> Program {
    Box::new(move |world| {
        world.churn(MAIN, RATE, |random| {
            if random.chance(share) {
                FOREVER
            } else {
                random.exponential(2.0)
            }
        });
    })
}

fn heavy_tail(share: f64) -> Program {
    Box::new(move |world| {
        world.churn(MAIN, RATE, |random| {
            if random.chance(share) {
                FOREVER
            } else {
                random.pareto(0.5, 1.0)
            }
        });
    })
}

/// Holds what comes in so much of the window, and replaces the least recently used from then on.
fn cache(full_at: f64, hits: usize, share: f64) -> Program {
    let capacity = RATE * WINDOW * full_at;
    Box::new(move |world: &mut World| {
        let leaked = world.random.poisson(RATE * share);
        for _ in 0..leaked {
            // Nothing evicts it: of the same origin, but dying at an age that never comes.
            world.make(MAIN, f64::MAX);
        }
        world.churn(MAIN, RATE, |_| FOREVER);
        world.look_up(hits);
        world.evict(MAIN, crate::leak_exam::world::whole(capacity));
    })
}

fn tide(share: f64) -> Program {
    Box::new(move |world| {
        let rate = RATE * (1.0 + 0.8 * (TAU * world.now / WINDOW).sin());
        world.churn(MAIN, rate, |random| {
            if random.chance(share) {
                FOREVER
            } else {
                random.exponential(3.0)
            }
        });
    })
}

/// All that is held is let go every 15 intervals.
fn sawtooth(share: f64) -> Program {
    Box::new(move |world| {
        let flush = (world.now / 15.0).ceil() * 15.0;
        for _ in 0..world.random.poisson(RATE) {
            let leaks = world.random.chance(share);
            let born = world.now - world.random.unit();
            world.make_at(MAIN, born, if leaks { FOREVER } else { flush - born });
        }
    })
}

/// First come, first served, by a server that is busy for 98 % of the time.
fn queue() -> Program {
    let mut free_at = 0.0_f64;
    Box::new(move |world| {
        let mut arrivals: Vec<f64> = Vec::new();
        for _ in 0..world.random.poisson(RATE) {
            arrivals.push(world.now - world.random.unit());
        }
        arrivals.sort_by(f64::total_cmp);
        for born in arrivals {
            free_at = free_at.max(born) + world.random.exponential(0.98 / RATE);
            world.make_at(MAIN, born, free_at - born);
        }
    })
}

fn step() -> Program {
    Box::new(|world| {
        let rate = if world.now < WINDOW / 2.0 {
            RATE
        } else {
            2.0 * RATE
        };
        world.churn(MAIN, rate, |random| random.exponential(3.0));
    })
}

fn start() -> Program {
    Box::new(|world| {
        if world.now < 3.0 {
            world.churn(MAIN, 10.0 * RATE, |_| FOREVER);
        }
        world.churn(MAIN, RATE, |random| random.exponential(2.0));
    })
}

/// Ten at once, in one of 20 intervals.
fn bursts() -> Program {
    Box::new(|world| {
        if world.random.chance(0.05) {
            world.churn(MAIN, 10.0, |_| FOREVER);
        }
        world.churn(MAIN, RATE, |random| random.exponential(2.0));
    })
}
