//! Models of whose turn it is to be timed: `khive-perf/src/recorder/turn.rs`.

use loom::sync::Arc;
use loom::thread;

use crate::check;
use crate::turn::{Next, Turn};

/// Goes through a call, as the recorder does; whether it was timed, or the path looked at.
fn call(turn: &Turn) -> Next {
    if turn.leave_untimed() {
        return Next::Untimed;
    }
    let next = turn.next();
    match next {
        Next::Untimed => turn.count(),
        Next::Timed => turn.wait_for(2),
        Next::Woken => {
            turn.wait_for(2);
            turn.count();
        }
    }
    next
}

/// Calls that are not timed are counted exactly, while readers wake their owner at any moment.
#[test]
fn readers_that_wake_the_owner_lose_no_call() {
    check(3, || {
        let turn = Arc::new(Turn::new());
        turn.wait_for(2);
        let reader = {
            let turn = Arc::clone(&turn);
            thread::spawn(move || {
                turn.wake();
                turn.wake();
            })
        };
        let timed = (0..4).filter(|_| call(&turn) == Next::Timed).count();
        reader.join().expect("no model panics");
        assert_eq!(turn.untimed() + timed as u64, 4);
    });
}

/// A path that is waited upon is looked at, once the reader that woke its owner is done: at the next call, if that is not
/// the turn of one anyway.
#[test]
fn an_owner_that_is_woken_looks_once() {
    check(3, || {
        let turn = Arc::new(Turn::new());
        turn.wait_for(1_000);
        let reader = {
            let turn = Arc::clone(&turn);
            thread::spawn(move || turn.wake())
        };
        let early = (0..2).filter(|_| call(&turn) == Next::Woken).count();
        reader.join().expect("no model panics");
        let late = (0..2).filter(|_| call(&turn) == Next::Woken).count();
        assert_eq!(early + late, 1);
    });
}

/// No reader makes it the turn of a call: what is timed because somebody looks would be timed too often.
#[test]
fn a_reader_makes_it_nobodys_turn() {
    check(3, || {
        let turn = Arc::new(Turn::new());
        // Nothing was left untimed so far.
        turn.wait_for(5);
        let reader = {
            let turn = Arc::clone(&turn);
            thread::spawn(move || turn.wake())
        };
        assert_ne!(turn.next(), Next::Timed);
        reader.join().expect("no model panics");
        assert_eq!(turn.next(), Next::Woken);
    });
}
