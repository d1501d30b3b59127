// SPDX-License-Identifier: MIT OR Apache-2.0

//! The blocks of a container: each one knows its length and carries a checksum.

use std::io::{self, Read};

use flate2::Compression;
use flate2::bufread::{ZlibDecoder, ZlibEncoder};

use crate::container::error::TraceError;

/// The most bytes of a block, stored or decoded.
const MAXIMUM: u32 = 64 << 20;
const HEAD: usize = 16;
/// A higher level takes twice the time and makes rows only 4 % smaller.
const LEVEL: Compression = Compression::new(3);

/// The kinds of blocks.
pub(crate) mod kind {
    pub(crate) const HEADER: u8 = 1;
    pub(crate) const SEGMENT: u8 = 2;
    pub(crate) const SUMMARY: u8 = 3;
    pub(crate) const INDEX: u8 = 4;
    pub(crate) const ACCOUNT: u8 = 5;
}

/// Encodes a block, and compresses it where that makes it smaller.
pub(crate) fn encode(kind: u8, data: &[u8]) -> Result<Vec<u8>, TraceError> {
    let write = |source| TraceError::Write { source };
    let too_large = || io::Error::new(io::ErrorKind::FileTooLarge, "a block has over 64 MiB");
    let raw = u32::try_from(data.len()).ok().filter(|&raw| raw <= MAXIMUM);
    let raw = raw.ok_or_else(too_large).map_err(write)?;
    let mut packed = Vec::new();
    ZlibEncoder::new(data, LEVEL)
        .read_to_end(&mut packed)
        .map_err(write)?;
    let (encoding, stored) = if packed.len() < data.len() {
        (1, &*packed)
    } else {
        (0, data)
    };
    let stored_length = u32::try_from(stored.len()).map_err(|_| write(too_large()))?;

    let mut block = Vec::with_capacity(HEAD + stored.len());
    block.extend([kind, encoding, 0, 0]);
    block.extend(stored_length.to_le_bytes());
    block.extend(raw.to_le_bytes());
    block.extend(checksum(&block, stored).to_le_bytes());
    block.extend(stored);
    Ok(block)
}

/// A block as it is in the file.
#[derive(Debug)]
pub(crate) struct Block {
    pub(crate) kind: u8,
    /// Its size in the file, in bytes.
    pub(crate) length: u64,
    encoding: u8,
    raw: u32,
    stored: Vec<u8>,
}

/// What precedes the data of a block.
struct Head {
    kind: u8,
    encoding: u8,
    stored: u32,
    raw: u32,
    checksum: u32,
    /// The bytes that the checksum covers.
    bytes: [u8; HEAD - 4],
}

impl Head {
    /// Returns `None` for a block that is larger than any writer makes it.
    fn decode(bytes: &[u8; HEAD]) -> Option<Self> {
        let &[
            kind,
            encoding,
            _,
            _,
            s0,
            s1,
            s2,
            s3,
            r0,
            r1,
            r2,
            r3,
            c0,
            c1,
            c2,
            c3,
        ] = bytes;
        let [covered @ .., _, _, _, _] = *bytes;
        let head = Self {
            kind,
            encoding,
            stored: u32::from_le_bytes([s0, s1, s2, s3]),
            raw: u32::from_le_bytes([r0, r1, r2, r3]),
            checksum: u32::from_le_bytes([c0, c1, c2, c3]),
            bytes: covered,
        };
        (head.stored <= MAXIMUM && head.raw <= MAXIMUM).then_some(head)
    }

    /// Returns the block with this data; `None` when it is not the data that was written.
    fn with(self, stored: Vec<u8>) -> Option<Block> {
        let is_whole = stored.len() == self.stored as usize;
        (is_whole && checksum(&self.bytes, &stored) == self.checksum).then(|| Block {
            kind: self.kind,
            length: HEAD as u64 + u64::from(self.stored),
            encoding: self.encoding,
            raw: self.raw,
            stored,
        })
    }
}

