// SPDX-License-Identifier: MIT OR Apache-2.0

//! Reads the stacks of one process's threads, with names and lines.

use std::sync::Arc;

use bytemuck::Zeroable;
use sampler_common::process::{ProcessConfig, ProcessKey};
use sampler_common::sample::{RawFrame, SampleHeader};
use sampler_common::stop::StopReason;
use sampler_common::wait::{NO_SYSCALL, Origin, WaitFacts};
use sampler_cpython::cpython::c_library::CLibrary;
use sampler_cpython::cpython::instance::Instance;
use sampler_cpython::cpython::line_table::LineTableKind;
use sampler_cpython::process::descriptor::is_timer;
use sampler_cpython::process::files::FileView;
use sampler_cpython::process::memory::ProcessMemory;
use sampler_cpython::process::proc_file::ProcessError;
use sampler_cpython::process::task::{SystemCall, TaskStatus};
use sampler_cpython::remote::thread_probe::{RemoteThread, ThreadProbe};
use sampler_trace::account::drop_reason::{DropReason, PartialReason};
use sampler_trace::model::row::State;
use tracing::debug;

use crate::capture::bpf::events::{RawCode, RawSample};
use crate::capture::process_inspector::ProcessInspector;
use crate::capture::symbolize::python::{ProcessContext, Symbolizer};
use crate::capture::symbolize::static_code::StaticCode;
use crate::capture::waiting;
use crate::dump::document::{DumpedFrame, StackQuality};
use crate::dump::means::Means;

/// The key of the only process.
const KEY: ProcessKey = ProcessKey(1);

/// Reads threads and names what they run.
pub(super) struct Stacks {
    memory: ProcessMemory,
    c_library: CLibrary,
    process: DumpedProcess,
    probe: ThreadProbe,
    symbolizer: Symbolizer,
}

/// What symbolization needs to know of the process.
struct DumpedProcess {
    pid: u32,
    config: ProcessConfig,
    line_tables: LineTableKind,
    static_code: StaticCode,
    files: Option<Arc<FileView>>,
    cache_tag: String,
}

impl DumpedProcess {
    fn new(pid: u32, instance: &Instance) -> Self {
        Self {
            pid,
            config: instance.config(KEY),
            line_tables: instance.runtime.line_table,
            static_code: StaticCode::default(),
            files: FileView::open_root(pid).ok().map(Arc::new),
            cache_tag: instance.runtime.version.cache_tag(),
        }
    }

    fn context(&self) -> ProcessContext<'_> {
        ProcessContext {
            process: KEY,
            tgid: self.pid,
            forked_from: None,
            config: &self.config,
            line_tables: self.line_tables,
            static_code: &self.static_code,
            files: self.files.as_ref(),
            cache_tag: &self.cache_tag,
        }
    }
}

/// What was seen of one thread.
pub(super) struct Seen {
    pub(super) state: State,
    pub(super) stack: StackQuality,
    pub(super) problem: Option<String>,
    pub(super) frames: Vec<DumpedFrame>,
}

impl Stacks {
    pub(super) fn new(pid: u32, instance: &Instance, means: Means) -> Self {
        // An earlier process with the same build may have settled it.
        let memory = ProcessMemory::new(pid);
        if instance.lacks_code_count() {
            instance.learn_code_count(&memory);
        }
        Self {
            memory,
            c_library: instance.c_library,
            process: DumpedProcess::new(pid, instance),
            probe: ThreadProbe::new(),
            symbolizer: Symbolizer::new(
                !matches!(means, Means::Confined { source: false }),
                ProcessInspector::default(),
            ),
        }
    }

    pub(super) fn config(&self) -> &ProcessConfig {
        &self.process.config
    }

    /// Learns a code object that the eBPF program described.
    pub(super) fn learn(&mut self, code: &RawCode) {
        self.symbolizer.learn(code, &self.process.context());
    }

    /// Reads a thread that was off CPU; `None` if it has run since `before`.
    pub(super) fn off_cpu(
        &mut self,
        thread: RemoteThread,
        before: &TaskStatus,
    ) -> Result<Option<Seen>, ProcessError> {
        let config = &self.process.config;
        let (header, frames) = self.probe.off_cpu(&self.memory, config, thread, before)?;
        let sample = raw_sample(header, frames);
        if sample.stop == StopReason::RanDuringWalk {
            return Ok(None);
        }
        let wait = &sample.header.wait;
        let state = match waiting::state(wait, self.c_library) {
            State::Io if reads_timer(self.process.pid, wait) => State::Sleeping,
            state => state,
        };
        Ok(Some(self.seen(&sample, state)))
    }

    /// Returns what a tick of its CPU saw of a thread.
    pub(super) fn of_tick(&mut self, sample: &RawSample) -> Seen {
        self.seen(sample, State::Running)
    }

    /// Reads a thread that may be running.
    pub(super) fn unproven(&mut self, thread: RemoteThread) -> Seen {
        let config = &self.process.config;
        let (header, frames) = self.probe.unproven(&self.memory, config, thread);
        let sample = raw_sample(header, frames);
        let seen = self.seen(&sample, State::Running);
        match seen.stack {
            StackQuality::None => seen,
            _ => Seen {
                stack: StackQuality::Unproven,
                ..seen
            },
        }
    }

