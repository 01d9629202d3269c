//! A body that is no Rust, as an editor has it between two keystrokes: the mistake is the user's own, and the only one.
use khive_perf::measure;

#[measure(err)]
fn typing(x: u8) -> Result<u8, ()> {
    let y = x.;
    Ok(y)
}

fn main() {
    let _ = typing(1);
}
