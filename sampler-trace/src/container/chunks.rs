// SPDX-License-Identifier: MIT OR Apache-2.0

//! Writes a recording that goes on for long as chunks: files of their own, which joined are
//! what one file would be.

use std::io::Write;

use crate::container::chunk_account::ChunkAccount;
use crate::container::error::TraceError;
use crate::container::info::{ProcessSummary, Summary, ThreadCpuTime, TraceInfo, is_maximum};
use crate::container::writer::TraceWriter;
use crate::model::identifiers::{KernelTime, ProcessIndex, StackId, TrackId};
use crate::model::intern::SymbolInterner;
use crate::model::renumber::SymbolMap;
use crate::model::row::{RowChange, State, Weight};
use crate::model::symbols::Symbols;
use crate::model::track::{Track, Tracks};

/// How many changes are held back before [`ChunkWriter::wants_flush`]: about 6 MB.
const MANY: usize = 1 << 17;

/// A recording that is written as chunks.
///
/// It is used as a [`TraceWriter`] is, with the recording's own numbers of stacks, threads
/// and processes, and with counters since the recording began. A chunk has only what it
/// uses, and counters since it began.
///
/// To begin another chunk, [`ChunkWriter::rotate_at`] says from when on its rows are. Once
/// everything before is complete, [`ChunkWriter::is_due`] holds, and
/// [`ChunkWriter::next_chunk`] ends the file and begins the next one with the last row of
/// each thread. No row, sample or count is in two chunks or in none.
#[derive(Debug)]
pub struct ChunkWriter<W> {
    chunk: Chunk<W>,
    account: ChunkAccount,
    /// Changes that are held back, in the order in which they came.
    held: Vec<RowChange>,
    threads: Vec<Thread>,
    /// The time of the last row in the file.
    last: KernelTime,
    /// From when on rows belong to the next chunk.
    next: Option<KernelTime>,
    is_due: bool,
}

/// The last change of a thread.
#[derive(Clone, Copy, Debug, Default)]
struct Thread {
    last: (StackId, State),
    time: KernelTime,
    /// One more than its place among those held back; 0 when it is in the file.
    held: usize,
    /// The last change that is in the file.
    written: (StackId, State),
}

/// The file that is being written.
#[derive(Debug)]
struct Chunk<W> {
    writer: TraceWriter<W>,
    info: TraceInfo,
    symbols: SymbolInterner,
    map: SymbolMap,
    tracks: Tracks,
    new_tracks: Vec<Option<TrackId>>,
    new_processes: Vec<Option<ProcessIndex>>,
}

impl<W: Write> ChunkWriter<W> {
    /// Begins the first chunk.
    ///
    /// # Errors
    /// [`TraceError::Write`].
    pub fn create(output: W, info: &TraceInfo) -> Result<Self, TraceError> {
        Ok(Self {
            chunk: Chunk::create(output, info)?,
            account: ChunkAccount::default(),
            held: Vec::new(),
            threads: Vec::new(),
            last: info.start,
            next: None,
            is_due: false,
        })
    }

    fn thread(&mut self, track: TrackId) -> &mut Thread {
        if self.threads.len() <= track.index() {
            self.threads.resize(track.index() + 1, Thread::default());
        }
        &mut self.threads[track.index()]
    }

    /// Takes a change, which the next flush writes, as [`TraceWriter::change`].
    pub fn change(&mut self, change: &RowChange) {
        let held = self.held.len() + 1;
        let thread = self.thread(change.track);
        // The changes of a thread stay in their order.
        let time = change.time.max(thread.time);
        thread.last = (change.stack, change.state);
        (thread.time, thread.held) = (time, held);
        self.held.push(RowChange { time, ..*change });
    }

    /// Adds a sample at `time` to the last row of its track, as [`TraceWriter::weigh`].
    pub fn weigh(&mut self, track: TrackId, time: KernelTime, weight: Weight) {
        if self.threads.len() <= track.index() {
            return;
        }
        let next = self.next;
        let thread = *self.thread(track);
        let time = time.max(thread.time);
        let last = thread.held.checked_sub(1);
        if let Some(last) = last.and_then(|at| self.held.get_mut(at)) {
            let is_of_chunk = next.is_none_or(|next| (last.time < next) == (time < next));
            let has_unit = last.weight.is_zero() || last.weight.unit == weight.unit;
            if is_of_chunk && (has_unit || weight.is_zero()) {
                last.weight.add(weight);
                return;
            }
        }
        let (stack, state) = thread.last;
        self.change(&RowChange {
            track,
            time,
            stack,
            state,
            weight,
        });
    }

    /// Ends the chunk at `at`, or after the rows that are in it already. Does nothing when
    /// it is set to end. `at` should be no earlier than the samples so far.
    pub fn rotate_at(&mut self, at: KernelTime) {
        // A whole number of microseconds, as in the header of the next chunk.
        let at = at.max(self.last).0.div_ceil(1000).saturating_mul(1000);
        self.next.get_or_insert(KernelTime(at));
    }

