//! Models of callsites that register: `khive-perf/src/callsite/number.rs`.

use loom::sync::{Arc, Mutex};
use loom::thread;

use crate::check;
use crate::number::{NO_ID, Number, OFF_ID};
use crate::sync::lock;

/// Stands for the table of series: how many rows it has, and whether callsites are to record.
struct Table {
    rows: u32,
    on: bool,
}

struct Shared {
    number: Number,
    table: Mutex<Table>,
}

impl Shared {
    fn new() -> Arc<Self> {
        let table = Mutex::new(Table { rows: 1, on: true });
        let number = Number::none();
        Arc::new(Self { number, table })
    }

    fn register(&self) -> u32 {
        self.number.assign(&self.table, |table| {
            table.rows += 1;
            (table.rows - 1, table.on)
        })
    }
}

/// A callsite that several threads call for the first time at once gets one row of the table, and one number.
#[test]
fn a_callsite_is_registered_once() {
    check(3, || {
        let shared = Shared::new();
        let threads = [(); 2].map(|()| {
            let shared = Arc::clone(&shared);
            thread::spawn(move || shared.register())
        });
        let id = shared.number.id();
        assert!([NO_ID, 1].contains(&id), "{id}");
        for thread in threads {
            assert_eq!(thread.join().expect("no model panics"), 1);
        }
        assert_eq!(lock(&shared.table).rows, 2);
        assert_eq!(shared.number.id(), 1);
    });
}

/// A callsite that registers while everything is switched off ends up off, whoever comes first.
#[test]
fn a_switch_is_not_overtaken_by_a_registration() {
    check(3, || {
        let shared = Shared::new();
        let switch = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                let mut table = lock(&shared.table);
                table.on = false;
                if table.rows > 1 {
                    shared.number.switch(false);
                }
            })
        };
        assert_eq!(shared.register(), 1);
        switch.join().expect("no model panics");
        assert_eq!(shared.number.id(), OFF_ID);
        assert_eq!(shared.number.assigned(), Some(1));
    });
}
