// SPDX-License-Identifier: MIT OR Apache-2.0

//! Why a JSON file could not be read.

use crate::model::row_store::RowStoreError;

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
        "not a timeline JSON: unexpected byte at {at} in a row of time, thread, name and stack"
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
    /// The rows cannot be stored.
    #[error(transparent)]
    Rows(#[from] RowStoreError),
}
