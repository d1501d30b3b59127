// SPDX-License-Identifier: MIT OR Apache-2.0

//! Builds a trace from the rows of a file, and finds out which thread each row belongs to.

use std::collections::HashMap;
use std::time::Duration;

use crate::container::error::Torn;
use crate::container::info::{
    Mode, ProcessCounts, RateChange, Summary, ThreadCpuTime, TraceInfo, with_current_names,
};
use crate::container::load::Trace;
use crate::formats::json_reader::error::JsonError;
use crate::formats::json_reader::metadata::{Head, Metadata, Tail, ThreadMetadata};
use crate::formats::json_reader::rows::{FileRow, FileRows};
use crate::model::identifiers::{KernelTime, ProcessIndex, TrackId};
use crate::model::row::{RowChange, State, Weight};
use crate::model::row_store::RowStore;
use crate::model::track::{ProcessInfo, ProcessPlace, Track, Tracks};

pub(super) fn assemble(file: FileRows) -> Result<Trace, JsonError> {
    let FileRows {
        rows,
        threads,
        interner,
        end,
        metadata,
        whole,
    } = file;
    let Some(first) = rows.iter().map(|row| row.time).min().or(end) else {
        return Err(JsonError::NoRows);
    };
    let last = rows.iter().map(|row| row.time).max().unwrap_or(first);
    let metadata = metadata.unwrap_or_else(unknown);
    let start = if metadata.head.start_us > 0 {
        metadata.head.start_us.min(first)
    } else {
        first
    };
    let symbols = interner.into_symbols();
    let name = |row: &FileRow| {
        let (ident, name) = threads
            .get(row.thread as usize)
            .copied()
            .unwrap_or_default();
        (ident, symbols.string(name))
    };

    let mut owners = Owners::default();
    let tracks = owners.of_rows(&rows, &metadata, name);
    let mut store = RowStore::default();
    let columns = &metadata.tail.cols;
    let mut changes = columns.state.changes.iter().peekable();
    let mut weights = Weights {
        all: columns.weight.0.iter(),
        system: columns.system.0.iter(),
    };
    for ((number, row), &track) in (0_u32..).zip(&rows).zip(&tracks) {
        let state = columns.state.first.get(number as usize);
        let state = state.and_then(|&state| State::from_number(u64::from(state)));
        let at = |microseconds: u64| KernelTime(microseconds.saturating_mul(1000));
        let time = row.time - start;
        let state = state.unwrap_or(State::implied_by(row.stack));
        store.push(&RowChange {
            track,
            time: at(time),
            stack: row.stack,
            state,
            weight: weights.next(),
        })?;
        while let Some(&(_, offset, state)) = changes.next_if(|change| change.0 == number) {
            // No state can begin after the last row: the file ends there.
            let time = at(time
                .saturating_add(offset)
                .min(last.max(end.unwrap_or(0)) - start));
            store.push(&RowChange {
                track,
                time,
                stack: row.stack,
                state,
                weight: weights.next(),
            })?;
        }
    }
    let torn = end.is_none().then_some(Torn { at: whole });
    let end = KernelTime((end.unwrap_or(0).max(last) - start) * 1000);
    let (info, tail) = split(metadata, start);
    let summary = owners.summary(tail, end);
    Ok(Trace {
        info,
        symbols,
        tracks: owners.tracks,
        rows: store,
        summary,
        torn,
    })
}

/// What rows and their states count for in a sum, in the order of the file. In a file
/// without these columns, the lengths of the rows decide.
struct Weights<'a> {
    all: std::slice::Iter<'a, u64>,
    system: std::slice::Iter<'a, u64>,
}

impl Weights<'_> {
    fn next(&mut self) -> Weight {
        let count = self.all.next().copied().unwrap_or(0);
        let system = self.system.next().copied().unwrap_or(0);
        Weight {
            system: system.min(count),
            ..Weight::of_length(count)
        }
    }
}

/// The metadata of a file without any: the 2012 profiler sampled by the wall clock and
/// wrote nothing about itself.
fn unknown() -> Metadata {
    let head = Head {
        mode: Mode::Wall,
        ..Head::default()
    };
    Metadata {
        head,
        tail: Tail::default(),
    }
}

fn split(metadata: Metadata, start: u64) -> (TraceInfo, Tail) {
    let Head {
        hz,
        mode,
        host,
        kernel,
        program,
        command,
        ..
    } = metadata.head;
    let info = TraceInfo {
        hz,
        mode,
        host,
        kernel,
        start: KernelTime(0),
        unix_start_us: start,
        program,
        command,
        ..TraceInfo::default()
    };
    (info, metadata.tail)
}

