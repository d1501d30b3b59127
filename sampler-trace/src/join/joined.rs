// SPDX-License-Identifier: MIT OR Apache-2.0

//! Puts chunks one after the other: where each lies, how their rows go on, and what their
//! accounts add up to.

use std::io::Write;

use crate::container::account::Touched;
use crate::container::contents::Contents;
use crate::container::decode::{Tables, Visitor};
use crate::container::info::{Summary, TraceInfo};
use crate::join::account::{AccountScope, JoinedAccount};
use crate::join::chunk::Chunk;
use crate::join::clock::JoinClock;
use crate::join::error::JoinError;
use crate::join::options::JoinOptions;
use crate::join::rows::RowJoiner;
use crate::join::window::JoinWindow;
use crate::model::identifiers::KernelTime;
use crate::model::row::RowChange;

/// A joined trace that is being written: everything but the bytes of the current chunk.
#[derive(Debug)]
pub(super) struct JoinedTrace<W> {
    options: JoinOptions,
    clock: JoinClock,
    rows: RowJoiner<W>,
    account: JoinedAccount,
    chunk: Option<Chunk>,
    /// When the chunks that are over end.
    end: KernelTime,
    /// When the output begins, once it has.
    start: Option<KernelTime>,
    /// Whether rows were left out because of their time.
    is_cut: bool,
}

impl<W: Write> JoinedTrace<W> {
    pub(super) fn new(output: W, options: JoinOptions) -> Self {
        Self {
            clock: JoinClock::default(),
            rows: RowJoiner::new(output, &options),
            options,
            account: JoinedAccount::default(),
            chunk: None,
            end: KernelTime(0),
            start: None,
            is_cut: false,
        }
    }

    /// Begins a chunk with this header.
    pub(super) fn begin_chunk(&mut self, info: &TraceInfo) -> Result<(), JoinError> {
        let place = self.clock.place(info, self.end);
        let before = self.rows.window;
        let known = self.start.map(|_| before);
        let window = JoinWindow::for_chunk(&self.options, info, &place, known);
        let is_whole = self.end <= before.to && place.start >= window.from;
        let is_next = place.is_next && (window == before || is_whole);
        if !is_next {
            self.rows.close(self.end, true)?;
        }
        let is_same_boot = place.is_same_boot;
        self.rows.begin_chunk(is_same_boot, window, &self.options);
        self.account.begin_chunk(info, place.start);
        self.is_cut |= place.start < window.from;
        if self.start.is_none() {
            self.begin_output(info, place.start)?;
        }
        self.chunk = Some(Chunk {
            place,
            before: self.end,
            is_next,
            is_carried: info.carries_on && !is_next,
            is_settled: !is_next,
            has_begun: false,
            last_row: place.start,
        });
        Ok(())
    }

    /// Writes the header, which is that of the first chunk.
    fn begin_output(&mut self, info: &TraceInfo, first: KernelTime) -> Result<(), JoinError> {
        let start = first.max(self.rows.window.from);
        let since = u64::try_from(start.since(first).as_micros()).unwrap_or(u64::MAX);
        self.rows.output.begin(&TraceInfo {
            start,
            unix_start_us: info.unix_start_us.saturating_add(since),
            carries_on: info.carries_on || start > first,
            ..self.options.privacy.info(info)
        })?;
        self.start = Some(start);
        self.rows.complete_until = start;
        Ok(())
    }

    /// Writes what a segment of the current chunk has completed.
    pub(super) fn end_segment(&mut self, tables: &Tables) -> Result<(), JoinError> {
        let Some(chunk) = self.chunk else {
            return Ok(());
        };
        let complete = chunk.place.joined(tables.complete_until);
        self.settle(tables, complete)?;
        let rows = &mut self.rows;
        if complete < rows.window.from {
            return Ok(());
        }
        let until = complete.min(rows.window.to);
        let is_later = until > rows.complete_until;
        rows.complete_until = until.max(rows.complete_until);
        match is_later || rows.output.writer()?.has_pending() {
            true => rows.flush(),
            false => Ok(()),
        }
    }

