//! The table of code objects that user space can name: where a key is looked
//! for in it. It refuses to know who stores the table.
//!
//! A plain array, because looking something up in an array costs a probe no
//! call, and because one writer can change a word of it without a lock. A key
//! may stand in any of the places of its bucket.

use crate::sample::CodeKey;

/// Places in a bucket.
pub const PLACES: usize = 4;
/// Buckets in the table; a power of two.
pub const BUCKET_COUNT: usize = 16384;

/// The keys that fall to one number; [`CodeKey::UNREAD`] marks a free place.
pub type Bucket = [u64; PLACES];

/// The bucket of a key.
#[inline(always)]
pub fn bucket_of(key: CodeKey) -> u32 {
    (key.0 >> (u64::BITS - BUCKET_COUNT.trailing_zeros())) as u32
}

/// Whether a bucket holds a key.
#[inline(always)]
pub fn holds(bucket: &Bucket, key: CodeKey) -> bool {
    bucket[0] == key.0 || bucket[1] == key.0 || bucket[2] == key.0 || bucket[3] == key.0
}
