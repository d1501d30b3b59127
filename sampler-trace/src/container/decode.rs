// SPDX-License-Identifier: MIT OR Apache-2.0

//! Decodes the data of a segment into tables and rows. Every number is checked, because
//! the file may be damaged or malicious.

use crate::container::error::TraceError;
use crate::container::info::TraceInfo;
use crate::container::run::{RunReader, WeightReader};
use crate::model::identifiers::{FrameId, KernelTime, ProcessIndex, StackId, StringId, TrackId};
use crate::model::row::RowChange;
use crate::model::symbols::{Frame, MAXIMUM_STRING, StackNode, Symbols};
use crate::model::track::{MAXIMUM_TEXT, MAXIMUM_TRACKS, ProcessInfo, ProcessPlace, Track, Tracks};
use crate::model::varint::take;

/// The tables of a trace, as far as it was read.
#[derive(Debug, Default)]
pub(crate) struct Tables {
    pub(crate) symbols: Symbols,
    pub(crate) tracks: Tracks,
    pub(crate) complete_until: KernelTime,
    text: usize,
}

impl Tables {
    /// The tables of a trace of which nothing was read yet.
    pub(super) fn starting(start: KernelTime) -> Self {
        Self {
            complete_until: start,
            ..Self::default()
        }
    }
}

/// What is done with a segment while it is decoded.
pub(crate) trait Visitor {
    /// Why the decoding ends early.
    type Error: From<TraceError>;

    /// Takes the tables, once they have what the segment defines and before its rows.
    fn defined(&mut self, _tables: &mut Tables) -> Result<(), Self::Error> {
        Ok(())
    }

    /// Takes a row.
    fn row(&mut self, tables: &Tables, row: &RowChange) -> Result<(), Self::Error>;
}

/// A visitor that passes on the rows alone.
pub(super) struct RowsOnly<F>(pub(super) F);

impl<E: From<TraceError>, F: FnMut(RowChange) -> Result<(), E>> Visitor for RowsOnly<F> {
    type Error = E;

    fn row(&mut self, _tables: &Tables, row: &RowChange) -> Result<(), E> {
        (self.0)(*row)
    }
}

/// A segment that is being decoded.
pub(super) struct Segment<'a> {
    pub(super) data: &'a [u8],
    /// Where its block begins in the file, for errors.
    pub(super) at: u64,
    pub(super) info: &'a TraceInfo,
}

