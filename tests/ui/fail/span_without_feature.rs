//! `alloc` and `span` take no other value than they take, and `span` needs a feature of khive-perf.
use khive_perf::measure;

#[measure(alloc = true)]
fn alloc_with_value() {}

#[measure(span, err)]
fn span() -> Result<(), ()> {
    Ok(())
}

#[measure(span = "debug")]
async fn span_with_level() {}

#[measure(span = "verbose")]
async fn span_with_unknown_level() {}

#[measure(group = "store", span)]
impl Store {
    fn get(&self) {}
    fn put(&self) {}
}

struct Store;

fn main() {
    alloc_with_value();
    let _ = span();
    drop(span_with_level());
    drop(span_with_unknown_level());
    Store.get();
    Store.put();
}