/// Reads a block. Returns `None` when there is no complete and undamaged one.
pub(crate) fn read(input: &mut impl Read) -> Result<Option<Block>, TraceError> {
    let mut head = Vec::with_capacity(HEAD);
    take(input, HEAD as u64, &mut head)?;
    let head = <&[u8; HEAD]>::try_from(head.as_slice()).ok();
    let Some(head) = head.and_then(Head::decode) else {
        return Ok(None);
    };
    let mut stored = Vec::new();
    take(input, u64::from(head.stored), &mut stored)?;
    Ok(head.with(stored))
}

/// What the bytes of a growing file begin with.
#[derive(Debug)]
pub(crate) enum Front {
    Block(Block),
    /// A block that has not arrived completely.
    Part,
    /// Bytes that no writer has written.
    Damaged,
}

/// Looks for a block at the front of `bytes`.
pub(crate) fn front(bytes: &[u8]) -> Front {
    let Some((head, rest)) = bytes.split_first_chunk::<HEAD>() else {
        return Front::Part;
    };
    let Some(head) = Head::decode(head) else {
        return Front::Damaged;
    };
    let Some(stored) = rest.get(..head.stored as usize) else {
        return Front::Part;
    };
    head.with(stored.to_vec())
        .map_or(Front::Damaged, Front::Block)
}

impl Block {
    /// Decodes the data of the block. Returns `None` when it does not match the block's head.
    pub(crate) fn into_data(self) -> Option<Vec<u8>> {
        let data = match self.encoding {
            0 => self.stored,
            1 => {
                let mut data = Vec::new();
                // Reads one byte more than promised, to notice if there is more.
                ZlibDecoder::new(self.stored.as_slice())
                    .take(u64::from(self.raw) + 1)
                    .read_to_end(&mut data)
                    .ok()?;
                data
            }
            _ => return None,
        };
        (data.len() == self.raw as usize).then_some(data)
    }
}

/// Reads up to `length` bytes. Memory grows with the bytes that are there, not with the
/// length that was promised.
fn take(input: &mut impl Read, length: u64, into: &mut Vec<u8>) -> Result<(), TraceError> {
    input
        .by_ref()
        .take(length)
        .read_to_end(into)
        .map(drop)
        .map_err(|source| TraceError::Read { source })
}

fn checksum(head: &[u8], stored: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(head);
    hasher.update(stored);
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use super::{Block, Front, encode, front, read};

    fn read_back(bytes: &[u8]) -> Option<Vec<u8>> {
        read(&mut { bytes }).unwrap().and_then(Block::into_data)
    }

    #[test]
    fn a_block_comes_back_and_any_damage_is_noticed() {
        for data in [&b""[..], b"x", &[7; 5000]] {
            let block = encode(2, data).unwrap();
            assert_eq!(read_back(&block).as_deref(), Some(data));
            assert!(matches!(front(&block), Front::Block(_)));
            for cut in 0..block.len() {
                assert_eq!(read_back(&block[..cut]), None);
                assert!(matches!(front(&block[..cut]), Front::Part));
                let mut changed = block.clone();
                changed[cut] ^= 0x10;
                assert_eq!(read_back(&changed), None, "byte {cut} of {}", block.len());
                // A longer length makes it a part of a longer block.
                let is_length = (4..8).contains(&cut);
                assert!(matches!(front(&changed), Front::Damaged) || is_length);
            }
        }
    }

    #[test]
    fn a_bomb_is_not_unpacked() {
        let mut block = encode(2, &vec![0; 1 << 20]).unwrap();
        assert!(block.len() < 4096);
        block[8..12].copy_from_slice(&10_u32.to_le_bytes());
        let sum = super::checksum(&block[..12], &block[16..]);
        block[12..16].copy_from_slice(&sum.to_le_bytes());
        assert_eq!(read_back(&block), None);
    }
}
