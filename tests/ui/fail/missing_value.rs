//! An argument without the value that it needs is pointed at, and not the whole attribute.
use khive_perf::measure;

#[measure(name = )]
fn name() {}

#[measure(group)]
fn group() {}

#[measure(ok_if = )]
fn ok_if() -> u8 {
    1
}

#[measure(fields)]
fn fields(_x: u8) {}

#[measure(fields(x = ))]
fn field(_x: u8) {}

#[measure(fields(%))]
fn display(_x: u8) {}

#[measure(fields(x y))]
fn no_comma(_x: u8, _y: u8) {}

#[measure(fields(1))]
fn number(_x: u8) {}

#[measure(fields(x.len()))]
fn nameless(_x: &str) {}

#[measure(sample = )]
fn sample() {}

#[measure(slow = )]
fn slow() {}

#[measure(crate = )]
fn path() {}

#[measure(crate = khive_perf::<u8>)]
fn generic_path() {}

#[measure(,)]
fn comma() {}

#[measure(err,, name = "x")]
fn two_commas() -> Result<(), ()> {
    Ok(())
}

#[measure(err err)]
fn no_comma_between() -> Result<(), ()> {
    Ok(())
}

#[measure(123)]
fn no_argument() {}

#[measure(name == "x")]
fn twice_equal() {}

#[measure(name: "x")]
fn colon() {}

fn main() {
    name();
    group();
    ok_if();
    fields(1);
    field(1);
    display(1);
    no_comma(1, 2);
    number(1);
    nameless("");
    sample();
    slow();
    path();
    generic_path();
    comma();
    let _ = two_commas();
    let _ = no_comma_between();
    no_argument();
    twice_equal();
    colon();
}
