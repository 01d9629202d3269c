//! Callsites called at random, so many that neither they nor what they record fit a cache near the processor.

use std::hint::black_box;
use std::sync::OnceLock;

use khive_perf::__private::{Callsite, Spec};
use khive_perf_benches::{Bench, base, case, clock, floor};

/// As many as there are numbers for.
const CALLSITES: u32 = 16_384;
const CALLS: u32 = 100_000;
const ROUNDS: usize = 51;

/// Callsites as macros make them, each on a line of its own. They are statics in a program; here they are made
/// once and never freed, for 16,384 functions take a minute to compile.
pub(crate) fn callsites() -> &'static [Callsite] {
    static ALL: OnceLock<&'static [Callsite]> = OnceLock::new();
    let make = |line| {
        let spec = Spec::FUNCTION.name("one of many").place(file!(), line);
        Callsite::new(Box::leak(Box::new(spec)))
    };
    ALL.get_or_init(|| Box::leak((0..CALLSITES).map(make).collect()))
}

/// Numbers below `count` in no order, the same in every run; without end.
fn at_random(count: u32) -> impl FnMut() -> usize + 'static {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut draw = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let order: Vec<u32> = (0..1 << 16)
        .map(|_| u32::try_from(draw() % u64::from(count)).unwrap_or_default())
        .collect();
    let mut at = 0;
    move || {
        at = (at + 1) % order.len();
        order[at] as usize
    }
}

#[inline(never)]
fn plain(callsite: &'static Callsite) {
    black_box(callsite);
}

#[inline(never)]
fn clock_pair(callsite: &'static Callsite) {
    clock::pair(|| black_box(callsite));
}

#[inline(never)]
fn entered(callsite: &'static Callsite) {
    enum Entered {}
    let _span = callsite.enter::<Entered>();
    black_box(callsite);
}

pub(crate) fn run(bench: &Bench) {
    let title = "16,384 callsites at random";
    if !bench.wants(title) {
        return;
    }
    let all = callsites();
    let one_of = |f: fn(&'static Callsite)| {
        let mut next = at_random(CALLSITES);
        move || f(&all[next()])
    };
    all.iter().for_each(entered);
    bench.compare_for(
        title,
        ROUNDS,
        CALLS,
        vec![
            base(one_of(plain)),
            floor(one_of(clock_pair)),
            case("measure", one_of(entered)),
        ],
    );
}
