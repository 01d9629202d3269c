//! What is recorded beside counts and times.

#[measure(sample = 64, slow = "1.5s", alloc)]
fn busy() {}

#[measure(slow = "250us")]
async fn slow() {}

#[measure(sample = 8, alloc)]
impl Store {
    fn inherits(&self) {}

    #[measure(sample = 1, slow = "2min")]
    fn says_otherwise(&self) {}
}
