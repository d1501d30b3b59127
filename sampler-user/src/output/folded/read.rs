//! Reads collapsed stacks as a trace: what each line counts lasts that many
//! microseconds, one line after the other. It refuses to guess the order in
//! which the stacks were seen: the format does not say.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read};

use super::parse::{self, Line};
use crate::timeline::{
    Frame, KernelTime, ProcessIndex, ProcessInfo, RowChange, RowStore, RowStoreFull, StackId,
    State, SymbolInterner, Track, TrackId, Tracks,
};
use crate::trace::{Mode, Summary, Trace, TraceInfo};

/// The longest line that is read, in bytes.
const MAXIMUM_LINE: u64 = 16 << 20;
/// The most threads that are read.
const MAXIMUM_THREADS: usize = 1 << 20;
/// The most microseconds of a thread: some 285 years.
const MAXIMUM_TIME: u64 = (1 << 53) - 1;

/// Why a file of collapsed stacks is not read.
#[derive(Debug, thiserror::Error)]
pub enum FoldedError {
    /// The source did not give its bytes.
    #[error("cannot read the stacks: {source}")]
    Read {
        /// What the system said.
        source: std::io::Error,
    },
    /// A line is no stack with a count.
    #[error("line {line} is no stack: frames with semicolons between, a space, a number")]
    Syntax {
        /// Its number, from 1.
        line: u64,
    },
    /// A line is longer than any stack.
    #[error("line {line} has more than {MAXIMUM_LINE} bytes")]
    TooLong {
        /// Its number, from 1.
        line: u64,
    },
    /// The counts of a thread do not fit into a time.
    #[error("line {line}: the counts add up to more than {MAXIMUM_TIME}")]
    TooMuch {
        /// The line at which they do.
        line: u64,
    },
    /// More threads than are read.
    #[error("the stacks have more than {MAXIMUM_THREADS} threads")]
    TooManyThreads,
    /// The rows do not fit into memory.
    #[error(transparent)]
    TooManyRows(#[from] RowStoreFull),
}

/// Reads collapsed stacks. Frames as this program writes them, and as py-spy
/// does, give processes, threads, files, lines and states; any others are
/// functions by their whole text.
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
        if !text.trim().is_empty() {
            reader.line(text.trim(), number)?;
        }
    }
    Ok(reader.finish())
}

/// Reads collapsed stacks from memory: the entry for fuzzing. For any bytes it
/// returns, in bounded memory.
///
/// # Errors
/// [`FoldedError`].
pub fn read_folded_bytes(bytes: &[u8]) -> Result<Trace, FoldedError> {
    read_folded(bytes)
}

/// A thread by what the file says of it: process id and name, thread id and
/// name.
type ThreadKey = (u32, String, u32, String);

#[derive(Default)]
struct Reader {
    interner: SymbolInterner,
    tracks: Tracks,
    processes: HashMap<(u32, String), ProcessIndex>,
    threads: HashMap<ThreadKey, TrackId>,
    /// By thread, up to when it has rows.
    ends: Vec<u64>,
    rows: RowStore,
    waits: bool,
}

impl Reader {
    fn line(&mut self, text: &str, number: u64) -> Result<(), FoldedError> {
        let line = Line::parse(text).ok_or(FoldedError::Syntax { line: number })?;
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

    /// Every thread ends where its lines do.
    fn finish(mut self) -> Trace {
        let longest = self.ends.iter().copied().max().unwrap_or(0);
        for (number, &end) in (0..).zip(&self.ends) {
            if end < longest {
                // A row fewer is no loss: the last one lasts longer then.
                let _ = self.rows.push(&RowChange {
                    track: TrackId(number),
                    time: KernelTime(end * 1000),
                    stack: StackId::EMPTY,
                    state: State::None,
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
