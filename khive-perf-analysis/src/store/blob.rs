//! Buckets and bounds as compact bytes, and back.
//!
//! Buckets: for each non-empty bucket, in order of index, the zigzag LEB128 step from the previous index
//! (from 0 for the first) and the LEB128 count. Bounds: little-endian `f64`, one after the other.

use std::collections::BTreeMap;

/// Non-empty buckets as bytes.
pub(crate) fn encode_buckets(buckets: impl IntoIterator<Item = (i32, u64)>) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut previous = 0i64;
    for (index, count) in buckets {
        if count == 0 {
            continue;
        }
        let step = i64::from(index) - previous;
        put(&mut bytes, ((step << 1) ^ (step >> 63)).cast_unsigned());
        put(&mut bytes, count);
        previous = i64::from(index);
    }
    bytes
}

/// Non-empty buckets from bytes; `None` where the bytes are not what [`encode_buckets`] writes.
pub(crate) fn decode_buckets(mut bytes: &[u8]) -> Option<BTreeMap<i32, u64>> {
    let mut buckets = BTreeMap::new();
    let mut index = 0i64;
    while !bytes.is_empty() {
        let zigzag = take(&mut bytes)?;
        let step = (zigzag >> 1).cast_signed() ^ -((zigzag & 1).cast_signed());
        index = index.checked_add(step)?;
        let count = take(&mut bytes)?;
        buckets.insert(i32::try_from(index).ok()?, count);
    }
    Some(buckets)
}

/// Bounds as bytes.
pub(crate) fn encode_bounds(bounds: &[f64]) -> Vec<u8> {
    bounds
        .iter()
        .flat_map(|bound| bound.to_le_bytes())
        .collect()
}

/// Bounds from bytes; `None` where their number is not a multiple of eight.
pub(crate) fn decode_bounds(bytes: &[u8]) -> Option<Vec<f64>> {
    let (chunks, rest) = bytes.as_chunks::<8>();
    rest.is_empty().then(|| {
        chunks
            .iter()
            .map(|chunk| f64::from_le_bytes(*chunk))
            .collect()
    })
}

fn put(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    bytes.push((value & 0x7f) as u8);
}

fn take(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        let bits = u64::from(byte & 0x7f);
        if shift == 63 && bits > 1 {
            return None;
        }
        value |= bits << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn buckets_come_back_as_they_were(
            buckets in proptest::collection::btree_map(any::<i32>(), 1..=u64::MAX, 0..40),
        ) {
            let bytes = encode_buckets(buckets.iter().map(|(&index, &count)| (index, count)));
            prop_assert_eq!(decode_buckets(&bytes), Some(buckets));
        }

        #[test]
        fn foreign_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = decode_buckets(&bytes);
            let _ = decode_bounds(&bytes);
        }
    }

    #[test]
    fn a_cut_blob_is_refused() {
        let bytes = encode_buckets([(-300, 1), (5, 70_000)]);
        assert_eq!(decode_buckets(&bytes[..bytes.len() - 1]), None);
        assert_eq!(decode_bounds(&[0; 9]), None);
    }

    #[test]
    fn the_format_is_what_the_schema_documents() {
        assert_eq!(
            encode_buckets([(-1, 3), (0, 0), (1, 128)]),
            [1, 3, 4, 0x80, 1]
        );
        assert_eq!(encode_bounds(&[1.0]), 1.0f64.to_le_bytes());
    }
}
