//! Threads that start, record, fail, panic and end while others read and switch: counts stay exact.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::thread;

use khive_perf::testing::capture;
use khive_perf::{Config, Context, Snapshot, configure, measure, snapshot};
use khive_perf_smoke::{Polls, poll, rounds};

/// Does what its number says; so that what came of many calls can be told by their number.
#[measure(err)]
fn work(number: u64) -> Result<u64, u64> {
    match number % 8 {
        3 => Err(number),
        5 => resume_unwind(Box::new("a panic of which nothing is printed")),
        6 => Ok(inside(number) + inside(number)),
        _ => Ok(number),
    }
}

#[measure]
fn inside(number: u64) -> u64 {
    if number.is_multiple_of(16) {
        number
    } else {
        recursive(2)
    }
}

#[measure]
fn recursive(levels: u64) -> u64 {
    if levels == 0 {
        0
    } else {
        1 + recursive(levels - 1)
    }
}

#[measure]
async fn across_threads(polls: u32) {
    Polls(polls).await;
}

/// Work of one number, and what it comes to.
fn work_through(numbers: u64) {
    for number in 0..numbers {
        let _ = catch_unwind(AssertUnwindSafe(|| work(number)));
    }
}

fn calls(snapshot: &Snapshot, name: &str) -> u64 {
    snapshot.callsite(name).map_or(0, |stats| stats.calls())
}

/// Reads until it is done, and finds no count to fall; how often it read.
fn read_meanwhile(done: &AtomicBool) -> u64 {
    let mut reads = 0;
    let mut seen = [0; 3];
    // An interpreter takes longer to read than others to be done.
    while !done.load(Ordering::Acquire) && reads < rounds(u64::MAX >> 32, 3) || reads == 0 {
        let taken = snapshot();
        let now = ["work", "inside", "recursive"].map(|name| calls(&taken, name));
        for (now, seen) in now.iter().zip(&mut seen) {
            assert!(
                now >= seen,
                "{now} calls, of which {seen} were there before"
            );
            *seen = *now;
        }
        reads += 1;
        thread::yield_now();
    }
    reads
}

/// One test, because the process's counts are looked at.
#[test]
fn counts_are_exact_while_threads_come_and_go_and_readers_read() {
    let numbers = 8 * rounds(2_000, 4);
    let generations = rounds(12, 1);
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let readers = [(); 2].map(|()| scope.spawn(|| read_meanwhile(&done)));
        for _ in 0..generations {
            let threads = [1, 2, 4].map(|part| {
                thread::spawn(move || {
                    work_through(numbers / part);
                    // It ends by a panic, in the middle of a call.
                    let _ = work(5);
                })
            });
            for thread in threads {
                assert!(thread.join().is_err());
            }
        }
        done.store(true, Ordering::Release);
        for reader in readers {
            assert!(reader.join().expect("counts do not fall") > 0);
        }
    });
    let eighths = generations * (numbers / 8 + numbers / 16 + numbers / 32);
    let taken = snapshot();
    let stats = taken.callsite("work").expect("it was called");
    let outcomes = (stats.ok(), stats.errors(), stats.panics());
    let ends = 3 * generations;
    assert_eq!(outcomes, (6 * eighths, eighths, eighths + ends));
    assert_eq!((stats.calls(), stats.in_flight()), (8 * eighths + ends, 0));
    assert_eq!(calls(&taken, "inside"), 2 * eighths);
    // Every number that leaves 6 is odd when halved, so that none is a multiple of 16.
    assert_eq!(calls(&taken, "recursive"), 2 * eighths * 3);

    futures_are_followed_across_threads();
    what_is_switched_off_is_not_counted();
}

fn futures_are_followed_across_threads() {
    let futures = rounds(1_000, 3);
    let (send, receive) = channel();
    thread::scope(|scope| {
        scope.spawn(move || {
            for number in 0..futures {
                let mut future = Box::pin(across_threads(2));
                assert!(poll(future.as_mut()).is_pending());
                if number % 3 == 0 {
                    drop(future);
                } else {
                    send.send(future).expect("it is received");
                }
            }
        });
        for mut future in receive {
            while poll(future.as_mut()).is_pending() {}
        }
    });
    let taken = snapshot();
    let stats = taken.callsite("across_threads").expect("it was called");
    let cancelled = futures.div_ceil(3);
    assert_eq!(
        (stats.ok(), stats.cancelled(), stats.in_flight()),
        (futures - cancelled, cancelled, 0)
    );
    let polls = 3 * (futures - cancelled) + cancelled;
    assert_eq!(stats.polls(), polls, "a drop is no poll");
}

fn what_is_switched_off_is_not_counted() {
    let before = snapshot();
    configure(Config::default().switch_off("record::inside")).expect("a pattern");
    thread::spawn(|| work_through(8))
        .join()
        .expect("it catches");
    configure(Config::default()).expect("the default");
    thread::spawn(|| work_through(8))
        .join()
        .expect("it catches");
    let since = snapshot().since(&before);
    assert_eq!((calls(&since, "work"), calls(&since, "inside")), (16, 2));
}

/// Captures see their own calls, and those of threads that are in their context, and no others.
#[test]
fn captures_are_apart() {
    #[measure]
    fn captured() {}
    let threads: Vec<_> = (1..=3)
        .map(|number| {
            thread::spawn(move || {
                for _ in 0..rounds(200, 1) {
                    let ((), seen) = capture(|| {
                        (0..number).for_each(|_| captured());
                        let context = Context::current();
                        let other = thread::spawn(move || context.scope(captured));
                        other.join().expect("it does not panic");
                    });
                    assert_eq!(calls(&seen, "captured"), number + 1);
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().expect("each sees its own");
    }
}
