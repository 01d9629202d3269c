//! Families of few blocks that grow, and of many origins at once.

use crate::leak_exam::shape::Expected::{Healthy, Leaking, Undecided};
use crate::leak_exam::shape::{MAIN, Program, Shape};
use crate::leak_exam::world::{FOREVER, World, whole};

pub(super) const SHAPES: &[Shape] = &[
    Shape::new("buffer that fits the largest so far", Healthy, ratchet)
        .for_censuses(240)
        .held_out(),
    Shape::new("table that doubles, then is full", Healthy, |world| {
        doubling(world, Some(20.0))
    })
    .held_out(),
    Shape::new("one block grows, 120 censuses", Undecided, |world| {
        doubling(world, None)
    }),
    Shape::new("one block grows, 480 censuses", Leaking, |world| {
        doubling(world, None)
    })
    .for_censuses(480),
    Shape::new("1 of 30 parts leaks 5 %", Leaking, |_| parts(0.05))
        .for_censuses(240)
        .held_out(),
    Shape::new("30 parts, none leaks", Healthy, |_| parts(0.0))
        .for_censuses(240)
        .held_out(),
];

/// Makes one block if there is none, and sets its size.
fn resize(world: &mut World, size: usize) {
    if world.blocks.is_empty() {
        world.make(MAIN, FOREVER);
    }
    if let Some(block) = world.blocks.first_mut() {
        block.size = size;
    }
}

/// Sizes of messages are heavy-tailed, but there is a largest.
fn ratchet(world: &mut World) -> Program {
    let alpha = world.random.between(0.8, 2.0);
    // About as large as the largest of 30 intervals, or less.
    let most = 600.0_f64.powf(1.0 / alpha) * world.random.between(0.3, 1.0);
    let mut largest = 0.0_f64;
    Box::new(move |world| {
        for _ in 0..20 {
            largest = largest.max(world.random.pareto(1.0, alpha).min(most));
        }
        resize(world, whole(largest * 1_024.0));
    })
}

/// What is pushed doubles the capacity whenever it is full; up to a time.
fn doubling(world: &mut World, until: Option<f64>) -> Program {
    let rate = world.random.between(5.0, 200.0);
    let mut held = 0.0;
    Box::new(move |world| {
        if until.is_none_or(|until| world.now <= until) {
            held += rate * world.random.between(0.5, 1.5);
        }
        resize(world, whole(held).next_power_of_two() * 64);
    })
}

/// Parts with lives of all lengths, one of which may leak.
fn parts(share: f64) -> Program {
    Box::new(move |world| {
        for part in 0..30_u32 {
            let (origin, mean) = (MAIN + u64::from(part), 0.5 + f64::from(part) * 0.4);
            world.churn(origin, 12.0, |random| {
                if origin == MAIN && random.chance(share) {
                    FOREVER
                } else {
                    random.exponential(mean)
                }
            });
        }
    })
}
