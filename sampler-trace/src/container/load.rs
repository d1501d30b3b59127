// SPDX-License-Identifier: MIT OR Apache-2.0

//! A whole trace in memory, at about three bytes a row: what every output is made from.

use std::io::Read;

use crate::container::error::{Torn, TraceError};
use crate::container::info::{Summary, TraceInfo};
use crate::container::reader::TraceReader;
use crate::model::row_store::RowStore;
use crate::model::symbols::Symbols;
use crate::model::track::Tracks;

/// A whole trace.
#[derive(Debug, Default)]
pub struct Trace {
    /// How it was recorded.
    pub info: TraceInfo,
    /// Strings, frames, stacks.
    pub symbols: Symbols,
    /// Processes and threads.
    pub tracks: Tracks,
    /// What each thread did, from when to when.
    pub rows: RowStore,
    /// The result of the recording; for a torn file, as far as it has an account.
    pub summary: Summary,
    /// Where the file was cut off, if it was.
    pub torn: Option<Torn>,
}

impl Trace {
    /// Reads a container to its end, or to where it was cut off.
    ///
    /// # Errors
    /// As [`TraceReader::open`] and [`TraceReader::next_segment`], and
    /// [`TraceError::Rows`].
    pub fn read(input: impl Read) -> Result<Self, TraceError> {
        let mut reader = TraceReader::open(input)?;
        let mut rows = RowStore::default();
        while reader.next_segment(|change| rows.push(&change).map_err(TraceError::from))? {}
        let torn = reader.torn();
        let (info, symbols, tracks, mut summary) = reader.into_parts();
        summary.end = summary.end.max(rows.last_time().unwrap_or_default());
        Ok(Self {
            info,
            symbols,
            tracks,
            rows,
            summary,
            torn,
        })
    }
}

/// Reads a container from memory: the entry point for fuzzing. It returns for any bytes,
/// and uses bounded memory.
///
/// # Errors
/// As [`Trace::read`].
pub fn read_bytes(bytes: &[u8]) -> Result<Trace, TraceError> {
    Trace::read(bytes)
}
