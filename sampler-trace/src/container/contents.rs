// SPDX-License-Identifier: MIT OR Apache-2.0

//! What the blocks of a container say together, taken in one block after the other. Every
//! reader decodes them here.

use serde::de::DeserializeOwned;

use crate::container::account::{AccountBlock, Accounts, Touched};
use crate::container::block::{Block, kind};
use crate::container::decode::{Segment, Tables, Visitor};
use crate::container::error::TraceError;
use crate::container::info::{StoredSummary, Summary, TraceInfo};
use crate::container::{MAGIC, VERSION};
use crate::model::symbols::Symbols;
use crate::model::track::Tracks;

/// The most bytes of a header or summary. Parsed, it can use ten times as much memory.
const MAXIMUM_JSON: usize = 4 << 20;
/// The bytes before the first block: the magic number and the version.
pub(super) const MARK: usize = MAGIC.len() + 4;

/// Checks the magic number and the version that a file begins with.
pub(super) fn check_mark(mark: &[u8]) -> Result<(), TraceError> {
    if !mark.starts_with(&MAGIC) {
        let cut = MAGIC.starts_with(mark) && !mark.is_empty();
        return Err(if cut {
            TraceError::NoHeader
        } else {
            TraceError::NotATrace
        });
    }
    let version = mark
        .get(MAGIC.len()..)
        .and_then(|bytes| <[u8; 4]>::try_from(bytes).ok());
    let found = u32::from_le_bytes(version.ok_or(TraceError::NoHeader)?);
    if found == VERSION {
        Ok(())
    } else {
        Err(TraceError::Version { found })
    }
}

/// What a block was, once it was taken in.
#[derive(Debug)]
pub(crate) enum Taken {
    /// A segment, whose rows were passed to the visitor.
    Segment,
    /// An account, and what it says something new about.
    Account(Touched),
    /// The summary.
    Summary,
    /// The index, which is the last block.
    Index,
    /// A block of a kind that this version does not know.
    Other,
}

/// A container as far as its blocks were taken in. Its memory is bounded, whatever they
/// say: the tables and accounts have limits.
#[derive(Debug)]
pub(crate) struct Contents {
    pub(crate) info: TraceInfo,
    pub(crate) tables: Tables,
    pub(crate) accounts: Accounts,
    pub(crate) summary: Option<Summary>,
}

impl Contents {
    /// Begins with the first block, which begins at `at`.
    pub(super) fn begin(at: u64, header: Block) -> Result<Self, TraceError> {
        if header.kind != kind::HEADER {
            return Err(TraceError::NoHeader);
        }
        let damaged = TraceError::Damaged {
            at,
            what: "its header cannot be decoded",
        };
        let header = header.into_data().ok_or(damaged)?;
        let info: TraceInfo = json(at, "header", &header)?;
        let info = info.with_whole_start();
        Ok(Self {
            tables: Tables::starting(info.start),
            info,
            accounts: Accounts::default(),
            summary: None,
        })
    }

    /// Takes in a block that begins at `at`.
    ///
    /// # Errors
    /// [`TraceError::Damaged`], [`TraceError::Symbols`] and [`TraceError::Json`] for an
    /// intact block with content that no writer produces, some of whose rows may have been
    /// passed on; whatever the visitor returns.
    pub(super) fn take<V: Visitor>(
        &mut self,
        at: u64,
        block: Block,
        visitor: &mut V,
    ) -> Result<Taken, V::Error> {
        let kind = block.kind;
        if kind == kind::INDEX {
            return Ok(Taken::Index);
        }
        if !matches!(kind, kind::SEGMENT | kind::SUMMARY | kind::ACCOUNT) {
            return Ok(Taken::Other);
        }
        let damaged = TraceError::Damaged {
            at,
            what: "a block cannot be decoded",
        };
        let data = block.into_data().ok_or(damaged)?;
        let info = &self.info;
        match kind {
            kind::SUMMARY => {
                self.summary = Some(summary(at, &data, info)?);
                Ok(Taken::Summary)
            }
            kind::ACCOUNT => {
                let block = AccountBlock {
                    data: &data,
                    at,
                    info,
                    processes: self.tables.tracks.processes().len(),
                    tracks: self.tables.tracks.tracks().len(),
                };
                Ok(Taken::Account(block.decode(&mut self.accounts)?))
            }
            _ => {
                let data = &data;
                Segment { data, at, info }.decode(&mut self.tables, visitor)?;
                Ok(Taken::Segment)
            }
        }
    }

    /// Returns the header, the tables and the summary, once everything was read. The
    /// summary of a torn file is that of its last account.
    pub(super) fn into_parts(self) -> (TraceInfo, Symbols, Tracks, Summary) {
        let mut summary = self.summary.unwrap_or_else(|| Summary {
            end: self.tables.complete_until,
            ..Summary::default()
        });
        self.accounts.complete(&mut summary);
        (self.info, self.tables.symbols, self.tables.tracks, summary)
    }
}

fn summary(at: u64, data: &[u8], info: &TraceInfo) -> Result<Summary, TraceError> {
    let stored: StoredSummary = json(at, "summary", data)?;
    let what = "its end is past the end of the clock";
    stored.restore(info).ok_or(TraceError::Damaged { at, what })
}

fn json<T: DeserializeOwned>(at: u64, what: &'static str, data: &[u8]) -> Result<T, TraceError> {
    if data.len() > MAXIMUM_JSON {
        return Err(TraceError::Damaged {
            at,
            what: "its header or summary is too long",
        });
    }
    serde_json::from_slice(data).map_err(|source| TraceError::Json { what, source })
}
