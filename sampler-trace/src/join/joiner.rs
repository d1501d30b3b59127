// SPDX-License-Identifier: MIT OR Apache-2.0

//! Takes chunks one after the other and writes one trace, a segment as soon as one of a
//! chunk is complete.

use std::io::{Read, Write};

use crate::container::account::Touched;
use crate::container::contents::Contents;
use crate::container::decode::{Tables, Visitor};
use crate::container::error::{Torn, TraceError};
use crate::container::follow::{Follower, Part};
use crate::container::info::{Counts, ProcessSummary, RateChange, Summary, TraceInfo};
use crate::join::account::JoinedAccount;
use crate::join::clock::{JoinClock, Place};
use crate::join::error::JoinError;
use crate::join::identities::{Identities, LineNumber};
use crate::join::lines::{Line, RowStack, gap};
use crate::join::options::JoinOptions;
use crate::join::output::Output;
use crate::join::window::{Span, Window};
use crate::model::identifiers::{KernelTime, ProcessIndex, StackId, TrackId};
use crate::model::intern::SymbolInterner;
use crate::model::renumber::SymbolMap;
use crate::model::row::{RowChange, State, Weight};
use crate::query::view::CPU_TIMES;

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
    join: Join<W>,
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
            join: Join::new(output, options),
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
        while let Some(part) = self.follower.next_to(&mut self.join)? {
            let Some(contents) = self.follower.contents() else {
                continue;
            };
            match part {
                Part::Header => self.join.begin_chunk(&contents.info)?,
                Part::Segment => self.join.end_segment(&contents.tables)?,
                Part::Account(touched) => self.join.account(contents, &touched)?,
                Part::Summary | Part::End => {}
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
            self.join.account.count_damaged();
        }
        if let Some(contents) = follower.contents() {
            self.join.end_chunk(contents)?;
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
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
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
        self.join.finish()
    }

    /// The output, unless writing its header has failed.
    #[must_use]
    pub fn output(&self) -> Option<&W> {
        self.join.output.get()
    }

    /// The output, for one that is emptied while it is written.
    pub fn output_mut(&mut self) -> Option<&mut W> {
        self.join.output.get_mut()
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
        let join = &self.join;
        join.symbols.bytes()
            + join.identities.bytes()
            + join.account.bytes()
            + join.lines.len() * size_of::<Line>()
    }
}

/// How many bytes of a file are read at a time.
const PIECE: usize = 1 << 16;

/// Everything but the bytes of the current chunk.
#[derive(Debug)]
struct Join<W> {
    options: JoinOptions,
    output: Output<W>,
    clock: JoinClock,
    identities: Identities,
    symbols: SymbolInterner,
    /// The symbols of the current chunk.
    map: SymbolMap,
    /// The last row of each thread.
    lines: Vec<Line>,
    account: JoinedAccount,
    window: Window,
    chunk: Option<Chunk>,
    /// When the chunks that are over end.
    end: KernelTime,
    /// Up to when the rows in the output are complete.
    complete_until: KernelTime,
    /// When the output begins.
    start: Option<KernelTime>,
    /// Whether rows were left out because of their time.
    is_cut: bool,
}

/// The current chunk.
#[derive(Clone, Copy, Debug)]
struct Chunk {
    place: Place,
    /// Whether rows go on from the chunk before.
    is_next: bool,
    /// Whether its first rows went on in a file that is not there.
    is_carried: bool,
    /// Whether it is known which rows go on.
    is_settled: bool,
    /// Whether the rows that go on at the start of the window are in the output.
    has_begun: bool,
    last_row: KernelTime,
}

