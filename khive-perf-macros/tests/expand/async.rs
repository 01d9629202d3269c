//! Async functions: one that can say `impl Future`, and some that cannot.

#[measure]
async fn fetch(client: &Client, url: Url) -> Result<Box<dyn Body>, Error> {
    let response = client.get(url).await?;
    Ok(Box::new(response))
}

#[measure]
async fn pair((left, right): (Left, Right)) -> impl Sum {
    left.join(right).await
}

#[measure]
async fn serve(listener: Listener) -> ! {
    loop {
        listener.accept().await;
    }
}

#[measure(fields(order = id, customer))]
#[instrument]
async fn order(id: u64, customer: String) {
    submit(id, customer).await;
}
