//! Threads that wait for their turn, so that a case can run on several at once.

use std::hint::black_box;
use std::rc::Rc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Barrier};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::clock::thread_time;
use crate::row::{Case, Role, timed};

/// Threads that live as long as their cases: what they record is theirs from the first round to the last.
#[derive(Debug)]
struct Crew<R> {
    orders: Vec<Sender<Order<R>>>,
    times: Receiver<Duration>,
    threads: Vec<JoinHandle<()>>,
}

/// What is to be called, and how often.
type Order<R> = (fn() -> R, u32);

impl<R: 'static> Crew<R> {
    fn new(count: usize) -> Self {
        let (done, times) = channel();
        let together = Arc::new(Barrier::new(count));
        let (orders, threads) = (0..count)
            .map(|_| {
                let (order, ordered) = channel();
                let (done, together) = (done.clone(), Arc::clone(&together));
                let thread = thread::spawn(move || work(&ordered, &done, &together));
                (order, thread)
            })
            .unzip();
        Self {
            orders,
            times,
            threads,
        }
    }

    /// Has every thread call so often; the mean of the processor time that they took.
    fn run(&self, f: fn() -> R, calls: u32) -> Duration {
        let sent = self
            .orders
            .iter()
            .filter(|order| order.send((f, calls)).is_ok());
        let sent = u32::try_from(sent.count()).unwrap_or(u32::MAX);
        let times = self.times.iter().take(sent as usize);
        times.sum::<Duration>() / sent.max(1)
    }
}

fn work<R>(ordered: &Receiver<Order<R>>, done: &Sender<Duration>, together: &Barrier) {
    for (f, calls) in ordered {
        together.wait();
        let start = thread_time();
        for _ in 0..calls {
            black_box(f());
        }
        let time = thread_time().saturating_sub(start);
        if done.send(time).is_err() {
            return;
        }
    }
}

impl<R> Drop for Crew<R> {
    fn drop(&mut self) {
        self.orders.clear();
        for thread in self.threads.drain(..) {
            // One that panicked has said so.
            let _ = thread.join();
        }
    }
}

/// A case that calls `f` on several threads at once; what is told is the processor time of one call on one of them.
pub fn case_on<R: 'static>(count: usize, name: &str, role: Role, f: fn() -> R) -> Case {
    let crew = Crew::new(count);
    timed(name, role, move |calls| crew.run(f, calls))
}

/// Two such cases that have the same threads: what a thread has of its own, as memory that it freed, is the same for both.
pub fn pair_on<R: 'static>(count: usize, base: fn() -> R, name: &str, f: fn() -> R) -> [Case; 2] {
    let crew = Rc::new(Crew::new(count));
    let of_both = Rc::clone(&crew);
    [
        timed("plain", Role::Base, move |calls| of_both.run(base, calls)),
        timed(name, Role::Subject, move |calls| crew.run(f, calls)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    #[test]
    fn every_thread_makes_every_call() {
        static CALLS: AtomicU32 = AtomicU32::new(0);
        let crew = Crew::new(3);
        crew.run(|| CALLS.fetch_add(1, Ordering::Relaxed), 10);
        crew.run(|| CALLS.fetch_add(1, Ordering::Relaxed), 5);
        assert_eq!(CALLS.load(Ordering::Relaxed), 45);
    }
}
