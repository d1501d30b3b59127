// SPDX-License-Identifier: MIT OR Apache-2.0

//! Detects which kind of trace the input is, and reads it. The first bytes decide, never
//! the file's name.

use std::io::{BufReader, Read};

use flate2::bufread::MultiGzDecoder;

use crate::container::MAGIC;
use crate::container::load::Trace;
use crate::convert::error::ConvertError;
use crate::formats::folded::read::{FoldedError, read_folded};
use crate::formats::json_reader::read_timeline;

const GZIP: [u8; 2] = [0x1f, 0x8b];
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// What some editors and PowerShell put in front of UTF-8 text.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
/// How many bytes are read to detect the kind.
const START: u64 = 512;
/// The most bytes that are unpacked from gzip. This bounds the time; the readers bound
/// the memory.
const MAXIMUM_UNPACKED: u64 = 8 << 30;

/// Reads a container, a timeline JSON or collapsed stacks, each with or without gzip.
///
/// # Errors
/// [`ConvertError::NotATrace`], [`ConvertError::Zstd`], [`ConvertError::Read`], and the
/// errors of the detected kind.
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
    let text = start.strip_prefix(BYTE_ORDER_MARK);
    let mark = start.len() - text.unwrap_or(start).len();
    let mut input = input;
    let skipped = std::io::copy(&mut input.by_ref().take(mark as u64), &mut std::io::sink());
    skipped.map_err(|source| ConvertError::Read { source })?;
    if is_list(text.unwrap_or(start)) {
        return Ok(read_timeline(input)?);
    }
    match read_folded(input) {
        Ok(trace) if !trace.rows.is_empty() => Ok(trace),
        // Not even the first line is a stack.
        Ok(_) | Err(FoldedError::Syntax { line: 1 }) => Err(ConvertError::NotATrace),
        Err(error) => Err(error.into()),
    }
}

/// Whether a text begins with a JSON list, such as a timeline: `[`, then a row, which
/// begins with a time, or another value, or nothing. Collapsed stacks can begin with a
/// bracket too, in a frame such as `[unknown]` or `[[vdso]]`.
fn is_list(start: &[u8]) -> bool {
    let mut signs = start.iter().filter(|byte| !byte.is_ascii_whitespace());
    if signs.next() != Some(&b'[') {
        return false;
    }
    match signs.next() {
        // Cut off, or nothing but white space as far as it was read.
        None | Some(b']') => true,
        Some(b'[') => signs
            .next()
            .is_none_or(|sign| sign.is_ascii_digit() || matches!(sign, b'-' | b']')),
        Some(b'{' | b'"') => true,
        Some(sign) if sign.is_ascii_digit() => {
            signs.find(|sign| !b"0123456789.eE+-".contains(sign)) == Some(&b',')
        }
        Some(_) => false,
    }
}

/// Reads the first bytes. Returns them, and the input with them in front again.
fn peek(mut input: impl Read) -> Result<(Vec<u8>, impl Read), ConvertError> {
    let mut start = Vec::new();
    let read = input.by_ref().take(START).read_to_end(&mut start);
    read.map_err(|source| ConvertError::Read { source })?;
    Ok((start.clone(), std::io::Cursor::new(start).chain(input)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::identifiers::FrameId;

    /// The functions of all frames, in the order in which they were read.
    fn functions(text: &[u8]) -> Vec<String> {
        let symbols = read_trace(text).expect("it is read").symbols;
        let frames = (0..symbols.frame_count()).filter_map(|it| symbols.frame(FrameId(it)));
        frames
            .map(|frame| symbols.string(frame.function).to_owned())
            .collect()
    }

    #[test]
    fn stacks_may_begin_with_a_bracket() {
        for text in ["[unknown];f 3\n", "[[vdso]];f 3\n", "  [libc.so.6];f 3\n"] {
            assert_eq!(functions(text.as_bytes())[1], "f", "{text}");
        }
        for text in [
            "[",
            "[]",
            "[\n[1.5,",
            "[[]",
            " [ [ -1",
            "[{\"a\": 1}]",
            "[1, 2]",
        ] {
            assert!(is_list(text.as_bytes()), "{text}");
        }
        for text in ["[unknown];f 3", "[[vdso]] 1", "[12];f 3", "f 3", "{}"] {
            assert!(!is_list(text.as_bytes()), "{text}");
        }
    }

    #[test]
    fn a_byte_order_mark_is_no_part_of_the_text() {
        assert_eq!(functions(b"\xef\xbb\xbff;g 3\n"), ["f", "g"]);
        let rows =
            b"\xef\xbb\xbf[\n[1.0,\"1\",\"t\",[[\"a.py\",1,\"f\",\"x\"]]],\n[2.0,null,null,[]]]";
        assert_eq!(functions(rows), ["f"]);
    }
}
