//! Families that nothing was chosen with or changed after: the evidence of the detector as it is.

use crate::leak_exam::shape::Expected::{Healthy, Leaking};
use crate::leak_exam::shape::{MAIN, Program, Shape};
use crate::leak_exam::world::{FOREVER, World, whole};

pub(super) const SHAPES: &[Shape] = &[
    Shape::new("lives of a few steps each", Healthy, |world| {
        steps(world, 0.0)
    })
    .fresh(),
    Shape::new("consumer that stops now and then", Healthy, |world| {
        outages(world, 0.0)
    })
    .fresh(),
    Shape::new("nightly job on top of requests", Healthy, |world| {
        nightly(world, 0.0)
    })
    .fresh(),
    Shape::new("leases that are renewed", Healthy, |world| {
        leases(world, 0.0)
    })
    .fresh(),
    Shape::new("cache in two segments", Healthy, segments).fresh(),
    Shape::new("deploys that replace all", Healthy, deploys).fresh(),
    Shape::new("pool that doubles under load", Healthy, workers).fresh(),
    Shape::new("4 % of steps never end", Leaking, |world| {
        steps(world, 0.04)
    })
    .for_censuses(480)
    .fresh(),
    Shape::new("2 % not consumed", Leaking, |world| outages(world, 0.02))
        .for_censuses(480)
        .fresh(),
    Shape::new("3 % of a nightly job", Leaking, |world| {
        nightly(world, 0.03)
    })
    .for_censuses(720)
    .fresh(),
    Shape::new("3 % of leases not ended", Leaking, |world| {
        leases(world, 0.03)
    })
    .for_censuses(480)
    .fresh(),
    Shape::new("five listeners per reconnect", Leaking, listeners)
        .for_censuses(480)
        .fresh(),
    Shape::new("leak on the way of errors", Leaking, errors)
        .for_censuses(480)
        .fresh(),
    Shape::new("leak that grows with the load", Leaking, rising)
        .for_censuses(480)
        .fresh(),
];

/// A life is a sum of steps: it has no short end and no long tail.
fn steps(world: &mut World, share: f64) -> Program {
    let (count, mean) = (
        whole(world.random.between(2.0, 6.0)),
        world.random.between(0.5, 3.0),
    );
    let rate = world.random.between(10.0, 40.0);
    Box::new(move |world| {
        world.churn(MAIN, rate, |random| {
            if share > 0.0 && random.chance(share) {
                FOREVER
            } else {
                (0..count).map(|_| random.exponential(mean)).sum()
            }
        });
    })
}

/// A queue whose consumer is away for some intervals, and then takes all at once.
fn outages(world: &mut World, share: f64) -> Program {
    let (every, away) = (
        world.random.between(15.0, 30.0),
        world.random.between(2.0, 8.0),
    );
    let rate = world.random.between(10.0, 40.0);
    Box::new(move |world| {
        let back = (world.now / every).floor() * every + away;
        for _ in 0..world.random.poisson(rate) {
            let born = world.now - world.random.unit();
            let waits = if born < back { back - born } else { 0.0 };
            let lives = waits + world.random.exponential(0.2);
            let lost = share > 0.0 && world.random.chance(share);
            world.make_at(MAIN, born, if lost { FOREVER } else { lives });
        }
    })
}

fn nightly(world: &mut World, share: f64) -> Program {
    let (every, size) = (
        world.random.between(30.0, 50.0).floor(),
        world.random.between(50.0, 300.0),
    );
    Box::new(move |world| {
        world.churn(MAIN, 20.0, |random| random.exponential(0.7));
        if world.now % every == 0.0 {
            for _ in 0..whole(size) {
                let lost = share > 0.0 && world.random.chance(share);
                let lives = world.random.between(1.0, 12.0);
                world.make(MAIN, if lost { FOREVER } else { lives });
            }
        }
    })
}

/// Each is renewed with a chance at each term's end.
fn leases(world: &mut World, share: f64) -> Program {
    let (term, renewed) = (
        world.random.between(2.0, 8.0),
        world.random.between(0.2, 0.6),
    );
    Box::new(move |world| {
        world.churn(MAIN, 25.0, |random| {
            if share > 0.0 && random.chance(share) {
                return FOREVER;
            }
            let mut lives = term;
            while random.chance(renewed) {
                lives += term;
            }
            lives
        });
    })
}

/// What is hit once moves to the longer segment; both are first in, first out.
fn segments(world: &mut World) -> Program {
    let (short, long) = (
        world.random.between(3.0, 10.0),
        world.random.between(15.0, 30.0),
    );
    let hit = world.random.between(0.1, 0.5);
    Box::new(move |world| {
        world.churn(
            MAIN,
            20.0,
            |random| if random.chance(hit) { long } else { short },
        );
    })
}

/// The configuration and all that hangs on it is built anew now and then.
fn deploys(world: &mut World) -> Program {
    let (size, mean) = (
        world.random.between(50.0, 200.0),
        world.random.between(10.0, 20.0),
    );
    let mut next = 0.0;
    Box::new(move |world| {
        if world.now >= next {
            let lives = world.random.exponential(mean).clamp(3.0, 30.0);
            next = world.now + lives;
            for _ in 0..whole(size) {
                world.make(MAIN, next - world.now + 1.0);
            }
        }
        world.churn(MAIN, 20.0, |random| random.exponential(1.0));
    })
}

/// Workers are added while there is much to do, and stay.
fn workers(world: &mut World) -> Program {
    let mut count = 8.0;
    let peak = world.random.between(20.0, 60.0);
    Box::new(move |world| {
        let load = peak * (1.0 - (-world.now / 15.0).exp());
        while count < load {
            for _ in 0..whole(count) {
                world.make(MAIN, FOREVER);
            }
            count *= 2.0;
        }
        world.churn(MAIN, 20.0, |random| random.exponential(1.5));
    })
}

fn listeners(world: &mut World) -> Program {
    let mean = world.random.between(5.0, 12.0);
    let mut next = 0.0;
    Box::new(move |world| {
        if world.now >= next {
            next = world.now + world.random.exponential(mean);
            for _ in 0..5 {
                world.make(MAIN, FOREVER);
            }
        }
        world.churn(MAIN, 20.0, |random| random.exponential(1.5));
    })
}

/// One call in 50 fails, one in two while a dependency is down; what a failed call holds is not released in one of four.
fn errors(world: &mut World) -> Program {
    let mut down_until = 0.0;
    let mean = world.random.between(0.5, 4.0);
    Box::new(move |world| {
        if world.random.chance(0.03) {
            down_until = world.now + world.random.between(1.0, 4.0);
        }
        let fails = if world.now < down_until { 0.5 } else { 0.02 };
        world.churn(MAIN, 25.0, |random| {
            if random.chance(fails) && random.chance(0.25) {
                FOREVER
            } else {
                random.exponential(mean)
            }
        });
    })
}

fn rising(world: &mut World) -> Program {
    let doubles = world.random.between(80.0, 200.0);
    Box::new(move |world| {
        let rate = 15.0 * 2.0_f64.powf(world.now / doubles).min(6.0);
        world.churn(MAIN, rate, |random| {
            if random.chance(0.02) {
                FOREVER
            } else {
                random.exponential(1.0)
            }
        });
    })
}
