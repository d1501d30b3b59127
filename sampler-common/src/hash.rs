// SPDX-License-Identifier: MIT OR Apache-2.0

//! Mixes numbers into a hash.

const MULTIPLIER: u64 = 0x9e37_79b9_7f4a_7c15;

/// Mixes a number into a hash.
#[inline(always)]
pub(crate) fn mix(hash: u64, value: u64) -> u64 {
    let mixed = (hash ^ value).wrapping_mul(MULTIPLIER);
    mixed ^ (mixed >> 29)
}
