//! Functions whose assembly is compared: plain, measured with `enabled` off, and measured. Each of them is
//! compiled on its own, as none may be inlined.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

/// An error of one byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failed(pub u8);

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "failed with {}", self.0)
    }
}

impl std::error::Error for Failed {}

/// Adds up what is even.
#[cfg_attr(feature = "measured", khive_perf::measure)]
#[inline(never)]
pub fn sync_sum(values: &[u64]) -> u64 {
    let even = values.iter().filter(|value| *value % 2 == 0);
    even.fold(0, |sum, value| sum.wrapping_add(*value))
}

/// Fails at the first byte that is no digit.
///
/// # Errors
///
/// With that byte.
#[cfg_attr(feature = "measured", khive_perf::measure(err, fields(length = text.len())))]
#[inline(never)]
pub fn sync_question_mark(text: &[u8]) -> Result<u64, Failed> {
    let mut number = 0_u64;
    for byte in text {
        let digit = digit(*byte)?;
        number = number.wrapping_mul(10).wrapping_add(digit);
    }
    Ok(number)
}

#[inline(never)]
fn digit(byte: u8) -> Result<u64, Failed> {
    match byte {
        b'0'..=b'9' => Ok(u64::from(byte - b'0')),
        other => Err(Failed(other)),
    }
}

/// Owns what it drops.
#[cfg_attr(feature = "measured", khive_perf::measure(ok_if = |text| !text.is_empty(), name = "joined"))]
#[inline(never)]
#[must_use]
pub fn sync_owned(words: Vec<String>, between: &str) -> String {
    let mut text = String::new();
    for word in words {
        if !text.is_empty() {
            text.push_str(between);
        }
        text.push_str(&word);
    }
    text
}

/// Sorts anything.
#[cfg_attr(feature = "measured", khive_perf::measure(fields(length = values.len(), N)))]
#[inline(never)]
pub fn generic_sort<T: Ord + Copy, const N: usize>(values: &mut [T; N]) -> Option<T> {
    values.sort_unstable();
    values.last().copied()
}

/// Two instances of the generic function.
#[must_use]
pub fn generic_instances(bytes: &mut [u8; 3], words: &mut [u64; 9]) -> Option<u64> {
    let last = generic_sort(bytes)?;
    Some(generic_sort(words)?.wrapping_add(u64::from(last)))
}

/// Counts to a limit.
#[derive(Debug)]
pub struct Counter {
    count: u32,
    limit: u32,
}

impl Counter {
    /// One step.
    ///
    /// # Errors
    ///
    /// At the limit.
    #[cfg_attr(feature = "measured", khive_perf::measure(err))]
    #[inline(never)]
    pub fn method_step(&mut self, by: u32) -> Result<u32, Failed> {
        self.count = self.count.checked_add(by).ok_or(Failed(1))?;
        if self.count > self.limit {
            return Err(Failed(2));
        }
        Ok(self.count)
    }
}

#[cfg_attr(feature = "measured", khive_perf::measure(group = "counter"))]
impl Counter {
    /// What is left.
    #[inline(never)]
    #[must_use]
    pub fn method_of_block(&self) -> u32 {
        self.limit.saturating_sub(self.count)
    }
}

/// Is pending once.
#[derive(Debug)]
pub struct Once(bool);

impl Future for Once {
    type Output = u32;

    #[inline(never)]
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<u32> {
        if std::mem::replace(&mut self.0, true) {
            return Poll::Ready(1);
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

/// Awaits in a loop, and between what has to be dropped.
#[cfg_attr(feature = "measured", khive_perf::measure)]
#[inline(never)]
pub async fn async_loop(rounds: u32, text: String) -> u32 {
    let mut sum = 0_u32;
    for round in 0..rounds {
        sum = sum.wrapping_add(Once(round % 2 == 0).await);
    }
    sum.wrapping_add(u32::from(text.is_empty()))
}

/// Fails between its awaits.
///
/// # Errors
///
/// If the byte is no digit.
#[cfg_attr(feature = "measured", khive_perf::measure(err, fields(byte)))]
#[inline(never)]
pub async fn async_question_mark(byte: u8) -> Result<u64, Failed> {
    let before = u64::from(Once(false).await);
    let digit = digit(byte)?;
    Ok(digit + before + u64::from(Once(true).await))
}

/// A future behind `impl Future`.
#[cfg_attr(feature = "measured", khive_perf::measure)]
#[inline(never)]
pub fn returned_future(start: u32) -> impl Future<Output = u32> {
    let next = start.wrapping_add(1);
    async move {
        let once = Once(false).await;
        next.wrapping_add(once)
    }
}

/// A future in a box.
#[cfg_attr(feature = "measured", khive_perf::measure)]
#[inline(never)]
#[must_use]
pub fn returned_box(start: u32) -> Pin<Box<dyn Future<Output = u32>>> {
    Box::pin(async move { Once(false).await.wrapping_add(start) })
}

/// Polls, drops and makes the futures above, so that their code is here.
#[must_use]
pub fn async_instances(context: &mut Context<'_>) -> u64 {
    poll_once(async_loop(3, String::from("text")), context).map_or(0, u64::from)
        + poll_once(async_question_mark(b'7'), context).map_or(0, |ended| ended.unwrap_or(0))
        + poll_once(returned_future(3), context).map_or(0, u64::from)
}

#[inline(never)]
fn poll_once<F: Future>(future: F, context: &mut Context<'_>) -> Option<F::Output> {
    let mut future = Box::pin(future);
    match future.as_mut().poll(context) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}
