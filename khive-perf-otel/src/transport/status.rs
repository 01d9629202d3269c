//! `google.rpc.Status`, which receivers send with an error, and the delay that it may ask for.

use std::time::Duration;

use prost::Message;

/// `google.rpc.Status`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Status {
    #[prost(int32, tag = "1")]
    pub(super) code: i32,
    #[prost(string, tag = "2")]
    pub(super) message: String,
    #[prost(message, repeated, tag = "3")]
    pub(super) details: Vec<Any>,
}

/// `google.protobuf.Any`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Any {
    #[prost(string, tag = "1")]
    pub(super) type_url: String,
    #[prost(bytes = "vec", tag = "2")]
    pub(super) value: Vec<u8>,
}

/// `google.rpc.RetryInfo`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct RetryInfo {
    #[prost(message, optional, tag = "1")]
    pub(super) retry_delay: Option<Delay>,
}

/// `google.protobuf.Duration`.
#[derive(Clone, Copy, PartialEq, Message)]
pub(super) struct Delay {
    #[prost(int64, tag = "1")]
    pub(super) seconds: i64,
    #[prost(int32, tag = "2")]
    pub(super) nanos: i32,
}

impl Status {
    /// The delay of the first `RetryInfo`; a negative or missing one is none at all, and means "now".
    pub(super) fn retry_delay(&self) -> Option<Duration> {
        let info = self
            .details
            .iter()
            .find(|any| any.type_url.ends_with("/google.rpc.RetryInfo"))?;
        let delay = RetryInfo::decode(info.value.as_slice()).ok()?.retry_delay;
        let delay = delay.unwrap_or_default();
        match (u64::try_from(delay.seconds), u32::try_from(delay.nanos)) {
            (Ok(seconds), Ok(nanos)) => Some(
                Duration::from_secs(seconds).saturating_add(Duration::from_nanos(nanos.into())),
            ),
            _ => Some(Duration::ZERO),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(delay: Option<Delay>) -> Status {
        let info = RetryInfo { retry_delay: delay };
        let details = vec![
            Any {
                type_url: "type.googleapis.com/google.rpc.DebugInfo".into(),
                value: vec![0xff],
            },
            Any {
                type_url: "type.googleapis.com/google.rpc.RetryInfo".into(),
                value: info.encode_to_vec(),
            },
        ];
        Status {
            code: 14,
            message: String::new(),
            details,
        }
    }

    #[test]
    fn the_delay_is_read_and_nonsense_is_none() {
        let delay = |seconds, nanos| status(Some(Delay { seconds, nanos })).retry_delay();
        assert_eq!(delay(2, 500_000_000), Some(Duration::from_millis(2500)));
        assert_eq!(delay(-1, 0), Some(Duration::ZERO));
        assert_eq!(status(None).retry_delay(), Some(Duration::ZERO));
        let mut broken = status(None);
        broken.details[1].value = vec![0xff];
        assert_eq!(broken.retry_delay(), None);
        assert_eq!(Status::default().retry_delay(), None);
    }
}
