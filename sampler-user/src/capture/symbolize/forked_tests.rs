// SPDX-License-Identifier: MIT OR Apache-2.0

//! Tests that code in a child that is gone gets its names from the process that forked
//! it.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use sampler_common::process::{ProcessConfig, ProcessKey};
use sampler_common::sample::{CodeKey, RawFrame};
use sampler_common::stop::StopReason;
use sampler_common::wait::Origin;
use sampler_cpython::cpython::discovery::Discovery;
use sampler_cpython::cpython::instance::Instance;
use sampler_cpython::process::memory::ProcessMemory;
use sampler_cpython::remote::thread_probe::{RemoteThread, ThreadProbe};

use crate::capture::bpf::events::RawSample;
use crate::capture::process_inspector::ProcessInspector;
use crate::capture::symbolize::python::{ProcessContext, Symbolizer};
use crate::capture::symbolize::static_code::StaticCode;

const SCRIPT: &str = "
import sys
def outer():
    inner()
def inner():
    print('{}', flush=True)
    sys.stdin.read()
outer()
";

/// A process id that no process has.
const NOBODY: u32 = u32::MAX;

struct Parent(Child);

impl Parent {
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
        Self(child)
    }
}

impl Drop for Parent {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The key of the child.
const CHILD: ProcessKey = ProcessKey(7);

/// A child that is gone, with the process that forked it.
struct ForkedChild {
    parent: u32,
    instance: Instance,
    config: ProcessConfig,
    static_code: StaticCode,
    cache_tag: String,
}

impl ForkedChild {
    fn context(&self) -> ProcessContext<'_> {
        ProcessContext {
            process: CHILD,
            tgid: NOBODY,
            forked_from: Some(self.parent),
            config: &self.config,
            line_tables: self.instance.runtime.line_table,
            static_code: &self.static_code,
            files: None,
            cache_tag: &self.cache_tag,
        }
    }
}

/// Returns a sample of the waiting process under a child's key, and that child.
fn child_of(pid: u32) -> (RawSample, ForkedChild) {
    let instance = Discovery::default().inspect(pid).expect("it runs Python");
    let config = instance.config(CHILD);
    let memory = ProcessMemory::new(pid);
    let threads = instance.python_threads(&memory);
    let thread = RemoteThread {
        tgid: pid,
        tid: pid,
        pointer: threads.first().expect("it has one").thread_pointer,
    };
    let mut probe = ThreadProbe::new();
    let (header, frames) = probe.unproven(&memory, &config, thread);
    let sample = RawSample {
        header,
        stop: StopReason::from_wire(header.stop).expect("a reason"),
        origin: Origin::OnCpu,
        frames: frames.to_vec(),
    };
    let child = ForkedChild {
        parent: pid,
        cache_tag: instance.runtime.version.cache_tag(),
        // A configuration that processes share has no key.
        config: instance.config(ProcessKey(0)),
        instance,
        static_code: StaticCode::default(),
    };
    (sample, child)
}

fn names(
    symbolizer: &Symbolizer,
    stack: sampler_trace::model::identifiers::StackId,
) -> Vec<String> {
    let symbols = symbolizer.interner().symbols();
    let mut ids = Vec::new();
    symbols.frames_of(stack, &mut ids);
    let frames = ids.iter().filter_map(|id| symbols.frame(*id));
    frames
        .map(|frame| symbols.string(frame.function).to_owned())
        .collect()
}

fn resolved(sample: &RawSample, context: &ProcessContext<'_>) -> (Vec<String>, Symbolizer) {
    let mut symbolizer = Symbolizer::new(false, ProcessInspector::default());
    let resolved = symbolizer.resolve(sample, context);
    let stack = resolved.expect("a whole stack").stack;
    (names(&symbolizer, stack), symbolizer)
}

#[test]
fn what_the_kernel_side_has_not_described_is_read_from_the_process() {
    let process = Parent::start();
    let (sample, child) = child_of(process.0.id());
    let itself = ProcessContext {
        tgid: child.parent,
        forked_from: None,
        ..child.context()
    };
    let (names, symbolizer) = resolved(&sample, &itself);
    assert_eq!(names, ["<module>", "outer", "inner"]);
    assert_eq!(symbolizer.counts().read_from_process, 3);
}

#[test]
fn names_are_those_that_the_parent_has() {
    let parent = Parent::start();
    let (sample, child) = child_of(parent.0.id());
    let (names, symbolizer) = resolved(&sample, &child.context());
    assert_eq!(names, ["<module>", "outer", "inner"]);
    assert_eq!(symbolizer.counts().read_elsewhere, 3);
    assert_eq!(symbolizer.counts().unknown_frames, 0);
}

#[test]
fn other_code_at_the_same_place_is_not_believed() {
    let parent = Parent::start();
    let (mut sample, child) = child_of(parent.0.id());
    let middle = sample.frames.get_mut(1).expect("there are three");
    *middle = RawFrame {
        key: CodeKey(middle.key.0 ^ 2),
        ..*middle
    };
    let (names, symbolizer) = resolved(&sample, &child.context());
    assert_eq!(names[1], "<unknown code>");
    assert_eq!(symbolizer.counts().unknown_frames, 1);
}

#[test]
fn without_a_parent_nothing_is_known() {
    let parent = Parent::start();
    let (sample, child) = child_of(parent.0.id());
    let context = ProcessContext {
        forked_from: None,
        ..child.context()
    };
    let (names, _) = resolved(&sample, &context);
    assert_eq!(names, ["<unknown code>"; 3]);
}

#[test]
fn code_that_no_tick_could_read_goes_by_the_life_that_both_led() {
    let parent = Parent::start();
    let (mut sample, child) = child_of(parent.0.id());
    sample.frames.get_mut(1).expect("there are three").key = CodeKey::UNREAD;
    let (names, symbolizer) = resolved(&sample, &child.context());
    assert_eq!(names, ["<module>", "outer", "inner"]);
    assert_eq!(symbolizer.counts().read_elsewhere, 3);
    sample.header.life.0 ^= 1;
    let (names, _) = resolved(&sample, &child.context());
    assert_eq!(names[1], "<unknown code>");
}
