//! A test that does not fit what the function returns: one error for each, where the test is written.
use khive_perf::measure;

#[measure(ok_if = Result::is_ok)]
fn other_type() -> Option<u8> {
    None
}

#[measure(ok_if = Result::is_ok)]
async fn other_type_async() -> Option<u8> {
    None
}

#[measure(ok_if = |x: u8| x > 0)]
fn no_reference() -> u8 {
    1
}

#[measure(ok_if = |x: u8| x > 0)]
async fn no_reference_async() -> u8 {
    1
}

#[measure(ok_if = |x| x + 1)]
async fn no_bool() -> u8 {
    1
}

#[measure(ok_if = u8::min)]
fn two_arguments() -> u8 {
    1
}

#[measure(ok_if = nowhere)]
fn unknown() -> u8 {
    1
}

fn main() {
    other_type();
    no_reference();
    two_arguments();
    unknown();
    drop((other_type_async(), no_reference_async(), no_bool()));
}