/// The threads and processes of a file, made when their first row appears.
#[derive(Default)]
struct Owners {
    tracks: Tracks,
    processes: HashMap<(u32, u64), ProcessIndex>,
    /// The CPU time of threads as the kernel counted it, in the order of their tracks.
    cpu_times: Vec<ThreadCpuTime>,
}

impl Owners {
    /// The track of each row: the one that the sentinel names, and where it names none,
    /// or is wrong, one for each pair of ident and name.
    fn of_rows<'a>(
        &mut self,
        rows: &[FileRow],
        metadata: &Metadata,
        name: impl Fn(&FileRow) -> (u64, &'a str),
    ) -> Vec<TrackId> {
        let told = told_threads(rows.len(), metadata);
        let mut by_told: Vec<Option<TrackId>> = vec![None; metadata.head.threads.len()];
        let mut by_name: HashMap<u32, TrackId> = HashMap::new();
        let mut owners = Vec::with_capacity(rows.len());
        for (number, row) in rows.iter().enumerate() {
            let thread = told.get(number).copied().unwrap_or(u32::MAX) as usize;
            let slot = by_told
                .get_mut(thread)
                .zip(metadata.head.threads.get(thread));
            owners.push(match slot {
                Some((slot, told)) => *slot.get_or_insert_with(|| self.add(Some(told), name(row))),
                None => *by_name
                    .entry(row.thread)
                    .or_insert_with(|| self.add(None, name(row))),
            });
        }
        owners
    }

    fn add(&mut self, told: Option<&ThreadMetadata>, (ident, name): (u64, &str)) -> TrackId {
        let none = ThreadMetadata::default();
        let told = told.unwrap_or(&none);
        let process = *self
            .processes
            .entry((told.pid, told.start_time_ticks))
            .or_insert_with(|| {
                self.tracks.add_process(ProcessInfo {
                    pid: told.pid,
                    start_time_ticks: told.start_time_ticks,
                    name: told.process.clone(),
                    cmdline: told.cmdline.clone(),
                    python: told.python.clone(),
                    place: ProcessPlace {
                        namespace_pid: told.namespace_pid,
                        container: told.container.clone(),
                        cgroup: told.cgroup.clone(),
                    },
                    uid: None,
                })
            });
        let name = told.name.as_deref().unwrap_or(name).to_owned();
        let track = self.tracks.add_track(Track {
            process,
            tid: told.tid,
            ident,
            name,
        });
        self.cpu_times
            .extend(told.user_us.map(|user_us| ThreadCpuTime {
                track,
                user_us,
                system_us: told.system_us,
            }));
        track
    }

    fn summary(&self, tail: Tail, end: KernelTime) -> Summary {
        let processes = tail.processes.into_iter().filter_map(|of| {
            let process = *self.processes.get(&(of.pid, of.start_time_ticks))?;
            Some(ProcessCounts {
                process,
                counts: with_current_names(of.counts),
            })
        });
        let rates = tail.rates.into_iter().filter_map(|(offset, hz)| {
            let period = Duration::try_from_secs_f64(1.0 / hz).ok()?;
            let time = KernelTime(offset.checked_mul(1000)?);
            Some(RateChange { time, period })
        });
        Summary {
            end,
            counts: with_current_names(tail.counts),
            rates: rates.collect(),
            processes: processes.collect(),
            threads: self.cpu_times.clone(),
        }
    }
}

/// For each row, the number of its thread in the sentinel; `u32::MAX` where the sentinel
/// names none.
fn told_threads(rows: usize, metadata: &Metadata) -> Vec<u32> {
    if metadata.head.order == "time" {
        return metadata.tail.cols.thread.clone();
    }
    let mut told = vec![u32::MAX; rows];
    let mut before = 0;
    for (number, thread) in (0_u32..).zip(&metadata.head.threads) {
        let (Ok(from), Ok(to)) = (
            usize::try_from(thread.rows.0),
            usize::try_from(thread.rows.1),
        ) else {
            break;
        };
        // Ranges that overlap or run backwards are invalid, and would allow unbounded work.
        let Some(range) = told.get_mut(from..to).filter(|_| from >= before) else {
            break;
        };
        range.fill(number);
        before = to;
    }
    told
}
