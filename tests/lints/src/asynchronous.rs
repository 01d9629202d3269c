//! Async functions.

use std::fmt;
use std::future::ready;
use std::rc::Rc;
use std::sync::Mutex;

/// One expression.
#[cfg_attr(feature = "measured", khive_perf::measure)]
#[rustfmt::skip]
pub async fn one_expression() -> u32 { ready(1).await }

/// Nothing to wait for.
#[cfg_attr(feature = "measured", khive_perf::measure)]
pub async fn nothing() {}

/// One statement.
#[cfg_attr(feature = "measured", khive_perf::measure)]
pub async fn one_statement(list: &mut Vec<u8>) {
    list.push(ready(1).await);
}

/// Early returns.
#[cfg_attr(feature = "measured", khive_perf::measure)]
pub async fn early(stop: bool) {
    if stop {
        return;
    }
    ready(()).await;
}

/// A result.
///
/// # Errors
///
/// If there is no text.
#[cfg_attr(feature = "measured", khive_perf::measure(err))]
pub async fn result(text: String, limit: usize) -> Result<usize, fmt::Error> {
    const LEAST: usize = 1;
    let length = ready(text.len()).await;
    if length < LEAST {
        return Err(fmt::Error);
    }
    Ok(length.min(limit))
}

/// Question marks.
///
/// # Errors
///
/// If one of them is not a number.
#[cfg_attr(feature = "measured", khive_perf::measure)]
pub async fn question_marks(
    left: &str,
    right: &str,
) -> Result<u64, Box<dyn std::error::Error + Send + Sync>> {
    let left: u64 = ready(left).await.parse()?;
    let right = right.parse::<u64>()?;
    Ok(left.saturating_add(right))
}

/// Never comes back.
#[cfg_attr(feature = "measured", khive_perf::measure)]
pub async fn never() -> ! {
    loop {
        ready(()).await;
    }
}

/// Arguments of all kinds.
#[cfg_attr(feature = "measured", khive_perf::measure)]
pub async fn patterns(
    (left, mut right): (u32, u32),
    [first, ..]: [u32; 3],
    &third: &u32,
    _: String,
) -> u32 {
    right += ready(1).await;
    left + right + first + third
}

/// An argument without use, one with an underscore that has a use, one that changes.
#[cfg_attr(feature = "measured", khive_perf::measure(ok_if = |length| *length > 0))]
pub async fn underscores(_unused: String, _used: &str, mut count: usize) -> usize {
    count += ready(1).await;
    _used.len() + count
}

/// Takes by value what it only reads.
#[cfg_attr(feature = "measured", khive_perf::measure)]
pub async fn by_value(list: Vec<u8>, text: String) -> usize {
    ready(()).await;
    list.len() + text.len()
}

/// Borrows.
#[cfg_attr(feature = "measured", khive_perf::measure)]
pub async fn borrowed<'text>(text: &'text str, other: &str) -> Option<&'text str> {
    ready(()).await;
    text.strip_prefix(other)
}

/// Generic.
#[cfg_attr(feature = "measured", khive_perf::measure(fields(N)))]
pub async fn generic<T, const N: usize>(values: [T; N]) -> Vec<T>
where
    T: Clone + Send + 'static,
{
    ready(()).await;
    values.to_vec()
}

/// Opaque in and out.
#[cfg_attr(feature = "measured", khive_perf::measure)]
pub async fn opaque(values: impl IntoIterator<Item = u8>) -> impl Iterator<Item = u16> {
    ready(()).await;
    values.into_iter().map(u16::from)
}

/// Stays on its thread.
#[cfg_attr(feature = "measured", khive_perf::measure)]
pub async fn local(shared: Rc<u8>) -> u8 {
    ready(()).await;
    *shared
}

/// Keeps a lock for a while.
#[cfg_attr(feature = "measured", khive_perf::measure)]
pub async fn locked(mutex: &Mutex<Vec<u8>>) -> usize {
    let length = mutex.lock().map_or(0, |list| list.len());
    ready(()).await;
    let _ = mutex.lock().map(|mut list| list.push(1));
    mutex.lock().map_or(0, |list| list.len()) + length
}

/// Owns a lock and ends in what it lends.
#[cfg_attr(feature = "measured", khive_perf::measure)]
pub async fn owned_lock(mutex: Mutex<Vec<u8>>) -> usize {
    ready(()).await;
    mutex.lock().map_or(0, |list| list.len())
}

/// Awaits where a match is, and in a loop.
#[cfg_attr(feature = "measured", khive_perf::measure)]
pub async fn awaits(values: Vec<u8>) -> u32 {
    let mut sum = 0_u32;
    for value in values {
        sum += match ready(value).await {
            0 => continue,
            value if value > 9 => break,
            value => u32::from(value),
        };
    }
    let block = async { ready(3_u32).await };
    sum + block.await
}

/// A body without a check.
///
/// # Safety
///
/// The byte must be one.
#[cfg_attr(feature = "measured", khive_perf::measure)]
pub async unsafe fn unchecked(byte: &u8) -> u8 {
    ready(()).await;
    *byte
}

/// Attributes of all kinds.
#[cfg_attr(feature = "measured", khive_perf::measure)]
#[inline]
#[must_use = "it is the answer"]
#[doc(alias = "answer")]
pub async fn attributes() -> u8 {
    ready(42).await
}

/// A future that is large.
#[cfg_attr(feature = "measured", khive_perf::measure)]
pub async fn large(block: [u8; 4096]) -> u8 {
    ready(()).await;
    block.first().copied().unwrap_or_default()
}
