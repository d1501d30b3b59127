// SPDX-License-Identifier: MIT OR Apache-2.0

//! Writes a container while a recording goes on. The caller decides when a segment is due.

use std::collections::BTreeMap;
use std::io::Write;

use crate::container::account::WrittenCounters;
use crate::container::block::kind;
use crate::container::encode::{SegmentEncoder, WrittenSymbols};
use crate::container::error::TraceError;
use crate::container::index::IndexEntry;
use crate::container::info::{StoredSummary, Summary, TraceInfo};
use crate::container::run::{RunRow, RunWriter};
use crate::container::{MAGIC, VERSION, account, block, index};
use crate::model::identifiers::{KernelTime, StackId, TrackId};
use crate::model::row::{RowChange, State, Weight};
use crate::model::symbols::Symbols;
use crate::model::track::Tracks;

/// How many rows are held back before [`TraceWriter::wants_flush`]: under 10 MB.
const MANY_ROWS: u64 = 1 << 20;

/// How many runs are kept for their memory, which is a few hundred bytes each.
const MOST_RECYCLED: usize = 1024;

/// A container that is being written.
///
/// Changes are held back until [`TraceWriter::flush`], which the caller calls every few
/// seconds. What was flushed survives a `kill -9`.
#[derive(Debug)]
pub struct TraceWriter<W> {
    output: W,
    info: TraceInfo,
    offset: u64,
    broken: bool,
    written: WrittenSymbols,
    complete_until: KernelTime,
    full_runs: Vec<RunWriter>,
    open_runs: BTreeMap<TrackId, RunWriter>,
    /// Runs that are written, whose memory is used again: small pieces of it for most
    /// threads in each segment.
    written_runs: Vec<RunWriter>,
    pending_rows: u64,
    /// The stack and state of each track's last row.
    last_rows: Vec<(StackId, State)>,
    index: Vec<IndexEntry>,
    counters: WrittenCounters,
}

impl<W: Write> TraceWriter<W> {
    /// Begins a container: writes the magic number, the version and the header.
    ///
    /// # Errors
    /// [`TraceError::Write`].
    pub fn create(output: W, info: &TraceInfo) -> Result<Self, TraceError> {
        let info = info.clone().with_whole_start();
        let header = serde_json::to_vec(&info).map_err(|source| TraceError::Json {
            what: "header",
            source,
        })?;
        let mut writer = Self {
            output,
            complete_until: info.start,
            info,
            offset: 0,
            broken: false,
            written: WrittenSymbols::default(),
            full_runs: Vec::new(),
            open_runs: BTreeMap::new(),
            written_runs: Vec::new(),
            pending_rows: 0,
            last_rows: Vec::new(),
            index: Vec::new(),
            counters: WrittenCounters::default(),
        };
        let mut bytes = MAGIC.to_vec();
        bytes.extend(VERSION.to_le_bytes());
        bytes.extend(block::encode(kind::HEADER, &header)?);
        writer.put(&bytes)?;
        Ok(writer)
    }

    /// Takes a change, which the next flush writes. The changes of a track come in the
    /// order of time; one that is earlier than the previous one counts from the time of
    /// that one.
    pub fn change(&mut self, change: &RowChange) {
        let number = change.track.index();
        if self.last_rows.len() <= number {
            self.last_rows.resize(number + 1, Default::default());
        }
        if let Some(last) = self.last_rows.get_mut(number) {
            *last = (change.stack, change.state);
        }
        let time = self.info.microseconds(change.time);
        let row = RunRow {
            time,
            stack: change.stack,
            state: change.state,
            weight: change.weight,
        };
        self.pending_rows += 1;
        let written = &mut self.written_runs;
        let run = self.open_runs.entry(change.track).or_insert_with(|| {
            let recycled = written.pop().and_then(|it| it.recycled(change.track, time));
            recycled.unwrap_or_else(|| RunWriter::new(change.track, time))
        });
        if run.is_full() || !run.has_unit_of(change.weight) {
            let next = RunWriter::new(change.track, run.last());
            self.full_runs.push(std::mem::replace(run, next));
        }
        run.push(row);
    }

    /// Adds a sample at `time` that stands for `weight` to the last row of its track. If
    /// that row is already in the file, it is written once more: readers merge equal neighbours.
    pub fn weigh(&mut self, track: TrackId, time: KernelTime, weight: Weight) {
        if let Some(run) = self.open_runs.get_mut(&track)
            && run.rows() > 0
            && run.has_unit_of(weight)
        {
            run.weigh(weight);
            return;
        }
        let Some(&(stack, state)) = self.last_rows.get(track.index()) else {
            return;
        };
        self.change(&RowChange {
            track,
            time,
            stack,
            state,
            weight,
        });
    }

