//! `slow` is a duration with its unit, in quotes.
use khive_perf::measure;

#[measure(slow = 250)]
fn number() {}

#[measure(slow = 1.5)]
fn decimal() {}

#[measure(slow = 250ms)]
fn without_quotes() {}

#[measure(slow = -1)]
fn negative_number() {}

#[measure(slow = Duration::from_millis(250))]
fn expression() {}

#[measure(slow)]
fn nothing() {}

#[measure(slow = "250")]
fn no_unit() {}

#[measure(slow = "5m")]
fn ambiguous_unit() {}

#[measure(slow = "2h")]
fn unknown_unit() {}

#[measure(slow = "-5ms")]
fn negative() {}

#[measure(slow = "soon")]
fn no_duration() {}

#[measure(slow = "0ms")]
fn zero() {}

#[measure(slow = "0.5ns")]
fn too_fine() {}

#[measure(slow = "99999999999s")]
fn too_long() {}

#[measure(slow = "1s", slow = "2s")]
async fn twice() {}

fn main() {
    number();
    decimal();
    without_quotes();
    negative_number();
    expression();
    nothing();
    no_unit();
    ambiguous_unit();
    unknown_unit();
    negative();
    no_duration();
    zero();
    too_fine();
    too_long();
    drop(twice());
}
