// SPDX-License-Identifier: MIT OR Apache-2.0

//! Decodes a container that is still growing: from bytes as they arrive, a block as soon as
//! it is complete.

use crate::container::MAGIC;
use crate::container::account::Touched;
use crate::container::block::{self, Front};
use crate::container::contents::{Contents, MARK, Taken, check_mark};
use crate::container::decode::{RowsOnly, Visitor};
use crate::container::error::{Torn, TraceError};
use crate::container::info::{Summary, TraceInfo};
use crate::model::identifiers::KernelTime;
use crate::model::row::RowChange;
use crate::model::symbols::Symbols;
use crate::model::track::Tracks;

/// What became complete.
#[derive(Debug)]
pub enum Completed {
    /// The header: [`Follower::info`].
    Header,
    /// A segment, whose rows were passed on.
    Segment,
    /// An account, and what it says something new about: [`Follower::summary_so_far`].
    Account(Touched),
    /// The summary: [`Follower::summary`].
    Summary,
    /// The index. Nothing follows it, and [`Follower::feed`] ignores further bytes.
    End,
}

/// A container that is decoded while it grows.
///
/// The bytes may be split anywhere. Memory is bounded as a
/// [`TraceReader`](crate::container::reader::TraceReader)'s is, and all content is checked
/// in the same place.
///
/// ```
/// use sampler_trace::container::error::TraceError;
/// use sampler_trace::container::follow::{Follower, Completed};
/// # use sampler_trace::container::info::{Summary, TraceInfo};
/// # use sampler_trace::container::writer::TraceWriter;
/// # use sampler_trace::model::symbols::Symbols;
/// # use sampler_trace::model::track::Tracks;
///
/// # let writer = TraceWriter::create(Vec::new(), &TraceInfo::default())?;
/// # let file = writer.finish(&Summary::default(), &Symbols::default(), &mut Tracks::default())?;
/// let mut follower = Follower::default();
/// let mut rows = 0;
/// for bytes in file.chunks(7) {
///     follower.feed(bytes);
///     while let Some(part) = follower.next(|_row| Ok::<(), TraceError>(rows += 1))? {
///         if matches!(part, Completed::Header) {
///             println!("of {}", follower.info().map_or("", |info| &info.host));
///         }
///     }
/// }
/// assert!(follower.is_over() && follower.torn().is_none());
/// # Ok::<(), TraceError>(())
/// ```
#[derive(Debug, Default)]
pub struct Follower {
    buffer: Vec<u8>,
    /// How many bytes at the front of the buffer were decoded.
    taken: usize,
    /// Bytes of complete blocks since the start of the file.
    consumed: u64,
    contents: Option<Contents>,
    has_mark: bool,
    over: Over,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Over {
    #[default]
    No,
    /// The index was read.
    Complete,
    /// A block was refused.
    Damaged,
}

impl Follower {
    /// Takes more bytes of the file. They are kept until they were decoded:
    /// [`Follower::next`] has to be called until it returns `None`.
    pub fn feed(&mut self, bytes: &[u8]) {
        if self.over != Over::No {
            return;
        }
        self.buffer.drain(..self.taken);
        self.taken = 0;
        self.buffer.extend(bytes);
    }

    /// Decodes the next block, if it has arrived completely, and passes its rows to
    /// `on_row`. Returns `None` when more bytes are needed, or when nothing more follows.
    ///
    /// # Errors
    /// As [`TraceReader::open`] and [`TraceReader::next_segment`], and
    /// [`TraceError::Damaged`] for a block whose checksum is wrong. What was decoded before
    /// stays valid; nothing more is decoded.
    ///
    /// [`TraceReader::open`]: crate::container::reader::TraceReader::open
    /// [`TraceReader::next_segment`]: crate::container::reader::TraceReader::next_segment
    pub fn next<E: From<TraceError>>(
        &mut self,
        on_row: impl FnMut(RowChange) -> Result<(), E>,
    ) -> Result<Option<Completed>, E> {
        self.next_to(&mut RowsOnly(on_row))
    }

    /// As [`Follower::next`], for a visitor that wants the tables too.
    pub(crate) fn next_to<V: Visitor>(
        &mut self,
        visitor: &mut V,
    ) -> Result<Option<Completed>, V::Error> {
        let part = self.step(visitor);
        if part.is_err() {
            self.end(Over::Damaged);
        }
        part
    }

