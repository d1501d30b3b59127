// SPDX-License-Identifier: MIT OR Apache-2.0

//! Writes the rows of the chunks as those of the joined trace.

use std::io::Write;

use crate::container::decode::Tables;
use crate::join::chunk::Chunk;
use crate::join::error::JoinError;
use crate::join::identities::{Identities, LineNumber};
use crate::join::lines::{Line, RowStack, gap};
use crate::join::options::JoinOptions;
use crate::join::output::Output;
use crate::join::window::{Span, Window};
use crate::model::identifiers::{KernelTime, StackId, TrackId};
use crate::model::intern::SymbolInterner;
use crate::model::renumber::SymbolMap;
use crate::model::row::{RowChange, State, Weight};

/// The rows of the joined trace, and the tables that they refer to.
#[derive(Debug)]
pub(super) struct Rows<W> {
    pub(super) output: Output<W>,
    pub(super) identities: Identities,
    pub(super) symbols: SymbolInterner,
    /// The symbols of the current chunk.
    map: SymbolMap,
    /// The last row of each thread.
    lines: Vec<Line>,
    pub(super) window: Window,
    /// Whether the weight of a row is written at once, not when its end is known.
    at_once: bool,
    /// Up to when the rows in the output are complete.
    pub(super) complete_until: KernelTime,
}

impl<W: Write> Rows<W> {
    pub(super) fn new(output: W, options: &JoinOptions) -> Self {
        Self {
            output: Output::Waiting(output),
            identities: Identities::default(),
            symbols: SymbolInterner::default(),
            map: SymbolMap::default(),
            lines: Vec::new(),
            window: Window::default(),
            at_once: options.to_us.is_none(),
            complete_until: KernelTime(0),
        }
    }

