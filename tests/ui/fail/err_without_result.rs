//! `err` and `ok_if` need a returned value of the right type.
#[khive_perf::measure(err)]
fn nothing() {}

#[khive_perf::measure(ok_if = Option::is_some)]
fn never() -> ! {
    loop {}
}

#[khive_perf::measure(err)]
async fn nothing_async() {}

#[khive_perf::measure(err)]
fn number() -> u8 {
    1
}

#[khive_perf::measure(ok_if = Option::is_some)]
fn result() -> Result<(), ()> {
    Ok(())
}

fn main() {}
