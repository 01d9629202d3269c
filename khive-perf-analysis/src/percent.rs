//! Percent-encoding: text from outside as part of an address or of a list, in which it must not end anything.

/// The text with every byte but those that `is_kept` as `%` and two digits.
pub(crate) fn encoded(text: &str, is_kept: impl Fn(u8) -> bool) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if is_kept(byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}