    /// Once all rows before `complete` are known: ends those that do not go on from the chunk
    /// before, and shows those that go on at the start of the window.
    fn settle(&mut self, tables: &Tables, complete: KernelTime) -> Result<(), JoinError> {
        let Some(chunk) = &mut self.chunk else {
            return Ok(());
        };
        if !chunk.is_settled && complete > chunk.place.start {
            chunk.is_settled = true;
            self.rows.close(chunk.before, false)?;
        }
        if !chunk.has_begun && complete > self.rows.window.from {
            chunk.has_begun = true;
            self.rows.begin_window(tables, complete)?;
        }
        Ok(())
    }

    /// Writes the account of all chunks so far, when the current one has another account.
    pub(super) fn take_account(
        &mut self,
        contents: &Contents,
        touched: &Touched,
    ) -> Result<(), JoinError> {
        let Some(chunk) = self.chunk else {
            return Ok(());
        };
        let mut scope = self.scope();
        let (account, rows) = (&self.account, &mut self.rows);
        scope.end = rows.complete_until;
        let identities = &mut rows.identities;
        let summary = account.so_far(
            contents,
            touched,
            &chunk.place,
            identities,
            &scope,
            &self.options,
        )?;
        self.write_account(&summary)
    }

    fn write_account(&mut self, summary: &Summary) -> Result<(), JoinError> {
        // Processes without rows are defined by their account.
        self.rows.flush()?;
        let writer = self.rows.output.writer()?;
        writer.account(summary).map_err(JoinError::Output)
    }

    /// Of what an account may tell.
    fn scope(&self) -> AccountScope {
        AccountScope {
            start: self.start.unwrap_or_default(),
            end: self.rows.complete_until,
            may_be_cut: self.is_cut || self.options.to_us.is_some(),
        }
    }

    /// Ends the current chunk.
    pub(super) fn end_chunk(&mut self, contents: &Contents) -> Result<(), JoinError> {
        let Some(chunk) = self.chunk else {
            return Ok(());
        };
        let tables = &contents.tables;
        let end = contents.summary.as_ref().map(|summary| summary.end);
        let end = chunk.place.joined(end.unwrap_or(tables.complete_until));
        let end = end.max(chunk.last_row);
        self.settle(tables, end)?;
        self.rows.end_chunk(tables);
        self.is_cut |= end > self.rows.window.to;
        let scope = self.scope();
        let identities = &mut self.rows.identities;
        let summary =
            self.account
                .close(contents, &chunk.place, identities, &scope, &self.options)?;
        self.write_account(&summary)?;
        self.chunk = None;
        self.end = self.end.max(end);
        Ok(())
    }

    /// Counts a chunk that could not be read to its end.
    pub(super) fn count_damaged(&mut self) {
        self.account.count_damaged();
    }

    /// Completes the trace. Returns its output.
    pub(super) fn finish(mut self) -> Result<W, JoinError> {
        let Some(start) = self.start else {
            return Err(JoinError::Empty);
        };
        self.rows.finish(self.end)?;
        let scope = AccountScope {
            end: self.end.min(self.rows.window.to).max(start),
            ..self.scope()
        };
        let summary = self.account.whole(&scope);
        let RowJoiner {
            output,
            mut identities,
            symbols,
            ..
        } = self.rows;
        output
            .into_writer()?
            .finish(&summary, symbols.symbols(), &mut identities.tracks)
            .map_err(JoinError::Output)
    }

    pub(super) fn output(&self) -> Option<&W> {
        self.rows.output.get()
    }

    pub(super) fn output_mut(&mut self) -> Option<&mut W> {
        self.rows.output.get_mut()
    }

    /// How many bytes of memory the tables use, roughly.
    pub(super) fn bytes(&self) -> usize {
        self.rows.bytes() + self.account.bytes()
    }
}

impl<W: Write> Visitor for JoinedTrace<W> {
    type Error = JoinError;

    fn defined(&mut self, tables: &mut Tables) -> Result<(), JoinError> {
        let changed = tables.tracks.take_changed();
        let identities = &mut self.rows.identities;
        identities.update(&tables.tracks, changed, &self.options);
        Ok(())
    }

    fn row(&mut self, tables: &Tables, row: &RowChange) -> Result<(), JoinError> {
        let Some(chunk) = &mut self.chunk else {
            return Ok(());
        };
        let time = chunk.place.joined(row.time);
        chunk.last_row = chunk.last_row.max(time);
        let row = RowChange { time, ..*row };
        self.rows.take(chunk, tables, &row, &self.options)
    }
}
