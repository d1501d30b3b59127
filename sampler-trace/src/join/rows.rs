// SPDX-License-Identifier: MIT OR Apache-2.0

//! Writes the rows of the chunks as those of the joined trace.

use std::io::Write;

use crate::container::decode::Tables;
use crate::join::chunk::Chunk;
use crate::join::error::JoinError;
use crate::join::identities::{Identities, ThreadNumber};
use crate::join::last_row::{LastRow, RowStack, gap};
use crate::join::options::JoinOptions;
use crate::join::output::JoinedOutput;
use crate::join::window::{JoinWindow, Span};
use crate::model::identifiers::{KernelTime, StackId, TrackId};
use crate::model::intern::SymbolInterner;
use crate::model::renumber::SymbolMap;
use crate::model::row::{RowChange, State, Weight};

/// The rows of the joined trace, and the tables that they refer to.
#[derive(Debug)]
pub(super) struct RowJoiner<W> {
    pub(super) output: JoinedOutput<W>,
    pub(super) identities: Identities,
    pub(super) symbols: SymbolInterner,
    /// The symbols of the current chunk.
    map: SymbolMap,
    /// The last row of each thread.
    last_rows: Vec<LastRow>,
    pub(super) window: JoinWindow,
    /// Whether the weight of a row is written at once, not when its end is known.
    at_once: bool,
    /// Up to when the rows in the output are complete.
    pub(super) complete_until: KernelTime,
}

impl<W: Write> RowJoiner<W> {
    pub(super) fn new(output: W, options: &JoinOptions) -> Self {
        Self {
            output: JoinedOutput::Waiting(output),
            identities: Identities::default(),
            symbols: SymbolInterner::default(),
            map: SymbolMap::default(),
            last_rows: Vec::new(),
            window: JoinWindow::default(),
            at_once: options.to_us.is_none(),
            complete_until: KernelTime(0),
        }
    }

    /// Begins a chunk, of which the rows in `window` are wanted.
    pub(super) fn begin_chunk(
        &mut self,
        is_same_boot: bool,
        window: JoinWindow,
        options: &JoinOptions,
    ) {
        self.window = window;
        self.identities.begin_chunk(is_same_boot);
        self.map = match options.privacy.no_source {
            true => SymbolMap::without_sources(),
            false => SymbolMap::default(),
        };
    }

    /// Takes in a row of the current chunk, with its time on the joined clock.
    pub(super) fn take(
        &mut self,
        chunk: &Chunk,
        tables: &Tables,
        row: &RowChange,
        options: &JoinOptions,
    ) -> Result<(), JoinError> {
        let Some(number) = self.number(chunk, tables, row.track, options)? else {
            return Ok(());
        };
        let current = self.identities.chunk();
        if let Some(last) = self.last_rows.get_mut(number.index())
            && last.chunk != current
        {
            last.chunk = current;
            let goes_on = chunk.is_next && row.time == chunk.place.start;
            if !last.is_gap() && !goes_on {
                self.close_row(number, chunk.before)?;
            }
        }
        let Some(&last) = self.last_rows.get(number.index()) else {
            return Ok(());
        };
        let time = row.time.max(last.span.start);
        if !self.identities.wants(number) {
            return match last.is_gap() {
                true => Ok(()),
                false => self.close_row(number, time),
            };
        }
        if self.goes_on(&last, tables, row) {
            self.add_weight(number, time, row.weight)
        } else {
            self.resolve(number, tables, time);
            self.end_row(number, time)?;
            self.begin_row(chunk, number, tables, &RowChange { time, ..*row })
        }
    }

    fn number(
        &mut self,
        chunk: &Chunk,
        tables: &Tables,
        track: TrackId,
        options: &JoinOptions,
    ) -> Result<Option<ThreadNumber>, JoinError> {
        let last_rows = &self.last_rows;
        let was_open = |number: ThreadNumber| {
            let last = last_rows.get(number.index());
            chunk.is_next && last.is_some_and(|last| !last.is_gap())
        };
        let number = self
            .identities
            .thread(track, &tables.tracks, options, was_open)?;
        if let Some(number) = number
            && self.last_rows.len() <= number.index()
        {
            self.last_rows
                .resize(number.index() + 1, LastRow::default());
        }
        Ok(number)
    }

