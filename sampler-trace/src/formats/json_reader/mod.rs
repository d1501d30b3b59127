// SPDX-License-Identifier: MIT OR Apache-2.0

//! Reads a timeline JSON: ours or that of the 2012 profiler, in either order, even if it
//! is cut off. Any other JSON is an error.

mod assemble;
mod lexer;
mod metadata;
mod rows;

use std::io::Read;

use crate::container::load::Trace;
use crate::model::row_store::RowStoreFull;

/// Why a JSON file could not be read.
#[derive(Debug, thiserror::Error)]
pub enum JsonError {
    /// The source could not be read.
    #[error("cannot read the timeline: {source}")]
    Read {
        /// The system's error.
        source: std::io::Error,
    },
    /// The text is not that of a timeline.
    #[error(
        "not a timeline JSON: byte {at} is not what a row of time, thread, name and stack has there"
    )]
    Syntax {
        /// The first byte that does not fit.
        at: u64,
    },
    /// The file has no rows.
    #[error("the timeline has no rows")]
    NoRows,
    /// The file has more rows or threads than are read.
    #[error("the timeline has more than {limit} {what}; convert the .pyebpf file instead")]
    TooMany {
        /// `rows` or `threads`.
        what: &'static str,
        /// How many are read.
        limit: usize,
    },
    /// The rows do not fit into memory.
    #[error(transparent)]
    TooManyRows(#[from] RowStoreFull),
}

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
