//! Values of the wrong kind.
const NAME: &str = "name";

#[khive_perf::measure(name = NAME, group = 1, err = true, ok_if)]
fn values() -> Result<(), ()> {
    Ok(())
}

#[khive_perf::measure(name = "", group = "  ", fields = x, crate = "path", skip(now))]
fn more_values() {}

#[khive_perf::measure("a name")]
fn bare() {}

#[khive_perf::measure(name = "a" group = "b")]
fn no_comma() {}

#[khive_perf::measure(ok_if = 1 + 1, fields())]
fn no_predicate() -> u8 {
    1
}

#[khive_perf::measure(ok_if = |a, b| a == b)]
fn two_arguments() -> u8 {
    1
}

#[khive_perf::measure(fields(x.y.z = , w))]
fn no_field() {}

#[khive_perf::measure(fields("" = 1))]
fn nameless_field() {}

fn main() {
    nameless_field();
    let _ = values();
    more_values();
    bare();
    no_comma();
    no_predicate();
    two_arguments();
    no_field();
}
