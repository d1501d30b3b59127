//! The times of threads and of the processes they belong to, and the base that
//! nearly all stacks of a thread share. It refuses to know functions.

use std::cmp::Reverse;

use super::{Place, StateTimes};
use crate::output::{StackTime, StackTotals, TraceView};
use crate::timeline::{ProcessIndex, ProcessPlace, StackId, Symbols, TrackId};
use crate::trace::{Counts, Trace};

/// The base of a thread has this part of its time, in percent. It is not all
/// of it: what runs before and after the real work must not hide it.
pub(super) const BASE_PERCENT: u64 = 95;

/// A thread.
#[derive(Clone, Debug)]
pub struct ThreadTimes {
    process: ProcessIndex,
    /// Its kernel thread id; 0 when not known.
    pub tid: u32,
    /// Its name.
    pub name: String,
    /// What it did.
    pub times: StateTimes,
    /// The frames that nearly all of its stacks begin with, outermost first.
    pub base: Vec<Place>,
}

/// A process.
#[derive(Clone, Debug)]
pub struct ProcessTimes {
    /// Its pid; 0 when not known.
    pub pid: u32,
    /// Its name.
    pub name: String,
    /// Its command line; empty when not known.
    pub cmdline: String,
    /// The version of its Python; empty when not known.
    pub python: String,
    /// Where it lives.
    pub place: ProcessPlace,
    /// What all of its threads did.
    pub times: StateTimes,
    /// The threads, the one with the most time first.
    pub threads: Vec<ThreadTimes>,
    /// Its counters in the recording.
    pub counts: Counts,
}

impl ThreadTimes {
    pub(super) fn new(
        view: &TraceView<'_>,
        id: TrackId,
        times: StateTimes,
        base: StackId,
    ) -> Option<Self> {
        let (track, _) = view.thread(id)?;
        let symbols = &view.trace().symbols;
        let mut frames = Vec::new();
        symbols.frames_of(base, &mut frames);
        Some(Self {
            process: track.process,
            tid: track.tid,
            name: track.name.clone(),
            times,
            base: frames
                .into_iter()
                .map(|frame| Place::of(symbols, frame))
                .collect(),
        })
    }
}

/// The deepest stack below which nearly all of a thread's time was spent, but
/// not in it: where it was spent is no base.
pub(super) fn base(symbols: &Symbols, totals: &StackTotals<'_>, times: &[StackTime]) -> StackId {
    let all: u64 = times.iter().map(|time| time.microseconds).sum();
    let enough = |time: u64| u128::from(time) * 100 >= u128::from(all) * u128::from(BASE_PERCENT);
    let shared = totals
        .stacks()
        .iter()
        .filter(|stack| enough(totals.of(**stack)));
    let mut base = shared
        .copied()
        .max_by_key(|stack| symbols.depth(*stack))
        .unwrap_or_default();
    let own = |stack: StackId| -> u64 {
        let from = times.partition_point(|time| time.stack < stack);
        let times = times.get(from..).unwrap_or_default();
        let own = times.iter().take_while(|time| time.stack == stack);
        own.map(|time| time.microseconds).sum()
    };
    while let Some(node) = symbols.stack(base) {
        if u128::from(own(base)) * 100 < u128::from(all) {
            break;
        }
        base = node.parent;
    }
    base
}

/// The threads under their processes.
pub(super) fn by_process(trace: &Trace, mut threads: Vec<ThreadTimes>) -> Vec<ProcessTimes> {
    threads.sort_by_key(|thread| (thread.process, Reverse(thread.times.total())));
    let mut processes: Vec<ProcessTimes> = Vec::new();
    let mut last = None;
    for thread in threads {
        if last != Some(thread.process) {
            last = Some(thread.process);
            processes.push(process(trace, thread.process));
        }
        if let Some(process) = processes.last_mut() {
            process.times.add(&thread.times);
            process.threads.push(thread);
        }
    }
    processes.sort_by_key(|process| Reverse(process.times.total()));
    processes
}

fn process(trace: &Trace, index: ProcessIndex) -> ProcessTimes {
    let known = trace.tracks.process(index).cloned().unwrap_or_default();
    let summary = trace.summary.processes.iter();
    let counts = summary
        .filter(|of| of.process == index)
        .map(|of| of.counts.clone())
        .next();
    ProcessTimes {
        pid: known.pid,
        name: known.name,
        cmdline: known.cmdline,
        python: known.python,
        place: known.place,
        times: StateTimes::default(),
        threads: Vec::new(),
        counts: counts.unwrap_or_default(),
    }
}
