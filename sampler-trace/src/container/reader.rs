// SPDX-License-Identifier: MIT OR Apache-2.0

//! Reads a container from its start, segment by segment, as far as it is intact. The rows
//! are handed to the caller and not kept.

use std::io::Read;

use serde::de::DeserializeOwned;

use crate::container::account::{AccountBlock, Accounts};
use crate::container::block::kind;
use crate::container::decode::{Segment, Tables};
use crate::container::error::{Torn, TraceError};
use crate::container::info::{StoredSummary, Summary, TraceInfo};
use crate::container::{MAGIC, VERSION, block};
use crate::model::identifiers::KernelTime;
use crate::model::row::RowChange;
use crate::model::symbols::Symbols;
use crate::model::track::Tracks;

/// The most bytes of a header or summary. Parsed, it can use ten times as much memory.
const MAXIMUM_JSON: usize = 4 << 20;

/// A container that is being read. Its memory is bounded, whatever the file says: one
/// block, and the tables up to their limits.
#[derive(Debug)]
pub struct TraceReader<R> {
    input: R,
    info: TraceInfo,
    tables: Tables,
    accounts: Accounts,
    summary: Option<Summary>,
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
            .take(MAGIC.len() as u64 + 4)
            .read_to_end(&mut mark)
            .map_err(|source| TraceError::Read { source })?;
        if !mark.starts_with(&MAGIC) {
            let cut = MAGIC.starts_with(&mark) && !mark.is_empty();
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
        if found != VERSION {
            return Err(TraceError::Version { found });
        }
        let at = mark.len() as u64;
        let block = block::read(&mut input)?.filter(|block| block.kind == kind::HEADER);
        let block = block.ok_or(TraceError::NoHeader)?;
        let offset = at + block.length;
        let damaged = TraceError::Damaged {
            at,
            what: "its header cannot be decoded",
        };
        let header = block.into_data().ok_or(damaged)?;
        let info: TraceInfo = json(at, "header", &header)?;
        let info = info.with_whole_start();
        let tables = Tables::starting(info.start);
        Ok(Self {
            input,
            info,
            tables,
            accounts: Accounts::default(),
            summary: None,
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
        while !self.ended {
            let Some(block) = block::read(&mut self.input)? else {
                break;
            };
            let at = self.offset;
            self.offset += block.length;
            let kind = block.kind;
            if kind == kind::INDEX {
                break;
            }
            if !matches!(kind, kind::SEGMENT | kind::SUMMARY | kind::ACCOUNT) {
                continue;
            }
            let damaged = TraceError::Damaged {
                at,
                what: "a block cannot be decoded",
            };
            let data = block.into_data().ok_or(damaged)?;
            if kind == kind::SUMMARY {
                self.summary = Some(self.summary_from(at, &data)?);
                continue;
            }
            if kind == kind::ACCOUNT {
                AccountBlock {
                    data: &data,
                    at,
                    info: &self.info,
                    processes: self.tables.tracks.processes().len(),
                    tracks: self.tables.tracks.tracks().len(),
                }
                .decode(&mut self.accounts)?;
                continue;
            }
            Segment {
                data: &data,
                at,
                info: &self.info,
            }
            .decode(&mut self.tables, on_row)?;
            return Ok(true);
        }
        self.ended = true;
        Ok(false)
    }

    fn summary_from(&self, at: u64, data: &[u8]) -> Result<Summary, TraceError> {
        let stored: StoredSummary = json(at, "summary", data)?;
        let what = "its end is past the end of the clock";
        stored
            .restore(&self.info)
            .ok_or(TraceError::Damaged { at, what })
    }

    /// The header of the container.
    #[must_use]
    pub fn info(&self) -> &TraceInfo {
        &self.info
    }

    /// The symbols read so far.
    #[must_use]
    pub fn symbols(&self) -> &Symbols {
        &self.tables.symbols
    }

    /// The processes and tracks read so far.
    #[must_use]
    pub fn tracks(&self) -> &Tracks {
        &self.tables.tracks
    }

    /// Up to when the rows read so far are complete.
    #[must_use]
    pub fn complete_until(&self) -> KernelTime {
        self.tables.complete_until
    }

    /// The summary, once the end was reached, if the recording has one.
    #[must_use]
    pub fn summary(&self) -> Option<&Summary> {
        self.summary.as_ref()
    }

    /// Where the file is cut off, once the end was reached without a summary.
    #[must_use]
    pub fn torn(&self) -> Option<Torn> {
        (self.ended && self.summary.is_none()).then_some(Torn { at: self.offset })
    }

    /// Returns the header, the tables and the summary, once everything was read. The
    /// summary of a torn file is that of its last account.
    #[must_use]
    pub fn into_parts(self) -> (TraceInfo, Symbols, Tracks, Summary) {
        let mut summary = self.summary.unwrap_or_else(|| Summary {
            end: self.tables.complete_until,
            ..Summary::default()
        });
        self.accounts.complete(&mut summary);
        (self.info, self.tables.symbols, self.tables.tracks, summary)
    }
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
