// SPDX-License-Identifier: MIT OR Apache-2.0

//! The table of the code objects whose names user space has: where a key belongs in it.
//!
//! The table is a plain array, because an array look-up costs an eBPF program no call,
//! and because one writer can change a word of it without a lock. A key may be in any
//! place of its bucket.

use crate::sample::CodeKey;

/// The number of places in a bucket.
pub const PLACES: usize = 4;
/// The number of buckets in the table; a power of two.
pub const BUCKET_COUNT: usize = 16384;

/// The keys of one bucket; [`CodeKey::UNREAD`] marks a free place.
pub type Bucket = [u64; PLACES];

/// Returns the number of a key's bucket.
#[inline(always)]
pub fn bucket_of(key: CodeKey) -> u32 {
    (key.0 >> (u64::BITS - BUCKET_COUNT.trailing_zeros())) as u32
}

/// Whether a bucket holds a key.
#[inline(always)]
pub fn holds(bucket: &Bucket, key: CodeKey) -> bool {
    bucket[0] == key.0 || bucket[1] == key.0 || bucket[2] == key.0 || bucket[3] == key.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_found_in_any_place_of_its_bucket() {
        let key = CodeKey(0xfeed_0000_0000_0001);
        for place in 0..PLACES {
            let mut bucket = [3, 5, 7, 9];
            assert!(!holds(&bucket, key));
            bucket[place] = key.0;
            assert!(holds(&bucket, key), "{place}");
        }
    }

    #[test]
    fn a_free_place_is_no_keys() {
        // Keys are odd; see `fingerprint::code_key`.
        assert!(!holds(&[CodeKey::UNREAD.0; PLACES], CodeKey(1)));
    }

    #[test]
    fn every_bucket_is_in_the_table_and_used() {
        assert_eq!(bucket_of(CodeKey(u64::MAX)), BUCKET_COUNT as u32 - 1);
        assert_eq!(bucket_of(CodeKey(1)), 0);
        let mut filled = std::vec![0_u32; BUCKET_COUNT];
        let step = u64::MAX / BUCKET_COUNT as u64 + 1;
        for number in 0..BUCKET_COUNT as u64 {
            filled[bucket_of(CodeKey((number * step) | 1)) as usize] += 1;
        }
        assert!(filled.iter().all(|count| *count == 1));
    }
}
