//! Functions that work while they are called.

use std::collections::HashMap;
use std::fmt::{self, Display};
use std::hash::BuildHasher;
use std::rc::Rc;
use std::sync::Mutex;

/// One expression.
#[cfg_attr(feature = "measured", khive_perf::measure)]
#[rustfmt::skip]
pub fn one_expression() -> u32 { 1 }

/// Nothing at all.
#[cfg_attr(feature = "measured", khive_perf::measure)]
pub fn nothing() {}

/// One statement.
#[cfg_attr(feature = "measured", khive_perf::measure)]
pub fn one_statement(list: &mut Vec<u8>) {
    list.push(1);
}

/// A result that is a unit.
///
/// # Errors
///
/// If there is no text.
#[cfg_attr(feature = "measured", khive_perf::measure)]
pub fn unit_result(text: &str) -> Result<(), fmt::Error> {
    if text.is_empty() {
        return Err(fmt::Error);
    }
    Ok(())
}

/// The same, looked at.
///
/// # Errors
///
/// If there is no text.
#[cfg_attr(feature = "measured", khive_perf::measure(err))]
pub fn unit_result_with_err(text: &str) -> Result<(), fmt::Error> {
    if text.is_empty() {
        return Err(fmt::Error);
    }
    Ok(())
}

/// A question mark at each step.
///
/// # Errors
///
/// If one of the words is not a number.
#[cfg_attr(feature = "measured", khive_perf::measure(err))]
pub fn question_marks(left: &str, right: &str) -> Result<u64, std::num::ParseIntError> {
    let left: u64 = left.parse()?;
    let right = right.trim().parse::<u64>()?;
    Ok(left.saturating_add(right))
}

/// Leaves loops with values.
#[cfg_attr(feature = "measured", khive_perf::measure(ok_if = |value| *value != 0))]
pub fn loops(mut limit: u32) -> u32 {
    let found = loop {
        limit = limit.saturating_sub(1);
        if limit == 7 {
            break limit;
        }
        if limit == 0 {
            return 0;
        }
    };
    let labelled = 'block: {
        if found > 3 {
            break 'block found;
        }
        1
    };
    for step in 0..labelled {
        if step == 3 {
            continue;
        }
        limit += step;
    }
    limit
}

/// A `return` where none is needed.
#[cfg_attr(feature = "measured", khive_perf::measure)]
pub fn needless_return(value: u8) -> u8 {
    return value;
}

/// Items in front of the statements, and behind.
#[cfg_attr(feature = "measured", khive_perf::measure)]
#[must_use]
pub fn items(value: usize) -> usize {
    const LIMIT: usize = 8;
    use std::cmp::min;
    fn twice(value: usize) -> usize {
        value * 2
    }
    min(twice(value), LIMIT)
}

/// The same, looked at.
#[cfg_attr(feature = "measured", khive_perf::measure(ok_if = Option::is_some))]
#[must_use]
pub fn items_with_ok_if(value: usize) -> Option<usize> {
    const LIMIT: usize = 8;
    (value < LIMIT).then_some(value)
}

/// Never comes back.
///
/// # Panics
///
/// Always.
#[cfg_attr(feature = "measured", khive_perf::measure)]
pub fn never(message: &str) -> ! {
    panic!("{message}");
}

/// Arguments of all kinds.
#[cfg_attr(feature = "measured", khive_perf::measure(ok_if = |sum| *sum > 0))]
#[must_use]
pub fn patterns(
    (left, mut right): (u32, u32),
    [first, ..]: [u32; 3],
    &third: &u32,
    _: String,
) -> u32 {
    right += 1;
    left + right + first + third
}

/// An argument without use, and one with an underscore that has a use.
#[cfg_attr(feature = "measured", khive_perf::measure(ok_if = |length| *length > 0))]
#[must_use]
pub fn underscores(_unused: String, _used: &str) -> usize {
    _used.len()
}

/// Takes by value what it only reads.
#[cfg_attr(feature = "measured", khive_perf::measure(ok_if = |length| *length > 0))]
#[must_use]
pub fn by_value(list: Vec<u8>, text: String) -> usize {
    list.len() + text.len()
}

/// Changes its arguments.
#[cfg_attr(feature = "measured", khive_perf::measure)]
pub fn mutable(mut text: String, count: &mut usize) -> String {
    *count += 1;
    text.push('!');
    text
}

/// The same, looked at.
#[cfg_attr(feature = "measured", khive_perf::measure(ok_if = |text| !text.is_empty()))]
pub fn mutable_with_ok_if(mut text: String, count: &mut usize) -> String {
    *count += 1;
    text.push('!');
    text
}

/// Generic in everything.
#[cfg_attr(feature = "measured", khive_perf::measure(ok_if = Option::is_some))]
#[must_use]
pub fn generic<'map, K, V, S, const N: usize>(
    map: &'map HashMap<K, V, S>,
    keys: &[K; N],
) -> Option<&'map V>
where
    K: std::hash::Hash + Eq,
    S: BuildHasher,
{
    keys.iter().find_map(|key| map.get(key))
}

/// Opaque in and out.
#[cfg_attr(feature = "measured", khive_perf::measure)]
pub fn opaque(values: impl IntoIterator<Item = u8>) -> impl Iterator<Item = u16> {
    values.into_iter().map(u16::from)
}

