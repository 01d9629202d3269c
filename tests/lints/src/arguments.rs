//! The arguments of the attribute, each of them and together.

use std::fmt;
use std::net::SocketAddr;

/// Something with a name.
#[derive(Clone, Debug)]
pub struct Request {
    /// Its path.
    pub path: String,
    /// Its length.
    pub length: usize,
}

/// A name.
#[cfg_attr(feature = "measured", khive_perf::measure(name = "cache::get"))]
#[must_use]
pub fn named(key: u64) -> u64 {
    key.rotate_left(3)
}

/// A group.
#[cfg_attr(feature = "measured", khive_perf::measure(group = "cache"))]
#[must_use]
pub fn grouped(key: u64) -> u64 {
    key.rotate_left(5)
}

/// Fields by value, name and expression.
#[cfg_attr(feature = "measured", khive_perf::measure(fields(shard, length = text.len(), fixed = "text", less = i64::from(shard) - 3)))]
#[must_use]
pub fn fields(shard: u32, text: &str) -> usize {
    usize::try_from(shard).unwrap_or_default() + text.len()
}

/// Fields by `Display` and `Debug`.
#[cfg_attr(feature = "measured", khive_perf::measure(fields(peer = %peer, request = ?request, request.length, %path)))]
#[must_use]
pub fn shown(peer: SocketAddr, request: &Request, path: &str) -> bool {
    peer.ip().is_loopback() && request.path == path
}

/// Fields of what is consumed.
#[cfg_attr(feature = "measured", khive_perf::measure(fields(length = request.length, path = %request.path)))]
#[must_use]
pub fn consumed(request: Request) -> String {
    request.path
}

/// Everything.
///
/// # Errors
///
/// If the path is empty.
#[cfg_attr(feature = "measured", khive_perf::measure(name = "all", group = "cache", err, fields(length = request.length)))]
pub fn all(request: Request) -> Result<String, fmt::Error> {
    if request.path.is_empty() {
        return Err(fmt::Error);
    }
    Ok(request.path)
}

/// Everything, later.
///
/// # Errors
///
/// If the path is empty.
#[cfg_attr(feature = "measured", khive_perf::measure(name = "all later", group = "cache", err, fields(length = request.length)))]
pub async fn all_async(request: Request) -> Result<String, fmt::Error> {
    std::future::ready(()).await;
    if request.path.is_empty() {
        return Err(fmt::Error);
    }
    Ok(request.path)
}

/// Fields of a future.
#[cfg_attr(feature = "measured", khive_perf::measure(fields(shard, text = %text)))]
pub async fn fields_async(shard: u32, text: &str) -> usize {
    std::future::ready(shard).await;
    text.len()
}

/// A test that is a path.
#[cfg_attr(feature = "measured", khive_perf::measure(ok_if = Option::is_some))]
#[must_use]
pub fn found(text: &str) -> Option<char> {
    text.chars().next()
}

/// A test that is a function.
#[cfg_attr(feature = "measured", khive_perf::measure(ok_if = is_large))]
#[must_use]
pub fn tested(text: &str) -> usize {
    text.len() * 2
}

const fn is_large(length: &usize) -> bool {
    *length > 10
}

/// A test of a future.
#[cfg_attr(feature = "measured", khive_perf::measure(ok_if = |found| matches!(found, Some(_))))]
pub async fn found_async(text: &str) -> Option<char> {
    std::future::ready(()).await;
    text.chars().next()
}

/// Not measured.
#[cfg_attr(feature = "measured", khive_perf::measure(skip))]
#[must_use]
pub fn skipped(value: u8) -> u8 {
    value
}

/// The same.
#[cfg_attr(feature = "measured", khive_perf::measure(ok_if = is_large))]
#[must_use]
pub fn tested_too(text: &str) -> usize {
    text.len() * 3
}

/// The path of the crate.
#[cfg_attr(feature = "measured", khive_perf::measure(crate = ::khive_perf))]
#[must_use]
pub fn elsewhere(value: u8) -> u8 {
    value + 1
}

/// Sampled, with a limit, and allocations counted.
#[cfg_attr(
    feature = "measured",
    khive_perf::measure(sample = 64, slow = "1.5s", alloc)
)]
#[must_use]
pub fn settings(text: &str) -> String {
    text.to_uppercase()
}

/// The same, looked at.
///
/// # Errors
///
/// If there is nothing.
#[cfg_attr(feature = "measured", khive_perf::measure(sample = 64, alloc, err))]
pub fn settings_with_err(text: &str) -> Result<String, fmt::Error> {
    if text.is_empty() {
        return Err(fmt::Error);
    }
    Ok(text.to_uppercase())
}

/// The same, later.
///
/// # Errors
///
/// If there is nothing.
#[cfg_attr(feature = "measured", khive_perf::measure(slow = "1ms", alloc, err))]
pub async fn settings_async(text: String) -> Result<String, fmt::Error> {
    std::future::ready(()).await;
    if text.is_empty() {
        return Err(fmt::Error);
    }
    Ok(text.to_uppercase())
}

/// With a span beside it.
#[cfg_attr(feature = "measured", khive_perf::measure(span, fields(shard)))]
#[must_use]
pub fn spanned(shard: u32, text: &str) -> usize {
    text.len().wrapping_add(usize::from(shard > 3))
}

/// With a span beside it, looked at.
///
/// # Errors
///
/// If there is nothing.
#[cfg_attr(feature = "measured", khive_perf::measure(span = "debug", err))]
pub fn spanned_with_err(text: &str) -> Result<usize, fmt::Error> {
    text.len().checked_sub(1).ok_or(fmt::Error)
}

/// With a span beside it, later.
///
/// # Errors
///
/// If there is nothing.
#[cfg_attr(feature = "measured", khive_perf::measure(span, err, fields(len = text.len())))]
pub async fn spanned_async(text: String) -> Result<usize, fmt::Error> {
    std::future::ready(()).await;
    text.len().checked_sub(1).ok_or(fmt::Error)
}
