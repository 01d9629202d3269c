//! Qualifiers, attributes and documentation of functions are as they were.
#![deny(warnings, missing_docs, unused_must_use)]

use std::panic::Location;

use khive_perf::measure;

/// An ABI of its own.
#[measure]
#[unsafe(no_mangle)]
pub extern "C" fn khive_perf_tests_exported(x: u8) -> u8 {
    x
}

/// Unwinds.
#[measure(ok_if = |x| *x > 0)]
pub extern "C-unwind" fn unwinding(x: u8) -> u8 {
    if x == 0 {
        return 1;
    }
    x
}

/// Unsafe, and of another ABI.
///
/// # Safety
///
/// `x` must be readable.
#[measure]
pub unsafe extern "C" fn dangerous(x: *const u8) -> u8 {
    unsafe { *x }
}

#[doc = "Where it was called."]
#[doc(alias = "here")]
#[measure]
#[track_caller]
pub fn caller() -> &'static Location<'static> {
    Location::caller()
}

/// Where it was called, also with a test.
#[track_caller]
#[measure(err)]
pub fn caller_with_err() -> Result<&'static Location<'static>, ()> {
    Ok(Location::caller())
}

/// Has a result that is not to be lost.
#[must_use = "it is all there is"]
#[measure(err)]
pub fn must_use() -> Result<u8, ()> {
    Ok(1)
}

/// Never comes back.
#[measure]
#[cold]
#[inline(never)]
pub fn endless() -> ! {
    loop {
        std::hint::spin_loop();
    }
}

/// Never comes back, says a bound.
#[measure]
pub async fn endless_async() -> ! {
    loop {
        std::future::ready(()).await;
    }
}

/// Is not to be used.
#[deprecated = "use another one"]
#[measure]
pub fn deprecated() {}

/// Only if.
#[cfg_attr(all(), measure(err))]
pub fn conditional() -> Result<(), ()> {
    Ok(())
}

/// With everything around it, and inside.
#[measure]
#[expect(clippy::let_and_return, unused_mut, reason = "they are in the body")]
pub fn inner_attributes() -> u8 {
    #![allow(unused_labels)]
    let mut x = 'label: { 1 };
    x
}

fn main() {
    assert_eq!((khive_perf_tests_exported(1), unwinding(0)), (1, 1));
    assert_eq!(unsafe { dangerous(&1) }, 1);
    assert_eq!(caller().line(), line!());
    assert_eq!(caller_with_err().map(Location::line), Ok(line!()));
    #[allow(deprecated)]
    deprecated();
    assert_eq!((conditional(), inner_attributes()), (Ok(()), 1));
    assert_eq!(must_use(), Ok(1));
    drop(endless_async());
    let _: fn() -> ! = endless;
}
