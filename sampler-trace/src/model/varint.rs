// SPDX-License-Identifier: MIT OR Apache-2.0

//! Encodes numbers of variable length: seven bits a byte, the low ones first (LEB128).

/// The largest number that is written: the largest that a JavaScript number holds
/// exactly.
pub(crate) const MAXIMUM: u64 = (1 << 53) - 1;

/// Appends `value`, which must be at most [`MAXIMUM`]; a larger value becomes
/// [`MAXIMUM`].
pub(crate) fn put(out: &mut Vec<u8>, value: u64) {
    let mut rest = value.min(MAXIMUM);
    while rest >= 0x80 {
        out.push((rest as u8) | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

/// Takes a number off the front of `bytes`. Returns `None` when the bytes end in the
/// middle of it, or it is above [`MAXIMUM`].
#[inline]
pub(crate) fn take(bytes: &mut &[u8]) -> Option<u64> {
    let (&first, rest) = bytes.split_first()?;
    if first < 0x80 {
        *bytes = rest;
        return Some(u64::from(first));
    }
    take_long(bytes)
}

fn take_long(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    // Eight bytes hold 56 bits, enough for 53 and too few to overflow.
    for (position, &byte) in bytes.iter().take(8).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * position);
        if byte < 0x80 {
            *bytes = bytes.get(position + 1..)?;
            return (value <= MAXIMUM).then_some(value);
        }
    }
    None
}

/// Returns the signed distance from `from` to `to` as an unsigned number, small when they
/// are near: 0, -1, 1, -2, 2 become 0, 1, 2, 3, 4.
pub(crate) fn zigzag(from: u32, to: u32) -> u64 {
    let distance = i64::from(to) - i64::from(from);
    ((distance << 1) ^ (distance >> 63)).cast_unsigned()
}

/// Inverts [`zigzag`]; `None` when the result does not fit.
pub(crate) fn unzigzag(from: u32, distance: u64) -> Option<u32> {
    let signed = (distance >> 1).cast_signed() ^ -((distance & 1).cast_signed());
    u32::try_from(i64::from(from).checked_add(signed)?).ok()
}

#[cfg(test)]
mod tests {
    use super::{MAXIMUM, put, take, unzigzag, zigzag};

    #[test]
    fn what_was_put_is_taken() {
        for value in [0, 1, 127, 128, 16_383, 16_384, u64::from(u32::MAX), MAXIMUM] {
            let mut bytes = Vec::new();
            put(&mut bytes, value);
            bytes.push(9);
            let mut rest = bytes.as_slice();
            assert_eq!(take(&mut rest), Some(value));
            assert_eq!(rest, [9]);
        }
    }

    #[test]
    fn a_cut_or_too_large_number_is_refused() {
        assert_eq!(take(&mut [].as_slice()), None);
        assert_eq!(take(&mut [0x80].as_slice()), None);
        assert_eq!(take(&mut [0xff; 12].as_slice()), None);
        assert_eq!(
            take(&mut [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f].as_slice()),
            None
        );
    }

    #[test]
    fn zigzag_is_its_own_inverse_at_the_edges() {
        for (from, to) in [(0, 0), (5, 4), (4, 5), (0, u32::MAX), (u32::MAX, 0)] {
            assert_eq!(unzigzag(from, zigzag(from, to)), Some(to));
        }
        assert_eq!(unzigzag(0, 1), None);
        assert_eq!(unzigzag(u32::MAX, 2), None);
        assert_eq!(unzigzag(0, u64::MAX), None);
    }
}
