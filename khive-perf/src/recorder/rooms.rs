//! Rooms: memory for values that stay where they are, many in a row.
//!
//! A thread may record in thousands of places, and calls go from any of them to any other. What is looked at of each lies on
//! as few pages as can be, so that the processor knows where they are.

use std::mem::MaybeUninit;
use std::ptr;

/// Rooms of the longest row. Rows are an eighth of all before them, so that few rooms are ever empty.
const ROW_MAX: usize = 64;
const SHARE: usize = 8;

/// Values by the rows that they are in. Dropped as a whole.
pub(crate) struct Rooms<T> {
    /// All are full but the last.
    rows: Vec<*mut [MaybeUninit<T>]>,
    /// Rooms of the last row that are taken.
    taken: usize,
    /// Rooms of all rows before it.
    before: usize,
}

impl<T> Rooms<T> {
    pub(crate) const fn new() -> Self {
        Self {
            rows: Vec::new(),
            taken: 0,
            before: 0,
        }
    }

    /// Puts a value where it stays until all are dropped.
    pub(crate) fn put(&mut self, value: T) -> *mut T {
        let has_room = |row: &&*mut [MaybeUninit<T>]| row.len() > self.taken;
        let row = self.rows.last().filter(has_room).copied();
        let row = row.unwrap_or_else(|| self.new_row());
        // Rows have more rooms than are taken of them.
        let room = row.cast::<T>().wrapping_add(self.taken);
        // SAFETY: it is a room of the row, and nobody has it.
        unsafe { room.write(value) };
        self.taken += 1;
        room
    }

    fn new_row(&mut self) -> *mut [MaybeUninit<T>] {
        self.before += self.taken;
        self.taken = 0;
        let len = (self.before / SHARE).clamp(1, ROW_MAX);
        let row = Box::into_raw(Box::new_uninit_slice(len));
        self.rows.push(row);
        row
    }
}

impl<T> Drop for Rooms<T> {
    fn drop(&mut self) {
        let mut of_last = Some(self.taken);
        for row in self.rows.drain(..).rev() {
            let taken = of_last.take().unwrap_or(row.len());
            let values = ptr::slice_from_raw_parts_mut(row.cast::<T>(), taken);
            // SAFETY: so many rooms of the row were written, and nobody drops them but here.
            unsafe { values.drop_in_place() };
            // SAFETY: it came from `Box::into_raw`, and is given back once.
            drop(unsafe { Box::from_raw(row) });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::rc::Rc;

    #[test]
    fn values_stay_where_they_are_and_are_dropped_once() {
        let value = Rc::new(7);
        let mut rooms = Rooms::new();
        let places: Vec<*mut Rc<i32>> = (0..1_000).map(|_| rooms.put(Rc::clone(&value))).collect();
        // SAFETY: the rooms are there.
        assert!(places.iter().all(|place| unsafe { **(*place) } == 7));
        assert_eq!(Rc::strong_count(&value), 1_001);
        let rooms_of_all: usize = rooms.rows.iter().map(|row| row.len()).sum();
        assert!(rooms_of_all <= 1_000 + ROW_MAX, "{rooms_of_all}");
        assert!(rooms.rows.len() < 100, "many are in a row");
        drop(rooms);
        assert_eq!(Rc::strong_count(&value), 1);
    }
}