    /// Whether a row of the current chunk continues the last one of its thread.
    fn goes_on(&mut self, last: &LastRow, tables: &Tables, row: &RowChange) -> bool {
        if last.is_gap() || last.span.state != row.state {
            return last.is_gap() && row.stack == StackId::EMPTY && row.state == State::None;
        }
        match last.stack {
            RowStack::OfChunk(stack) => stack == row.stack,
            RowStack::Joined(stack) => stack == self.stack(tables, row.stack),
        }
    }

    fn stack(&mut self, tables: &Tables, stack: StackId) -> StackId {
        self.map.stack(stack, &tables.symbols, &mut self.symbols)
    }

    fn add_weight(
        &mut self,
        number: ThreadNumber,
        time: KernelTime,
        weight: Weight,
    ) -> Result<(), JoinError> {
        let (window, at_once) = (self.window, self.at_once);
        let Some(last) = self.last_rows.get_mut(number.index()) else {
            return Ok(());
        };
        last.span.total.add(weight);
        last.span.total = last.span.total.fitting();
        if !last.is_shown || !at_once {
            return Ok(());
        }
        if last.span.is_carried || last.span.start < window.from {
            return self.give(number, time);
        }
        last.give_all();
        self.weigh(number, time, weight)
    }

    fn begin_row(
        &mut self,
        chunk: &Chunk,
        number: ThreadNumber,
        tables: &Tables,
        row: &RowChange,
    ) -> Result<(), JoinError> {
        let stack = match row.time >= self.window.from && row.time <= self.window.to {
            true => RowStack::Joined(self.stack(tables, row.stack)),
            false => RowStack::OfChunk(row.stack),
        };
        let is_carried = chunk.is_carried && row.time == chunk.place.start;
        let writes_weight = self.at_once && !is_carried;
        let is_known = self.identities.known_joined_track(number).is_some();
        let Some(last) = self.last_rows.get_mut(number.index()) else {
            return Ok(());
        };
        let span = Span {
            start: row.time,
            state: row.state,
            total: row.weight.fitting(),
            is_carried,
        };
        last.begin(stack, span);
        let RowStack::Joined(stack) = stack else {
            return Ok(());
        };
        // No thread begins with a gap.
        if last.is_gap() && !is_known {
            return Ok(());
        }
        last.is_shown = true;
        if writes_weight {
            last.give_all();
        }
        let track = self.identities.joined_track(number)?;
        self.change(&RowChange {
            track,
            stack,
            weight: match writes_weight {
                true => row.weight,
                false => Weight::ZERO,
            },
            ..*row
        })?;
        match self.at_once && is_carried {
            true => self.give(number, row.time),
            false => Ok(()),
        }
    }

    /// Gives the stack of a row that lasts until `until` its number in the joined trace, if
    /// it is to be shown.
    fn resolve(&mut self, number: ThreadNumber, tables: &Tables, until: KernelTime) {
        let Some(last) = self.last_rows.get(number.index()) else {
            return;
        };
        if let RowStack::OfChunk(stack) = last.stack
            && !last.is_gap()
            && until > self.window.from
            && last.span.start <= self.window.to
        {
            let stack = self.stack(tables, stack);
            if let Some(last) = self.last_rows.get_mut(number.index()) {
                last.stack = RowStack::Joined(stack);
            }
        }
    }

    /// Completes the last row of a thread in the output, which lasts until `until`.
    fn end_row(&mut self, number: ThreadNumber, until: KernelTime) -> Result<(), JoinError> {
        let Some(last) = self.last_rows.get(number.index()) else {
            return Ok(());
        };
        if last.is_gap() {
            return Ok(());
        }
        if !last.is_shown && until > self.window.from && last.span.start <= self.window.to {
            self.show(number)?;
        }
        self.give(number, until)
    }

    /// Writes a row that began before the window.
    fn show(&mut self, number: ThreadNumber) -> Result<(), JoinError> {
        let Some(last) = self.last_rows.get_mut(number.index()) else {
            return Ok(());
        };
        // A stack has its number by now: rows are shown while the tables of their chunk are
        // there.
        let RowStack::Joined(stack) = last.stack else {
            return Ok(());
        };
        last.is_shown = true;
        let span = last.span;
        let track = self.identities.joined_track(number)?;
        self.change(&RowChange {
            track,
            time: span.start.max(self.window.from),
            stack,
            state: span.state,
            weight: Weight::ZERO,
        })
    }

