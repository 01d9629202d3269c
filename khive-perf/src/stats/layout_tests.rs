//! Properties of the bucket layout: exact at every boundary, monotone, and as OpenTelemetry defines it.

use proptest::prelude::*;

use super::*;

/// Whether `value^32 <= 2^power * 10^(9*32)`, in exact arithmetic on little-endian limbs.
fn at_most_bound(value: u64, index: i32, shift: u32) -> bool {
    // value / 2^shift <= 10^9 * 2^(index/32)  <=>  value^32 * 2^a <= 10^288 * 2^b
    let power = i64::from(index) + 32 * i64::from(shift);
    let mut left = vec![1_u32];
    let mut right = vec![1_u32];
    for _ in 0..32 {
        left = multiply(&left, value);
        right = multiply(&right, 1_000_000_000);
    }
    for _ in 0..power.unsigned_abs() {
        let side = if power > 0 { &mut right } else { &mut left };
        *side = multiply(side, 2);
    }
    left.len() < right.len()
        || (left.len() == right.len() && left.iter().rev().le(right.iter().rev()))
}

fn multiply(number: &[u32], by: u64) -> Vec<u32> {
    let mut carry = 0_u128;
    let mut product = Vec::with_capacity(number.len() + 2);
    for limb in number {
        carry += u128::from(*limb) * u128::from(by);
        product.push((carry & 0xffff_ffff) as u32);
        carry >>= 32;
    }
    while carry > 0 {
        product.push((carry & 0xffff_ffff) as u32);
        carry >>= 32;
    }
    product
}

#[test]
fn every_boundary_mantissa_is_the_root_rounded_down() {
    for (i, bound) in BOUNDS.iter().enumerate() {
        let index = i32::try_from(i).unwrap() - 28;
        assert!(at_most_bound(*bound, index, 34), "bound {i} is too high");
        assert!(!at_most_bound(bound + 1, index, 34), "bound {i} is too low");
    }
}

#[test]
fn one_second_closes_the_bucket_below_index_zero() {
    assert_eq!(otlp_index(slot_of(1_000_000_000)), -1);
    assert_eq!(otlp_index(slot_of(1_000_000_001)), 0);
    assert_eq!(otlp_index(slot_of(2_000_000_000)), 31);
    assert_eq!(otlp_index(slot_of(2_000_000_001)), 32);
}

#[test]
fn what_is_longer_than_the_last_octave_is_counted_in_the_last_slot() {
    assert_eq!(slot_of(u64::MAX), SLOTS - 1);
    assert_eq!(slot_of(1 << OCTAVES), SLOTS - 1);
    assert_eq!(slot_of(1), slot_of(1));
}

proptest! {
    #[test]
    fn a_value_lies_in_the_bucket_it_is_put_in(ns in 1..(1_u64 << 47)) {
        let index = otlp_index(slot_of(ns));
        prop_assert!(at_most_bound(ns, index + 1, 0), "above its bucket");
        prop_assert!(!at_most_bound(ns, index, 0), "below its bucket");
    }

    #[test]
    fn slots_rise_with_the_value(a in 1..u64::MAX, b in 1..u64::MAX) {
        let (low, high) = (a.min(b), a.max(b));
        prop_assert!(slot_of(low) <= slot_of(high));
    }

    #[test]
    fn a_bucket_is_never_wider_than_two_and_a_fifth_percent(slot in 1..SLOTS) {
        let ratio = upper_bound_ns(slot) / upper_bound_ns(slot - 1);
        prop_assert!((1.0218..1.0219).contains(&ratio));
    }
}
