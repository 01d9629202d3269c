//! Threads that wait for their turn, so that a case can run on several at once.

use std::hint::black_box;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Barrier};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::clock::thread_time;
use crate::row::{Case, Role, timed};

/// Threads that live as long as their case: what they record is theirs from the first round to the last.
#[derive(Debug)]
struct Crew {
    orders: Vec<Sender<u32>>,
    times: Receiver<Duration>,
    threads: Vec<JoinHandle<()>>,
}

impl Crew {
    fn new<R: 'static>(count: usize, f: fn() -> R) -> Self {
        let (done, times) = channel();
        let together = Arc::new(Barrier::new(count));
        let (orders, threads) = (0..count)
            .map(|_| {
                let (order, ordered) = channel();
                let (done, together) = (done.clone(), Arc::clone(&together));
                let thread = thread::spawn(move || work(&ordered, &done, &together, f));
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
    fn run(&self, calls: u32) -> Duration {
        let sent = self.orders.iter().filter(|order| order.send(calls).is_ok());
        let sent = u32::try_from(sent.count()).unwrap_or(u32::MAX);
        let times = self.times.iter().take(sent as usize);
        times.sum::<Duration>() / sent.max(1)
    }
}

fn work<R>(ordered: &Receiver<u32>, done: &Sender<Duration>, together: &Barrier, f: fn() -> R) {
    for calls in ordered {
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

impl Drop for Crew {
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
    let crew = Crew::new(count, f);
    timed(name, role, move |calls| crew.run(calls))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    #[test]
    fn every_thread_makes_every_call() {
        static CALLS: AtomicU32 = AtomicU32::new(0);
        let crew = Crew::new(3, || CALLS.fetch_add(1, Ordering::Relaxed));
        crew.run(10);
        crew.run(5);
        assert_eq!(CALLS.load(Ordering::Relaxed), 45);
    }
}
