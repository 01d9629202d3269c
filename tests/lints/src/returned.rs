//! Functions that return a future.

use std::future::{Future, ready};
use std::pin::Pin;

/// What other crates call it.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A block.
#[cfg_attr(feature = "measured", khive_perf::measure)]
pub fn block(value: u8) -> impl Future<Output = u8> + Send {
    async move {
        ready(()).await;
        value
    }
}

/// Statements before the block.
#[cfg_attr(feature = "measured", khive_perf::measure)]
pub fn statements(list: &mut Vec<u8>) -> impl Future<Output = usize> + Send + use<> {
    const LIMIT: usize = 8;
    list.push(1);
    let length = list.len().min(LIMIT);
    async move {
        ready(()).await;
        length
    }
}

/// A call.
#[cfg_attr(feature = "measured", khive_perf::measure)]
pub fn call(value: u8) -> impl Future<Output = u8> + Send {
    block(value)
}

/// A variable.
#[cfg_attr(feature = "measured", khive_perf::measure)]
pub fn variable(value: u8) -> impl Future<Output = u8> + Send {
    let future = block(value);
    future
}

/// A choice.
#[cfg_attr(feature = "measured", khive_perf::measure)]
pub fn choice(value: u8) -> impl Future<Output = u8> + Send {
    if value > 3 {
        return ready(3);
    }
    ready(value)
}

/// A box.
#[cfg_attr(feature = "measured", khive_perf::measure)]
pub fn boxed(value: u8) -> Pin<Box<dyn Future<Output = u8> + Send>> {
    Box::pin(async move { ready(value).await })
}

/// A box that can fail.
#[cfg_attr(feature = "measured", khive_perf::measure(err))]
pub fn boxed_result(text: &str) -> BoxFuture<'_, Result<u8, String>> {
    Box::pin(async move {
        let value = ready(text)
            .await
            .parse::<u8>()
            .map_err(|error| error.to_string())?;
        Ok(value)
    })
}

/// An early box.
#[cfg_attr(feature = "measured", khive_perf::measure(err, fields(length = text.len())))]
pub fn early_box(text: String) -> BoxFuture<'static, Result<u8, String>> {
    if text.is_empty() {
        return Box::pin(async { Err(String::from("empty")) });
    }
    Box::pin(async move { text.parse::<u8>().map_err(|error| error.to_string()) })
}

/// A box without a pin.
#[cfg_attr(feature = "measured", khive_perf::measure)]
#[must_use]
pub fn unpinned(value: u8) -> Box<dyn Future<Output = u8> + Unpin + Send> {
    Box::new(Box::pin(block(value)))
}

/// A box in a variable, with arguments of all kinds.
#[cfg_attr(feature = "measured", khive_perf::measure(ok_if = |value| *value > 0))]
#[must_use]
pub fn boxed_variable(
    (left, mut right): (u8, u8),
    _unused: String,
) -> Pin<Box<dyn Future<Output = u8> + Send>> {
    right += 1;
    let future = Box::pin(async move { ready(left).await + right });
    future
}