    fn seen(&mut self, sample: &RawSample, state: State) -> Seen {
        if sample.stop != StopReason::Complete {
            debug!(
                tid = sample.header.tid,
                reason = sample.stop.name(),
                address = format_args!("{:#x}", sample.header.stop_address),
                frames = sample.frames.len(),
                "stack is not whole"
            );
        }
        let (stack, problem, frames) =
            match self.symbolizer.resolve(sample, &self.process.context()) {
                Ok(resolved) => {
                    let symbols = self.symbolizer.interner().symbols();
                    let mut ids = Vec::new();
                    symbols.frames_of(resolved.stack, &mut ids);
                    let frames = ids.iter().rev().filter_map(|id| symbols.frame(*id));
                    let frames = frames.map(|frame| DumpedFrame {
                        file: symbols.string(frame.file).to_owned(),
                        line: frame.line,
                        function: symbols.string(frame.function).to_owned(),
                        source: symbols.string(frame.source).to_owned(),
                    });
                    let partial = PartialReason::of_walk(resolved.stop);
                    let stack = partial.map_or(StackQuality::Whole, |_| StackQuality::Cut);
                    let problem = partial.map(PartialReason::describe);
                    (stack, problem.map(ToOwned::to_owned), frames.collect())
                }
                Err(StopReason::NoFrame) => {
                    let problem = "it is in no Python code just now".to_owned();
                    (StackQuality::None, Some(problem), Vec::new())
                }
                Err(reason) => {
                    let problem = format!(
                        "its stack could not be read: {}",
                        DropReason::Walk(reason).describe()
                    );
                    (StackQuality::None, Some(problem), Vec::new())
                }
            };
        Seen {
            state,
            stack,
            problem,
            frames,
        }
    }
}

impl Seen {
    /// Returns the same for a thread that turned out to have waited for a CPU all along.
    pub(super) fn without_cpu(self) -> Self {
        let stack = match self.stack {
            StackQuality::Unproven if self.problem.is_some() => StackQuality::Cut,
            StackQuality::Unproven => StackQuality::Whole,
            other => other,
        };
        Self {
            state: State::Runnable,
            stack,
            ..self
        }
    }
}

/// Returns what a thread does, told without reading its memory.
pub(super) fn state_outside(
    pid: u32,
    status: &TaskStatus,
    call: Option<SystemCall>,
    c_library: CLibrary,
) -> State {
    let (syscall, argument) = match call {
        // The system call is not known: nothing is claimed about what it waits for.
        None if status.letter == b'S' || status.letter == b'D' => return State::Waiting,
        None | Some(SystemCall::None) => (NO_SYSCALL, 0),
        Some(SystemCall::Running) => return State::Running,
        Some(SystemCall::Call { number, argument }) => (number, argument),
    };
    let wait = WaitFacts {
        origin: Origin::OffCpu as u32,
        task_state: status.task_state(),
        syscall,
        argument,
        ..WaitFacts::zeroed()
    };
    match waiting::state(&wait, c_library) {
        State::Runnable => State::Running,
        State::Io if reads_timer(pid, &wait) => State::Sleeping,
        state => state,
    }
}

/// Whether a thread waits in a read from a timer.
fn reads_timer(pid: u32, wait: &WaitFacts) -> bool {
    waiting::read_descriptor(wait).is_some_and(|descriptor| is_timer(pid, descriptor))
}

fn raw_sample(header: SampleHeader, frames: &[RawFrame]) -> RawSample {
    RawSample {
        header,
        // The walker writes no other number.
        stop: StopReason::from_wire(header.stop).unwrap_or(StopReason::BrokenChain),
        origin: Origin::from_wire(header.wait.origin).unwrap_or(Origin::OffCpu),
        frames: frames.to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(letter: u8) -> TaskStatus {
        TaskStatus {
            comm: [0; 16],
            letter,
            namespace_tid: 1,
            switches: 1,
        }
    }

    #[test]
    fn a_state_is_told_as_far_as_it_is_known() {
        let state = |letter, call| state_outside(u32::MAX, &status(letter), call, CLibrary::Glibc);
        assert_eq!(state(b'S', None), State::Waiting);
        assert_eq!(state(b'R', None), State::Running);
        assert_eq!(state(b'T', None), State::Stopped);
        assert_eq!(state(b'S', Some(SystemCall::Running)), State::Running);
        assert_eq!(state(b'D', Some(SystemCall::None)), State::PageFault);
        let sleep = SystemCall::Call {
            number: libc::SYS_clock_nanosleep as i32,
            argument: 1,
        };
        assert_eq!(state(b'S', Some(sleep)), State::Sleeping);
    }

    #[test]
    fn a_stack_that_could_not_change_is_proven_later() {
        let seen = |problem: Option<&str>, stack| Seen {
            state: State::Running,
            stack,
            problem: problem.map(ToOwned::to_owned),
            frames: Vec::new(),
        };
        let whole = seen(None, StackQuality::Unproven).without_cpu();
        assert_eq!(
            (whole.state, whole.stack),
            (State::Runnable, StackQuality::Whole)
        );
        let cut = seen(Some("deep"), StackQuality::Unproven).without_cpu();
        assert_eq!(cut.stack, StackQuality::Cut);
        let none = seen(Some("gone"), StackQuality::None).without_cpu();
        assert_eq!(none.stack, StackQuality::None);
    }
}