    /// Takes a row of another container, whose rows may be in pieces: equal neighbours become
    /// one.
    pub(super) fn continue_row(&mut self, row: &RowChange) {
        let now = (row.stack, row.state);
        let is_known = now != Default::default();
        if is_known && self.last_rows.get(row.track.index()) == Some(&now) {
            self.weigh(row.track, row.time, row.weight);
        } else {
            self.change(row);
        }
    }

    /// The output that the container is written to.
    #[must_use]
    pub fn output(&self) -> &W {
        &self.output
    }

    /// The output, for one that is emptied while it is written.
    pub fn output_mut(&mut self) -> &mut W {
        &mut self.output
    }

    /// Whether any change is held back.
    #[must_use]
    pub fn has_pending(&self) -> bool {
        self.pending_rows > 0
    }

    /// Whether so many changes are held back that they should be flushed now.
    #[must_use]
    pub fn wants_flush(&self) -> bool {
        self.pending_rows >= MANY_ROWS
    }

    /// How many bytes have been written so far.
    #[must_use]
    pub fn bytes_written(&self) -> u64 {
        self.offset
    }

    /// Writes what came since the last flush: the new symbols, processes and tracks, and
    /// all changes that were held back. No further change will come before
    /// `complete_until`: should the file end here, this is when its last rows end.
    ///
    /// # Errors
    /// [`TraceError::Write`], after which the file ends with the last complete segment,
    /// and every further call returns [`TraceError::Broken`].
    pub fn flush(
        &mut self,
        complete_until: KernelTime,
        symbols: &Symbols,
        tracks: &mut Tracks,
    ) -> Result<(), TraceError> {
        let mut segment = SegmentEncoder::default();
        while segment.add_symbol(symbols, &mut self.written) {
            self.close_if_full(&mut segment)?;
        }
        let (changed_processes, changed_tracks) = tracks.take_changed();
        for index in changed_processes {
            segment.add_process(index, tracks);
            self.close_if_full(&mut segment)?;
        }
        for id in changed_tracks {
            segment.add_track(id, tracks);
            self.close_if_full(&mut segment)?;
        }
        let full = std::mem::take(&mut self.full_runs);
        let open = std::mem::take(&mut self.open_runs).into_values();
        for run in full.into_iter().chain(open).filter(|run| run.rows() > 0) {
            segment.add_run(&run);
            self.close_if_full(&mut segment)?;
            if self.written_runs.len() < MOST_RECYCLED {
                self.written_runs.push(run);
            }
        }
        self.pending_rows = 0;
        self.complete_until = complete_until.max(self.complete_until);
        self.close(&segment)
    }

    /// Writes the account so far: all counters of the whole recording, and those of the
    /// processes that `so_far` names, which must have been flushed.
    ///
    /// # Errors
    /// As [`TraceWriter::flush`].
    pub fn account(&mut self, so_far: &Summary) -> Result<(), TraceError> {
        for data in account::encode(so_far, &self.info, &mut self.counters) {
            self.put(&block::encode(kind::ACCOUNT, &data)?)?;
        }
        Ok(())
    }

    /// Flushes, then writes the account, the summary and the index. Returns the output.
    ///
    /// # Errors
    /// As [`TraceWriter::flush`].
    pub fn finish(
        mut self,
        summary: &Summary,
        symbols: &Symbols,
        tracks: &mut Tracks,
    ) -> Result<W, TraceError> {
        self.flush(summary.end, symbols, tracks)?;
        self.account(summary)?;
        let stored =
            serde_json::to_vec(&StoredSummary::new(summary, &self.info)).map_err(|source| {
                TraceError::Json {
                    what: "summary",
                    source,
                }
            })?;
        self.put(&block::encode(kind::SUMMARY, &stored)?)?;
        self.put(&index::encode(&self.index, &self.info, self.offset)?)?;
        Ok(self.output)
    }

    fn close_if_full(&mut self, segment: &mut SegmentEncoder) -> Result<(), TraceError> {
        if segment.is_full() {
            self.close(segment)?;
            *segment = SegmentEncoder::default();
        }
        Ok(())
    }

    fn close(&mut self, segment: &SegmentEncoder) -> Result<(), TraceError> {
        let until = self.info.microseconds(self.complete_until);
        let bytes = block::encode(kind::SEGMENT, &segment.finish(until))?;
        let (offset, rows) = (self.offset, segment.rows());
        self.put(&bytes)?;
        self.index.push(IndexEntry {
            offset,
            complete_until: self.complete_until,
            rows,
        });
        Ok(())
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), TraceError> {
        if self.broken {
            return Err(TraceError::Broken);
        }
        let written = self
            .output
            .write_all(bytes)
            .and_then(|()| self.output.flush());
        written.map_err(|source| {
            self.broken = true;
            TraceError::Write { source }
        })?;
        self.offset += bytes.len() as u64;
        Ok(())
    }
}