impl<W: Write> Join<W> {
    fn new(output: W, options: JoinOptions) -> Self {
        Self {
            options,
            output: Output::Waiting(output),
            clock: JoinClock::default(),
            identities: Identities::default(),
            symbols: SymbolInterner::default(),
            map: SymbolMap::default(),
            lines: Vec::new(),
            account: JoinedAccount::default(),
            window: Window {
                from: KernelTime(0),
                to: KernelTime(u64::MAX),
            },
            chunk: None,
            end: KernelTime(0),
            complete_until: KernelTime(0),
            start: None,
            is_cut: false,
        }
    }

    /// Whether the weight of a row is written at once, not when its end is known.
    fn writes_at_once(&self) -> bool {
        self.options.to_us.is_none()
    }

    fn begin_chunk(&mut self, info: &TraceInfo) -> Result<(), JoinError> {
        let place = self.clock.place(info, self.end);
        let before = self.start.map(|_| self.window);
        let window = Window::of(&self.options, info, &place, before);
        let is_whole = self.end <= self.window.to && place.start >= window.from;
        let is_next = place.is_next && (window == self.window || is_whole);
        if !is_next {
            self.close_lines(self.end, |_| true)?;
        }
        self.window = window;
        self.identities.begin_chunk(place.is_same_boot);
        self.map = match self.options.privacy.no_source {
            true => SymbolMap::without_sources(),
            false => SymbolMap::default(),
        };
        self.account.begin_chunk(info, place.start);
        self.is_cut |= place.start < window.from;
        if self.start.is_none() {
            let start = place.start.max(window.from);
            let since = start.since(place.start).as_micros();
            let since = u64::try_from(since).unwrap_or(u64::MAX);
            self.output.begin(&TraceInfo {
                start,
                unix_start_us: info.unix_start_us.saturating_add(since),
                carries_on: info.carries_on || start > place.start,
                ..self.options.privacy.info(info)
            })?;
            self.start = Some(start);
            self.complete_until = start;
        }
        self.chunk = Some(Chunk {
            place,
            is_next,
            is_carried: info.carries_on && !is_next,
            is_settled: !is_next,
            has_begun: false,
            last_row: place.start,
        });
        Ok(())
    }