    fn step<V: Visitor>(&mut self, visitor: &mut V) -> Result<Option<Completed>, V::Error> {
        if self.over == Over::No && !self.has_mark {
            let mark = self.buffer.get(self.taken..).unwrap_or_default();
            let Some(mark) = mark.get(..MARK) else {
                let begins = MAGIC.starts_with(mark) || mark.starts_with(&MAGIC);
                return match begins {
                    true => Ok(None),
                    false => Err(TraceError::NotATrace.into()),
                };
            };
            check_mark(mark)?;
            self.has_mark = true;
            self.consume(MARK);
        }
        while self.over == Over::No {
            let at = self.consumed;
            let bytes = self.buffer.get(self.taken..).unwrap_or_default();
            let block = match block::front(bytes) {
                Front::Block(block) => block,
                Front::Part => return Ok(None),
                Front::Damaged => {
                    let what = "the checksum of a block is wrong";
                    Err(TraceError::Damaged { at, what })?
                }
            };
            let length = usize::try_from(block.length).unwrap_or(usize::MAX);
            let Some(contents) = &mut self.contents else {
                self.contents = Some(Contents::begin(at, block)?);
                self.consume(length);
                return Ok(Some(Completed::Header));
            };
            let taken = contents.take(at, block, visitor)?;
            self.consume(length);
            return Ok(Some(match taken {
                Taken::Segment => Completed::Segment,
                Taken::Account(touched) => Completed::Account(touched),
                Taken::Summary => Completed::Summary,
                Taken::Index => {
                    self.end(Over::Complete);
                    Completed::End
                }
                Taken::Other => continue,
            }));
        }
        Ok(None)
    }

    fn consume(&mut self, bytes: usize) {
        self.taken = self.taken.saturating_add(bytes).min(self.buffer.len());
        self.consumed = self.consumed.saturating_add(bytes as u64);
    }

    fn end(&mut self, over: Over) {
        self.over = over;
        self.buffer = Vec::new();
        self.taken = 0;
    }

    /// How many bytes of the file are decoded: where the next block begins.
    #[must_use]
    pub fn consumed(&self) -> u64 {
        self.consumed
    }

    /// Forgets the bytes of a block that has not arrived completely. Returns where it
    /// begins: from there on, the file has to be fed again.
    pub fn resume(&mut self) -> u64 {
        self.buffer.clear();
        self.taken = 0;
        self.consumed
    }

    /// Whether nothing more can follow: the index was read, or a block was refused.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.over != Over::No
    }

    /// Where the file is cut off, when it has no more bytes than those that were fed, and
    /// no summary among them. It can be read up to there.
    #[must_use]
    pub fn torn(&self) -> Option<Torn> {
        let at = self.consumed;
        self.summary().is_none().then_some(Torn { at })
    }

    /// The header, once it has arrived.
    #[must_use]
    pub fn info(&self) -> Option<&TraceInfo> {
        self.contents.as_ref().map(|contents| &contents.info)
    }

    /// The symbols so far.
    #[must_use]
    pub fn symbols(&self) -> Option<&Symbols> {
        Some(&self.contents.as_ref()?.tables.symbols)
    }

    /// The processes and tracks so far.
    #[must_use]
    pub fn tracks(&self) -> Option<&Tracks> {
        Some(&self.contents.as_ref()?.tables.tracks)
    }

    /// Up to when the rows so far are complete.
    #[must_use]
    pub fn complete_until(&self) -> Option<KernelTime> {
        Some(self.contents.as_ref()?.tables.complete_until)
    }

    /// The summary, once it has arrived.
    #[must_use]
    pub fn summary(&self) -> Option<&Summary> {
        self.contents.as_ref()?.summary.as_ref()
    }

    /// What is known of the result so far: the summary if there is one, completed by the
    /// accounts.
    #[must_use]
    pub fn summary_so_far(&self) -> Summary {
        let Some(contents) = &self.contents else {
            return Summary::default();
        };
        let mut summary = contents.summary.clone().unwrap_or_else(|| Summary {
            end: contents.tables.complete_until,
            ..Summary::default()
        });
        contents.accounts.clone().complete(&mut summary);
        summary
    }

    /// All that the blocks so far say.
    pub(crate) fn contents(&self) -> Option<&Contents> {
        self.contents.as_ref()
    }
}
