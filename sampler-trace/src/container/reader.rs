// SPDX-License-Identifier: MIT OR Apache-2.0

//! Reads a container from its start, segment by segment, as far as it is intact. The rows
//! are handed to the caller and not kept.

use std::io::Read;

use crate::container::block;
use crate::container::contents::{Contents, MARK, Taken, check_mark};
use crate::container::decode::RowsOnly;
use crate::container::error::{Torn, TraceError};
use crate::container::info::{Summary, TraceInfo};
use crate::model::identifiers::KernelTime;
use crate::model::row::RowChange;
use crate::model::symbols::Symbols;
use crate::model::track::Tracks;

/// A container that is being read. Its memory is bounded, whatever the file says: one
/// block, and the tables up to their limits.
#[derive(Debug)]
pub struct TraceReader<R> {
    input: R,
    contents: Contents,
    /// Bytes of complete blocks.
    offset: u64,
    ended: bool,
}

impl<R: Read> TraceReader<R> {
    /// Reads the magic number, the version and the header.
    ///
    /// # Errors
    /// [`TraceError::NotATrace`], [`TraceError::Version`], [`TraceError::NoHeader`],
    /// [`TraceError::Damaged`], [`TraceError::Json`], [`TraceError::Read`].
    pub fn open(mut input: R) -> Result<Self, TraceError> {
        let mut mark = Vec::new();
        input
            .by_ref()
            .take(MARK as u64)
            .read_to_end(&mut mark)
            .map_err(|source| TraceError::Read { source })?;
        check_mark(&mark)?;
        let at = mark.len() as u64;
        let block = block::read(&mut input)?.ok_or(TraceError::NoHeader)?;
        let offset = at + block.length;
        Ok(Self {
            input,
            contents: Contents::begin(at, block)?,
            offset,
            ended: false,
        })
    }

    /// Reads one more segment, passes its rows to `on_row`, and adds its symbols and
    /// tracks to those that are known. Returns `false` at the end of what is intact.
    ///
    /// # Errors
    /// [`TraceError::Damaged`], [`TraceError::Symbols`] and [`TraceError::Json`] for an
    /// intact block with content that no writer produces, some of whose rows may have
    /// been passed on; [`TraceError::Read`]; whatever `on_row` returns.
    pub fn next_segment<E: From<TraceError>>(
        &mut self,
        on_row: impl FnMut(RowChange) -> Result<(), E>,
    ) -> Result<bool, E> {
        let mut visitor = RowsOnly(on_row);
        while !self.ended {
            let Some(block) = block::read(&mut self.input)? else {
                break;
            };
            let at = self.offset;
            self.offset += block.length;
            match self.contents.take(at, block, &mut visitor)? {
                Taken::Segment => return Ok(true),
                Taken::Index => break,
                Taken::Account(_) | Taken::Summary | Taken::Other => {}
            }
        }
        self.ended = true;
        Ok(false)
    }

    /// The header of the container.
    #[must_use]
    pub fn info(&self) -> &TraceInfo {
        &self.contents.info
    }

    /// The symbols read so far.
    #[must_use]
    pub fn symbols(&self) -> &Symbols {
        &self.contents.tables.symbols
    }

    /// The processes and tracks read so far.
    #[must_use]
    pub fn tracks(&self) -> &Tracks {
        &self.contents.tables.tracks
    }

    /// Up to when the rows read so far are complete.
    #[must_use]
    pub fn complete_until(&self) -> KernelTime {
        self.contents.tables.complete_until
    }

    /// The summary, once the end was reached, if the recording has one.
    #[must_use]
    pub fn summary(&self) -> Option<&Summary> {
        self.contents.summary.as_ref()
    }

    /// Where the file is cut off, once the end was reached without a summary.
    #[must_use]
    pub fn torn(&self) -> Option<Torn> {
        (self.ended && self.summary().is_none()).then_some(Torn { at: self.offset })
    }

    /// Returns the header, the tables and the summary, once everything was read. The
    /// summary of a torn file is that of its last account.
    #[must_use]
    pub fn into_parts(self) -> (TraceInfo, Symbols, Tracks, Summary) {
        self.contents.into_parts()
    }
}
