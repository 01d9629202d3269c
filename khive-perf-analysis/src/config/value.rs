//! Values of a configuration: shares like `15 %` and times like `250 ms`.

use std::fmt;

use serde::Deserialize;
use serde::de::{self, Deserializer, Visitor};

/// A share; 0.15 is 15 %. Written as a number of percent, or as text with or without `%`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Share(pub(super) f64);

/// A time. Written as text with its unit: `s`, `ms`, `us` or `ns`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Seconds(pub(super) f64);

/// The confidence of intervals, from 0.5 to below 1.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq)]
#[serde(try_from = "f64")]
pub(super) struct Confidence(pub(super) f64);

/// Calls a second, above 0.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq)]
#[serde(try_from = "f64")]
pub(super) struct PerSecond(pub(super) f64);

/// Bytes an hour. Written as text like `1 MiB/h`; units are B, KiB, MiB and GiB.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq)]
#[serde(try_from = "String")]
pub(super) struct ByteRate(pub(super) f64);

/// Bytes. Written as text like `64 MiB`, in the same units.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq)]
#[serde(try_from = "String")]
pub(super) struct Bytes(pub(super) f64);

impl TryFrom<f64> for Confidence {
    type Error = String;

    fn try_from(value: f64) -> Result<Self, String> {
        match value {
            0.5..1.0 => Ok(Self(value)),
            _ => Err(format!(
                "`confidence` must be from 0.5 to below 1, and is {value}"
            )),
        }
    }
}

impl TryFrom<f64> for PerSecond {
    type Error = String;

    fn try_from(value: f64) -> Result<Self, String> {
        match value > 0.0 && value.is_finite() {
            true => Ok(Self(value)),
            false => Err(format!(
                "`min_throughput` is in calls a second, above 0, and is {value}"
            )),
        }
    }
}

impl TryFrom<String> for ByteRate {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        rate(&text).map(Self).ok_or_else(|| {
            format!("`{text}` is no rate like \"1 MiB/h\" (B, KiB, MiB or GiB an hour)")
        })
    }
}

impl TryFrom<String> for Bytes {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        bytes(&text)
            .map(Self)
            .ok_or_else(|| format!("`{text}` is no size like \"64 MiB\" (B, KiB, MiB or GiB)"))
    }
}

fn rate(text: &str) -> Option<f64> {
    bytes(text.trim().strip_suffix("/h")?)
}

fn bytes(text: &str) -> Option<f64> {
    let text = text.trim();
    let unit = text.find(|c: char| c.is_ascii_alphabetic())?;
    let (number, unit) = text.split_at(unit);
    let scale = match unit {
        "B" => 1.0,
        "KiB" => 1024.0,
        "MiB" => 1024.0 * 1024.0,
        "GiB" => 1024.0 * 1024.0 * 1024.0,
        _ => return None,
    };
    let number: f64 = number.trim().parse().ok()?;
    (number >= 0.0 && number.is_finite()).then_some(number * scale)
}

impl<'de> Deserialize<'de> for Share {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Percent;
        impl Visitor<'_> for Percent {
            type Value = Share;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a share in percent, like 15 or \"15 %\", from 0 to 10000")
            }

            fn visit_f64<E: de::Error>(self, value: f64) -> Result<Share, E> {
                if (0.0..=10_000.0).contains(&value) {
                    Ok(Share(value / 100.0))
                } else {
                    Err(E::invalid_value(de::Unexpected::Float(value), &self))
                }
            }

            fn visit_i64<E: de::Error>(self, value: i64) -> Result<Share, E> {
                self.visit_f64(value as f64)
            }

            fn visit_u64<E: de::Error>(self, value: u64) -> Result<Share, E> {
                self.visit_f64(value as f64)
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Share, E> {
                let number = text.trim().trim_end_matches('%').trim().parse();
                match number {
                    Ok(number) => self.visit_f64(number),
                    Err(_) => Err(E::invalid_value(de::Unexpected::Str(text), &self)),
                }
            }
        }
        from.deserialize_any(Percent)
    }
}

impl<'de> Deserialize<'de> for Seconds {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        seconds(&text).map(Seconds).ok_or_else(|| {
            let expected = "a time with its unit, like \"250 ms\" (s, ms, us or ns)";
            de::Error::invalid_value(de::Unexpected::Str(&text), &expected)
        })
    }
}

fn seconds(text: &str) -> Option<f64> {
    let text = text.trim();
    let unit = text.find(|c: char| c.is_ascii_alphabetic())?;
    let (number, unit) = text.split_at(unit);
    let scale = match unit {
        "s" => 1.0,
        "ms" => 1e-3,
        "us" => 1e-6,
        "ns" => 1e-9,
        _ => return None,
    };
    let number: f64 = number.trim().parse().ok()?;
    (number > 0.0 && number.is_finite()).then_some(number * scale)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_have_a_unit() {
        assert_eq!(rate("1.5 KiB/h"), Some(1536.0));
        assert_eq!(rate("0 B/h"), Some(0.0));
        for wrong in ["1", "1 MiB", "1 MB/h", "-1 B/h", "/h"] {
            assert_eq!(rate(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn times_have_a_unit() {
        assert_eq!(seconds("250 ms"), Some(0.25));
        assert_eq!(seconds("1.5s"), Some(1.5));
        for wrong in ["250", "ms", "-1 s", "1 h", "0 s", "1 s s"] {
            assert_eq!(seconds(wrong), None, "{wrong}");
        }
    }
}
