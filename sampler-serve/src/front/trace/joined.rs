// SPDX-License-Identifier: MIT OR Apache-2.0

//! Chunks as one trace, read a piece at a time. In memory are a piece of a chunk and what
//! the joiner knows so far.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read};
use std::sync::Arc;

use sampler_trace::join::error::JoinError;
use sampler_trace::join::joiner::Joiner;
use sampler_trace::join::options::JoinOptions;

use crate::state::entry::ChunkNumber;
use crate::state::reader::StateReader;

/// How much of a chunk is read at a time, in bytes.
const PIECE: usize = 64 << 10;

/// Why a joined trace ends early.
#[derive(Debug, thiserror::Error)]
pub(crate) enum JoinedError {
    /// The chunks cannot be joined.
    #[error(transparent)]
    Join(#[from] JoinError),
    /// There is too much in them.
    #[error(
        "the trace of that time needs too much memory; choose a shorter time or fewer processes"
    )]
    TooLarge,
}

/// Chunks as one trace.
#[derive(Debug)]
pub(crate) struct JoinedChunks {
    state: Arc<StateReader>,
    chunks: VecDeque<ChunkNumber>,
    /// The chunk that is being read.
    current: Option<File>,
    joiner: Joiner<Vec<u8>>,
    most_bytes: usize,
    piece: Vec<u8>,
}

impl JoinedChunks {
    /// Joins these chunks.
    #[must_use]
    pub(crate) fn new(
        state: Arc<StateReader>,
        chunks: Vec<ChunkNumber>,
        options: JoinOptions,
        most_bytes: usize,
    ) -> Self {
        Self {
            state,
            chunks: chunks.into(),
            current: None,
            joiner: Joiner::new(Vec::new(), options),
            most_bytes,
            piece: vec![0; PIECE],
        }
    }

    /// Appends a chunk.
    pub(crate) fn push(&mut self, chunk: ChunkNumber) {
        self.chunks.push_back(chunk);
    }

    /// Whether the last chunk is being read.
    #[must_use]
    pub(crate) fn is_at_last(&self) -> bool {
        self.chunks.is_empty()
    }

    /// Whether the joiner needs half as much memory as it may: time to end a trace that
    /// would go on.
    #[must_use]
    pub(crate) fn is_large(&self) -> bool {
        self.joiner.bytes_in_memory() > self.most_bytes / 2
    }

    /// Reads on. Returns what became complete, which may be nothing; `None` at the end of
    /// what is there of the last chunk.
    ///
    /// # Errors
    /// [`JoinedError`]. Nothing more can follow.
    pub(crate) fn step(&mut self) -> Result<Option<Vec<u8>>, JoinedError> {
        let Some(file) = &mut self.current else {
            return match self.chunks.pop_front() {
                // A chunk that was deleted meanwhile is a gap.
                Some(number) => {
                    self.current = self.state.open_chunk(number).ok();
                    Ok(Some(Vec::new()))
                }
                None => Ok(None),
            };
        };
        let length = match file.read(&mut self.piece) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                return Ok(Some(Vec::new()));
            }
            // What can be read no longer ends there.
            result => result.unwrap_or(0),
        };
        if length == 0 {
            if self.is_at_last() {
                return Ok(None);
            }
            self.end_chunk()?;
            return Ok(Some(self.take()));
        }
        let bytes = self.piece.get(..length).unwrap_or_default();
        match self.joiner.feed(bytes) {
            Ok(()) => {}
            // What comes after the damage is not read; the next chunk is.
            Err(JoinError::Chunk(error)) => {
                tracing::warn!(%error, "a chunk is damaged");
                if !self.is_at_last() {
                    self.end_chunk()?;
                }
            }
            Err(error) => return Err(error.into()),
        }
        match self.joiner.bytes_in_memory() > self.most_bytes {
            true => Err(JoinedError::TooLarge),
            false => Ok(Some(self.take())),
        }
    }

    fn end_chunk(&mut self) -> Result<(), JoinError> {
        self.current = None;
        self.joiner.end_chunk()?;
        Ok(())
    }

    fn take(&mut self) -> Vec<u8> {
        self.joiner
            .output_mut()
            .map(std::mem::take)
            .unwrap_or_default()
    }

    /// Completes the trace. Returns the rest of it.
    ///
    /// # Errors
    /// [`JoinedError`].
    pub(crate) fn finish(self) -> Result<Vec<u8>, JoinedError> {
        Ok(self.joiner.finish()?)
    }
}

/// A joined trace for those who read.
#[derive(Debug)]
pub(crate) struct JoinedRead {
    joined: Option<JoinedChunks>,
    bytes: io::Cursor<Vec<u8>>,
}

impl JoinedRead {
    /// Reads a joined trace.
    #[must_use]
    pub(crate) fn new(joined: JoinedChunks) -> Self {
        Self {
            joined: Some(joined),
            bytes: io::Cursor::default(),
        }
    }

    fn more(&mut self) -> Result<Option<Vec<u8>>, JoinedError> {
        let Some(joined) = &mut self.joined else {
            return Ok(None);
        };
        match joined.step()? {
            Some(bytes) => Ok(Some(bytes)),
            None => self.joined.take().map(JoinedChunks::finish).transpose(),
        }
    }
}

impl Read for JoinedRead {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let length = self.bytes.read(buffer)?;
            if length > 0 || buffer.is_empty() {
                return Ok(length);
            }
            match self.more().map_err(io::Error::other)? {
                Some(bytes) => self.bytes = io::Cursor::new(bytes),
                None => return Ok(0),
            }
        }
    }
}
