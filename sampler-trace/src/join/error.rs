// SPDX-License-Identifier: MIT OR Apache-2.0

//! Why chunks cannot be joined.

use crate::container::error::TraceError;

/// Why chunks cannot be joined.
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    /// A chunk is damaged. What came before stays in the joined trace, which goes on with
    /// the next chunk.
    #[error(transparent)]
    Chunk(TraceError),
    /// The joined trace cannot be written.
    #[error(transparent)]
    Output(TraceError),
    /// The chunks have more threads than a trace holds.
    #[error(
        "the chunks have more processes and threads than one trace holds; choose a shorter time or fewer processes"
    )]
    Full,
    /// No chunk had a header.
    #[error("there is nothing to join: no chunk has a complete header")]
    Empty,
}

impl From<TraceError> for JoinError {
    /// What goes wrong while a chunk is decoded is a fault of the chunk.
    fn from(source: TraceError) -> Self {
        Self::Chunk(source)
    }
}