    /// Ends the open rows of some threads with nothing known from `time` on.
    fn close_lines(
        &mut self,
        time: KernelTime,
        which: impl Fn(&Line) -> bool,
    ) -> Result<(), JoinError> {
        for number in 0..self.lines.len() {
            let line = self.lines.get(number);
            if line.is_some_and(|line| !line.is_gap() && which(line)) {
                self.close_line(LineNumber::at(number), time)?;
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

    /// Writes a row that began before the window, or in a chunk before.
    fn show(&mut self, number: LineNumber) -> Result<(), JoinError> {
        let Some(&Line { stack, span, .. }) = self.lines.get(number.index()) else {
            return Ok(());
        };
        let RowStack::Joined(stack) = stack else {
            // Rows are shown while the tables of their chunk are there.
            return Ok(());
        };
        let track = self.identities.joined_track(number)?;
        if let Some(line) = self.lines.get_mut(number.index()) {
            line.is_shown = true;
        }
        self.change(&RowChange {
            track,
            time: span.start.max(self.window.from),
            stack,
            state: span.state,
            weight: Weight::ZERO,
        })
    }

    /// Writes what is missing of the weight of the last row of a thread.
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

    fn flush(&mut self) -> Result<(), JoinError> {
        let (until, tracks) = (self.complete_until, &mut self.identities.tracks);
        let writer = self.output.writer()?;
        writer
            .flush(until, self.symbols.symbols(), tracks)
            .map_err(JoinError::Output)
    }

    /// Takes in a row of the current chunk.
    fn take(&mut self, tables: &Tables, row: &RowChange) -> Result<(), JoinError> {
        let Some(chunk) = &mut self.chunk else {
            return Ok(());
        };
        let time = chunk.place.joined(row.time);
        chunk.last_row = chunk.last_row.max(time);
        let chunk = *chunk;
        let Some(number) = self.number(&chunk, tables, row.track)? else {
            return Ok(());
        };
        let Some(line) = self.lines.get_mut(number.index()) else {
            return Ok(());
        };
        if line.chunk != self.identities.chunk() {
            line.chunk = self.identities.chunk();
            let goes_on = chunk.is_next && time == chunk.place.start;
            if !line.is_gap() && !goes_on {
                self.close_line(number, self.end)?;
            }
        }
        let Some(&line) = self.lines.get(number.index()) else {
            return Ok(());
        };
        let time = time.max(line.span.start);
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
            self.begin_row(&chunk, number, tables, &RowChange { time, ..*row })
        }
    }

    fn number(
        &mut self,
        chunk: &Chunk,
        tables: &Tables,
        track: TrackId,
    ) -> Result<Option<LineNumber>, JoinError> {
        if let Some(known) = self.identities.known_line(track) {
            return Ok(Some(known));
        }
        let lines = &self.lines;
        let was_open = |number: LineNumber| {
            let line = lines.get(number.index());
            chunk.is_next && line.is_some_and(|line| !line.is_gap())
        };
        let (tracks, options) = (&tables.tracks, &self.options);
        let number = self.identities.line(track, tracks, options, was_open)?;
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
        let (window, at_once) = (self.window, self.writes_at_once());
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

    fn begin_row(
        &mut self,
        chunk: &Chunk,
        number: LineNumber,
        tables: &Tables,
        row: &RowChange,
    ) -> Result<(), JoinError> {
        let (window, at_once) = (self.window, self.writes_at_once());
        let is_inside = row.time >= window.from && row.time <= window.to;
        let stack = match is_inside {
            true => RowStack::Joined(self.stack(tables, row.stack)),
            false => RowStack::OfChunk(row.stack),
        };
        let is_carried = chunk.is_carried && row.time == chunk.place.start;
        let Some(line) = self.lines.get_mut(number.index()) else {
            return Ok(());
        };
        line.begin(
            stack,
            Span {
                start: row.time,
                state: row.state,
                total: row.weight.fitting(),
                is_carried,
            },
        );
        let RowStack::Joined(stack) = stack else {
            return Ok(());
        };
        if line.is_gap() && self.identities.known_joined_track(number).is_none() {
            return Ok(());
        }
        let is_plain = at_once && !is_carried;
        line.is_shown = true;
        if is_plain {
            line.give_all();
        }
        let weight = if is_plain { row.weight } else { Weight::ZERO };
        let track = self.identities.joined_track(number)?;
        self.change(&RowChange {
            track,
            stack,
            weight,
            ..*row
        })?;
        match at_once && is_carried {
            true => self.give(number, row.time),
            false => Ok(()),
        }
    }

    /// Writes what a segment of the current chunk has completed.
    fn end_segment(&mut self, tables: &Tables) -> Result<(), JoinError> {
        let Some(chunk) = self.chunk else {
            return Ok(());
        };
        let complete = chunk.place.joined(tables.complete_until);
        self.settle(tables, complete)?;
        if complete < self.window.from {
            return Ok(());
        }
        let until = complete.min(self.window.to);
        let is_later = until > self.complete_until;
        self.complete_until = until.max(self.complete_until);
        match is_later || self.output.writer()?.has_pending() {
            true => self.flush(),
            false => Ok(()),
        }
    }

    /// Once all rows before `complete` are known: ends those that do not go on from the chunk
    /// before, and shows those that go on at the start of the window.
    fn settle(&mut self, tables: &Tables, complete: KernelTime) -> Result<(), JoinError> {
        let Some(chunk) = self.chunk else {
            return Ok(());
        };
        let is_settled = chunk.is_settled || complete > chunk.place.start;
        if is_settled && !chunk.is_settled {
            let current = self.identities.chunk();
            self.close_lines(self.end, |line| line.chunk != current)?;
        }
        let has_begun = chunk.has_begun || complete > self.window.from;
        if has_begun && !chunk.has_begun {
            for number in (0..self.lines.len()).map(LineNumber::at) {
                let line = self.lines.get(number.index());
                let is_waiting = line.is_some_and(|line| {
                    !line.is_gap() && !line.is_shown && line.span.start < self.window.from
                });
                if is_waiting {
                    self.resolve(number, tables, complete);
                    self.show(number)?;
                }
            }
        }
        self.chunk = Some(Chunk {
            is_settled,
            has_begun,
            ..chunk
        });
        Ok(())
    }

    /// Takes in an account of the current chunk, and writes that of all chunks so far.
    fn account(&mut self, contents: &Contents, touched: &Touched) -> Result<(), JoinError> {
        let Some(chunk) = self.chunk else {
            return Ok(());
        };
        let rates = self.account.rates(contents, &chunk.place);
        let mut summary = Summary {
            end: self.complete_until,
            counts: self.counts(&contents.accounts.counts),
            rates: self.rates(&rates),
            ..Summary::default()
        };
        for index in &touched.processes {
            let current = contents.accounts.processes.get(&index.0);
            self.account_process(contents, *index, current, &mut summary)?;
        }
        for track in &touched.threads {
            self.account_thread(contents, *track, &mut summary);
        }
        self.write_account(&summary)
    }

    fn write_account(&mut self, summary: &Summary) -> Result<(), JoinError> {
        // A process without rows is defined by its account.
        self.flush()?;
        let writer = self.output.writer()?;
        writer.account(summary).map_err(JoinError::Output)
    }

    /// Whether the trace may lack the rows of a part of the time that the accounts cover.
    fn may_be_cut(&self) -> bool {
        self.is_cut || self.options.to_us.is_some()
    }

    fn account_process(
        &mut self,
        contents: &Contents,
        index: ProcessIndex,
        current: Option<&Counts>,
        summary: &mut Summary,
    ) -> Result<(), JoinError> {
        let tracks = &contents.tables.tracks;
        let number = self.identities.process(index, tracks, &self.options)?;
        let Some(number) = number.filter(|it| self.identities.wants_process(*it)) else {
            return Ok(());
        };
        let process = match self.may_be_cut() {
            true => self.identities.known_joined_process(number),
            false => self.identities.joined_process(number)?,
        };
        if let Some(process) = process {
            let current = current.cloned().unwrap_or_default();
            let counts = self.account.of_process(number, &current);
            let counts = self.without_cpu_times(counts);
            summary.processes.push(ProcessSummary { process, counts });
        }
        Ok(())
    }

    fn account_thread(&self, contents: &Contents, track: TrackId, summary: &mut Summary) {
        let number = self.identities.known_line(track);
        let Some(number) = number.filter(|_| !self.may_be_cut()) else {
            return;
        };
        if let Some(track_joined) = self.identities.known_joined_track(number) {
            let current = contents.accounts.threads.get(&track.0);
            let of = self.account.of_thread(number, track_joined, current);
            summary.threads.push(of);
        }
    }

    fn counts(&self, current: &Counts) -> Counts {
        self.without_cpu_times(self.account.counts(current))
    }

    /// Removes the CPU times of the kernel, which are those of whole chunks, where rows are
    /// missing because of their time.
    fn without_cpu_times(&self, mut counts: Counts) -> Counts {
        if self.may_be_cut() {
            counts.retain(|name, _| !CPU_TIMES.contains(&name.as_str()));
        }
        counts
    }

    /// The changes of the rate from the start of the output on.
    fn rates(&self, rates: &[RateChange]) -> Vec<RateChange> {
        let start = self.start.unwrap_or_default();
        let before = rates.partition_point(|change| change.time <= start);
        let mut kept = rates
            .get(before.saturating_sub(1)..)
            .unwrap_or_default()
            .to_vec();
        if let Some(first) = kept.first_mut() {
            first.time = first.time.max(start);
        }
        kept
    }

    fn end_chunk(&mut self, contents: &Contents) -> Result<(), JoinError> {
        let Some(chunk) = self.chunk else {
            return Ok(());
        };
        let tables = &contents.tables;
        let end = contents.summary.as_ref().map(|summary| summary.end);
        let end = chunk.place.joined(end.unwrap_or(tables.complete_until));
        let end = end.max(chunk.last_row);
        self.settle(tables, end)?;
        for number in (0..self.lines.len()).map(LineNumber::at) {
            // Where the window is still to come, its last row may go on in there.
            self.resolve(number, tables, KernelTime(u64::MAX));
            if let Some(line) = self.lines.get_mut(number.index())
                && matches!(line.stack, RowStack::OfChunk(_))
            {
                *line = Line::default();
            }
        }
        self.is_cut |= end > self.window.to;
        self.close_account(contents, &chunk)?;
        self.chunk = None;
        self.end = self.end.max(end);
        Ok(())
    }

    /// Adds the account of a chunk that is over to that of all.
    fn close_account(&mut self, contents: &Contents, chunk: &Chunk) -> Result<(), JoinError> {
        let of_file = contents.summary.as_ref();
        let counts = of_file.map(|summary| &summary.counts);
        let counts = counts.filter(|counts| !counts.is_empty());
        let mut summary = Summary {
            end: self.complete_until,
            ..Summary::default()
        };
        let in_accounts = contents.accounts.processes.iter();
        let in_accounts = in_accounts.map(|(index, counts)| (ProcessIndex(*index), counts));
        // Older files have the counters of each process in their summary.
        let in_summary = of_file.map_or(&[][..], |summary| &summary.processes);
        let in_summary = in_summary.iter().map(|of| (of.process, &of.counts));
        let processes: Vec<_> = match in_summary.len() {
            0 => in_accounts.collect(),
            _ => in_summary.collect(),
        };
        for (index, counts) in processes {
            self.account_process(contents, index, Some(counts), &mut summary)?;
            let tracks = &contents.tables.tracks;
            if let Some(number) = self.identities.process(index, tracks, &self.options)? {
                self.account.close_process(number, counts);
            }
        }
        for (track, of) in &contents.accounts.threads {
            self.account_thread(contents, TrackId(*track), &mut summary);
            if let Some(number) = self.identities.known_line(TrackId(*track)) {
                self.account.close_thread(number, of);
            }
        }
        let rates = self.account.rates(contents, &chunk.place);
        let counts = counts.unwrap_or(&contents.accounts.counts);
        self.account.close(counts, rates);
        summary.counts = self.counts(&Counts::new());
        summary.rates = self.rates(self.account.closed_rates());
        self.write_account(&summary)
    }

    fn finish(mut self) -> Result<W, JoinError> {
        let Some(start) = self.start else {
            return Err(JoinError::Empty);
        };
        for number in (0..self.lines.len()).map(LineNumber::at) {
            self.end_row(number, self.end)?;
        }
        let summary = Summary {
            end: self.end.min(self.window.to).max(start),
            counts: self.counts(&Counts::new()),
            rates: self.rates(self.account.closed_rates()),
            ..Summary::default()
        };
        let symbols = self.symbols.symbols();
        self.output
            .into_writer()?
            .finish(&summary, symbols, &mut self.identities.tracks)
            .map_err(JoinError::Output)
    }
}

impl<W: Write> Visitor for Join<W> {
    type Error = JoinError;

    fn defined(&mut self, tables: &mut Tables) -> Result<(), JoinError> {
        let changed = tables.tracks.take_changed();
        let (tracks, options) = (&tables.tracks, &self.options);
        self.identities.update(tracks, changed, options);
        Ok(())
    }

    fn row(&mut self, tables: &Tables, row: &RowChange) -> Result<(), JoinError> {
        self.take(tables, row)
    }
}
