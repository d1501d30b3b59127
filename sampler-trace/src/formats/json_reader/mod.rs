// SPDX-License-Identifier: MIT OR Apache-2.0

//! Reads a timeline JSON: ours or that of the 2012 profiler, in either order, even if it
//! is cut off. Any other JSON is an error.

mod assemble;
pub mod error;
mod lexer;
mod metadata;
mod rows;

use std::io::Read;

use crate::container::load::Trace;
use crate::formats::json_reader::error::JsonError;

/// Reads a timeline JSON as a trace. Its time zero is the start of the recording where
/// the file has that, otherwise the first row. A file without a sentinel is torn: it ends
/// with its last row.
///
/// # Errors
/// [`JsonError`].
pub fn read_timeline(input: impl Read) -> Result<Trace, JsonError> {
    assemble::assemble(rows::read(input)?)
}

/// Reads a timeline JSON from memory: the entry point for fuzzing. It returns for any
/// bytes, and uses bounded memory.
///
/// # Errors
/// [`JsonError`].
pub fn read_timeline_bytes(bytes: &[u8]) -> Result<Trace, JsonError> {
    read_timeline(bytes)
}