    /// Writes what is missing of the weight of the last row of a thread, which lasts until
    /// `until` at least.
    fn give(&mut self, number: ThreadNumber, until: KernelTime) -> Result<(), JoinError> {
        let window = self.window;
        let Some(last) = self.last_rows.get_mut(number.index()) else {
            return Ok(());
        };
        if !last.is_shown {
            return Ok(());
        }
        let weight = last.take_share(window, until);
        let time = until.min(window.to).max(last.span.start);
        self.weigh(number, time, weight)
    }

    /// Ends the open rows of the threads with nothing known from `time` on: of all, or of
    /// those that the current chunk has not mentioned.
    pub(super) fn close(&mut self, time: KernelTime, is_all: bool) -> Result<(), JoinError> {
        let current = self.identities.chunk();
        for position in 0..self.last_rows.len() {
            let last = self.last_rows.get(position);
            if last.is_some_and(|last| !last.is_gap() && (is_all || last.chunk != current)) {
                self.close_row(ThreadNumber::at(position), time)?;
            }
        }
        Ok(())
    }

    fn close_row(&mut self, number: ThreadNumber, time: KernelTime) -> Result<(), JoinError> {
        self.end_row(number, time)?;
        let Some(last) = self.last_rows.get_mut(number.index()) else {
            return Ok(());
        };
        let is_shown = last.is_shown;
        let span = Span {
            start: time,
            ..Span::default()
        };
        last.begin(RowStack::Joined(StackId::EMPTY), span);
        if is_shown && time <= self.window.to {
            let track = self.identities.joined_track(number)?;
            self.change(&gap(track, time))?;
        }
        Ok(())
    }

    /// Shows the rows that go on at the start of the window, once all before `complete` are
    /// known.
    pub(super) fn begin_window(
        &mut self,
        tables: &Tables,
        complete: KernelTime,
    ) -> Result<(), JoinError> {
        for position in 0..self.last_rows.len() {
            let last = self.last_rows.get(position);
            let is_waiting = last.is_some_and(|last| {
                !last.is_gap() && !last.is_shown && last.span.start < self.window.from
            });
            if is_waiting {
                let number = ThreadNumber::at(position);
                self.resolve(number, tables, complete);
                self.show(number)?;
            }
        }
        Ok(())
    }

    /// Ends a chunk, after which its tables are gone.
    pub(super) fn end_chunk(&mut self, tables: &Tables) {
        for position in 0..self.last_rows.len() {
            // Where the window is still to come, the last row of a thread may go on in there.
            self.resolve(ThreadNumber::at(position), tables, KernelTime(u64::MAX));
            if let Some(last) = self.last_rows.get_mut(position)
                && matches!(last.stack, RowStack::OfChunk(_))
            {
                *last = LastRow::default();
            }
        }
    }

    /// Completes the last row of each thread, at the end of everything.
    pub(super) fn finish(&mut self, end: KernelTime) -> Result<(), JoinError> {
        for position in 0..self.last_rows.len() {
            self.end_row(ThreadNumber::at(position), end)?;
        }
        Ok(())
    }

    fn weigh(
        &mut self,
        number: ThreadNumber,
        time: KernelTime,
        weight: Weight,
    ) -> Result<(), JoinError> {
        if weight.is_zero() {
            return Ok(());
        }
        let track = self.identities.joined_track(number)?;
        self.output.writer()?.weigh(track, time, weight);
        self.flush_if_full()
    }

    fn change(&mut self, change: &RowChange) -> Result<(), JoinError> {
        self.output.writer()?.change(change);
        self.flush_if_full()
    }

    fn flush_if_full(&mut self) -> Result<(), JoinError> {
        match self.output.writer()?.wants_flush() {
            true => self.flush(),
            false => Ok(()),
        }
    }

    /// Writes all that is held back.
    pub(super) fn flush(&mut self) -> Result<(), JoinError> {
        let (until, tracks) = (self.complete_until, &mut self.identities.tracks);
        let writer = self.output.writer()?;
        writer
            .flush(until, self.symbols.symbols(), tracks)
            .map_err(JoinError::Output)
    }

    /// How many bytes of memory the tables use, roughly.
    pub(super) fn bytes(&self) -> usize {
        let last_rows = size_of_val(self.last_rows.as_slice());
        self.symbols.bytes() + self.identities.bytes() + last_rows
    }
}
