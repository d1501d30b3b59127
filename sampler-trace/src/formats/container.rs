// SPDX-License-Identifier: MIT OR Apache-2.0

//! Writes a part of a trace as a container of its own, in the layout of [`crate::container`].

use std::io::Write;

use crate::container::info::{Mode, ProcessCounts, Summary, ThreadCpuTime, TraceInfo};
use crate::container::writer::TraceWriter;
use crate::formats::sink::{RowOrder, SinkError, TraceSink};
use crate::model::identifiers::{ProcessIndex, TrackId};
use crate::model::intern::SymbolInterner;
use crate::model::renumber::SymbolMap;
use crate::model::row::{RowChange, TimelineRow, Weight};
use crate::model::track::{Track, Tracks};
use crate::query::view::TraceView;

/// A sink for `.pyebpf`. Only what the rows use is written.
pub struct ContainerSink<'a, W> {
    view: &'a TraceView<'a>,
    writer: TraceWriter<W>,
    tracks: Tracks,
    new_tracks: Vec<Option<TrackId>>,
    new_processes: Vec<Option<ProcessIndex>>,
    symbols: SymbolInterner,
    kept: SymbolMap,
}

impl<'a, W: Write> ContainerSink<'a, W> {
    /// Begins the file.
    ///
    /// # Errors
    /// [`SinkError`].
    pub fn new(output: W, view: &'a TraceView<'a>) -> Result<Self, SinkError> {
        let trace = view.trace();
        let info = TraceInfo {
            mode: view.mode(),
            ..trace.info.clone()
        };
        Ok(Self {
            view,
            writer: TraceWriter::create(output, &info)?,
            tracks: Tracks::default(),
            new_tracks: vec![None; trace.tracks.tracks().len()],
            new_processes: vec![None; trace.tracks.processes().len()],
            symbols: SymbolInterner::default(),
            kept: SymbolMap::default(),
        })
    }

    /// The weight of a row in the file: none where the row counts for its length, samples
    /// where nothing else has weights, otherwise microseconds.
    fn weight(&self, row: &TimelineRow) -> Weight {
        if !self.view.trace().rows.is_weighed(row.track) {
            return Weight::ZERO;
        }
        match self.view.mode() {
            Mode::Cpu => row.weight,
            Mode::Wall | Mode::CpuAndWall => row.weight.in_microseconds(),
        }
    }

    /// Completes the file and returns its output.
    ///
    /// # Errors
    /// [`SinkError`].
    pub(super) fn end(mut self) -> Result<W, SinkError> {
        let whole = &self.view.trace().summary;
        let renumbered = |of: &ProcessCounts| {
            let process = self
                .new_processes
                .get(of.process.index())
                .copied()
                .flatten()?;
            Some(ProcessCounts {
                process,
                counts: self.view.counts(&of.counts).into_owned(),
            })
        };
        let of_track = |of: &ThreadCpuTime| {
            let track = self.new_tracks.get(of.track.index()).copied().flatten()?;
            Some(ThreadCpuTime { track, ..*of })
        };
        let summary = Summary {
            end: self.view.end(),
            counts: self.view.counts(&whole.counts).into_owned(),
            processes: whole.processes.iter().filter_map(renumbered).collect(),
            rates: whole.rates.clone(),
            threads: match self.view.has_all_times() {
                true => whole.threads.iter().filter_map(of_track).collect(),
                false => Vec::new(),
            },
        };
        Ok(self
            .writer
            .finish(&summary, self.symbols.symbols(), &mut self.tracks)?)
    }
}

impl<W: Write> TraceSink for ContainerSink<'_, W> {
    fn order(&self) -> Option<RowOrder> {
        Some(RowOrder::Time)
    }

    fn track(&mut self, id: TrackId) -> Result<(), SinkError> {
        let Some((track, process)) = self.view.thread(id) else {
            return Ok(());
        };
        let Some(slot) = self.new_processes.get_mut(track.process.index()) else {
            return Ok(());
        };
        let process = *slot.get_or_insert_with(|| self.tracks.add_process(process.clone()));
        if let Some(slot) = self.new_tracks.get_mut(id.index()) {
            *slot = Some(self.tracks.add_track(Track {
                process,
                ..track.clone()
            }));
        }
        Ok(())
    }

    fn row(&mut self, row: &TimelineRow) -> Result<(), SinkError> {
        let Some(track) = self.new_tracks.get(row.track.index()).copied().flatten() else {
            return Ok(());
        };
        let old = &self.view.trace().symbols;
        let stack = self.kept.stack(row.stack, old, &mut self.symbols);
        self.writer.change(&RowChange {
            track,
            time: row.start,
            stack,
            state: row.state,
            weight: self.weight(row),
        });
        if self.writer.wants_flush() {
            self.writer
                .flush(row.start, self.symbols.symbols(), &mut self.tracks)?;
        }
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<(), SinkError> {
        Ok(self.end()?.flush()?)
    }
}
