// SPDX-License-Identifier: MIT OR Apache-2.0

//! The input of the benchmarks: frames, and the trace of a plausible service. It is the
//! same in every run.

use sampler_trace::container::info::{Mode, Summary, TraceInfo};
use sampler_trace::container::writer::TraceWriter;
use sampler_trace::model::identifiers::{FrameId, KernelTime, StackId, TrackId};
use sampler_trace::model::intern::SymbolInterner;
use sampler_trace::model::row::{RowChange, State, Weight};
use sampler_trace::model::symbols::Frame;
use sampler_trace::model::track::{ProcessInfo, Track, Tracks};

/// Frames per stack.
pub(crate) const DEPTH: u64 = 32;
/// Rows in the trace.
pub(crate) const ROWS: u64 = 5_000;
const THREADS: u64 = 16;
/// Number of functions, ten in each file.
const FUNCTIONS: u64 = 600;
/// Outer frames that all stacks share.
const BASE: u64 = 12;
const PERIOD_NS: u64 = 10_000_000;

/// A trace under construction.
pub(crate) struct Service {
    pub(crate) interner: SymbolInterner,
    pub(crate) tracks: Tracks,
    pub(crate) changes: Vec<RowChange>,
    numbers: u64,
}

/// Returns the header of the trace.
pub(crate) fn info() -> TraceInfo {
    TraceInfo {
        hz: 100,
        mode: Mode::Cpu,
        host: "web-07".into(),
        start: KernelTime(5_000_000_000_000),
        unix_start_us: 1_790_000_000_000_000,
        ..TraceInfo::default()
    }
}

/// Returns the frame of a function, with names as long as those of real programs.
pub(crate) fn frame(interner: &mut SymbolInterner, function: u64, line: u32) -> FrameId {
    let file = interner.string(&format!(
        "/srv/app/lib/python3.12/site-packages/package/module_{}.py",
        function / 10
    ));
    let source = interner.string(&format!(
        "result = self.method_{function}(job, line={line})"
    ));
    let function = interner.string(&format!("Class{}.method_{function}", function % 97));
    interner.frame(Frame {
        file,
        function,
        line,
        source,
    })
}

impl Service {
    /// Creates all rows, in the order of time.
    pub(crate) fn new() -> Self {
        let mut service = Self {
            interner: SymbolInterner::default(),
            tracks: Tracks::default(),
            changes: Vec::new(),
            numbers: 1,
        };
        let process = service.tracks.add_process(ProcessInfo {
            pid: 4711,
            name: "gunicorn".into(),
            cmdline: "gunicorn app:main".into(),
            python: "3.12.1".into(),
            ..ProcessInfo::default()
        });
        for number in 0..THREADS {
            service.tracks.add_track(Track {
                process,
                tid: 4711 + number as u32,
                ident: 140_007_464_703_744 + number,
                name: format!("worker-{number}"),
            });
        }
        for row in 0..ROWS {
            let change = RowChange {
                track: TrackId((row % THREADS) as u32),
                time: KernelTime(info().start.0 + row / THREADS * PERIOD_NS),
                stack: service.stack(),
                state: State::Running,
                weight: Weight::of_samples(PERIOD_NS, 1),
            };
            service.changes.push(change);
        }
        service
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.numbers = self
            .numbers
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.numbers >> 33) % limit
    }

    /// Returns a stack: a common base, then calls that vary more the further in they are.
    fn stack(&mut self) -> StackId {
        let mut stack = StackId::EMPTY;
        for level in 0..DEPTH {
            let choices = if level < BASE { 1 } else { 1 + level / 8 };
            let function = level * FUNCTIONS / DEPTH + self.below(choices);
            let line = 10 + level as u32;
            let frame = frame(&mut self.interner, function, line);
            stack = self.interner.stack(stack, frame);
        }
        stack
    }

    /// Returns all rows as a container with a segment for every two seconds.
    pub(crate) fn container(&mut self) -> Vec<u8> {
        let mut writer = TraceWriter::create(Vec::new(), &info()).expect("nothing hinders memory");
        let rows_of_segment = (2_000_000_000 / PERIOD_NS * THREADS) as usize;
        for rows in self.changes.chunks(rows_of_segment) {
            rows.iter().for_each(|change| writer.change(change));
            let last = rows.last().expect("a chunk has an element").time;
            writer
                .flush(last, self.interner.symbols(), &mut self.tracks)
                .expect("nothing hinders memory");
        }
        let end = self.changes.last().expect("there are rows").time;
        let summary = Summary {
            end: KernelTime(end.0 + PERIOD_NS),
            ..Summary::default()
        };
        writer
            .finish(&summary, self.interner.symbols(), &mut self.tracks)
            .expect("nothing hinders memory")
    }
}
