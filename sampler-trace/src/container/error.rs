// SPDX-License-Identifier: MIT OR Apache-2.0

//! What can go wrong with a container. The errors do not name the file; the caller does.

use std::io;

use crate::model::row_store::RowStoreError;
use crate::model::symbols::SymbolsError;

/// Where a file stops being valid: it was cut, or the recording was killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Torn {
    /// Bytes of complete blocks, from the file's start.
    pub at: u64,
}

/// Why a container cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum TraceError {
    /// The destination could not be written.
    #[error("cannot write the trace: {source}; what was written so far stays readable")]
    Write {
        /// The system's error.
        source: io::Error,
    },
    /// An earlier write failed, and nothing more can follow it.
    #[error("the trace ends where an earlier write failed")]
    Broken,
    /// The source could not be read.
    #[error("cannot read the trace: {source}")]
    Read {
        /// The system's error.
        source: io::Error,
    },
    /// The file does not begin as a container does.
    #[error("not a .pyebpf trace: it does not begin with the signature")]
    NotATrace,
    /// The file is a container of another version.
    #[error("the trace has version {found}, but this pyebpf reads version {known}; use a newer pyebpf", known = crate::container::VERSION)]
    Version {
        /// The version in the file.
        found: u32,
    },
    /// The file ends before its header does, so no row was ever in it.
    #[error("the trace is cut off in its header: there is nothing to recover")]
    NoHeader,
    /// The header or the summary is not the JSON it should be.
    #[error("the {what} of the trace cannot be read: {source}")]
    Json {
        /// `header` or `summary`.
        what: &'static str,
        /// The parser's error.
        source: serde_json::Error,
    },
    /// A block is intact but has content that no writer produces.
    #[error("the trace is damaged at byte {at}: {what}")]
    Damaged {
        /// Where the block begins.
        at: u64,
        /// What is wrong with it.
        what: &'static str,
    },
    /// The tables of a block are inconsistent, or do not fit into memory.
    #[error("the trace is damaged at byte {at}: {source}")]
    Symbols {
        /// Where the block begins.
        at: u64,
        /// What is wrong with it.
        source: SymbolsError,
    },
    /// The rows cannot be stored.
    #[error(transparent)]
    Rows(#[from] RowStoreError),
}
