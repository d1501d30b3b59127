// SPDX-License-Identifier: MIT OR Apache-2.0

//! Chunks as the recorder writes them.

use sampler_trace::container::info::{Mode, Summary, TraceInfo};
use sampler_trace::container::writer::TraceWriter;
use sampler_trace::model::identifiers::{KernelTime, StackId, TrackId};
use sampler_trace::model::intern::SymbolInterner;
use sampler_trace::model::row::{RowChange, State, Weight};
use sampler_trace::model::symbols::Frame;
use sampler_trace::model::track::{ProcessInfo, Track, Tracks};

/// The pids of the processes in each chunk, and whose they are.
pub(crate) const OURS: u32 = 812;
pub(crate) const THEIRS: u32 = 813;
/// A user who sees only the second process.
pub(crate) const USER: u32 = 65_534;
/// A text that only the source lines have.
pub(crate) const SECRET: &str = "secret_of_the_source";

/// A chunk that grows.
pub(crate) struct Chunk {
    writer: TraceWriter<Vec<u8>>,
    symbols: SymbolInterner,
    tracks: Tracks,
    stacks: Vec<StackId>,
    threads: Vec<TrackId>,
    start: u64,
    end: u64,
}

impl Chunk {
    /// Begins at a time of the kernel's clock and at the same Unix time, in seconds.
    pub(crate) fn begin(start_s: u64, unix_s: u64) -> Self {
        let info = TraceInfo {
            hz: 10,
            mode: Mode::Wall,
            host: "web1".into(),
            start: KernelTime(start_s * 1_000_000_000),
            unix_start_us: unix_s * 1_000_000,
            program: "pyebpf test".into(),
            boot: "boot".into(),
            ..TraceInfo::default()
        };
        let mut symbols = SymbolInterner::default();
        let mut tracks = Tracks::default();
        let file = symbols.string("/srv/app.py");
        let source = symbols.string(SECRET);
        let mut stacks = Vec::new();
        let mut threads = Vec::new();
        for (pid, name, uid) in [(OURS, "app", 0), (THEIRS, "other", USER)] {
            let process = tracks.add_process(ProcessInfo {
                uid: Some(uid),
                ..ProcessInfo::titled(pid, name)
            });
            threads.push(tracks.add_track(Track {
                process,
                tid: pid,
                ident: 0,
                name: "MainThread".into(),
            }));
            let frame = Frame {
                file,
                function: symbols.string(&format!("work_of_{name}")),
                line: 7,
                source,
            };
            let frame = symbols.frame(frame);
            stacks.push(symbols.stack(StackId::EMPTY, frame));
        }
        Self {
            writer: TraceWriter::create(Vec::new(), &info).expect("memory"),
            symbols,
            tracks,
            stacks,
            threads,
            start: info.start.0,
            end: info.start.0,
        }
    }

    /// Adds so many seconds of samples of each process, and completes a segment.
    pub(crate) fn grow(&mut self, seconds: u64) {
        for second in 0..seconds {
            for (thread, stack) in self.threads.iter().zip(&self.stacks) {
                // Every other second the thread does something else.
                let stack = if second % 2 == 0 {
                    *stack
                } else {
                    StackId::EMPTY
                };
                let weight = match stack {
                    StackId::EMPTY => Weight::ZERO,
                    _ => Weight::of_samples(100_000_000, 10),
                };
                self.writer.change(&RowChange {
                    track: *thread,
                    time: KernelTime(self.end),
                    stack,
                    state: match stack {
                        StackId::EMPTY => State::None,
                        _ => State::Running,
                    },
                    weight,
                });
            }
            self.end += 1_000_000_000;
        }
        let until = KernelTime(self.end);
        self.writer
            .flush(until, self.symbols.symbols(), &mut self.tracks)
            .expect("memory");
    }

    /// What is complete so far.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.writer.output().clone()
    }

    /// Ends the chunk.
    pub(crate) fn finish(mut self) -> Vec<u8> {
        let summary = Summary {
            end: KernelTime(self.end.max(self.start)),
            ..Summary::default()
        };
        self.writer
            .finish(&summary, self.symbols.symbols(), &mut self.tracks)
            .expect("memory")
    }
}

/// A whole chunk of so many seconds.
pub(crate) fn whole(start_s: u64, unix_s: u64, seconds: u64) -> Vec<u8> {
    let mut chunk = Chunk::begin(start_s, unix_s);
    chunk.grow(seconds);
    chunk.finish()
}
