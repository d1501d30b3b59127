// SPDX-License-Identifier: MIT OR Apache-2.0

//! The tables on the screen: functions, processes and threads, each with its times during
//! the window.

use std::collections::BTreeMap;

use rustc_hash::{FxHashMap, FxHashSet};
use sampler_trace::escape::escape_for_terminal;
use sampler_trace::model::identifiers::{FrameId, ProcessIndex, StackId, StringId, TrackId};
use sampler_trace::model::row::State;
use sampler_trace::model::symbols::Symbols;
use sampler_trace::model::track::{ProcessInfo, Tracks};

use crate::window::SlidingWindow;

/// Replaces the name of something that has none.
const UNKNOWN: &str = "?";

/// Time in nanoseconds, running and waiting apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Times {
    /// On a CPU.
    pub running: u64,
    /// Not on one.
    pub waiting: u64,
}

impl Times {
    /// Adds time in a state.
    pub fn add(&mut self, state: State, time: u64) {
        match state {
            State::Running => self.running = self.running.saturating_add(time),
            _ => self.waiting = self.waiting.saturating_add(time),
        }
    }

    /// Returns the time that counts: all of it, or what was on a CPU.
    #[must_use]
    pub fn counted(self, with_waiting: bool) -> u64 {
        let waiting = if with_waiting { self.waiting } else { 0 };
        self.running.saturating_add(waiting)
    }
}

/// Time in nanoseconds by state.
pub type States = BTreeMap<State, u64>;

/// A function: its name and its file.
pub type Function = (StringId, StringId);

/// A function with its times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FunctionRow {
    /// Which one.
    pub function: Function,
    /// Its name, safe for a terminal.
    pub name: String,
    /// Its file, safe for a terminal.
    pub file: String,
    /// While it was the innermost one.
    pub own: Times,
    /// While it was anywhere in the stack.
    pub total: Times,
}

/// A process with its times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessRow {
    /// Its number in the trace.
    pub process: ProcessIndex,
    /// Its pid.
    pub pid: u32,
    /// Its command line, or its title if that is not known; safe for a terminal.
    pub name: String,
    /// The version of its Python.
    pub python: String,
    /// How many of its threads are alive.
    pub threads: usize,
    /// The times of all of its threads.
    pub times: Times,
    /// The same by state.
    pub states: States,
}

/// A thread with its times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ThreadRow {
    /// Its number in the trace.
    pub track: TrackId,
    /// The pid of its process.
    pub pid: u32,
    /// Its id.
    pub tid: u32,
    /// Its name and its process, safe for a terminal.
    pub name: String,
    /// What it does now.
    pub state: State,
    /// The innermost function of what it did last.
    pub place: String,
    /// Its stack.
    pub stack: StackId,
    /// Its times.
    pub times: Times,
    /// The same by state.
    pub states: States,
}

/// Returns the functions of the threads that `wanted` takes.
#[must_use]
pub fn functions(
    window: &SlidingWindow,
    symbols: &Symbols,
    wanted: impl Fn(TrackId) -> bool,
) -> Vec<FunctionRow> {
    let mut rows: FxHashMap<Function, (Times, Times)> = FxHashMap::default();
    let mut of_stacks: FxHashMap<StackId, Times> = FxHashMap::default();
    for ((track, (stack, state)), time) in window.times() {
        if wanted(track) {
            of_stacks.entry(stack).or_default().add(state, time);
        }
    }
    let mut frames = Vec::new();
    let mut seen = FxHashSet::default();
    for (stack, times) in of_stacks {
        symbols.frames_of(stack, &mut frames);
        seen.clear();
        let innermost = frames.len().saturating_sub(1);
        for (depth, frame) in frames.iter().enumerate() {
            let function = function_of(symbols, *frame);
            let (own, total) = rows.entry(function).or_default();
            if depth == innermost {
                sum(own, times);
            }
            // A function that calls itself counts once.
            if seen.insert(function) {
                sum(total, times);
            }
        }
    }
    rows.into_iter()
        .map(|(function, (own, total))| FunctionRow {
            function,
            name: text(symbols, function.0),
            file: text(symbols, function.1),
            own,
            total,
        })
        .collect()
}

/// Returns the processes.
#[must_use]
pub fn processes(window: &SlidingWindow, tracks: &Tracks) -> Vec<ProcessRow> {
    let mut rows: BTreeMap<ProcessIndex, ProcessRow> = BTreeMap::new();
    let of = |track: TrackId| {
        let index = tracks.track(track)?.process;
        Some((index, tracks.process(index)?))
    };
    let empty = |index: ProcessIndex, process: &ProcessInfo| ProcessRow {
        process: index,
        pid: process.pid,
        name: command(process),
        python: escape_for_terminal(&process.python).into_owned(),
        threads: 0,
        times: Times::default(),
        states: States::new(),
    };
    for ((track, (_, state)), time) in window.times() {
        let Some((index, process)) = of(track) else {
            continue;
        };
        let row = rows.entry(index).or_insert_with(|| empty(index, process));
        row.times.add(state, time);
        add(&mut row.states, state, time);
    }
    for track in ids(tracks) {
        if window.latest(track).state == State::None {
            continue;
        }
        if let Some(row) = of(track).and_then(|(index, _)| rows.get_mut(&index)) {
            row.threads += 1;
        }
    }
    rows.into_values().collect()
}

