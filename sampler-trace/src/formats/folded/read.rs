// SPDX-License-Identifier: MIT OR Apache-2.0

//! Reads collapsed stacks as a trace: each line lasts as many microseconds as it counts,
//! one line after the other. The format does not say in which order the stacks were seen.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read};

use crate::container::info::{Mode, Summary, TraceInfo};
use crate::container::load::Trace;
use crate::formats::folded::parse;
use crate::formats::folded::parse::Line;
use crate::model::identifiers::{KernelTime, ProcessIndex, StackId, TrackId};
use crate::model::intern::SymbolInterner;
use crate::model::row::{RowChange, State, Weight};
use crate::model::row_store::{RowStore, RowStoreError};
use crate::model::symbols::Frame;
use crate::model::track::{ProcessInfo, Track, Tracks};

/// The longest line that is read, in bytes.
const MAXIMUM_LINE: u64 = 16 << 20;
/// The most threads that are read.
const MAXIMUM_THREADS: usize = 1 << 20;
/// The longest time of a thread, in microseconds: about 285 years.
const MAXIMUM_TIME: u64 = (1 << 53) - 1;

/// Why a file of collapsed stacks could not be read.
#[derive(Debug, thiserror::Error)]
pub enum FoldedError {
    /// The source could not be read.
    #[error("cannot read the stacks: {source}")]
    Read {
        /// The system's error.
        source: std::io::Error,
    },
    /// A line is not a stack with a count.
    #[error(
        "line {line} is not a stack: expected frames separated by semicolons, a space, and a number"
    )]
    Syntax {
        /// Its number, from 1.
        line: u64,
    },
    /// Each line has the counts of two profiles.
    #[error(
        "each line has two counts: these are differential stacks, of two profiles at once; convert the two files that they were made from"
    )]
    Differential,
    /// A line is longer than any stack.
    #[error("line {line} has more than {MAXIMUM_LINE} bytes")]
    TooLong {
        /// Its number, from 1.
        line: u64,
    },
    /// The counts of a thread are too large for a time.
    #[error("line {line}: the counts add up to more than {MAXIMUM_TIME}")]
    TooMuch {
        /// The line at which they become too large.
        line: u64,
    },
    /// The file has more threads than are read.
    #[error("the stacks have more than {MAXIMUM_THREADS} threads")]
    TooManyThreads,
    /// The rows cannot be stored.
    #[error(transparent)]
    Rows(#[from] RowStoreError),
}

/// Reads collapsed stacks. Frames as this program and py-spy write them give processes,
/// threads, files, lines and states; any other frame is a function named by its whole text.
///
/// # Errors
/// [`FoldedError`].
pub fn read_folded(input: impl Read) -> Result<Trace, FoldedError> {
    let mut input = BufReader::with_capacity(1 << 16, input);
    let mut reader = Reader::default();
    let mut bytes = Vec::new();
    for number in 1_u64.. {
        bytes.clear();
        let mut limited = (&mut input).take(MAXIMUM_LINE);
        let read = limited.read_until(b'\n', &mut bytes);
        if read.map_err(|source| FoldedError::Read { source })? == 0 {
            break;
        }
        if bytes.len() as u64 == MAXIMUM_LINE {
            return Err(FoldedError::TooLong { line: number });
        }
        let text = String::from_utf8_lossy(&bytes);
        let text = text.trim();
        if !text.is_empty() && !parse::is_comment(text) {
            reader.line(text, number)?;
        }
    }
    if reader.lines > 0 && reader.lines_of_two == reader.lines {
        return Err(FoldedError::Differential);
    }
    Ok(reader.finish())
}

/// Reads collapsed stacks from memory: the entry point for fuzzing. It returns for any
/// bytes, and uses bounded memory.
///
/// # Errors
/// [`FoldedError`].
pub fn read_folded_bytes(bytes: &[u8]) -> Result<Trace, FoldedError> {
    read_folded(bytes)
}

/// A thread by what the file says about it: process id and name, thread id and name.
type ThreadKey = (u32, String, u32, String);

#[derive(Default)]
struct Reader {
    interner: SymbolInterner,
    tracks: Tracks,
    processes: HashMap<(u32, String), ProcessIndex>,
    threads: HashMap<ThreadKey, TrackId>,
    /// Up to when each thread has rows, in microseconds.
    ends: Vec<u64>,
    rows: RowStore,
    waits: bool,
    lines: u64,
    /// How many lines have another number before their count.
    lines_of_two: u64,
}

