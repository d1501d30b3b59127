// SPDX-License-Identifier: MIT OR Apache-2.0

//! Another trace file takes over in the middle of a recording. Both are complete, and joined
//! they are one recording.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use sampler_common::account::KernelAccount;
use sampler_common::fate::Fate;
use sampler_common::process::ProcessKey;
use sampler_common::wait::{Origin, WaitFacts};
use sampler_cpython::cpython::discovery::Discovery;
use sampler_cpython::process::memory::ProcessMemory;
use sampler_cpython::remote::thread_probe::{RemoteThread, ThreadProbe};
use sampler_trace::account::Account;
use sampler_trace::container::info::{Mode, TraceInfo};
use sampler_trace::container::load::Trace;
use sampler_trace::container::writer::TraceWriter;
use sampler_trace::join::joiner::Joiner;
use sampler_trace::join::options::JoinOptions;
use sampler_trace::model::builder::TimelineBuilder;
use sampler_trace::model::identifiers::{KernelTime, TrackId};
use sampler_trace::model::row::State;
use sampler_trace::query::view::TraceView;

use crate::capture::bpf::events::{RawRecord, RawSample};
use crate::capture::bpf::processes::ProcessMap as _;
use crate::capture::symbolize::python::Symbolizer;
use crate::capture::targets::fake_tables::{FakeProcessMap, FullNonPythonTable};
use crate::capture::targets::registry::Targets;
use crate::capture::targets::target_scope::TargetScope;
use crate::record::clock::monotonic_now;
use crate::record::cpu_times::CpuTimes;
use crate::record::pipeline::{LastScan, Pipeline, PipelineParts};
use crate::record::report::summary::PipelineTotals;
use crate::record::thread_tracks::ThreadTracks;
use crate::record::threads::{Naming, Threads};
use crate::record::timeline_writer::TimelineWriter;
use crate::record::trace_file::{ClosingFile, TraceFile};

const PERIOD: Duration = Duration::from_millis(10);

const SCRIPT: &str = "
import sys
def outer():
    inner()
def inner():
    print('{}', flush=True)
    sys.stdin.read()
outer()
";

/// A waiting interpreter.
struct Python {
    child: Child,
}

impl Python {
    fn start() -> Self {
        let mut child = Command::new("/usr/bin/python3")
            .args(["-c", SCRIPT])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("install python3");
        let output = child.stdout.take().expect("it is piped");
        let mut line = String::new();
        let read = BufReader::new(output).read_line(&mut line);
        read.expect("it says when it waits");
        Self { child }
    }

