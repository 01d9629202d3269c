//! Models of the record that waits: `khive-perf/src/recorder/waiting.rs`.

use loom::sync::Arc;
use loom::thread::{self, JoinHandle};

use crate::check;
use crate::sync::OwnedU64;
use crate::waiting::{Record, Waiting};

/// Stands for a node: what calls are folded into.
struct Node {
    waiting: Waiting<u8>,
    calls: OwnedU64,
    ticks: OwnedU64,
}

const NONE: *mut u8 = std::ptr::null_mut();

/// What a call is recorded at, tagged with how it ended.
const fn at(tag: usize) -> *const u8 {
    std::ptr::without_provenance(64 | tag)
}

impl Node {
    fn new() -> Self {
        Self {
            waiting: Waiting::new(NONE),
            calls: OwnedU64::new(0),
            ticks: OwnedU64::new(0),
        }
    }

    fn fold(&self, at: *const u8, ticks: u64, weight: u64) {
        if !at.is_null() {
            self.calls.add(weight);
            self.ticks.add(ticks);
        }
        self.waiting.folded();
    }

    fn end_call(&self, ticks: u64) {
        let (at, ticks) = self.waiting.replace(at(0), ticks);
        self.fold(at, ticks, 1);
    }

    fn end_weighted_call(&self, ticks: u64, weight: u64) {
        let before = self.waiting.replace_weighted(at(0), ticks, weight);
        self.fold(before.at, before.ticks, before.weight);
    }

    fn read<R>(&self, read: impl Fn(&Self, Option<&Record<u8>>) -> R) -> R {
        let copied = self.waiting.copy().expect("the owner goes on");
        let is_call = !copied.record.at.is_null();
        self.waiting
            .read_with(&copied, |record| read(self, record.filter(|_| is_call)))
    }

    fn count(&self) -> u64 {
        self.read(|node, waits| node.calls.read() + u64::from(waits.is_some()))
    }
}

/// Starts the thread that owns the node from now on.
fn own(node: &Arc<Node>, does: impl Fn(&Node) + Send + 'static) -> JoinHandle<()> {
    let node = Arc::clone(node);
    thread::spawn(move || does(&node))
}

/// A call is counted once: a reader sees a number of calls that there were between the beginning and the end of its
/// reading, and none fewer than it saw before.
#[test]
fn a_call_is_neither_missed_nor_counted_twice() {
    check(3, || {
        let node = Arc::new(Node::new());
        node.end_call(1);
        let owner = own(&node, |node| {
            node.end_call(2);
            node.end_call(4);
        });
        let (first, second) = (node.count(), node.count());
        assert!(
            (1..=3).contains(&first) && (first..=3).contains(&second),
            "{first}, {second}"
        );
        owner.join().expect("no model panics");
        assert_eq!(node.count(), 3);
    });
}

/// What was recorded of calls is that of the calls that were counted: the sum is one that there was.
#[test]
fn the_time_of_a_call_is_neither_missed_nor_counted_twice() {
    check(3, || {
        let node = Arc::new(Node::new());
        node.end_call(1);
        let owner = own(&node, |node| {
            node.end_call(2);
            node.end_call(4);
        });
        let sum =
            node.read(|node, waits| node.ticks.read() + waits.map_or(0, |record| record.ticks));
        assert!([1, 3, 7].contains(&sum), "{sum}");
        owner.join().expect("no model panics");
    });
}

/// A record is read whole: its time and its weight are those of one call.
#[test]
fn time_and_weight_are_those_of_one_call() {
    check(3, || {
        let node = Arc::new(Node::new());
        node.end_weighted_call(10, 100);
        let owner = own(&node, |node| node.end_weighted_call(20, 200));
        let copied = node.waiting.copy().expect("the owner goes on");
        assert_eq!(copied.record.weight, copied.record.ticks * 10);
        owner.join().expect("no model panics");
        assert_eq!(node.calls.read(), 100);
    });
}

/// A call of which it is said afterwards that it panicked is counted all the while.
#[test]
fn a_call_that_is_corrected_is_not_missed() {
    check(3, || {
        let node = Arc::new(Node::new());
        node.end_call(1);
        let owner = own(&node, |node| node.waiting.correct(|_| at(2)));
        assert_eq!(node.count(), 1);
        owner.join().expect("no model panics");
        let (said, _) = node.waiting.replace(at(0), 2);
        assert_eq!(said, at(2));
    });
}
