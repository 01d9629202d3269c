//! Functions that return a future.

#[measure]
fn ready(value: u8) -> impl Future<Output = u8> + use<> {
    note();
    async move { value }
}

#[measure]
fn boxed(value: u8) -> Pin<Box<dyn Future<Output = u8> + Send>> {
    note();
    Box::pin(async move { value })
}

#[measure(err)]
fn early(value: u8) -> BoxFuture<'static, Result<u8, Error>> {
    if value == 0 {
        return failed();
    }
    Box::pin(async move { Ok(value) })
}
