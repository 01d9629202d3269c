//! Status: the parts of `google.rpc` that receivers explain failures with.

use std::time::Duration;

use prost::Message;

/// `google.rpc.Status`.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Status {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    pub(crate) message: String,
    #[prost(message, repeated, tag = "3")]
    details: Vec<Any>,
}

#[derive(Clone, PartialEq, Message)]
struct Any {
    #[prost(string, tag = "1")]
    type_url: String,
    #[prost(bytes = "vec", tag = "2")]
    value: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
struct RetryInfo {
    #[prost(message, optional, tag = "1")]
    retry_delay: Option<ProtoDuration>,
}

#[derive(Clone, PartialEq, Message)]
struct ProtoDuration {
    #[prost(int64, tag = "1")]
    seconds: i64,
    #[prost(int32, tag = "2")]
    nanos: i32,
}

impl Status {
    /// When the receiver asks to come back.
    pub(crate) fn retry_delay(&self) -> Option<Duration> {
        let info = self
            .details
            .iter()
            .find(|any| any.type_url.ends_with("google.rpc.RetryInfo"))?;
        let delay = RetryInfo::decode(info.value.as_slice())
            .ok()?
            .retry_delay
            .unwrap_or_default();
        let seconds = u64::try_from(delay.seconds).unwrap_or(0);
        Some(Duration::new(
            seconds,
            u32::try_from(delay.nanos).unwrap_or(0).min(999_999_999),
        ))
    }
}
