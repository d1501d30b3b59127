// SPDX-License-Identifier: MIT OR Apache-2.0

//! Tells the eBPF program which code objects it need not describe any more.

use aya::maps::{Array, MapData};
use sampler_common::known_code::{BUCKET_COUNT, Bucket, PLACES, bucket_of, holds};
use sampler_common::sample::CodeKey;

/// Writes the table that `sampler_common::known` describes.
pub struct KnownCode {
    map: Array<MapData, Bucket>,
    /// A copy of the table, so that writing needs no reading.
    mirror: Vec<Bucket>,
    /// The place to overwrite next in each bucket, once it is full.
    oldest: Vec<u8>,
}

impl KnownCode {
    pub(super) fn new(map: Array<MapData, Bucket>) -> Self {
        Self {
            map,
            mirror: vec![[0; PLACES]; BUCKET_COUNT],
            oldest: vec![0; BUCKET_COUNT],
        }
    }

    /// Marks a code object as known. In a full bucket the oldest one is forgotten; the
    /// eBPF program describes that again when it meets it.
    pub fn acknowledge(&mut self, key: CodeKey) {
        let index = bucket_of(key);
        let bucket = &mut self.mirror[index as usize];
        if holds(bucket, key) {
            return;
        }
        let oldest = &mut self.oldest[index as usize];
        let place = bucket
            .iter()
            .position(|taken| *taken == CodeKey::UNREAD.0)
            .unwrap_or(usize::from(*oldest) % PLACES);
        *oldest = (place as u8 + 1) % PLACES as u8;
        bucket[place] = key.0;
        // If this fails, the description comes again.
        let _ = self.map.set(index, *bucket, 0);
    }
}
