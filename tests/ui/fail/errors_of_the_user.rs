//! Mistakes in the user's own code are reported in the user's own code.
use khive_perf::measure;

struct NotAValue;

#[measure]
fn wrong_type() -> u8 {
    "text"
}

#[measure]
async fn wrong_type_async(x: bool) -> u8 {
    if x {
        return "early";
    }
    "text"
}

#[measure(err)]
fn wrong_error(text: &str) -> Result<u8, ()> {
    let x: u8 = text.parse()?;
    Ok(x)
}

#[measure]
fn moved(text: String) -> usize {
    drop(text);
    text.len()
}

#[measure(fields(x, missing))]
fn fields(x: NotAValue) {}

#[measure]
fn borrowed() -> &'static str {
    let text = String::new();
    &text
}

#[measure]
async fn not_send(x: std::rc::Rc<u8>) {
    std::future::ready(()).await;
    drop(x);
}

fn is_send(_: impl Send) {}

fn main() {
    is_send(not_send(std::rc::Rc::new(1)));
}
