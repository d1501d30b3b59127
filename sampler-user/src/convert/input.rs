//! Which kind of trace the input is, told by its first bytes, never by its
//! name. It refuses to know the kinds any further.

use std::io::{BufReader, Read};

use flate2::bufread::MultiGzDecoder;

use super::ConvertError;
use crate::output::{FoldedError, read_folded, read_timeline};
use crate::trace::{MAGIC, Trace};

const GZIP: [u8; 2] = [0x1f, 0x8b];
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// What is unpacked from gzip at most: time is bounded, memory is anyway.
const MAXIMUM_UNPACKED: u64 = 8 << 30;

/// Reads a container, a timeline JSON or collapsed stacks, each of them packed
/// by gzip or not.
///
/// # Errors
/// [`ConvertError::NotATrace`], [`ConvertError::Zstd`],
/// [`ConvertError::Read`], and those of the kind it is.
pub fn read_trace(input: impl Read) -> Result<Trace, ConvertError> {
    let (start, input) = peek(input)?;
    if !start.starts_with(&GZIP) {
        return read_plain(&start, input);
    }
    let unpacked = MultiGzDecoder::new(BufReader::with_capacity(1 << 16, input));
    let (start, input) = peek(unpacked.take(MAXIMUM_UNPACKED))?;
    read_plain(&start, input)
}

fn read_plain(start: &[u8], input: impl Read) -> Result<Trace, ConvertError> {
    if start.starts_with(&ZSTD) {
        return Err(ConvertError::Zstd);
    }
    if start.first() == MAGIC.first() {
        return Ok(Trace::read(BufReader::with_capacity(1 << 16, input))?);
    }
    let first = start.iter().find(|byte| !byte.is_ascii_whitespace());
    if first == Some(&b'[') {
        return Ok(read_timeline(input)?);
    }
    match read_folded(input) {
        Ok(trace) if !trace.rows.is_empty() => Ok(trace),
        // Already the first line is none of theirs.
        Ok(_) | Err(FoldedError::Syntax { line: 1 }) => Err(ConvertError::NotATrace),
        Err(error) => Err(error.into()),
    }
}

/// The first bytes, and the input with them in front again.
fn peek(mut input: impl Read) -> Result<(Vec<u8>, impl Read), ConvertError> {
    let mut start = Vec::new();
    let read = input.by_ref().take(16).read_to_end(&mut start);
    read.map_err(|source| ConvertError::Read { source })?;
    Ok((start.clone(), std::io::Cursor::new(start).chain(input)))
}