    /// Ends it: nothing can be read from it any more.
    fn end(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Python {
    fn drop(&mut self) {
        self.end();
    }
}

/// Returns a sample of the process, which is known by this key.
fn sample_of(pid: u32, key: ProcessKey) -> RawSample {
    let instance = Discovery::default().inspect(pid).expect("it runs Python");
    let memory = ProcessMemory::new(pid);
    let threads = instance.python_threads(&memory);
    let thread = RemoteThread {
        tgid: pid,
        tid: pid,
        pointer: threads.first().expect("it has one").thread_pointer,
    };
    let mut looker = ThreadProbe::new();
    let config = instance.config(key);
    let (header, frames) = looker.unproven(&memory, &config, thread);
    RawSample::new(header, frames.to_vec()).expect("the walker knows its numbers")
}

/// A recording of one process, without a kernel.
struct Recording {
    pipeline: Pipeline<Vec<u8>>,
    map: FakeProcessMap,
    python: Python,
    /// A sample of its only thread.
    sample: RawSample,
    key: ProcessKey,
}

fn writer(start: KernelTime, carries_on: bool) -> TraceWriter<Vec<u8>> {
    let info = TraceInfo {
        hz: 100,
        mode: Mode::Wall,
        start,
        carries_on,
        ..TraceInfo::default()
    };
    TraceWriter::create(Vec::new(), &info).expect("memory can be written")
}

impl Recording {
    fn start(builder: TimelineBuilder) -> Self {
        let python = Python::start();
        let pid = python.child.id();
        let scope = TargetScope::Processes {
            tgids: vec![pid],
            with_children: false,
        };
        let map = FakeProcessMap::default();
        let programs = Box::new(FullNonPythonTable);
        let mut targets = Targets::new(scope, Box::new(map.clone()), programs);
        assert!(targets.find_running().is_empty());
        let key = map.get(pid).expect("it is followed").key;
        let inspector = targets.inspector().clone();
        let sample = sample_of(pid, key);
        let cpu_times = CpuTimes::of_running(&targets);
        let file = TraceFile::new(
            TimelineWriter::new(builder, writer(monotonic_now(), false), false),
            ThreadTracks::new(true),
            cpu_times,
            None,
            Duration::from_secs(10),
        );
        let pipeline = Pipeline::new(PipelineParts {
            targets,
            acknowledge: Box::new(|_| {}),
            symbolizer: Symbolizer::new(false, inspector.clone()),
            threads: Threads::new(Naming::All, inspector),
            file,
            scan_accounts: Default::default(),
            last_words: false,
            rest: Duration::ZERO,
            start: monotonic_now(),
        });
        Self {
            pipeline,
            map,
            python,
            sample,
            key,
        }
    }

    /// Takes a sample of the thread, now.
    fn sample(&mut self, wait: WaitFacts) {
        let origin = Origin::from_wire(wait.origin).expect("it is one");
        let mut sample = self.sample.clone();
        sample.header.process = self.key;
        sample.header.time = monotonic_now().0;
        sample.header.wait = wait;
        self.pipeline
            .take(Ok(RawRecord::Sample(RawSample { origin, ..sample })));
    }

    /// Sets what the kernel has counted since the recording began.
    fn kernel_has(&self, taken: u64, lost: u64) {
        let fates = [(Fate::Taken, taken), (Fate::Lost, lost)];
        self.map
            .count(self.key, fates.into_iter().collect::<KernelAccount>());
    }

    fn exchange(&mut self) -> (Account, Vec<u8>) {
        let now = monotonic_now();
        finish(self.pipeline.exchange_file(now, writer(now, true)))
    }

    fn close(self) -> (Account, Vec<u8>) {
        finish(self.pipeline.close(monotonic_now(), LastScan::Over))
    }
}

fn finish((totals, file): (PipelineTotals, ClosingFile<Vec<u8>>)) -> (Account, Vec<u8>) {
    let bytes = file.finish(&totals.total.counts());
    assert!(totals.total.is_balanced(), "{:?}", totals.total);
    (totals.total, bytes.expect("memory can be written"))
}

fn read(bytes: &[u8]) -> Trace {
    let trace = Trace::read(bytes).expect("it is whole");
    assert!(trace.torn.is_none());
    trace
}

/// Joins both files into one trace.
fn joined(files: [&[u8]; 2]) -> Trace {
    let mut joiner = Joiner::new(Vec::new(), JoinOptions::default());
    for file in files {
        let end = joiner.add_chunk(file).expect("memory can be written");
        assert!(!end.is_damaged);
    }
    read(&joiner.finish().expect("there is a header"))
}

/// Returns the stacks, states and weights of the only thread; the weights in samples.
fn rows(trace: &Trace) -> Vec<(Vec<&str>, State, u64)> {
    assert_eq!(trace.tracks.tracks().len(), 1);
    let view = TraceView::whole(trace);
    let track = TrackId(0);
    assert_eq!(view.label(track), "MainThread");
    let mut frames = Vec::new();
    let rows = view.rows(track).filter(|row| row.state != State::None);
    rows.map(|row| {
        trace.symbols.frames_of(row.stack, &mut frames);
        let frames = frames
            .iter()
            .filter_map(|frame| trace.symbols.frame(*frame));
        let names = frames.map(|frame| trace.symbols.string(frame.function));
        let samples = row.weight.nanoseconds() / PERIOD.as_nanos() as u64;
        (names.collect(), row.state, samples)
    })
    .collect()
}

const STACK: [&str; 3] = ["<module>", "outer", "inner"];

#[test]
fn each_file_has_its_own_samples_names_and_account() {
    let mut recording = Recording::start(TimelineBuilder::new(PERIOD));
    for _ in 0..3 {
        recording.sample(WaitFacts::RUNNING);
    }
    // One is on its way.
    recording.kernel_has(4, 0);
    let (account, first) = recording.exchange();
    let trace = read(&first);
    assert_eq!((account.taken, account.shown()), (3, 3));
    assert_eq!(trace.summary.counts["taken"], 3);
    let samples = |trace: &Trace| {
        let rows = rows(trace).into_iter();
        rows.inspect(|(stack, ..)| assert_eq!(*stack, STACK))
            .map(|(.., samples)| samples)
            .sum::<u64>()
    };
    assert_eq!(samples(&trace), 3);
    // The names cannot be read once more.
    recording.python.end();
    for _ in 0..2 {
        recording.sample(WaitFacts::RUNNING);
    }
    recording.kernel_has(6, 1);
    let (account, second) = recording.close();
    let trace = read(&second);
    assert_eq!((account.taken, account.shown(), account.lost), (3, 2, 1));
    assert_eq!(trace.summary.processes.len(), 1);
    assert_eq!(trace.summary.processes[0].counts["taken"], 3);
    assert_eq!(samples(&trace), 2);
    let both = joined([&first, &second]);
    assert_eq!(samples(&both), 5);
    assert_eq!(
        (both.summary.counts["taken"], both.summary.counts["lost"]),
        (6, 1)
    );
    assert_eq!(both.tracks.processes().len(), 1);
}

#[test]
fn a_thread_that_waits_goes_on_waiting_in_the_next_file() {
    let mut recording = Recording::start(TimelineBuilder::without_gaps(PERIOD));
    let period = PERIOD.as_nanos() as u64;
    let sleeping = WaitFacts {
        origin: Origin::OffCpu as u32,
        task_state: 1,
        syscall: libc::SYS_clock_nanosleep as i32,
        weight: period,
        ..WaitFacts::RUNNING
    };
    recording.sample(sleeping);
    recording.kernel_has(1, 0);
    let (_, first) = recording.exchange();
    assert_eq!(rows(&read(&first)), [(STACK.to_vec(), State::Sleeping, 1)]);
    recording.python.end();
    recording.sample(WaitFacts {
        origin: Origin::Unchanged as u32,
        unchanged: 5 * period,
        ..WaitFacts::RUNNING
    });
    let (account, second) = recording.close();
    assert_eq!((account.taken, account.threads), (0, 1));
    assert_eq!(rows(&read(&second)), [(STACK.to_vec(), State::Sleeping, 5)]);
    // It is one wait.
    let both = joined([&first, &second]);
    assert_eq!(rows(&both), [(STACK.to_vec(), State::Sleeping, 6)]);
}

#[test]
fn time_without_a_sample_is_of_the_sleep_or_of_the_wait_for_a_cpu() {
    let mut recording = Recording::start(TimelineBuilder::without_gaps(PERIOD));
    let period = PERIOD.as_nanos() as u64;
    let sleeping = WaitFacts {
        origin: Origin::OffCpu as u32,
        task_state: 1,
        syscall: libc::SYS_clock_nanosleep as i32,
        weight: period,
        ..WaitFacts::RUNNING
    };
    let woken = WaitFacts {
        task_state: 0,
        ..sleeping
    };
    let found = WaitFacts {
        origin: Origin::Unchanged as u32,
        unchanged: 3 * period,
        queued: 2 * period,
        ..WaitFacts::RUNNING
    };
    let sums = |bytes: &[u8]| {
        let trace = read(bytes);
        [State::Sleeping, State::Runnable].map(|state| {
            let rows = rows(&trace).into_iter();
            rows.filter_map(|row| (row.1 == state).then_some(row.2))
                .sum::<u64>()
        })
    };
    for wait in [sleeping, woken, found] {
        recording.sample(wait);
    }
    recording.kernel_has(2, 0);
    let (_, trace) = recording.exchange();
    assert_eq!(sums(&trace), [4, 3]);
    // The next file knows what the thread slept in, although it waits for a CPU now.
    recording.python.end();
    recording.sample(found);
    let (_, trace) = recording.close();
    assert_eq!(sums(&trace), [3, 2]);
}