    /// Begins a chunk, of which the rows in `window` are wanted.
    pub(super) fn begin_chunk(
        &mut self,
        is_same_boot: bool,
        window: Window,
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
        if let Some(line) = self.lines.get_mut(number.index())
            && line.chunk != current
        {
            line.chunk = current;
            let goes_on = chunk.is_next && row.time == chunk.place.start;
            if !line.is_gap() && !goes_on {
                self.close_line(number, chunk.before)?;
            }
        }
        let Some(&line) = self.lines.get(number.index()) else {
            return Ok(());
        };
        let time = row.time.max(line.span.start);
        if !self.identities.wants(number) {
            return match line.is_gap() {
                true => Ok(()),
                false => self.close_line(number, time),
            };
        }
        if self.goes_on(&line, tables, row) {
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
    ) -> Result<Option<LineNumber>, JoinError> {
        let lines = &self.lines;
        let was_open = |number: LineNumber| {
            let line = lines.get(number.index());
            chunk.is_next && line.is_some_and(|line| !line.is_gap())
        };
        let number = self
            .identities
            .line(track, &tables.tracks, options, was_open)?;
        if let Some(number) = number
            && self.lines.len() <= number.index()
        {
            self.lines.resize(number.index() + 1, Line::default());
        }
        Ok(number)
    }

    /// Whether a row of the current chunk continues the last one of its thread.
    fn goes_on(&mut self, line: &Line, tables: &Tables, row: &RowChange) -> bool {
        if line.is_gap() || line.span.state != row.state {
            return line.is_gap() && row.stack == StackId::EMPTY && row.state == State::None;
        }
        match line.stack {
            RowStack::OfChunk(stack) => stack == row.stack,
            RowStack::Joined(stack) => stack == self.stack(tables, row.stack),
        }
    }

    fn stack(&mut self, tables: &Tables, stack: StackId) -> StackId {
        self.map.stack(stack, &tables.symbols, &mut self.symbols)
    }

    fn add_weight(
        &mut self,
        number: LineNumber,
        time: KernelTime,
        weight: Weight,
    ) -> Result<(), JoinError> {
        let (window, at_once) = (self.window, self.at_once);
        let Some(line) = self.lines.get_mut(number.index()) else {
            return Ok(());
        };
        line.span.total.add(weight);
        line.span.total = line.span.total.fitting();
        if !line.is_shown || !at_once {
            return Ok(());
        }
        if line.span.is_carried || line.span.start < window.from {
            return self.give(number, time);
        }
        line.give_all();
        self.weigh(number, time, weight)
    }

    fn begin_row(
        &mut self,
        chunk: &Chunk,
        number: LineNumber,
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
        let Some(line) = self.lines.get_mut(number.index()) else {
            return Ok(());
        };
        let span = Span {
            start: row.time,
            state: row.state,
            total: row.weight.fitting(),
            is_carried,
        };
        line.begin(stack, span);
        let RowStack::Joined(stack) = stack else {
            return Ok(());
        };
        // No thread begins with a gap.
        if line.is_gap() && !is_known {
            return Ok(());
        }
        line.is_shown = true;
        if writes_weight {
            line.give_all();
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
    fn resolve(&mut self, number: LineNumber, tables: &Tables, until: KernelTime) {
        let Some(line) = self.lines.get(number.index()) else {
            return;
        };
        if let RowStack::OfChunk(stack) = line.stack
            && !line.is_gap()
            && until > self.window.from
            && line.span.start <= self.window.to
        {
            let stack = self.stack(tables, stack);
            if let Some(line) = self.lines.get_mut(number.index()) {
                line.stack = RowStack::Joined(stack);
            }
        }
    }

    /// Completes the last row of a thread in the output, which lasts until `until`.
    fn end_row(&mut self, number: LineNumber, until: KernelTime) -> Result<(), JoinError> {
        let Some(line) = self.lines.get(number.index()) else {
            return Ok(());
        };
        if line.is_gap() {
            return Ok(());
        }
        if !line.is_shown && until > self.window.from && line.span.start <= self.window.to {
            self.show(number)?;
        }
        self.give(number, until)
    }

    /// Writes a row that began before the window.
    fn show(&mut self, number: LineNumber) -> Result<(), JoinError> {
        let Some(line) = self.lines.get_mut(number.index()) else {
            return Ok(());
        };
        // A stack has its number by now: rows are shown while the tables of their chunk are
        // there.
        let RowStack::Joined(stack) = line.stack else {
            return Ok(());
        };
        line.is_shown = true;
        let span = line.span;
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
    fn give(&mut self, number: LineNumber, until: KernelTime) -> Result<(), JoinError> {
        let window = self.window;
        let Some(line) = self.lines.get_mut(number.index()) else {
            return Ok(());
        };
        if !line.is_shown {
            return Ok(());
        }
        let weight = line.take_share(window, until);
        let time = until.min(window.to).max(line.span.start);
        self.weigh(number, time, weight)
    }

    /// Ends the open rows of the threads with nothing known from `time` on: of all, or of
    /// those that the current chunk has not mentioned.
    pub(super) fn close(&mut self, time: KernelTime, is_all: bool) -> Result<(), JoinError> {
        let current = self.identities.chunk();
        for position in 0..self.lines.len() {
            let line = self.lines.get(position);
            if line.is_some_and(|line| !line.is_gap() && (is_all || line.chunk != current)) {
                self.close_line(LineNumber::at(position), time)?;
            }
        }
        Ok(())
    }

    fn close_line(&mut self, number: LineNumber, time: KernelTime) -> Result<(), JoinError> {
        self.end_row(number, time)?;
        let Some(line) = self.lines.get_mut(number.index()) else {
            return Ok(());
        };
        let is_shown = line.is_shown;
        let span = Span {
            start: time,
            ..Span::default()
        };
        line.begin(RowStack::Joined(StackId::EMPTY), span);
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
        for position in 0..self.lines.len() {
            let line = self.lines.get(position);
            let is_waiting = line.is_some_and(|line| {
                !line.is_gap() && !line.is_shown && line.span.start < self.window.from
            });
            if is_waiting {
                let number = LineNumber::at(position);
                self.resolve(number, tables, complete);
                self.show(number)?;
            }
        }
        Ok(())
    }

    /// Ends a chunk, after which its tables are gone.
    pub(super) fn end_chunk(&mut self, tables: &Tables) {
        for position in 0..self.lines.len() {
            // Where the window is still to come, the last row of a thread may go on in there.
            self.resolve(LineNumber::at(position), tables, KernelTime(u64::MAX));
            if let Some(line) = self.lines.get_mut(position)
                && matches!(line.stack, RowStack::OfChunk(_))
            {
                *line = Line::default();
            }
        }
    }

    /// Completes the last row of each thread, at the end of everything.
    pub(super) fn finish(&mut self, end: KernelTime) -> Result<(), JoinError> {
        for position in 0..self.lines.len() {
            self.end_row(LineNumber::at(position), end)?;
        }
        Ok(())
    }

    fn weigh(
        &mut self,
        number: LineNumber,
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
        let lines = size_of_val(self.lines.as_slice());
        self.symbols.bytes() + self.identities.bytes() + lines
    }
}
