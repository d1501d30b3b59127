// SPDX-License-Identifier: MIT OR Apache-2.0

//! A trace with everything in it that a format can get wrong: two processes
//! whose threads share an ident, a gap, a thread that ends early and one that
//! begins late, names that need escapes, states that change within one stack.

use sampler_trace::container::info::{
    Counts, Mode, ProcessCounts, Summary, ThreadCpuTime, TraceInfo,
};
use sampler_trace::container::load::Trace;
use sampler_trace::container::writer::TraceWriter;
use sampler_trace::model::identifiers::{KernelTime, StackId};
use sampler_trace::model::intern::SymbolInterner;
use sampler_trace::model::row::{RowChange, State, Weight};
use sampler_trace::model::symbols::Frame;
use sampler_trace::model::track::{ProcessInfo, ProcessPlace, Track, Tracks};

/// The start of the trace, in nanoseconds of a clock that has run for four months.
pub(crate) const START: u64 = 10_368_000_000_000_000;

/// Returns the header of the trace.
pub(crate) fn info(mode: Mode) -> TraceInfo {
    TraceInfo {
        hz: 10,
        mode,
        host: "host-ä".into(),
        kernel: "6.18.0".into(),
        start: KernelTime(START),
        unix_start_us: 1_352_241_181_539_376,
        program: "pyebpf 0.1.0".into(),
        command: vec!["pyebpf".into(), "--hz".into(), "10".into()],
        ..TraceInfo::default()
    }
}

/// Returns the time that is `milliseconds` after the start.
pub(crate) fn at(milliseconds: u64) -> KernelTime {
    KernelTime(START + milliseconds * 1_000_000)
}

/// A recording in progress, as the recorder has it.
#[derive(Default)]
pub(crate) struct SampleRecording {
    pub(crate) interner: SymbolInterner,
    pub(crate) tracks: Tracks,
}

impl SampleRecording {
    /// Interns a stack of functions of `app.py`, each at its line, outermost first.
    pub(crate) fn stack(&mut self, functions: &[(&str, u32)]) -> StackId {
        let file = self.interner.string("/srv/app.py");
        let frames: Vec<_> = functions
            .iter()
            .map(|&(function, line)| {
                let source = self
                    .interner
                    .string(&format!("{function}(job)  # ☃ \"{line}\""));
                let function = self.interner.string(function);
                self.interner.frame(Frame {
                    file,
                    function,
                    line,
                    source,
                })
            })
            .collect();
        self.interner.stack_of(frames)
    }
}

/// Returns the container, flushed every second and properly ended.
pub(crate) fn container(mode: Mode) -> Vec<u8> {
    let mut recording = SampleRecording::default();
    let mut writer = TraceWriter::create(Vec::new(), &info(mode)).unwrap();
    let web = recording.tracks.add_process(ProcessInfo {
        pid: 1234,
        start_time_ticks: 77,
        name: "gunicorn".into(),
        cmdline: "gunicorn app:main --bind \"[::]:80\"".into(),
        python: "3.12.1".into(),
        ..ProcessInfo::default()
    });
    let worker = recording.tracks.add_process(ProcessInfo {
        pid: 1240,
        start_time_ticks: 90,
        name: "gunicorn".into(),
        cmdline: String::new(),
        python: "3.12.1".into(),
        place: ProcessPlace {
            namespace_pid: 7,
            container: "docker:4f1c5a0de6b7".into(),
            cgroup: "/docker/4f1c5a0de6b7984f".into(),
        },
        uid: None,
    });
    let ident = 140_007_464_703_744;
    let mut thread = |process, tid, name: &str| {
        recording.tracks.add_track(Track {
            process,
            tid,
            ident,
            name: name.into(),
        })
    };
    let main = thread(web, 1234, "MainThread");
    let forked = thread(worker, 1240, "MainThread");
    let late = thread(worker, 1241, "späte \"Arbeit\"\n");
    let outer = recording.stack(&[("<module>", 4)]);
    let inner = recording.stack(&[("<module>", 4), ("main", 31), ("step", 90)]);
    let other = recording.stack(&[("<module>", 4), ("main", 32)]);

    let change = |writer: &mut TraceWriter<_>, track, time, stack, state| {
        writer.change(&RowChange {
            track,
            time: at(time),
            stack,
            state,
            weight: Weight::ZERO,
        });
    };
    change(&mut writer, main, 0, StackId::EMPTY, State::None);
    change(&mut writer, main, 100, outer, State::Running);
    change(&mut writer, forked, 50, other, State::Running);
    change(&mut writer, main, 300, inner, State::Running);
    writer
        .flush(
            at(1000),
            recording.interner.symbols(),
            &mut recording.tracks,
        )
        .unwrap();
    change(&mut writer, main, 1100, StackId::EMPTY, State::None);
    change(&mut writer, main, 1500, inner, State::Running);
    if mode == Mode::Wall {
        change(&mut writer, main, 1600, inner, State::Lock);
        change(&mut writer, main, 1750, inner, State::WaitingForGil);
    }
    change(&mut writer, forked, 1900, StackId::EMPTY, State::None);
    writer
        .flush(
            at(2000),
            recording.interner.symbols(),
            &mut recording.tracks,
        )
        .unwrap();
    let deep = recording.stack(&[("<module>", 4), ("späte_arbeit", 7), ("<lambda>", 0)]);
    change(&mut writer, late, 2500, deep, State::Running);
    writer
        .flush(
            at(3000),
            recording.interner.symbols(),
            &mut recording.tracks,
        )
        .unwrap();
    let mut of_web: Counts = [("samples".to_owned(), 14), ("lost".to_owned(), 1)].into();
    for (name, count) in [
        ("kernel_cpu_us", 1_150_000),
        ("kernel_user_us", 1_000_000),
        ("kernel_system_us", 150_000),
        ("ticked_us", 1_200_000),
        ("seen_us", 1_100_000),
    ] {
        of_web.insert(name.into(), count);
    }
    let counts = |samples| [("samples".to_owned(), samples), ("lost".to_owned(), 1)].into();
    let summary = Summary {
        end: at(3250),
        counts: counts(30),
        processes: vec![ProcessCounts {
            process: web,
            counts: of_web,
        }],
        threads: vec![ThreadCpuTime {
            track: main,
            user_us: 1_000_000,
            system_us: 150_000,
        }],
        ..Summary::default()
    };
    writer
        .finish(
            &summary,
            recording.interner.symbols(),
            &mut recording.tracks,
        )
        .unwrap()
}

/// Returns the same trace, read back.
pub(crate) fn trace(mode: Mode) -> Trace {
    Trace::read(container(mode).as_slice()).unwrap()
}
