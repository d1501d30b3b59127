//! A whole trace in memory, three bytes a row: what every output is made from.
//! It refuses to know the file it came from.

use std::io::Read;

use super::{Summary, Torn, TraceError, TraceInfo, TraceReader};
use crate::timeline::{RowStore, Symbols, Tracks};

/// A trace.
#[derive(Debug, Default)]
pub struct Trace {
    /// How it was taken.
    pub info: TraceInfo,
    /// Strings, frames, stacks.
    pub symbols: Symbols,
    /// Processes and threads.
    pub tracks: Tracks,
    /// The rows.
    pub rows: RowStore,
    /// What came of it; of a torn one, as far as it has an account.
    pub summary: Summary,
    /// Where the file was cut off, if it was.
    pub torn: Option<Torn>,
}

impl Trace {
    /// Reads a container to its end, or to where it was cut off.
    ///
    /// # Errors
    /// As [`TraceReader::open`] and [`TraceReader::next_segment`], and
    /// [`TraceError::TooManyRows`].
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

/// Reads a container from memory: the entry for fuzzing. For any bytes it
/// returns, in bounded memory.
///
/// # Errors
/// As [`Trace::read`].
pub fn read_bytes(bytes: &[u8]) -> Result<Trace, TraceError> {
    Trace::read(bytes)
}
