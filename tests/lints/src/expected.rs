//! Lints that are expected. Those that look at a function as a whole may find nothing in a measured one, and it
//! is not the user who is to be told so.

use std::future::{Future, ready};

/// Could be a `const fn`.
#[cfg_attr(feature = "measured", khive_perf::measure)]
#[expect(clippy::missing_const_for_fn, reason = "it is measured")]
#[must_use]
pub fn constant() -> u8 {
    1
}

/// Waits for nothing.
#[cfg_attr(feature = "measured", khive_perf::measure)]
#[expect(clippy::unused_async, reason = "others wait")]
pub async fn waits_for_nothing() -> u8 {
    1
}

/// Looks like an `async fn`.
#[cfg_attr(feature = "measured", khive_perf::measure)]
#[expect(clippy::manual_async_fn, reason = "it is written out")]
pub fn written_out(x: u8) -> impl Future<Output = u8> {
    async move { ready(x).await }
}

/// Takes more than it needs.
///
/// # Errors
///
/// If the text is empty.
#[cfg_attr(feature = "measured", khive_perf::measure(err))]
#[expect(clippy::needless_pass_by_value, unused_mut, reason = "both are so")]
pub fn by_value(text: String) -> Result<usize, std::fmt::Error> {
    let mut length = text.len();
    if length == 0 {
        return Err(std::fmt::Error);
    }
    Ok(length)
}

/// Leaves at the end.
#[cfg_attr(feature = "measured", khive_perf::measure)]
#[expect(clippy::needless_return, unused_variables, reason = "both are so")]
pub async fn leaves_at_the_end(x: u8) -> u8 {
    return ready(1).await;
}

/// Says nothing of its errors, nor of its panics.
#[cfg_attr(feature = "measured", khive_perf::measure)]
#[expect(
    clippy::missing_errors_doc,
    clippy::missing_panics_doc,
    reason = "it says nothing"
)]
pub async fn says_nothing(x: Option<u8>) -> Result<u8, ()> {
    let y = ready(x).await.unwrap();
    if y == 0 { Err(()) } else { Ok(y) }
}

/// Has a function that says so itself.
#[cfg_attr(feature = "measured", khive_perf::measure)]
#[expect(async_fn_in_trait, reason = "nobody else implements it")]
pub trait Own {
    /// Waits.
    async fn wait(&self) -> u8 {
        ready(1).await
    }
}

/// Has a function that says so itself.
pub trait OwnToo {
    /// Waits.
    #[cfg_attr(feature = "measured", khive_perf::measure)]
    #[expect(async_fn_in_trait, reason = "nobody else implements it")]
    async fn wait(&self) -> u8 {
        ready(1).await
    }
}

/// Is long.
#[cfg_attr(feature = "measured", khive_perf::measure)]
#[expect(clippy::too_many_lines, reason = "it is long")]
pub async fn long() -> u32 {
    let mut sum = 0;
    sum += ready(0).await;
    sum += ready(1).await;
    sum += ready(2).await;
    sum += ready(3).await;
    sum += ready(4).await;
    sum += ready(5).await;
    sum += ready(6).await;
    sum += ready(7).await;
    sum += ready(8).await;
    sum += ready(9).await;
    sum += ready(10).await;
    sum += ready(11).await;
    sum += ready(12).await;
    sum += ready(13).await;
    sum += ready(14).await;
    sum += ready(15).await;
    sum += ready(16).await;
    sum += ready(17).await;
    sum += ready(18).await;
    sum += ready(19).await;
    sum += ready(20).await;
    sum += ready(21).await;
    sum += ready(22).await;
    sum += ready(23).await;
    sum += ready(24).await;
    sum += ready(25).await;
    sum += ready(26).await;
    sum += ready(27).await;
    sum += ready(28).await;
    sum += ready(29).await;
    sum += ready(30).await;
    sum += ready(31).await;
    sum += ready(32).await;
    sum += ready(33).await;
    sum += ready(34).await;
    sum += ready(35).await;
    sum += ready(36).await;
    sum += ready(37).await;
    sum += ready(38).await;
    sum += ready(39).await;
    sum += ready(40).await;
    sum += ready(41).await;
    sum += ready(42).await;
    sum += ready(43).await;
    sum += ready(44).await;
    sum += ready(45).await;
    sum += ready(46).await;
    sum += ready(47).await;
    sum += ready(48).await;
    sum += ready(49).await;
    sum += ready(50).await;
    sum += ready(51).await;
    sum += ready(52).await;
    sum += ready(53).await;
    sum += ready(54).await;
    sum += ready(55).await;
    sum += ready(56).await;
    sum += ready(57).await;
    sum += ready(58).await;
    sum += ready(59).await;
    sum += ready(60).await;
    sum += ready(61).await;
    sum += ready(62).await;
    sum += ready(63).await;
    sum += ready(64).await;
    sum += ready(65).await;
    sum += ready(66).await;
    sum += ready(67).await;
    sum += ready(68).await;
    sum += ready(69).await;
    sum += ready(70).await;
    sum += ready(71).await;
    sum += ready(72).await;
    sum += ready(73).await;
    sum += ready(74).await;
    sum += ready(75).await;
    sum += ready(76).await;
    sum += ready(77).await;
    sum += ready(78).await;
    sum += ready(79).await;
    sum += ready(80).await;
    sum += ready(81).await;
    sum += ready(82).await;
    sum += ready(83).await;
    sum += ready(84).await;
    sum += ready(85).await;
    sum += ready(86).await;
    sum += ready(87).await;
    sum += ready(88).await;
    sum += ready(89).await;
    sum += ready(90).await;
    sum += ready(91).await;
    sum += ready(92).await;
    sum += ready(93).await;
    sum += ready(94).await;
    sum += ready(95).await;
    sum += ready(96).await;
    sum += ready(97).await;
    sum += ready(98).await;
    sum += ready(99).await;
    sum += ready(100).await;
    sum += ready(101).await;
    sum += ready(102).await;
    sum += ready(103).await;
    sum
}
