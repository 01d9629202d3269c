//! Spans of `tracing` beside the measurement.

#[measure(span, err)]
fn load(path: &Path) -> io::Result<Page> {
    read(path)
}

#[measure(name = "order", span = "debug", fields(id, customer = %customer.name))]
async fn order(id: u64, customer: Customer) {
    submit(id, customer).await;
}

#[measure(span)]
fn r#async(&self) -> BoxFuture<'_, ()> {
    Box::pin(self.work())
}