    /// When the chunk ends and the next one begins, once that is set.
    #[must_use]
    pub fn rotates_at(&self) -> Option<KernelTime> {
        self.next
    }

    /// Whether the chunk has everything before the time that [`ChunkWriter::rotate_at`] was
    /// called with: as of the last flush.
    #[must_use]
    pub fn is_due(&self) -> bool {
        self.is_due
    }

    /// Writes what came since the last flush, as [`TraceWriter::flush`].
    ///
    /// # Errors
    /// As [`TraceWriter::flush`].
    pub fn flush(
        &mut self,
        complete_until: KernelTime,
        symbols: &Symbols,
        tracks: &mut Tracks,
    ) -> Result<(), TraceError> {
        self.chunk.update(tracks);
        let next = self.next;
        let is_later = |change: &RowChange| next.is_some_and(|next| change.time >= next);
        let mut later = Vec::new();
        for change in std::mem::take(&mut self.held) {
            let held = match is_later(&change) {
                true => {
                    later.push(change);
                    later.len()
                }
                false => {
                    self.chunk.change(&change, symbols, tracks)?;
                    self.last = self.last.max(change.time);
                    0
                }
            };
            let thread = self.thread(change.track);
            thread.held = held;
            if held == 0 {
                thread.written = (change.stack, change.state);
            }
        }
        self.held = later;
        self.is_due = next.is_some_and(|next| complete_until >= next);
        let until = next.map_or(complete_until, |next| complete_until.min(next));
        self.chunk.flush(until)
    }

    /// Writes the account so far. Its counters count since the recording began; those in the
    /// file since the chunk began.
    ///
    /// # Errors
    /// As [`TraceWriter::flush`].
    pub fn account(&mut self, so_far: &Summary, tracks: &Tracks) -> Result<(), TraceError> {
        let of_chunk = self.account.of_chunk(so_far, &self.chunk.info);
        let of_chunk = self.chunk.renumbered(&of_chunk, tracks);
        // Processes and threads without rows are defined by their account.
        self.chunk.flush(self.chunk.info.start)?;
        self.chunk.writer.account(&of_chunk)
    }

    /// Ends the chunk, once [`ChunkWriter::is_due`], with the account so far, and begins the
    /// next one, with [`ChunkWriter::rotates_at`] in Unix time. Returns the output of the finished one.
    ///
    /// # Errors
    /// As [`TraceWriter::flush`]. Then the chunk stays as it is, and nothing more can be
    /// written.
    pub fn next_chunk(
        &mut self,
        output: W,
        unix_start_us: u64,
        so_far: &Summary,
        symbols: &Symbols,
        tracks: &mut Tracks,
    ) -> Result<W, TraceError> {
        let at = self.next.unwrap_or(so_far.end);
        self.next = Some(at);
        self.flush(at, symbols, tracks)?;
        let info = TraceInfo {
            start: at,
            unix_start_us,
            carries_on: true,
            ..self.chunk.info.clone()
        };
        let next = Chunk::create(output, &info)?;
        let mut of_chunk = self.account.of_chunk(so_far, &self.chunk.info);
        of_chunk.end = at;
        let before = std::mem::replace(&mut self.chunk, next);
        let finished = before.finish(&of_chunk, tracks)?;
        self.account.begin_chunk();
        (self.next, self.is_due) = (None, false);
        let open = self.threads.iter().map(|thread| thread.written);
        for ((stack, state), number) in open.zip(0..) {
            if (stack, state) != (StackId::EMPTY, State::None) {
                let change = RowChange {
                    track: TrackId(number),
                    time: at,
                    stack,
                    state,
                    weight: Weight::ZERO,
                };
                self.chunk.change(&change, symbols, tracks)?;
            }
        }
        Ok(finished)
    }

    /// Writes everything that was held back, the account, the summary and the index. Returns
    /// the output of the last chunk.
    ///
    /// # Errors
    /// As [`TraceWriter::flush`].
    pub fn finish(
        mut self,
        summary: &Summary,
        symbols: &Symbols,
        tracks: &mut Tracks,
    ) -> Result<W, TraceError> {
        self.next = None;
        self.flush(summary.end, symbols, tracks)?;
        let of_chunk = self.account.of_chunk(summary, &self.chunk.info);
        self.chunk.finish(&of_chunk, tracks)
    }

    /// Forgets what was counted of a process that has ended, once the account has its last
    /// numbers. Otherwise they are kept to the end.
    pub fn forget_process(&mut self, process: ProcessIndex) {
        self.account.forget_process(process);
    }

    /// The output of the current chunk.
    #[must_use]
    pub fn output(&self) -> &W {
        self.chunk.writer.output()
    }