impl Segment<'_> {
    /// Adds the segment's definitions to the tables, and passes each row to the visitor.
    pub(super) fn decode<V: Visitor>(
        mut self,
        tables: &mut Tables,
        visitor: &mut V,
    ) -> Result<(), V::Error> {
        let complete_until = self.number()?;
        tables.complete_until = self.time(complete_until)?.max(tables.complete_until);
        for _ in 0..self.number()? {
            let text = self.text()?;
            let pushed = tables.symbols.push_string(text);
            self.checked(pushed)?;
        }
        for _ in 0..self.number()? {
            let frame = self.frame()?;
            let pushed = tables.symbols.push_frame(frame);
            self.checked(pushed)?;
        }
        for _ in 0..self.number()? {
            let node = self.stack(tables.symbols.stack_count())?;
            let pushed = tables.symbols.push_stack(node);
            self.checked(pushed)?;
        }
        for _ in 0..self.number()? {
            self.process(tables)?;
        }
        for _ in 0..self.number()? {
            self.track(tables)?;
        }
        let mut runs = Vec::new();
        for _ in 0..self.number()? {
            let run = RunReader::new(&mut self.data);
            runs.push(run.ok_or_else(|| self.damaged("a run of rows is not as long as it says"))?);
        }
        if !self.data.is_empty() {
            for _ in 0..self.number()? {
                self.place(tables)?;
            }
        }
        if !self.data.is_empty() && self.number()? == runs.len() as u64 {
            for run in &mut runs {
                let weights = WeightReader::new(&mut self.data)
                    .ok_or_else(|| self.damaged("the weights of a run are cut off"))?;
                run.weigh(weights);
            }
            if !self.data.is_empty() {
                for _ in 0..self.number()? {
                    self.owner(tables)?;
                }
            }
        }
        visitor.defined(tables)?;
        for run in runs {
            self.run(run, tables, visitor)?;
        }
        Ok(())
    }

    fn run<V: Visitor>(
        &self,
        mut run: RunReader<'_>,
        tables: &Tables,
        visitor: &mut V,
    ) -> Result<(), V::Error> {
        let track = run.track;
        if tables.tracks.track(track).is_none() {
            Err(self.damaged("a row belongs to a thread that is not defined"))?;
        }
        let stacks = tables.symbols.stack_count();
        for row in &mut run {
            if row.stack.0 >= stacks {
                Err(self.damaged("a row has a stack that is not defined"))?;
            }
            let time = self.time(row.time)?;
            let row = RowChange {
                track,
                time,
                stack: row.stack,
                state: row.state,
                weight: row.weight,
            };
            visitor.row(tables, &row)?;
        }
        if run.left > 0 {
            Err(self.damaged("a run has fewer rows than it says"))?;
        }
        Ok(())
    }

    fn frame(&mut self) -> Result<Frame, TraceError> {
        let file = StringId(self.small()?);
        let function = StringId(self.small()?);
        let line = self.small()?;
        let source = StringId(self.small()?);
        Ok(Frame {
            file,
            function,
            line,
            source,
        })
    }

    fn stack(&mut self, own: u32) -> Result<StackNode, TraceError> {
        let distance = self.small()?;
        let parent = own.checked_sub(distance).filter(|&parent| parent < own);
        let parent = parent.ok_or_else(|| self.damaged("a stack is called by a later one"))?;
        Ok(StackNode {
            parent: StackId(parent),
            frame: FrameId(self.small()?),
        })
    }

    fn process(&mut self, tables: &mut Tables) -> Result<(), TraceError> {
        let index = self.small()?;
        let pid = self.small()?;
        let start_time_ticks = self.number()?;
        let name = self.owned_text(tables)?;
        let cmdline = self.owned_text(tables)?;
        let python = self.owned_text(tables)?;
        let process = ProcessInfo {
            pid,
            start_time_ticks,
            name,
            cmdline,
            python,
            ..ProcessInfo::default()
        };
        let known = tables.tracks.processes().len();
        if (index as usize) < known {
            tables.tracks.update_process(ProcessIndex(index), process);
        } else if index as usize == known && known < MAXIMUM_TRACKS {
            tables.tracks.add_process(process);
        } else {
            return Err(self.damaged("a process has a number out of order"));
        }
        Ok(())
    }

    fn place(&mut self, tables: &mut Tables) -> Result<(), TraceError> {
        let index = ProcessIndex(self.small()?);
        let place = ProcessPlace {
            namespace_pid: self.small()?,
            container: self.owned_text(tables)?,
            cgroup: self.owned_text(tables)?,
        };
        let Some(process) = tables.tracks.process(index).cloned() else {
            return Err(self.damaged("a place belongs to a process that is not defined"));
        };
        let process = ProcessInfo { place, ..process };
        tables.tracks.update_process(index, process);
        Ok(())
    }

    fn owner(&mut self, tables: &mut Tables) -> Result<(), TraceError> {
        let index = ProcessIndex(self.small()?);
        let uid = Some(self.small()?);
        let Some(process) = tables.tracks.process(index).cloned() else {
            return Err(self.damaged("an owner belongs to a process that is not defined"));
        };
        let process = ProcessInfo { uid, ..process };
        tables.tracks.update_process(index, process);
        Ok(())
    }

    fn track(&mut self, tables: &mut Tables) -> Result<(), TraceError> {
        let id = self.small()?;
        let process = ProcessIndex(self.small()?);
        let tid = self.small()?;
        let ident = u64::from(self.small()?) | u64::from(self.small()?) << 32;
        let name = self.owned_text(tables)?;
        let known = tables.tracks.tracks().len();
        if tables.tracks.process(process).is_none() {
            return Err(self.damaged("a thread belongs to a process that is not defined"));
        }
        if (id as usize) < known {
            tables.tracks.rename_track(TrackId(id), &name);
        } else if id as usize == known && known < MAXIMUM_TRACKS {
            tables.tracks.add_track(Track {
                process,
                tid,
                ident,
                name,
            });
        } else {
            return Err(self.damaged("a thread has a number out of order"));
        }
        Ok(())
    }

    fn number(&mut self) -> Result<u64, TraceError> {
        take(&mut self.data).ok_or_else(|| self.damaged("a number is cut off or too large"))
    }

    fn small(&mut self) -> Result<u32, TraceError> {
        let number = self.number()?;
        u32::try_from(number).map_err(|_| self.damaged("a number is too large"))
    }

    fn text(&mut self) -> Result<&str, TraceError> {
        let length = self.number()?;
        let length = usize::try_from(length)
            .ok()
            .filter(|&length| length <= MAXIMUM_STRING);
        let Some((text, rest)) = length.and_then(|length| self.data.split_at_checked(length))
        else {
            return Err(self.damaged("a text is cut off or too long"));
        };
        self.data = rest;
        std::str::from_utf8(text).map_err(|_| self.damaged("a text is not UTF-8"))
    }

    fn owned_text(&mut self, tables: &mut Tables) -> Result<String, TraceError> {
        let text = self.text()?.to_owned();
        tables.text += text.len();
        if tables.text > MAXIMUM_TEXT {
            return Err(self.damaged("the names of processes and threads fill the memory"));
        }
        Ok(text)
    }

    fn time(&self, microseconds: u64) -> Result<KernelTime, TraceError> {
        let time = self.info.time_at(microseconds);
        time.ok_or_else(|| self.damaged("a time is past the end of the clock"))
    }

    fn checked<T>(
        &self,
        result: Result<T, crate::model::symbols::SymbolsError>,
    ) -> Result<T, TraceError> {
        result.map_err(|source| TraceError::Symbols {
            at: self.at,
            source,
        })
    }

    fn damaged(&self, what: &'static str) -> TraceError {
        TraceError::Damaged { at: self.at, what }
    }
}
