// SPDX-License-Identifier: MIT OR Apache-2.0

//! Takes chunks one after the other and writes one trace, a segment as soon as one of a
//! chunk is complete.

use std::io::{ErrorKind, Read, Write};

use crate::container::error::{Torn, TraceError};
use crate::container::follow::{Completed, Follower};
use crate::join::error::JoinError;
use crate::join::joined::JoinedTrace;
use crate::join::options::JoinOptions;

/// How many bytes of a file are read at a time.
const PIECE: usize = 1 << 16;

/// Joins chunks into one trace.
///
/// The chunks are fed in the order in which they were written, as whole files or as they
/// grow. In memory are one block of a chunk, its tables, and the tables of the joined trace.
///
/// ```
/// use sampler_trace::container::load::Trace;
/// use sampler_trace::join::joiner::Joiner;
/// use sampler_trace::join::options::JoinOptions;
/// # use sampler_trace::container::info::{Summary, TraceInfo};
/// # use sampler_trace::container::writer::TraceWriter;
/// # use sampler_trace::model::symbols::Symbols;
/// # use sampler_trace::model::track::Tracks;
/// # let chunk = || {
/// #     let writer = TraceWriter::create(Vec::new(), &TraceInfo::default()).unwrap();
/// #     let none = &mut Tracks::default();
/// #     writer.finish(&Summary::default(), &Symbols::default(), none).unwrap()
/// # };
/// # let (first, second) = (chunk(), chunk());
///
/// let mut joiner = Joiner::new(Vec::new(), JoinOptions::default());
/// joiner.add_chunk(&first[..])?;
/// // One that is still being written comes in pieces.
/// for bytes in second.chunks(100) {
///     joiner.feed(bytes)?;
/// }
/// let joined = joiner.finish()?;
/// let trace = Trace::read(&joined[..])?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Joiner<W> {
    follower: Follower,
    is_damaged: bool,
    joined: JoinedTrace<W>,
}

/// How much of a chunk there was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChunkEnd {
    /// Where it was cut off, unless its recording was ended.
    pub torn: Option<Torn>,
    /// Whether it was refused from there on.
    pub is_damaged: bool,
}

impl<W: Write> Joiner<W> {
    /// Creates a joiner that writes to `output`. Nothing is written before the first header
    /// has come.
    #[must_use]
    pub fn new(output: W, options: JoinOptions) -> Self {
        Self {
            follower: Follower::default(),
            is_damaged: false,
            joined: JoinedTrace::new(output, options),
        }
    }

    /// Takes more bytes of the current chunk, and writes what is complete: when this returns,
    /// the output ends with a whole block.
    ///
    /// # Errors
    /// [`JoinError::Chunk`] when the chunk is damaged: what came before is in the output, and
    /// the rest of the chunk is ignored until [`Joiner::end_chunk`]. After
    /// [`JoinError::Output`] and [`JoinError::Full`] the output takes nothing more.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<(), JoinError> {
        self.follower.feed(bytes);
        let result = self.take_parts();
        self.is_damaged |= result.is_err();
        result
    }

    fn take_parts(&mut self) -> Result<(), JoinError> {
        while let Some(part) = self.follower.next_to(&mut self.joined)? {
            let Some(contents) = self.follower.contents() else {
                continue;
            };
            match part {
                Completed::Header => self.joined.begin_chunk(&contents.info)?,
                Completed::Segment => self.joined.end_segment(&contents.tables)?,
                Completed::Account(touched) => self.joined.take_account(contents, &touched)?,
                Completed::Summary | Completed::End => {}
            }
        }
        Ok(())
    }

    /// Ends the current chunk: it has no more bytes. The next bytes are those of another
    /// chunk, which begin with its signature.
    ///
    /// # Errors
    /// [`JoinError::Output`], [`JoinError::Full`].
    pub fn end_chunk(&mut self) -> Result<ChunkEnd, JoinError> {
        let follower = std::mem::take(&mut self.follower);
        let end = ChunkEnd {
            torn: follower.torn(),
            is_damaged: std::mem::take(&mut self.is_damaged),
        };
        if end.is_damaged {
            self.joined.count_damaged();
        }
        if let Some(contents) = follower.contents() {
            self.joined.end_chunk(contents)?;
        }
        Ok(end)
    }

    /// Takes a whole chunk. One that is damaged is no error: it counts as far as it is
    /// intact.
    ///
    /// # Errors
    /// [`JoinError::Chunk`] when the chunk cannot be read, or is no trace;
    /// [`JoinError::Output`], [`JoinError::Full`].
    pub fn add_chunk(&mut self, mut chunk: impl Read) -> Result<ChunkEnd, JoinError> {
        let mut piece = vec![0; PIECE];
        loop {
            let length = match chunk.read(&mut piece) {
                Ok(0) => break,
                Ok(length) => length,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(source) => {
                    self.is_damaged = true;
                    self.end_chunk()?;
                    return Err(TraceError::Read { source }.into());
                }
            };
            match self.feed(piece.get(..length).unwrap_or_default()) {
                Ok(()) => {}
                Err(JoinError::Chunk(_)) if self.follower.info().is_some() => break,
                Err(error) => {
                    self.end_chunk()?;
                    return Err(error);
                }
            }
        }
        self.end_chunk()
    }

    /// Completes the trace after the last chunk: writes the account, the summary and the
    /// index. Returns the output.
    ///
    /// # Errors
    /// [`JoinError::Empty`], [`JoinError::Output`], [`JoinError::Full`].
    pub fn finish(mut self) -> Result<W, JoinError> {
        self.end_chunk()?;
        self.joined.finish()
    }

    /// The output, unless writing its header has failed.
    #[must_use]
    pub fn output(&self) -> Option<&W> {
        self.joined.output()
    }

    /// The output, for one that is emptied while it is written.
    pub fn output_mut(&mut self) -> Option<&mut W> {
        self.joined.output_mut()
    }

    /// How many bytes of the current chunk were decoded: where its next block begins.
    #[must_use]
    pub fn consumed(&self) -> u64 {
        self.follower.consumed()
    }

    /// Forgets the bytes of a block that has not arrived completely. Returns where it begins
    /// in the current chunk: from there on, the chunk has to be fed again.
    pub fn resume(&mut self) -> u64 {
        self.follower.resume()
    }

    /// How many bytes of memory the tables of the joined trace use, roughly. They grow as
    /// long as it goes on: a stream should be ended when they are too large.
    #[must_use]
    pub fn bytes_in_memory(&self) -> usize {
        self.joined.bytes()
    }
}