    /// How many bytes of the current chunk have been written.
    #[must_use]
    pub fn bytes_written(&self) -> u64 {
        self.chunk.writer.bytes_written()
    }

    /// When the current chunk began.
    #[must_use]
    pub fn chunk_start(&self) -> KernelTime {
        self.chunk.info.start
    }

    /// Whether so many changes are held back that they should be flushed now.
    #[must_use]
    pub fn wants_flush(&self) -> bool {
        self.held.len() >= MANY
    }
}

impl<W: Write> Chunk<W> {
    fn create(output: W, info: &TraceInfo) -> Result<Self, TraceError> {
        let info = info.clone().with_whole_start();
        Ok(Self {
            writer: TraceWriter::create(output, &info)?,
            info,
            symbols: SymbolInterner::default(),
            map: SymbolMap::default(),
            tracks: Tracks::default(),
            new_tracks: Vec::new(),
            new_processes: Vec::new(),
        })
    }

    /// Takes over what changed of the processes and threads that the chunk has.
    fn update(&mut self, tracks: &mut Tracks) {
        let (processes, changed) = tracks.take_changed();
        for index in processes {
            let new = self.new_processes.get(index.index()).copied().flatten();
            if let (Some(new), Some(process)) = (new, tracks.process(index)) {
                self.tracks.update_process(new, process.clone());
            }
        }
        for id in changed {
            let new = self.new_tracks.get(id.index()).copied().flatten();
            if let (Some(new), Some(track)) = (new, tracks.track(id)) {
                self.tracks.rename_track(new, &track.name);
            }
        }
    }

    fn change(
        &mut self,
        change: &RowChange,
        symbols: &Symbols,
        tracks: &Tracks,
    ) -> Result<(), TraceError> {
        let Some(track) = self.track(change.track, tracks) else {
            return Ok(());
        };
        let stack = self.map.stack(change.stack, symbols, &mut self.symbols);
        let change = RowChange {
            track,
            stack,
            ..*change
        };
        self.writer.change(&change);
        match self.writer.wants_flush() {
            true => self.flush(self.info.start),
            false => Ok(()),
        }
    }

    fn track(&mut self, id: TrackId, tracks: &Tracks) -> Option<TrackId> {
        if let Some(known) = self.new_tracks.get(id.index()).copied().flatten() {
            return Some(known);
        }
        let track = tracks.track(id)?;
        let process = self.process(track.process, tracks)?;
        let new = self.tracks.add_track(Track {
            process,
            ..track.clone()
        });
        set(&mut self.new_tracks, id.index(), new);
        Some(new)
    }

    fn process(&mut self, index: ProcessIndex, tracks: &Tracks) -> Option<ProcessIndex> {
        if let Some(known) = self.new_processes.get(index.index()).copied().flatten() {
            return Some(known);
        }
        let new = self.tracks.add_process(tracks.process(index)?.clone());
        set(&mut self.new_processes, index.index(), new);
        Some(new)
    }

    fn flush(&mut self, until: KernelTime) -> Result<(), TraceError> {
        let symbols = self.symbols.symbols();
        self.writer.flush(until, symbols, &mut self.tracks)
    }

    /// Returns an account with the numbers that processes and threads have in the chunk,
    /// without those of which the chunk has neither rows nor counts.
    fn renumbered(&mut self, summary: &Summary, tracks: &Tracks) -> Summary {
        let mut renumbered = Summary {
            end: summary.end,
            counts: summary.counts.clone(),
            rates: summary.rates.clone(),
            ..Summary::default()
        };
        for of in &summary.processes {
            let known = self
                .new_processes
                .get(of.process.index())
                .copied()
                .flatten();
            let has_counts = of.counts.iter().any(|it| *it.1 > 0 && !is_maximum(it.0));
            if (known.is_some() || has_counts)
                && let Some(process) = self.process(of.process, tracks)
            {
                let counts = of.counts.clone();
                renumbered
                    .processes
                    .push(ProcessSummary { process, counts });
            }
        }
        for of in &summary.threads {
            let known = self.new_tracks.get(of.track.index()).copied().flatten();
            if (known.is_some() || of.cpu_us() > 0)
                && let Some(track) = self.track(of.track, tracks)
            {
                renumbered.threads.push(ThreadCpuTime { track, ..*of });
            }
        }
        renumbered
    }

    fn finish(mut self, summary: &Summary, tracks: &Tracks) -> Result<W, TraceError> {
        let summary = self.renumbered(summary, tracks);
        let symbols = self.symbols.symbols();
        self.writer.finish(&summary, symbols, &mut self.tracks)
    }
}

fn set<T: Copy>(numbers: &mut Vec<Option<T>>, at: usize, number: T) {
    if numbers.len() <= at {
        numbers.resize(at + 1, None);
    }
    if let Some(slot) = numbers.get_mut(at) {
        *slot = Some(number);
    }
}
