// SPDX-License-Identifier: MIT OR Apache-2.0

//! The list of segments at the end of a finished file.

use std::io::{Read, Seek, SeekFrom};

use crate::container::block;
use crate::container::block::kind;
use crate::container::error::TraceError;
use crate::container::info::TraceInfo;
use crate::model::identifiers::KernelTime;
use crate::model::varint::{put, take};

/// The last eight bytes of a finished file.
const TRAILER: [u8; 8] = *b"pyebpfIX";

/// A segment of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IndexEntry {
    /// Where its block begins.
    pub offset: u64,
    /// Up to when the rows are complete once this segment was read.
    pub complete_until: KernelTime,
    /// How many rows it has.
    pub rows: u64,
}

/// Encodes the index block and the trailer, which are written at `offset`.
pub(super) fn encode(
    entries: &[IndexEntry],
    info: &TraceInfo,
    offset: u64,
) -> Result<Vec<u8>, TraceError> {
    let mut data = Vec::new();
    put(&mut data, entries.len() as u64);
    let mut before = 0;
    for entry in entries {
        put(&mut data, entry.offset - before);
        put(&mut data, info.microseconds(entry.complete_until));
        put(&mut data, entry.rows);
        before = entry.offset;
    }
    let mut bytes = block::encode(kind::INDEX, &data)?;
    bytes.extend(offset.to_le_bytes());
    bytes.extend(TRAILER);
    Ok(bytes)
}

/// Reads the list of segments from the end of a file, without reading the rest. Returns
/// `None` when there is no intact one, as after a recording that was killed.
///
/// # Errors
/// [`TraceError::Read`].
pub fn read_index(
    input: &mut (impl Read + Seek),
    info: &TraceInfo,
) -> Result<Option<Vec<IndexEntry>>, TraceError> {
    let failed = |source| TraceError::Read { source };
    let length = input.seek(SeekFrom::End(0)).map_err(failed)?;
    let Some(trailer_at) = length.checked_sub(16) else {
        return Ok(None);
    };
    input.seek(SeekFrom::Start(trailer_at)).map_err(failed)?;
    let mut trailer = [0; 16];
    input.read_exact(&mut trailer).map_err(failed)?;
    let [o0, o1, o2, o3, o4, o5, o6, o7, mark @ ..] = trailer;
    let offset = u64::from_le_bytes([o0, o1, o2, o3, o4, o5, o6, o7]);
    if mark != TRAILER || offset >= trailer_at {
        return Ok(None);
    }
    input.seek(SeekFrom::Start(offset)).map_err(failed)?;
    let block = block::read(input)?.filter(|block| block.kind == kind::INDEX);
    Ok(block
        .and_then(block::Block::into_data)
        .and_then(|data| decode(&data, info)))
}

fn decode(mut data: &[u8], info: &TraceInfo) -> Option<Vec<IndexEntry>> {
    let mut entries = Vec::new();
    let mut offset = 0_u64;
    // Each entry takes bytes, so a count that is too high fails when they end.
    for _ in 0..take(&mut data)? {
        offset = offset.checked_add(take(&mut data)?)?;
        let complete_until = info.time_at(take(&mut data)?)?;
        entries.push(IndexEntry {
            offset,
            complete_until,
            rows: take(&mut data)?,
        });
    }
    Some(entries)
}
