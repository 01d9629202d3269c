//! Models of parts that are made when they are needed: `khive-perf/src/recorder/part.rs`.

use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::thread;

use crate::check;
use crate::part::Part;
use crate::sync::OwnedU64;

/// Stands for an octave of a histogram: something that is written before it is shared, and counts.
struct Octave {
    made: UnsafeCell<u64>,
    count: OwnedU64,
}

// SAFETY: `made` is written before the octave is shared, which is what the models are about; loom would notice.
unsafe impl Sync for Octave {}

/// A histogram in small: octaves, and a bit for each that was made.
struct Histogram {
    used: OwnedU64,
    octaves: [Part<Octave>; 2],
}

impl Histogram {
    fn record(&self, at: usize) {
        let octave = self.octaves[at].owned().unwrap_or_else(|| {
            let octave = self.octaves[at].make(Octave {
                made: UnsafeCell::new(7),
                count: OwnedU64::new(0),
            });
            self.used.add_release(1 << at);
            octave
        });
        octave.count.add(1);
    }

    fn count(&self) -> u64 {
        let used = self.used.read_acquire();
        let seen = (0..2).filter(|at| used & 1 << at != 0);
        seen.map(|at| {
            let octave = self.octaves[at]
                .read()
                .expect("whoever sees the bit sees the part");
            // SAFETY: nobody writes any more.
            assert_eq!(octave.made.with(|made| unsafe { *made }), 7);
            octave.count.read()
        })
        .sum()
    }
}

/// A part that nothing but itself says to be there is whole for whoever sees it.
#[test]
fn a_part_that_is_there_is_whole() {
    check(3, || {
        let part = Arc::new(Part::new());
        let owner = {
            let part = Arc::clone(&part);
            thread::spawn(move || {
                part.make(Octave {
                    made: UnsafeCell::new(7),
                    count: OwnedU64::new(0),
                });
            })
        };
        if let Some(octave) = part.read() {
            // SAFETY: nobody writes any more.
            assert_eq!(octave.made.with(|made| unsafe { *made }), 7);
        }
        owner.join().expect("no model panics");
        assert!(part.read().is_some());
    });
}

/// A reader that sees a part sees it whole, and its counts only grow.
#[test]
fn a_part_is_seen_whole_or_not_at_all() {
    check(3, || {
        let histogram = Arc::new(Histogram {
            used: OwnedU64::new(0),
            octaves: [Part::new(), Part::new()],
        });
        let owner = {
            let histogram = Arc::clone(&histogram);
            thread::spawn(move || {
                histogram.record(0);
                histogram.record(1);
                histogram.record(0);
            })
        };
        let (first, second) = (histogram.count(), histogram.count());
        assert!(first <= second && second <= 3, "{first}, {second}");
        owner.join().expect("no model panics");
        assert_eq!(histogram.count(), 3);
    });
}