/// Lends from what it got.
#[cfg_attr(feature = "measured", khive_perf::measure(ok_if = Option::is_some))]
pub fn lends<'list>(list: &'list mut Vec<u8>, _other: &str) -> Option<&'list mut u8> {
    list.first_mut()
}

/// A trait object.
#[cfg_attr(feature = "measured", khive_perf::measure(ok_if = |shown| !shown.to_string().is_empty()))]
#[must_use]
pub fn dynamic(wide: bool) -> Box<dyn Display> {
    if wide {
        return Box::new(1_u64);
    }
    Box::new("narrow")
}

/// Says who called.
#[cfg_attr(feature = "measured", khive_perf::measure)]
#[track_caller]
#[must_use]
pub fn tracked(values: &[u8]) -> u8 {
    values.first().copied().unwrap_or_default()
}

/// Says who called, looked at.
#[cfg_attr(feature = "measured", khive_perf::measure(ok_if = |first| *first > 0))]
#[track_caller]
#[must_use]
pub fn tracked_with_ok_if(values: &[u8]) -> u8 {
    let Some(first) = values.first() else {
        return 0;
    };
    *first
}

/// Attributes of all kinds.
#[cfg_attr(feature = "measured", khive_perf::measure)]
#[inline]
#[cold]
#[must_use = "it is the answer"]
#[doc(alias = "answer")]
pub fn attributes() -> u8 {
    42
}

/// A function for C.
#[cfg_attr(feature = "measured", khive_perf::measure)]
pub extern "C" fn external(value: u8) -> u8 {
    value.wrapping_add(1)
}

/// Panics where it is told to.
///
/// # Panics
///
/// If there is nothing.
///
/// # Errors
///
/// Never.
#[cfg_attr(feature = "measured", khive_perf::measure(err))]
pub fn panics(values: &[u8]) -> Result<u8, fmt::Error> {
    let first = values.first().expect("there is something");
    assert!(*first > 1, "too small");
    Ok(*first)
}

/// Closures that return and shadow.
#[cfg_attr(feature = "measured", khive_perf::measure(ok_if = |total| *total > 0))]
#[must_use]
pub fn closures(values: &[u32]) -> u32 {
    let value = values.len();
    let value = u32::try_from(value).unwrap_or(u32::MAX);
    let double = |value: u32| {
        if value > 100 {
            return 100;
        }
        value * 2
    };
    values
        .iter()
        .copied()
        .map(double)
        .sum::<u32>()
        .saturating_add(value)
}

/// Temporaries with destructors, up to the tail.
#[cfg_attr(feature = "measured", khive_perf::measure)]
#[must_use]
pub fn guards(mutex: &Mutex<Vec<u8>>) -> usize {
    let _ = mutex.lock().map(|mut list| list.push(1));
    if let Ok(list) = mutex.lock() {
        return list.len();
    }
    mutex.lock().map_or(0, |list| list.len())
}

/// The same, looked at.
#[cfg_attr(feature = "measured", khive_perf::measure(ok_if = |length| *length > 0))]
#[must_use]
pub fn guards_with_ok_if(mutex: &Mutex<Vec<u8>>) -> usize {
    let _ = mutex.lock().map(|mut list| list.push(1));
    if let Ok(list) = mutex.lock() {
        return list.len();
    }
    mutex.lock().map_or(0, |list| list.len())
}

/// A match with guards, and casts.
#[cfg_attr(feature = "measured", khive_perf::measure(ok_if = |value| *value >= 0))]
#[must_use]
pub fn matches(value: Option<i64>, shared: &Rc<i32>) -> i32 {
    match value {
        Some(value) if value > 3 => value as i32,
        Some(_) => **shared,
        None => 0,
    }
}

/// More arguments than is good.
#[cfg_attr(feature = "measured", khive_perf::measure(ok_if = |sum| *sum > 0))]
#[must_use]
pub fn many(a: u8, b: u8, c: u8, d: u8, e: u8, f: u8, g: u8, h: u8) -> u32 {
    [a, b, c, d, e, f, g, h].into_iter().map(u32::from).sum()
}

/// A body without a check.
///
/// # Safety
///
/// The pointer must be one to a byte.
#[cfg_attr(feature = "measured", khive_perf::measure(ok_if = |byte| *byte > 0))]
#[must_use]
pub unsafe fn unchecked(byte: *const u8) -> u8 {
    // SAFETY: as the caller promised.
    unsafe { *byte }
}

/// What `let else` leaves.
///
/// # Errors
///
/// If there is no comma.
#[cfg_attr(feature = "measured", khive_perf::measure(err))]
pub fn let_else(line: &str) -> Result<(String, String), String> {
    let Some((left, right)) = line.split_once(',') else {
        return Err(format!("no comma in {line:?}"));
    };
    Ok((left.to_owned(), right.to_owned()))
}

/// Only called from here.
#[cfg_attr(feature = "measured", khive_perf::measure)]
fn private(value: u8) -> u8 {
    value / 2
}

/// Calls what is private.
#[cfg_attr(feature = "measured", khive_perf::measure)]
#[must_use]
pub fn public(value: u8) -> u8 {
    private(value)
}
