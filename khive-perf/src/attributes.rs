//! Attribute values: what `fields(..)` records with a call.

use std::fmt;
use std::sync::Arc;

/// The value of an attribute, as a snapshot holds it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum AttributeValue {
    /// A truth value.
    Bool(bool),
    /// A whole number. Unsigned values beyond `i64::MAX` become text.
    I64(i64),
    /// A floating-point number.
    F64(f64),
    /// Text, cut to the configured number of bytes.
    Str(Arc<str>),
}

impl fmt::Display for AttributeValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool(value) => value.fmt(f),
            Self::I64(value) => value.fmt(f),
            Self::F64(value) => value.fmt(f),
            Self::Str(value) => value.fmt(f),
        }
    }
}

/// The value of a field at the moment of a call, borrowed where it can be.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Value<'a> {
    /// A truth value.
    Bool(bool),
    /// A whole number.
    I64(i64),
    /// A floating-point number.
    F64(f64),
    /// Text that the caller holds.
    Str(&'a str),
    /// Text made for this call.
    String(String),
}

impl Value<'_> {
    /// Text of this value, if it is text.
    fn text(&self) -> Option<&str> {
        match self {
            Value::Str(text) => Some(text),
            Value::String(text) => Some(text),
            _ => None,
        }
    }

    /// Mixes the value into `hash`, so that equal values in [`Value::matches`] hash alike.
    pub(crate) fn mix_into(&self, hash: u64, bytes_max: usize) -> u64 {
        match self {
            Value::Bool(value) => mix(hash, 1, u64::from(*value)),
            Value::I64(value) => mix(hash, 2, value.cast_unsigned()),
            Value::F64(value) => mix(hash, 3, value.to_bits()),
            Value::Str(_) | Value::String(_) => {
                let text = cut(self.text().unwrap_or_default(), bytes_max);
                let mut hash = mix(hash, 4, text.len() as u64);
                for chunk in text.as_bytes().chunks(8) {
                    let mut word = [0; 8];
                    for (to, from) in word.iter_mut().zip(chunk) {
                        *to = *from;
                    }
                    hash = mix(hash, 5, u64::from_le_bytes(word));
                }
                hash
            }
        }
    }

    /// Whether a stored value is this one.
    pub(crate) fn matches(&self, stored: &AttributeValue, bytes_max: usize) -> bool {
        match (self, stored) {
            (Value::Bool(a), AttributeValue::Bool(b)) => a == b,
            (Value::I64(a), AttributeValue::I64(b)) => a == b,
            (Value::F64(a), AttributeValue::F64(b)) => a.to_bits() == b.to_bits(),
            (Value::Str(_) | Value::String(_), AttributeValue::Str(b)) => {
                cut(self.text().unwrap_or_default(), bytes_max) == &**b
            }
            _ => false,
        }
    }

    /// The value as it is kept; text longer than `bytes_max` is cut.
    pub(crate) fn to_stored(&self, bytes_max: usize) -> AttributeValue {
        match self {
            Value::Bool(value) => AttributeValue::Bool(*value),
            Value::I64(value) => AttributeValue::I64(*value),
            Value::F64(value) => AttributeValue::F64(*value),
            Value::Str(_) | Value::String(_) => {
                AttributeValue::Str(cut(self.text().unwrap_or_default(), bytes_max).into())
            }
        }
    }
}

fn mix(hash: u64, tag: u64, word: u64) -> u64 {
    let mixed = (hash ^ word.wrapping_add(tag)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed ^ (mixed >> 29)
}

/// The longest prefix of `text` of at most `bytes_max` bytes that ends between characters.
pub(crate) fn cut(text: &str, bytes_max: usize) -> &str {
    if text.len() <= bytes_max {
        return text;
    }
    let mut end = bytes_max;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

/// What `fields(name = value)` accepts: integers, floats, booleans, text, and references to them.
///
/// For other types write `%value` (its `Display`) or `?value` (its `Debug`).
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be recorded as the value of a field",
    label = "is neither a number, a boolean nor text",
    note = "write `%` before the value to record its `Display`, or `?` for its `Debug`: `fields(key = %value)`"
)]
pub trait ToValue {
    /// The value to record.
    fn to_value(&self) -> Value<'_>;
}

impl<T: ToValue + ?Sized> ToValue for &T {
    fn to_value(&self) -> Value<'_> {
        (**self).to_value()
    }
}

impl<T: ToValue + ?Sized> ToValue for &mut T {
    fn to_value(&self) -> Value<'_> {
        (**self).to_value()
    }
}

impl ToValue for bool {
    fn to_value(&self) -> Value<'_> {
        Value::Bool(*self)
    }
}

impl ToValue for str {
    fn to_value(&self) -> Value<'_> {
        Value::Str(self)
    }
}

impl ToValue for String {
    fn to_value(&self) -> Value<'_> {
        Value::Str(self)
    }
}

impl ToValue for char {
    fn to_value(&self) -> Value<'_> {
        Value::String(self.to_string())
    }
}

impl ToValue for f32 {
    fn to_value(&self) -> Value<'_> {
        Value::F64(f64::from(*self))
    }
}

impl ToValue for f64 {
    fn to_value(&self) -> Value<'_> {
        Value::F64(*self)
    }
}

macro_rules! whole_numbers {
    ($($ty:ty)*) => {$(
        impl ToValue for $ty {
            fn to_value(&self) -> Value<'_> {
                i64::try_from(*self).map_or_else(|_| Value::String(self.to_string()), Value::I64)
            }
        }
    )*};
}

whole_numbers!(i8 i16 i32 i64 i128 isize u8 u16 u32 u64 u128 usize);

/// A value by its `Display`, for `fields(name = %value)`.
#[must_use]
pub fn display(value: &(impl fmt::Display + ?Sized)) -> Value<'static> {
    Value::String(value.to_string())
}

/// A value by its `Debug`, for `fields(name = ?value)`.
#[must_use]
pub fn debug(value: &(impl fmt::Debug + ?Sized)) -> Value<'static> {
    Value::String(format!("{value:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_cut_between_characters() {
        assert_eq!(cut("größe", 4), "grö");
        assert_eq!(cut("größe", 3), "gr");
        assert_eq!(cut("größe", 99), "größe");
    }

    #[test]
    fn a_value_matches_what_was_stored_of_it_and_hashes_alike() {
        let long = "x".repeat(300);
        let values = [
            Value::Bool(true),
            Value::I64(-3),
            Value::F64(0.5),
            Value::Str("shard"),
            Value::String(long.clone()),
        ];
        for (i, a) in values.iter().enumerate() {
            for (j, b) in values.iter().enumerate() {
                assert_eq!(a.matches(&b.to_stored(128), 128), i == j, "{a:?} {b:?}");
            }
        }
        let other_tail = Value::String(format!("{}y", "x".repeat(200)));
        assert_eq!(
            other_tail.mix_into(0, 128),
            Value::Str(&long).mix_into(0, 128)
        );
        assert_eq!(
            u64::MAX.to_value().to_stored(128).to_string(),
            u64::MAX.to_string()
        );
    }
}
