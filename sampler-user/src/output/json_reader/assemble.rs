//! From the rows of a file to a trace: which thread each belongs to. It refuses
//! to know JSON.

use std::collections::HashMap;
use std::time::Duration;

use super::JsonError;
use super::metadata::{Counters, Head, Metadata, ThreadMetadata};
use super::rows::{FileRow, FileRows};
use crate::timeline::{
    KernelTime, ProcessIndex, ProcessInfo, ProcessPlace, RowChange, RowStore, State, Track,
    TrackId, Tracks,
};
use crate::trace::{Mode, ProcessSummary, RateChange, Summary, Torn, Trace, TraceInfo};

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
    let mut changes = metadata.counters.cols.state.changes.iter().peekable();
    for ((number, row), &track) in (0_u32..).zip(&rows).zip(&tracks) {
        let state = metadata.counters.cols.state.first.get(number as usize);
        let state = state.and_then(|&state| State::from_number(u64::from(state)));
        let at = |microseconds: u64| KernelTime(microseconds.saturating_mul(1000));
        let time = row.time - start;
        let state = state.unwrap_or(State::implied_by(row.stack));
        store.push(&RowChange {
            track,
            time: at(time),
            stack: row.stack,
            state,
        })?;
        while let Some(&(_, offset, state)) = changes.next_if(|change| change.0 == number) {
            // No state can lie past the last row: the file ends there.
            let time = at(time
                .saturating_add(offset)
                .min(last.max(end.unwrap_or(0)) - start));
            store.push(&RowChange {
                track,
                time,
                stack: row.stack,
                state,
            })?;
        }
    }
    let torn = end.is_none().then_some(Torn { at: whole });
    let end = KernelTime((end.unwrap_or(0).max(last) - start) * 1000);
    let (info, counters) = split(metadata, start);
    let summary = owners.summary(counters, end);
    Ok(Trace {
        info,
        symbols,
        tracks: owners.tracks,
        rows: store,
        summary,
        torn,
    })
}

/// The 2012 profiler sampled by the wall clock and wrote nothing of itself.
fn unknown() -> Metadata {
    let head = Head {
        mode: Mode::Wall,
        ..Head::default()
    };
    Metadata {
        head,
        counters: Counters::default(),
    }
}

fn split(metadata: Metadata, start: u64) -> (TraceInfo, Counters) {
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
    };
    (info, metadata.counters)
}

/// The threads and processes of a file, made when a row of theirs appears.
#[derive(Default)]
struct Owners {
    tracks: Tracks,
    processes: HashMap<(u32, u64), ProcessIndex>,
}

impl Owners {
    /// The track of each row: as the sentinel says, and where it says nothing,
    /// or nonsense, one for each pair of ident and name.
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
                })
            });
        let name = told.name.as_deref().unwrap_or(name).to_owned();
        self.tracks.add_track(Track {
            process,
            tid: told.tid,
            ident,
            name,
        })
    }

    fn summary(&self, counters: Counters, end: KernelTime) -> Summary {
        let processes = counters.processes.into_iter().filter_map(|of| {
            let process = *self.processes.get(&(of.pid, of.start_time_ticks))?;
            Some(ProcessSummary {
                process,
                counts: of.counts,
            })
        });
        let rates = counters.rates.into_iter().filter_map(|(offset, hz)| {
            let period = Duration::try_from_secs_f64(1.0 / hz).ok()?;
            let time = KernelTime(offset.checked_mul(1000)?);
            Some(RateChange { time, period })
        });
        Summary {
            end,
            counts: counters.counts,
            rates: rates.collect(),
            processes: processes.collect(),
        }
    }
}

/// The number in the sentinel of each row's thread; `u32::MAX` where it tells
/// none.
fn told_threads(rows: usize, metadata: &Metadata) -> Vec<u32> {
    if metadata.head.order == "time" {
        return metadata.counters.cols.thread.clone();
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
        // Ranges that overlap or run back are nonsense, and work without end.
        let Some(range) = told.get_mut(from..to).filter(|_| from >= before) else {
            break;
        };
        range.fill(number);
        before = to;
    }
    told
}