/// Returns the command line of a process without the directory of its program, or its title
/// if that is not known.
fn command(process: &ProcessInfo) -> String {
    if process.cmdline.is_empty() {
        return escape_for_terminal(&process.title()).into_owned();
    }
    let program = process.cmdline.split(' ').next().unwrap_or_default();
    let directory = program.rfind('/').map_or(0, |slash| slash + 1);
    let words = process.cmdline.get(directory..).unwrap_or_default();
    escape_for_terminal(words).into_owned()
}

/// Returns the threads that `wanted` takes and that are alive, or have done something during
/// the window.
#[must_use]
pub fn threads(
    window: &SlidingWindow,
    symbols: &Symbols,
    tracks: &Tracks,
    wanted: impl Fn(TrackId) -> bool,
) -> Vec<ThreadRow> {
    let mut times: FxHashMap<TrackId, (Times, States)> = FxHashMap::default();
    for ((track, (_, state)), time) in window.times() {
        let (times, states) = times.entry(track).or_default();
        times.add(state, time);
        add(states, state, time);
    }
    let mut row = |track: TrackId| {
        let latest = window.latest(track);
        let times = times.remove(&track);
        if times.is_none() && latest.state == State::None {
            return None;
        }
        let info = tracks.track(track)?;
        let process = tracks.process(info.process)?;
        let (times, states) = times.unwrap_or_default();
        let innermost = symbols.stack(latest.stack);
        let place = innermost.map_or_else(String::new, |node| place(symbols, node.frame, 1));
        Some(ThreadRow {
            track,
            pid: process.pid,
            tid: info.tid,
            name: {
                let name = format!("{} ({} {})", info.name, process.title(), process.pid);
                escape_for_terminal(&name).into_owned()
            },
            state: latest.state,
            place,
            stack: latest.stack,
            times,
            states,
        })
    };
    ids(tracks)
        .filter(|track| wanted(*track))
        .filter_map(&mut row)
        .collect()
}

/// A frame of a stack on the screen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FrameRow {
    /// Function, file and line, safe for a terminal.
    pub place: String,
    /// The text of the line, safe for a terminal; empty if it is not known.
    pub source: String,
}

/// Returns the frames of a stack, outermost first.
#[must_use]
pub fn stack(symbols: &Symbols, stack: StackId) -> Vec<FrameRow> {
    let mut frames = Vec::new();
    symbols.frames_of(stack, &mut frames);
    let row = |frame: &FrameId| FrameRow {
        place: place(symbols, *frame, 3),
        source: symbols.frame(*frame).map_or_else(String::new, |frame| {
            escape_for_terminal(symbols.string(frame.source).trim()).into_owned()
        }),
    };
    frames.iter().map(row).collect()
}

/// Returns the stack with a function in it that took most time in the threads that `wanted`
/// takes, and its share of the function's time, from 0 to 1.
#[must_use]
pub fn heaviest_stack(
    window: &SlidingWindow,
    symbols: &Symbols,
    (function, with_waiting): (Function, bool),
    wanted: impl Fn(TrackId) -> bool,
) -> Option<(StackId, f64)> {
    let mut of_stacks: FxHashMap<StackId, Times> = FxHashMap::default();
    for ((track, (stack, state)), time) in window.times() {
        if wanted(track) {
            of_stacks.entry(stack).or_default().add(state, time);
        }
    }
    let mut frames = Vec::new();
    of_stacks.retain(|stack, _| {
        symbols.frames_of(*stack, &mut frames);
        frames
            .iter()
            .any(|frame| function_of(symbols, *frame) == function)
    });
    let counted = |times: &Times| times.counted(with_waiting);
    let all = of_stacks.values().map(counted);
    let all = all.fold(0, u64::saturating_add);
    let (stack, times) = of_stacks
        .iter()
        .max_by_key(|(stack, times)| (counted(times), std::cmp::Reverse(stack.0)))?;
    Some((*stack, counted(times) as f64 / all.max(1) as f64))
}

fn ids(tracks: &Tracks) -> impl Iterator<Item = TrackId> {
    (0..).map(TrackId).take(tracks.tracks().len())
}

fn function_of(symbols: &Symbols, frame: FrameId) -> Function {
    let frame = symbols.frame(frame).unwrap_or_default();
    (frame.function, frame.file)
}

fn text(symbols: &Symbols, id: StringId) -> String {
    match symbols.string(id) {
        "" => UNKNOWN.to_owned(),
        text => escape_for_terminal(text).into_owned(),
    }
}

/// Returns function, file and line, with so many of the last parts of the file's path.
fn place(symbols: &Symbols, id: FrameId, parts: usize) -> String {
    let frame = symbols.frame(id).unwrap_or_default();
    let (function, file) = (text(symbols, frame.function), text(symbols, frame.file));
    let begin = file.rmatch_indices('/').nth(parts - 1);
    let file = begin.map_or(file.as_str(), |(at, _)| {
        file.get(at + 1..).unwrap_or_default()
    });
    match frame.line {
        0 => format!("{function} ({file})"),
        line => format!("{function} ({file}:{line})"),
    }
}

fn sum(to: &mut Times, times: Times) {
    to.running = to.running.saturating_add(times.running);
    to.waiting = to.waiting.saturating_add(times.waiting);
}

fn add(states: &mut States, state: State, time: u64) {
    let sum = states.entry(state).or_default();
    *sum = sum.saturating_add(time);
}
