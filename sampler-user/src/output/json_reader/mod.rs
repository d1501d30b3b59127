//! Reads a timeline JSON back: ours and that of the 2012 profiler, in either
//! order, cut off, or packed by gzip. It refuses to read any other JSON.

mod assemble;
mod lexer;
mod metadata;
mod rows;

use std::io::Read;

use crate::timeline::RowStoreFull;
use crate::trace::Trace;

/// Why a JSON file is not read.
#[derive(Debug, thiserror::Error)]
pub enum JsonError {
    /// The source did not give its bytes.
    #[error("cannot read the timeline: {source}")]
    Read {
        /// What the system said.
        source: std::io::Error,
    },
    /// The text is not that of a timeline.
    #[error(
        "not a timeline JSON: byte {at} is not what a row of time, thread, name and stack has there"
    )]
    Syntax {
        /// Where it is not.
        at: u64,
    },
    /// There is no row in the file.
    #[error("the timeline has no rows")]
    NoRows,
    /// More rows or threads than are read.
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

/// Reads a timeline JSON as a trace. Its time zero is that of the recording
/// where the file tells it, else its first row. A file without a sentinel is a
/// torn one: it ends with its last row.
///
/// # Errors
/// [`JsonError`].
pub fn read_timeline(input: impl Read) -> Result<Trace, JsonError> {
    assemble::assemble(rows::read(input)?)
}

/// Reads a timeline JSON from memory: the entry for fuzzing. For any bytes it
/// returns, in bounded memory.
///
/// # Errors
/// [`JsonError`].
pub fn read_timeline_bytes(bytes: &[u8]) -> Result<Trace, JsonError> {
    read_timeline(bytes)
}
