//! What a block says holds for every function in it; where it cannot, the block is pointed at.
use khive_perf::measure;

struct Store;

#[measure(err)]
impl Store {
    fn put(&self) -> Result<(), ()> {
        Ok(())
    }
    fn cannot_fail(&self) {}
    #[measure(err)]
    fn says_so_itself(&self) {}
    #[measure(ok_if = Option::is_some)]
    fn says_otherwise(&self) -> ! {
        loop {}
    }
}

fn main() {
    let _ = Store.put();
    Store.cannot_fail();
    Store.says_so_itself();
    Store.says_otherwise();
}
