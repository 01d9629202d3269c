//! Arguments whose types do not fit are pointed at, in blocks too.
use khive_perf::measure;

struct Store;

#[measure(fields(key))]
impl Store {
    fn get(&self, key: u8) -> u8 {
        key
    }
    fn clear(&self) {}
}

type Parsed = Result<u8, ()>;
type Count = usize;

#[measure]
impl Store {
    #[measure(err)]
    fn behind_an_alias(&self) -> Parsed {
        Ok(1)
    }
    #[measure(err)]
    fn behind_another_alias(&self) -> Count {
        1
    }
}

#[measure(err)]
async fn not_a_result() -> Option<u8> {
    None
}

#[measure(err)]
fn no_future_of_a_result() -> impl Future<Output = u8> {
    async { 1 }
}

#[measure(fields(store, shown = %store, debug = ?store))]
fn no_values(store: &Store) {}

fn main() {
    Store.get(1);
    Store.clear();
    let _ = Store.behind_an_alias();
    Store.behind_another_alias();
    drop((not_a_result(), no_future_of_a_result()));
    no_values(&Store);
}