impl Reader {
    fn line(&mut self, text: &str, number: u64) -> Result<(), FoldedError> {
        let line = Line::parse(text).ok_or(FoldedError::Syntax { line: number })?;
        self.lines += 1;
        self.lines_of_two += u64::from(line.has_two_counts);
        let track = self.track(&line)?;
        let mut stack = StackId::EMPTY;
        for frame in line.frames() {
            let code = parse::frame(frame);
            let file = self.interner.string(code.file);
            let function = self.interner.string(code.function);
            let frame = self.interner.frame(Frame {
                file,
                function,
                line: code.line,
                ..Frame::default()
            });
            stack = self.interner.stack(stack, frame);
        }
        let state = match line.state {
            Some(state) if stack != StackId::EMPTY => state,
            _ => State::implied_by(stack),
        };
        self.waits |= line.state.is_some();
        let Some(end) = self.ends.get_mut(track.index()) else {
            return Ok(());
        };
        let start = *end;
        *end = start.saturating_add(line.count);
        if *end > MAXIMUM_TIME {
            return Err(FoldedError::TooMuch { line: number });
        }
        if line.count > 0 {
            self.rows.push(&RowChange {
                track,
                time: KernelTime(start * 1000),
                stack,
                state,
                weight: Weight::ZERO,
            })?;
        }
        Ok(())
    }

    fn track(&mut self, line: &Line<'_>) -> Result<TrackId, FoldedError> {
        let (pid, process) = line.process.unwrap_or_default();
        let (tid, thread) = line.thread.unwrap_or_default();
        let key = (pid, process.to_owned(), tid, thread.to_owned());
        if let Some(&track) = self.threads.get(&key) {
            return Ok(track);
        }
        if self.ends.len() >= MAXIMUM_THREADS {
            return Err(FoldedError::TooManyThreads);
        }
        let tracks = &mut self.tracks;
        let process_key = (pid, process.to_owned());
        let process = *self
            .processes
            .entry(process_key)
            .or_insert_with(|| tracks.add_process(ProcessInfo::titled(pid, process)));
        let track = tracks.add_track(Track {
            process,
            tid,
            ident: 0,
            name: thread.to_owned(),
        });
        self.threads.insert(key, track);
        self.ends.push(0);
        Ok(track)
    }

    /// Ends every thread where its lines end.
    fn finish(mut self) -> Trace {
        let longest = self.ends.iter().copied().max().unwrap_or(0);
        for (number, &end) in (0..).zip(&self.ends) {
            if end < longest {
                // If this row cannot be added, nothing is lost: the last one then lasts longer.
                let _ = self.rows.push(&RowChange {
                    track: TrackId(number),
                    time: KernelTime(end * 1000),
                    stack: StackId::EMPTY,
                    state: State::None,
                    weight: Weight::ZERO,
                });
            }
        }
        let mode = if self.waits { Mode::Wall } else { Mode::Cpu };
        Trace {
            info: TraceInfo {
                mode,
                ..TraceInfo::default()
            },
            symbols: self.interner.into_symbols(),
            tracks: self.tracks,
            rows: self.rows,
            summary: Summary {
                end: KernelTime(longest * 1000),
                ..Summary::default()
            },
            torn: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_counts_a_line_are_two_profiles() {
        for text in ["a;b 10 12\na;c 0 3.5\n", "# two\n\na 1 2\n", "a;b  1  2"] {
            let read = read_folded_bytes(text.as_bytes());
            assert!(matches!(read, Err(FoldedError::Differential)), "{text}");
        }
        let trace = read_folded_bytes(b"main;worker 3 250\nmain 10\n").expect("names end so");
        assert_eq!(trace.summary.end, KernelTime(260_000));
    }

    #[test]
    fn comments_count_for_nothing() {
        let austin = b"# austin: 3.6.0\n# interval: 100\n#\nP1;T2;a.py:f:3 5\n# duration: 900\n";
        let trace = read_folded_bytes(austin).expect("it is read");
        assert_eq!(trace.summary.end, KernelTime(5_000));
        let ruby = read_folded_bytes(b"#<Class:0x1>;f 5\n").expect("a name");
        assert_eq!(ruby.summary.end, KernelTime(5_000));
    }
}
